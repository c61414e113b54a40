//! What a gateway runs through under load, as a compiler has counted it. What is shipped is compiled by it: what runs often
//! is inlined and lies together, what never does is small and out of its way.
//!
//! `cargo xtask bench --record` writes `xtask/recorded/…profdata`, which is committed. Functions have other names for another
//! compiler or target, so each has a file of its own; who builds with one that nobody has recorded yet gets a gateway that
//! does the same, and takes about a quarter more instructions for it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::hash::sha256;
use crate::toolchain::Toolchain;

/// What the compiler is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// Nobody has counted for this compiler and target.
    None,
    /// Compile by what was counted.
    Use(PathBuf),
    /// Make a gateway that counts, and writes it into this folder when it ends.
    Make(PathBuf),
}

impl Recording {
    /// What was recorded for a compiler and a target. It is copied to where it is named by its content: cargo looks at names.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn find(root: &Path, toolchain: &Toolchain, target: &str, work_dir: &Path) -> io::Result<Self> {
        let content = match fs::read(file(root, toolchain, target)) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::None),
            Err(error) => return Err(error),
        };
        let copy = work_dir.join(format!("recorded/{}.profdata", &sha256(&content)[..12]));
        if !copy.exists() {
            fs::create_dir_all(work_dir.join("recorded"))?;
            // Another build may be reading it.
            let half = copy.with_extension(std::process::id().to_string());
            fs::write(&half, &content)?;
            fs::rename(&half, &copy)?;
        }
        Ok(Self::Use(copy))
    }

    /// Flags for the compiler.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::None => vec![INLINE_COST.to_owned()],
            // Whoever changes a function has lost what was counted of it; that is nothing to be warned about each time.
            Self::Use(file) => {
                vec![format!("-Cprofile-use={}", file.display()), "-Cllvm-args=-no-pgo-warn-mismatch".to_owned()]
            }
            Self::Make(folder) => vec![format!("-Cprofile-generate={}", folder.display())],
        }
    }
}

/// What LLVM takes an instruction for when it inlines, where it does not know what runs often; its own measure is 5. A
/// request runs through many small functions of several crates, and this takes 5 % of its instructions away.
const INLINE_COST: &str = "-Cllvm-args=-inline-instr-cost=2";

/// Where it is committed: `x86_64-unknown-linux-gnu.rustc-1.95.0-59807616e-2026-04-14.profdata`.
#[must_use]
pub fn file(root: &Path, toolchain: &Toolchain, target: &str) -> PathBuf {
    let words = toolchain.version.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    let compiler = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    root.join(format!("xtask/recorded/{target}.{compiler}.profdata"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-gnu";

    fn toolchain(version: &str) -> Toolchain {
        Toolchain { version: version.to_owned(), ..Toolchain::ask(Path::new(".")).expect("rustc runs") }
    }

    #[test]
    fn each_compiler_has_a_file_of_its_own() {
        let name = |version| file(Path::new("/r"), &toolchain(version), TARGET).display().to_string();
        assert_eq!(
            name("rustc 1.95.0 (59807616e 2026-04-14)"),
            "/r/xtask/recorded/x86_64-unknown-linux-gnu.rustc-1.95.0-59807616e-2026-04-14.profdata"
        );
        assert_ne!(
            name("rustc 1.95.0 (59807616e 2026-04-14) (built from a source tarball)"),
            name("rustc 1.95.0 (59807616e 2026-04-14)")
        );
    }

    /// cargo takes what it has compiled for fresh while the flags are the same.
    #[test]
    fn another_content_has_another_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (root, work) = (dir.path().join("root"), dir.path().join("work"));
        let toolchain = toolchain("rustc 1.95.0 (59807616e 2026-04-14)");
        let find = || Recording::find(&root, &toolchain, TARGET, &work).expect("a disk");
        assert_eq!(find(), Recording::None);
        fs::create_dir_all(root.join("xtask/recorded")).expect("a folder");
        let mut found = Vec::new();
        for content in ["one", "another"] {
            fs::write(file(&root, &toolchain, TARGET), content).expect("written");
            let Recording::Use(copy) = find() else { panic!("it is there") };
            assert_eq!(fs::read_to_string(&copy).expect("a copy"), content);
            assert_eq!(find(), Recording::Use(copy.clone()), "the same again");
            found.push(copy);
        }
        assert_ne!(found[0], found[1]);
    }
}
