//! Generated crates that nobody has built for a while are removed: each set of plugins has a folder of its own, with a
//! lock file that a manifest has another copy of.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a generated crate is kept after its last build.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Its time is that of the last build.
const STAMP: &str = "used";

/// Notes that `dir` is used, and removes its neighbours that have not been for long. The caller has the turn.
///
/// Best effort: what cannot be removed takes some room, and nothing else.
pub(super) fn sweep(dir: &Path) {
    let _ = fs::write(dir.join(STAMP), "");
    let Some(neighbours) = dir.parent().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    for neighbour in neighbours.filter_map(Result::ok) {
        let used = fs::metadata(neighbour.path().join(STAMP)).and_then(|stamp| stamp.modified());
        let is_old = |used: SystemTime| used.elapsed().is_ok_and(|unused| unused > KEPT);
        if used.is_ok_and(is_old) {
            let _ = fs::remove_dir_all(neighbour.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    #[test]
    fn what_has_not_been_built_for_long_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let aged = |name: &str, age: Duration| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).expect("made");
            let stamp = File::create(folder.join(STAMP)).expect("written");
            stamp.set_times(FileTimes::new().set_modified(SystemTime::now() - age)).expect("aged");
        };
        aged("old", KEPT * 2);
        aged("new", KEPT / 2);
        aged("this", KEPT * 2);
        fs::create_dir(dir.path().join("target")).expect("made");
        sweep(&dir.path().join("this"));
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).expect("readable").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["new", "target", "this"]);
    }
}
