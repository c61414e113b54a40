//! Waits for files to change.

use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Instant;
use std::{fs, io};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;

use super::Event;

/// Nobody tells us of changes.
#[derive(Debug, Error)]
#[error(
    "cannot watch `{}`\n  = when there are too many: sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
    path.display()
)]
pub struct WatchError {
    path: PathBuf,
    source: notify::Error,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The gateway has to be built again.
    Source,
    /// The gateway has to read its definitions again.
    Definition,
}

/// A folder or a file that is watched. It may be absent for a while.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    kind: Kind,
}

/// Sends [`Event::Files`] for what happens in and around its roots; [`Watch::judge`] says what of it matters.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    roots: Vec<Root>,
}

impl Watch {
    pub(super) fn new(events: Sender<Event>) -> Result<Self, WatchError> {
        let send = move |event: notify::Result<notify::Event>| {
            // The compiler opens many files.
            if !event.as_ref().is_ok_and(|event| event.kind.is_access()) {
                // When nobody receives any more, we are about to end.
                let _ = events.send(Event::Files(event, Instant::now()));
            }
        };
        let watcher = notify::recommended_watcher(send);
        let watcher = watcher.map_err(|source| WatchError { path: PathBuf::from("/"), source })?;
        Ok(Self { watcher, roots: Vec::new() })
    }

    /// Watches these from now on, in place of others of their kind.
    pub(super) fn set(&mut self, kind: Kind, paths: Vec<PathBuf>) -> Result<(), WatchError> {
        self.roots.retain(|root| root.kind != kind);
        self.roots.extend(paths.into_iter().map(|path| Root { path, kind }));
        self.renew()
    }

    /// Watches what is there by now: folders that are new, or that were gone for a while.
    pub(super) fn renew(&mut self) -> Result<(), WatchError> {
        for index in 0..self.roots.len() {
            let root = self.roots[index].path.clone();
            // From above one sees it come back, and a file that is saved by a rename.
            if let Some(above) = root.ancestors().skip(1).find(|dir| dir.is_dir()) {
                self.watch(above, RecursiveMode::NonRecursive)?;
            }
            if !root.is_dir() {
                continue;
            }
            self.watch(&root, RecursiveMode::NonRecursive)?;
            // A folder `target` may hold thousands of folders: each would cost a watch.
            for folder in subfolders(&root).filter(|folder| !ignored(&root, folder)) {
                self.watch(&folder, RecursiveMode::Recursive)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, path: &Path, mode: RecursiveMode) -> Result<(), WatchError> {
        match self.watcher.watch(path, mode) {
            Err(error) if is_gone(&error) => Ok(()),
            Err(source) => Err(WatchError { path: path.to_owned(), source }),
            Ok(()) => Ok(()),
        }
    }

    /// The first path of an event that matters, and what its change means.
    pub(super) fn judge<'a>(&self, event: &'a notify::Event) -> Option<(&'a Path, Kind)> {
        let came_or_went = match event.kind {
            EventKind::Modify(ModifyKind::Metadata(_)) => return None,
            EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => true,
            _ => false,
        };
        let judged = |path: &'a PathBuf| self.kind_of(path, came_or_went).map(|kind| (path.as_path(), kind));
        event.paths.iter().find_map(judged)
    }

    fn kind_of(&self, path: &Path, came_or_went: bool) -> Option<Kind> {
        let is = |kind, matters: &dyn Fn(&Root) -> bool| {
            self.roots.iter().any(|root| root.kind == kind && matters(root)).then_some(kind)
        };
        let inside = |root: &Root| path.starts_with(&root.path) && !ignored(&root.path, path);
        let above = |root: &Root| came_or_went && root.path.starts_with(path);
        // The folder of definitions may lie in a plugin's.
        is(Kind::Definition, &inside)
            .or_else(|| is(Kind::Source, &inside))
            .or_else(|| is(Kind::Source, &above))
            .or_else(|| is(Kind::Definition, &above))
    }
}

/// A folder that vanishes while we look at it will be seen when it comes back.
fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn subfolders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// What a compiler, an editor or git keeps beside the sources.
fn ignored(root: &Path, path: &Path) -> bool {
    let mut above = root.to_owned();
    for component in path.strip_prefix(root).into_iter().flat_map(Path::components) {
        let Component::Normal(name) = component else { continue };
        let name = name.to_string_lossy();
        // `src/target/` is a module like any other; beside a Cargo.toml it is cargo's.
        if is_temporary(&name) || name == "target" && above.join("Cargo.toml").is_file() {
            return true;
        }
        above.push(&*name);
    }
    false
}

/// Hidden files, lock files (written by builds), and what editors write before and beside the file itself: emacs
/// (`#x#`, `.#x`), vim (`4913`, `.x.swp`, `x~`), JetBrains (`x___jb_tmp___`).
fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with('#')
        || name.ends_with('~')
        || name.ends_with(".lock")
        || name.ends_with(".swp")
        || name.ends_with(".tmp")
        || name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || name == "4913"
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind};

    use super::super::sources::settled;
    use super::*;

    /// A crate with a folder of definitions in it, watched.
    struct Scene {
        _dir: tempfile::TempDir,
        root: PathBuf,
        watch: Watch,
        events: Receiver<Event>,
    }

    impl Scene {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temporary folder");
            // A hidden folder above the root hides nothing.
            let root = settled(dir.path()).join(".above/mine");
            for folder in ["src/deep", "apis", "target/debug"] {
                fs::create_dir_all(root.join(folder)).expect("made");
            }
            fs::write(root.join("Cargo.toml"), "").expect("written");
            let (sender, events) = channel();
            let mut watch = Watch::new(sender).expect("a watcher");
            watch.set(Kind::Source, vec![root.clone()]).expect("watched");
            watch.set(Kind::Definition, vec![root.join("apis")]).expect("watched");
            Self { _dir: dir, root, watch, events }
        }

        fn judged(&self, kind: EventKind, path: &str) -> Option<Kind> {
            let event = notify::Event::new(kind).add_path(self.root.join(path));
            self.watch.judge(&event).map(|(_, kind)| kind)
        }

        /// Waits for an event about this file, and for nothing else that matters before it.
        fn next(&self, path: &str, expected: Kind) {
            loop {
                let Ok(Event::Files(event, _)) = self.events.recv_timeout(Duration::from_secs(20)) else {
                    panic!("nothing was told of {path}");
                };
                let event = event.expect("no error");
                if let Some((seen, kind)) = self.watch.judge(&event) {
                    assert_eq!((seen, kind), (self.root.join(path).as_path(), expected), "{event:?}");
                    return;
                }
            }
        }

        fn forget(&self) {
            while self.events.recv_timeout(Duration::from_millis(100)).is_ok() {}
        }
    }

    #[test]
    fn sources_and_definitions_are_told_from_what_tools_leave_beside_them() {
        let scene = Scene::new();
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for path in ["src/lib.rs", "src/target/mod.rs", "Cargo.toml", "build.rs", "src/4914"] {
            assert_eq!(scene.judged(written, path), Some(Kind::Source), "{path}");
        }
        assert_eq!(scene.judged(written, "apis/a.json"), Some(Kind::Definition));
        for path in [
            "target/debug/x",
            ".git/index",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "src/4913",
            "src/.#lib.rs",
            "src/#lib.rs#",
            "Cargo.lock",
            "src/lib.rs___jb_tmp___",
        ] {
            assert_eq!(scene.judged(written, path), None, "{path}");
        }
        assert_eq!(scene.judged(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "src/lib.rs"), None);
    }

    #[test]
    fn a_folder_above_matters_when_it_comes_or_goes() {
        let scene = Scene::new();
        for kind in [EventKind::Create(CreateKind::Folder), EventKind::Remove(RemoveKind::Folder)] {
            let event = notify::Event::new(kind).add_path(scene.root.parent().expect("above").to_owned());
            assert_eq!(scene.watch.judge(&event).map(|(_, kind)| kind), Some(Kind::Source));
        }
        let event = notify::Event::new(EventKind::Any).add_path(scene.root.parent().expect("above").to_owned());
        assert_eq!(scene.watch.judge(&event), None);
    }

    #[test]
    fn reading_is_not_told_and_writing_is() {
        let scene = Scene::new();
        fs::read(scene.root.join("Cargo.toml")).expect("read");
        fs::write(scene.root.join("src/deep/a.rs"), "a").expect("written");
        scene.next("src/deep/a.rs", Kind::Source);
        scene.forget();
        fs::write(scene.root.join("target/debug/x"), "").expect("written");
        fs::write(scene.root.join("apis/a.json"), "{}").expect("written");
        scene.next("apis/a.json", Kind::Definition);
    }

    #[test]
    fn a_file_that_is_saved_by_a_rename_is_seen() {
        let scene = Scene::new();
        fs::write(scene.root.join("src/.lib.rs.new"), "a").expect("written");
        fs::rename(scene.root.join("src/.lib.rs.new"), scene.root.join("src/lib.rs")).expect("renamed");
        scene.next("src/lib.rs", Kind::Source);
    }

    #[test]
    fn a_folder_that_comes_back_is_watched_again() {
        let mut scene = Scene::new();
        let above = scene.root.parent().expect("above").to_owned();
        fs::remove_dir_all(&above).expect("removed");
        scene.watch.renew().expect("watched");
        scene.forget();
        fs::create_dir_all(scene.root.join("src")).expect("made");
        scene.watch.renew().expect("watched");
        scene.forget();
        fs::write(scene.root.join("src/lib.rs"), "a").expect("written");
        scene.next("src/lib.rs", Kind::Source);
    }
}
