//! Why a file is not loaded.

use std::fmt::{self, Write};
use std::path::PathBuf;

use crate::abi;

/// A file that is not loaded. Displays as a sentence: the file, what was found, what is expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which file.
    pub path: PathBuf,
    /// Why not.
    pub reason: Reason,
}

/// Why a file is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It cannot be opened or read, and the system says why.
    Unreadable(String),
    /// It is this, and no file.
    NoFile(&'static str),
    /// It has more bytes than it may.
    TooLarge {
        /// So many.
        bytes: u64,
        /// No more than this.
        most: u64,
    },
    /// It was written to while it was read.
    Changing,
    /// There is no memory for it.
    Memory(String),
    /// It does not begin as an ELF file does.
    NotElf,
    /// It is cut off, or its parts are not where it says.
    Damaged(String),
    /// It is made for something else: what, and what this is.
    OtherMachine {
        /// As it says.
        found: String,
        /// What runs here.
        expected: String,
    },
    /// It is a program or an object, and nothing that can be loaded.
    NotShared(&'static str),
    /// It says nothing of itself, or not what is to be said.
    Undescribed(String),
    /// Its interface is older or newer than ours.
    OtherAbi {
        /// As it says.
        found: String,
        /// Whether it is newer.
        newer: bool,
    },
    /// Its panics end the process.
    Aborts(String),
    /// It needs a newer C library.
    NewerGlibc {
        /// The version that it needs.
        needs: String,
        /// The version that is here.
        has: String,
    },
    /// A library that it needs is not found.
    NoLibrary(String),
    /// It is not the one that is pinned.
    OtherHash {
        /// What it is.
        found: [u8; 32],
        /// What it must be.
        pinned: [u8; 32],
    },
    /// It does not export the entry.
    NoEntry,
}

/// A SHA-256 in hexadecimal digits.
struct Hex<'h>(&'h [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Refusal {}

const BUILD: &str = "build it with `cargo xtask build-so`";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => {
                write!(f, "cannot be read: {error}; let the gateway's user read it, or correct the path")
            }
            Self::NoFile(what) => write!(f, "is {what}, and a plugin is a regular file; correct the path"),
            Self::TooLarge { bytes, most } => write!(
                f,
                "has {bytes} bytes, and a plugin may have {most}; strip it, or raise `plugins.max_file_bytes`"
            ),
            Self::Changing => f.write_str(
                "was written to while it was read; write a new file beside it, rename that into its place, and reload",
            ),
            Self::Memory(error) => write!(f, "cannot be kept in memory: {error}; give the gateway more of it"),
            Self::NotElf => write!(f, "is not an ELF file, and a plugin is a shared object; {BUILD}"),
            Self::Damaged(what) => write!(f, "is cut off or damaged ({what}); copy it again, or {BUILD}"),
            Self::OtherMachine { found, expected } => write!(
                f,
                "is made for {found}, and this gateway runs on {expected}; {BUILD} on this machine or for it (`--target`)"
            ),
            Self::NotShared(what) => write!(f, "is {what}, and a plugin is a shared object; {BUILD}"),
            Self::Undescribed(what) => write!(
                f,
                "does not say that it is a plugin: {what}; {BUILD}, or describe it by the macros of `gw_plugin.h` (a Go plugin \
                 for Tyk cannot be loaded: its source is ported to this gateway's SDK)"
            ),
            Self::OtherAbi { found, newer } => {
                let (ours, remedy) =
                    (format!("{}.{}", abi::MAJOR, abi::MINOR), if *newer { "gateway" } else { "file" });
                write!(
                    f,
                    "has version {found} of the plugin interface, and this gateway has {ours}; the {remedy} is the older of the \
                     two: build it again from the release of the other"
                )
            }
            Self::Aborts(strategy) => write!(
                f,
                "is built with panic = \"{strategy}\", so that a panic would end the gateway, and \"unwind\" is expected; {BUILD}"
            ),
            Self::NewerGlibc { needs, has } => write!(
                f,
                "needs glibc {needs}, and this system has {has}; {BUILD} on a system that is no newer than this one"
            ),
            Self::NoLibrary(name) => write!(
                f,
                "needs the library `{name}`, which is not found here; install it, name its folder in LD_LIBRARY_PATH, or link \
                 it into the plugin"
            ),
            Self::OtherHash { found, pinned } => {
                let mut text = String::new();
                // A text takes whatever is written.
                let _ = write!(text, "{} is pinned", Hex(pinned));
                write!(
                    f,
                    "has the SHA-256 {}, and {text}; restore the file, or pin the new one in `plugins.pinned`",
                    Hex(found)
                )
            }
            Self::NoEntry => write!(f, "does not export `{}`; {BUILD}, or export it as `gw_plugin.h` says", abi::ENTRY),
        }
    }
}
