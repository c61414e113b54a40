//! What a gateway runs through under load, as a compiler has counted it. What is shipped is compiled by it: what runs often
//! is inlined and lies together, what never does is small and out of its way.
//!
//! `cargo xtask bench --record` writes `xtask/recorded/…profdata`, which is committed. The compiler finds functions again by
//! names, and these change with the compiler, the profile, and versions and features of the server and of all that it
//! depends upon. So each set of those has a file of its own; where there is none, the builder says so, and the gateway does
//! the same with a quarter more instructions.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::generate::GenerateError;
use super::graph::Graph;
use super::plan::Plan;
use super::values::pinned_profile;
use crate::hash::sha256;
use crate::repository::shown;

/// How a recording begins.
const MAGIC: &[u8] = b"\xfflprofi\x81";

/// What the compiler is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// Nothing is recorded for this gateway.
    None,
    /// Compile by what was counted.
    Use {
        /// Where it is.
        file: PathBuf,
        /// What tells it from others.
        content: String,
    },
    /// Make a gateway that counts, and writes it into this folder when it ends.
    Make(PathBuf),
}

/// Why it is not known what was recorded.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// Something else is in its place.
    #[error(
        "`{}` is no recording of a compiler's\n  = get it whole from where the repository is from, or remove it, and the gateway is built without",
        shown(.0)
    )]
    Other(PathBuf),
    /// The profile cannot be read.
    #[error(transparent)]
    Profile(#[from] GenerateError),
    /// The disk says no.
    #[error("cannot read `{}`", shown(path))]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Recording {
    /// What was recorded for a gateway.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn find(plan: &Plan, graph: &Graph) -> Result<Self, RecordingError> {
        Self::read(file(plan, graph)?)
    }

    fn read(file: PathBuf) -> Result<Self, RecordingError> {
        let content = match fs::read(&file) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::None),
            Err(source) => return Err(RecordingError::Io { path: file, source }),
        };
        if !content.starts_with(MAGIC) {
            return Err(RecordingError::Other(file));
        }
        let mut content = sha256(&content);
        content.truncate(12);
        Ok(Self::Use { file, content })
    }

    /// The same, at another place.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn copied(&self, folder: &Path) -> io::Result<Self> {
        let Self::Use { file, content } = self else { return Ok(self.clone()) };
        fs::create_dir_all(folder)?;
        let copy = folder.join("copied.profdata");
        fs::copy(file, &copy)?;
        Ok(Self::Use { file: copy, content: content.clone() })
    }

    /// Flags for the compiler.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::None => vec![INLINE_COST.to_owned()],
            Self::Use { file, content } => vec![
                format!("-Cprofile-use={}", file.display()),
                // Whoever changes a function has lost what was counted of it; that is nothing to be warned about each time.
                "-Cllvm-args=-no-pgo-warn-mismatch".to_owned(),
                // cargo does not look into the file: with another content the flags are others.
                format!("--cfg=recorded=\"{content}\""),
            ],
            Self::Make(folder) => vec![format!("-Cprofile-generate={}", folder.display())],
        }
    }
}

/// What LLVM takes an instruction for when it inlines, where it does not know what runs often; its own measure is 5. A
/// request runs through many small functions of several crates, and this takes 5 % of its instructions away.
const INLINE_COST: &str = "-Cllvm-args=-inline-instr-cost=2";

/// Where the recording for a gateway is committed: `x86_64-unknown-linux-gnu.rustc-1.95.0.0123456789ab.profdata`.
///
/// # Errors
/// When the profile cannot be read.
pub fn file(plan: &Plan, graph: &Graph) -> Result<PathBuf, RecordingError> {
    let mut of = vec![plan.toolchain.version.clone()];
    of.extend(pinned_profile(plan)?);
    of.extend(graph.core().map(|member| {
        let package = &member.package;
        format!("{} {} {}", package.name, package.version, member.features.join(","))
    }));
    let name = format!("{}.rustc-{}.{}", plan.target, plan.toolchain.release, &sha256(of.join("\n").as_bytes())[..12]);
    Ok(plan.core.root().join("xtask/recorded").join(format!("{name}.profdata")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cargo takes what it has compiled for fresh while the flags are the same.
    #[test]
    fn another_content_has_other_flags_and_a_copy_differs_by_its_place_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("one.profdata");
        let read = || Recording::read(file.clone()).expect("a recording");
        assert_eq!(read(), Recording::None);
        assert_eq!(read().flags(), [INLINE_COST]);
        let mut all = Vec::new();
        for content in ["one", "another"] {
            fs::write(&file, [MAGIC, content.as_bytes()].concat()).expect("written");
            let copy = read().copied(&dir.path().join("work")).expect("copied");
            let (flags, of_copy) = (read().flags(), copy.flags());
            assert_eq!(flags[1..], of_copy[1..]);
            assert!(flags[0].ends_with("one.profdata") && of_copy[0].ends_with("work/copied.profdata"));
            all.push(flags);
        }
        assert_eq!((&all[0][0], &all[0][1]), (&all[1][0], &all[1][1]));
        assert_ne!(all[0][2], all[1][2]);
    }

    #[test]
    fn what_is_no_recording_is_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("pointer.profdata");
        fs::write(&file, "version https://git-lfs.github.com/spec/v1\n").expect("written");
        let error = Recording::read(file).expect_err("it is something else").to_string();
        assert!(error.contains("pointer.profdata` is no recording"), "{error}");
    }
}
