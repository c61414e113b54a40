//! Hashes, as they are written everywhere: in hexadecimal.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What cargo and git leave in the folder of a crate.
const LEFT_BEHIND: &[&str] = &["target", ".git", "Cargo.lock"];

/// SHA-256, in hexadecimal.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// SHA-256 over names and contents of the files of a crate, in the order of their names. Links are followed, as the
/// compiler follows them. What cargo and git leave in the folder does not count.
///
/// # Errors
/// With the path that cannot be read.
pub(crate) fn tree(dir: &Path) -> Result<String, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    collect(dir, "", &mut seen, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for (name, path) in files {
        let content = fs::read(&path).map_err(|error| (path, error))?;
        // With lengths, so that no two trees give the same bytes.
        hash.update(format!("{}:{name}\n{}:", name.len(), content.len()));
        hash.update(&content);
    }
    Ok(hex(hash.finalize()))
}

/// Files with their names from the top of the crate, with `/` on every system.
fn collect(
    dir: &Path,
    above: &str,
    seen: &mut BTreeSet<PathBuf>,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), (PathBuf, io::Error)> {
    let wrong = |error| (dir.to_owned(), error);
    // A link to a folder may lead in a circle.
    if !seen.insert(fs::canonicalize(dir).map_err(wrong)?) {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let path = entry.path();
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        if LEFT_BEHIND.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{name}/"), seen, files)?;
        } else if path.is_file() {
            // Anything else, such as a socket or a link to nowhere, has no content.
            files.push((name, path));
        }
    }
    Ok(())
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hexadecimal() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_tree_is_its_names_and_contents_through_links_and_circles() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (crate_dir, elsewhere) = (dir.path().join("crate"), dir.path().join("elsewhere"));
        fs::create_dir_all(crate_dir.join("target")).expect("made");
        fs::create_dir_all(&elsewhere).expect("made");
        fs::write(elsewhere.join("lib.rs"), "one").expect("written");
        std::os::unix::fs::symlink(&elsewhere, crate_dir.join("src")).expect("linked");
        std::os::unix::fs::symlink(&crate_dir, crate_dir.join("again")).expect("linked");
        let hash = || tree(&crate_dir).expect("readable");
        let before = hash();
        fs::write(crate_dir.join("target/x"), "left behind").expect("written");
        assert_eq!(hash(), before);
        fs::write(elsewhere.join("lib.rs"), "two").expect("written");
        assert_ne!(hash(), before);
    }
}
