//! What must hold before a file is loaded. None of its code runs for this, and what is looked at is what is loaded: a copy of
//! the file's content that nobody else can write to.
//!
//! The order is that of [`examine`], and each refusal is a sentence: the file, what was found, what is expected, what to do.

mod descriptor;
mod elf;
mod libraries;
mod reason;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use rustix::fs::{MemfdFlags, OFlags, SealFlags};

pub use descriptor::{Descriptor, PluginLine};
pub use reason::{Reason, Refusal};

/// What holds for a file.
#[derive(Debug, Clone)]
pub struct Rules {
    /// A larger one is refused, in bytes.
    pub max_bytes: u64,
    /// The SHA-256 that it must have.
    pub pinned: Option<[u8; 32]>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { max_bytes: 256 * 1024 * 1024, pinned: None }
    }
}

/// A file that can be loaded, as far as that can be known.
#[derive(Debug)]
pub struct Examined {
    /// Where it was found.
    pub path: PathBuf,
    /// What it held, sealed.
    pub content: OwnedFd,
    /// The SHA-256 of that.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: u64,
    /// What it says of itself.
    pub descriptor: Descriptor,
}

/// Reads a file, and looks whether it can be loaded into this process.
///
/// # Errors
/// The first thing that is wrong, in this order: it is a file that can be read, and not too large; an ELF shared object for this
/// machine; it says what it is; its interface is ours; it unwinds; this system has the glibc and the libraries that it needs; it
/// is the one that is pinned; it has the entry.
pub fn examine(path: &Path, rules: &Rules) -> Result<Examined, Refusal> {
    let refuse = |reason| Refusal { path: path.to_owned(), reason };
    let (content, bytes) = read(path, rules.max_bytes).map_err(refuse)?;
    let descriptor = look(&bytes).map_err(refuse)?;
    let mut context = Context::new(&SHA256);
    context.update(&bytes);
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    if let Some(pinned) = rules.pinned.filter(|pinned| *pinned != sha256) {
        return Err(refuse(Reason::OtherHash { found: sha256, pinned }));
    }
    Ok(Examined { path: path.to_owned(), content, sha256, bytes: bytes.len() as u64, descriptor })
}

/// All that the bytes of a file tell, here.
fn look(bytes: &[u8]) -> Result<Descriptor, Reason> {
    let file = elf::Elf::parse(bytes)?;
    let descriptor = descriptor::read(&file)?;
    descriptor.fits()?;
    file.glibc_is_known()?;
    libraries::are_there(&file)?;
    file.has_entry()?;
    Ok(descriptor)
}

/// What a file says of itself, from its bytes.
///
/// # Errors
/// When it is no shared object for this machine, or says nothing.
pub fn describe(bytes: &[u8]) -> Result<Descriptor, Reason> {
    descriptor::read(&elf::Elf::parse(bytes)?)
}

/// The content of a file: as it is now, and in memory that nobody can write to.
fn read(path: &Path, most: u64) -> Result<(OwnedFd, Vec<u8>), Reason> {
    // A pipe is opened at once, and not when somebody writes to it; nothing is done by opening a device.
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(|_| Reason::Unreadable("no such flags".to_owned()))?;
    let unreadable = |error: std::io::Error| Reason::Unreadable(error.to_string());
    let found = std::fs::metadata(path).map_err(unreadable)?;
    let kind = found.file_type();
    let special = if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else {
        None
    };
    if let Some(what) = special {
        return Err(Reason::NoFile(what));
    }
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    if !opened.is_file() {
        return Err(Reason::NoFile("something else by now"));
    }
    if opened.len() > most {
        return Err(Reason::TooLarge { bytes: opened.len(), most });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(opened.len()).unwrap_or(0));
    // One that grows while it is read is not read for ever.
    (&file).take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != opened.len() {
        return Err(Reason::Changing);
    }
    Ok((sealed(&bytes).map_err(|error| Reason::Memory(error.to_string()))?, bytes))
}

fn sealed(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("gw-plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    let memory = OwnedFd::from(file);
    rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(memory)
}

/// The files that a path stands for, the first that is there first. `version` is the gateway's. Source: plugin-system.md §6.1.
#[must_use]
pub fn candidates(path: &Path, version: &str, os: &str, arch: &str) -> Vec<PathBuf> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('-').next().unwrap_or(version);
    let Some(name) = path.file_name().map(ToOwned::to_owned) else { return vec![path.to_owned()] };
    let base = match name.to_str().and_then(|name| name.strip_suffix(".so")) {
        Some(base) => OsString::from(base),
        None => name,
    };
    let named = |version: String| {
        let mut name = base.clone();
        name.push(format!("_{version}_{os}_{arch}.so"));
        path.with_file_name(name)
    };
    vec![named(format!("v{version}")), named(version.to_owned()), path.to_owned()]
}

#[cfg(test)]
mod tests;
