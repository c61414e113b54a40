//! Plugins of files: loaded when a definition names one, and never unloaded. What crosses is in `gateway-loadable`.

use std::collections::HashMap;
use std::fmt::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use gateway_loadable::host::examine::{self, Examined, Rules};
use gateway_loadable::host::{self, Failure, Process};
use gateway_sdk::host::Level;
use gateway_sdk::registry::{Plugin, plugins};

use super::stamps::Stamp;
use super::{Reason, Resolved, Unresolved, Wanted, linked};
use crate::config::FileSettings;
use crate::telemetry::one_line;

/// The version that Tyk's file names have in them.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What holds for files before they are loaded.
static SETTINGS: OnceLock<FileSettings> = OnceLock::new();

/// What `settings` say of a file.
fn rules(path: &Path) -> Rules {
    let Some(settings) = SETTINGS.get() else { return Rules::default() };
    let name = path.file_name().and_then(|name| name.to_str());
    let by_path = path.to_str().and_then(|path| settings.pinned.get(path));
    let pinned = by_path.or_else(|| name.and_then(|name| settings.pinned.get(name)));
    Rules { max_bytes: settings.max_bytes, pinned: pinned.copied() }
}

/// Says what holds for files. The first call counts.
pub(super) fn set_up(settings: &FileSettings) {
    let _ = SETTINGS.set(settings.clone());
    host::in_process(Process { log, panicked, wait });
}

fn log(level: Level, text: &str) {
    let text = one_line(text.to_owned());
    match level {
        Level::Debug => tracing::debug!("{text}"),
        Level::Info => tracing::info!("{text}"),
        Level::Warn => tracing::warn!("{text}"),
        Level::Error => tracing::error!("{text}"),
    }
}

fn panicked(location: &str, text: &str) {
    tracing::error!(location, reason = one_line(text.to_owned()), "panic");
}

fn wait(future: Pin<&mut (dyn Future<Output = ()> + Send)>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => tracing::error!(%error, "no runtime for a plugin that waits"),
    }
}

/// What was loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retained {
    /// So many files.
    pub(crate) files: usize,
    /// So large, together.
    pub(crate) bytes: u64,
}

/// A file that was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Where it was found first.
    pub(crate) path: PathBuf,
    /// Its SHA-256, in hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) plugins: Vec<&'static Plugin>,
}

#[derive(Default)]
struct Files {
    /// By SHA-256: what it is, or why it is nothing.
    loaded: HashMap<[u8; 32], Result<&'static Loaded, String>>,
    /// By path: what it was when it was read, and what it held.
    read: HashMap<PathBuf, (Stamp, [u8; 32])>,
    retained: Retained,
}

static FILES: LazyLock<Mutex<Files>> = LazyLock::new(Mutex::default);

/// What is in memory of files, those that nobody uses any more among them.
pub(crate) fn retained() -> Retained {
    FILES.lock().unwrap_or_else(PoisonError::into_inner).retained
}

/// The file that `path` stands for, if there is one. Source: plugin-system.md §6.1.
pub(super) fn find(path: &str) -> Option<PathBuf> {
    if path.is_empty() {
        return None;
    }
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        arch => arch,
    };
    let candidates = examine::candidates(Path::new(path), VERSION, os, arch);
    // Whatever cannot be looked at is there: it is refused in words when it is read.
    let is_there = |path: &PathBuf| !matches!(std::fs::metadata(path), Err(error) if is_absence(&error));
    candidates.into_iter().find(is_there)
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Where a plugin comes from; `None`: it is linked.
pub(crate) fn origin(plugin: &'static Plugin) -> Option<&'static Loaded> {
    plugin.loaded?;
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let has_it = |loaded: &&Loaded| loaded.plugins.iter().any(|other| std::ptr::eq(*other, plugin));
    files.loaded.values().filter_map(|loaded| loaded.as_ref().ok().copied()).find(has_it)
}

/// What the file at `path` was when it was read last.
pub(super) fn as_read(path: &Path) -> Option<Stamp> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner).read.get(path).map(|(stamp, _)| stamp.clone())
}

/// What the file at the path of `wanted` has for it; `None` if there is no such file.
pub(super) fn resolve(wanted: &Wanted<'_>) -> Option<Result<Resolved, Unresolved>> {
    let path = find(wanted.path)?;
    Some(match load(&path) {
        Ok(file) => linked::choose(&file.plugins, wanted, &format!("`{}`", path.display())),
        Err(sentence) => Err(Unresolved {
            name: wanted.name.to_owned(),
            hook: wanted.hook,
            reason: Reason::File { sentence },
            remedy: String::new(),
        }),
    })
}

/// The files of the folder that the configuration names, by their names.
pub(super) fn in_folder() -> Vec<PathBuf> {
    let Some(folder) = SETTINGS.get().and_then(|settings| settings.folder.as_deref()) else { return Vec::new() };
    let listed = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = listed.unwrap_or_else(|error| {
        tracing::error!(folder = %folder.display(), %error, "the folder of plugins cannot be read");
        Vec::new()
    });
    files.retain(|path| path.extension().is_some_and(|extension| extension == "so"));
    files.sort();
    files
}

/// What the files of the folder have for `wanted`; `None` if there is no folder, or no file in it has the name.
pub(super) fn resolve_in_folder(wanted: &Wanted<'_>) -> Option<Result<Resolved, Unresolved>> {
    let mut offered: Vec<&'static Plugin> = Vec::new();
    for path in in_folder() {
        match load(&path) {
            Ok(file) => offered.extend(&file.plugins),
            Err(sentence) => tracing::error!("{sentence}"),
        }
    }
    let folder = SETTINGS.get().and_then(|settings| settings.folder.as_deref())?;
    let place = format!("this binary and the files in `{}`", folder.display());
    Some(linked::choose(&offered, wanted, &place))
}

/// Loads a file. Its content is loaded once, wherever it is.
///
/// # Errors
/// Why there are none, in a sentence.
pub(crate) fn load(path: &Path) -> Result<&'static Loaded, String> {
    let stamp = Stamp::of(path);
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read, sha256)) = files.read.get(path)
        && Some(read) == stamp.as_ref()
        && let Some(loaded) = files.loaded.get(sha256)
    {
        return loaded.clone();
    }
    let examined = examine::examine(path, &rules(path)).map_err(|refusal| refusal.to_string())?;
    if let Some(stamp) = stamp {
        files.read.insert(path.to_owned(), (stamp, examined.sha256));
    }
    if let Some(loaded) = files.loaded.get(&examined.sha256) {
        return loaded.clone();
    }
    let loaded = open(&examined);
    files.loaded.insert(examined.sha256, loaded.clone());
    files.retained.files += 1;
    files.retained.bytes += examined.bytes;
    let Retained { files, bytes } = files.retained;
    if let Ok(Loaded { path, sha256, plugins }) = &loaded {
        let plugins: Vec<_> = plugins.iter().map(|plugin| plugin.name).collect();
        let plugins = plugins.join(", ");
        tracing::info!(file = %path.display(), sha256, plugins, files, bytes, "plugin file loaded");
    }
    loaded
}

fn open(examined: &Examined) -> Result<&'static Loaded, String> {
    let path = examined.path.display();
    let described: Vec<_> =
        examined.descriptor.plugins.iter().map(|line| (line.name.clone(), line.hooks.clone())).collect();
    for (at, line) in examined.descriptor.plugins.iter().enumerate() {
        if described[..at].iter().any(|(name, _)| *name == line.name) {
            return Err(format!(
                "`{path}` has two plugins named `{}`: give each a name of its own, and build it again",
                line.name
            ));
        }
        let is_linked = |plugin: &&&Plugin| plugin.name == line.name && plugin.package.name == line.package;
        if let Some(plugin) = plugins().iter().find(is_linked) {
            return Err(format!(
                "`{path}` has the plugin `{}` of crate `{}`, which is linked into this gateway as version {}: link it, or \
                 load it, and not both",
                line.name, line.package, plugin.package.version
            ));
        }
    }
    let library = host::load(examined.content.as_fd(), &described).map_err(|failure| match failure {
        Failure::Open(reason) => {
            format!("`{path}` cannot be loaded: {reason}; build it with `cargo xtask build-so` on a system like this one")
        }
        Failure::Refused(reason) => format!("`{path}` refuses to be loaded: {reason}"),
        Failure::Invalid(reason) => {
            format!("`{path}` is not what `gw_plugin.h` says: {reason}; build it again with the header of this gateway")
        }
        Failure::Differs { described, offered } => format!(
            "`{path}` says that it has {}, and offers {}: its section `.gw_plugins` and its table must name the same; build \
             it again",
            described.join(", "),
            offered.join(", ")
        ),
    })?;
    let mut sha256 = String::new();
    for byte in examined.sha256 {
        // A text takes whatever is written.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Box::leak(Box::new(Loaded { path: examined.path.clone(), sha256, plugins: library.plugins })))
}
