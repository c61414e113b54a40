//! An executable for Linux, read without running it. It may come from anywhere, so nothing in it is believed: what does
//! not fit is an error, never a panic.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use object::elf::{ELFMAG, ELFOSABI_GNU, ELFOSABI_NONE, OsAbi};
use object::{Architecture, File as ObjectFile, FileFlags, FileKind, Object, ObjectKind, ObjectSection};
use thiserror::Error;

/// A gateway has megabytes; what is larger is something else.
const LARGEST: u64 = 1 << 30;
/// The ABIs of ELF that Linux runs: the common one, and its own.
const LINUX_ABIS: [OsAbi; 2] = [ELFOSABI_NONE, ELFOSABI_GNU];

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum ElfError {
    /// The disk says no.
    #[error("cannot read `{}`\n  = name the file of a gateway, such as dist/gateway; `cargo xtask build` makes one", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("`{}` is {what}\n  = name the file of a gateway, such as dist/gateway", path.display())]
    NoFile {
        /// As typed.
        path: PathBuf,
        /// With its article.
        what: &'static str,
    },
    /// Not built by us, whatever it is.
    #[error("`{}` is larger than {} MiB, so it is no gateway", path.display(), LARGEST >> 20)]
    TooLarge {
        /// As typed.
        path: PathBuf,
    },
    /// Something else.
    #[error(
        "`{}` is no ELF executable: it is {what}\n  = only gateways for Linux can be read: cargo xtask build --target x86_64-unknown-linux-gnu",
        path.display()
    )]
    NotElf {
        /// As typed.
        path: PathBuf,
        /// With its article.
        what: &'static str,
    },
    /// Begins as it should, and does not go on so.
    #[error("`{}` is a damaged ELF file\n  = was it copied whole? build it again, or copy it again", path.display())]
    Damaged {
        /// As typed.
        path: PathBuf,
        /// Where it ends.
        source: object::Error,
    },
    /// An object file, a core dump, another system's.
    #[error("`{}` is no executable for Linux: it is {what}\n  = build one: cargo xtask build --profile ship", path.display())]
    NotExecutable {
        /// As typed.
        path: PathBuf,
        /// With its article.
        what: &'static str,
    },
    /// No container runs there.
    #[error("`{}` is for a machine that images have no name for: {machine}", path.display())]
    Machine {
        /// As typed.
        path: PathBuf,
        /// As the reader of ELF calls it.
        machine: String,
    },
}

/// The bytes of an ELF file.
#[derive(Debug)]
pub struct Elf {
    path: PathBuf,
    data: Vec<u8>,
}

impl Elf {
    /// Reads a file, all of it.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is no ELF file.
    pub fn read(path: &Path) -> Result<Self, ElfError> {
        let io = |source| ElfError::Io { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a folder" } else { "not a file" };
            return Err(ElfError::NoFile { path: path.to_owned(), what });
        }
        let mut data = Vec::new();
        File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut data)).map_err(io)?;
        if data.len() as u64 > LARGEST {
            return Err(ElfError::TooLarge { path: path.to_owned() });
        }
        let elf = Self { path: path.to_owned(), data };
        if !elf.data.starts_with(&ELFMAG) {
            return Err(ElfError::NotElf { path: path.to_owned(), what: looks_like(&elf.data) });
        }
        FileKind::parse(&*elf.data).map_err(|source| elf.damaged(source))?;
        elf.parse()?;
        Ok(elf)
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// A section without the NULs that linkers pad with; `None` if there is no such section.
    ///
    /// # Errors
    /// When it is said to be where the file has ended.
    pub fn section(&self, name: &str) -> Result<Option<&[u8]>, ElfError> {
        let file = self.parse()?;
        let Some(section) = file.section_by_name(name) else { return Ok(None) };
        let data = section.data().map_err(|source| self.damaged(source))?;
        let end = data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(Some(&data[..end]))
    }

    /// The machine that it runs on, which need not be this one, by the name that images use: `amd64`.
    ///
    /// # Errors
    /// When it is no executable for Linux, or for a machine without a name.
    pub fn architecture(&self) -> Result<&'static str, ElfError> {
        let file = self.parse()?;
        let not = |what| Err(ElfError::NotExecutable { path: self.path.clone(), what });
        match file.kind() {
            ObjectKind::Executable => {}
            ObjectKind::Dynamic if file.entry() != 0 => {}
            ObjectKind::Dynamic => return not("a shared library"),
            ObjectKind::Relocatable => return not("an object file"),
            ObjectKind::Core => return not("a core dump"),
            _ => return not("of an unknown kind"),
        }
        if !matches!(file.flags(), FileFlags::Elf { os_abi, .. } if LINUX_ABIS.contains(&os_abi)) {
            return not("for another system");
        }
        architecture(file.architecture(), file.is_little_endian()).ok_or_else(|| {
            let order = if file.is_little_endian() { "little" } else { "big" };
            let machine = format!("{:?}, {order}-endian", file.architecture());
            ElfError::Machine { path: self.path.clone(), machine }
        })
    }

    fn parse(&self) -> Result<ObjectFile<'_>, ElfError> {
        ObjectFile::parse(&*self.data).map_err(|source| self.damaged(source))
    }

    fn damaged(&self, source: object::Error) -> ElfError {
        ElfError::Damaged { path: self.path.clone(), source }
    }
}

/// The names of Go, which images use.
fn architecture(machine: Architecture, little: bool) -> Option<&'static str> {
    Some(match (machine, little) {
        (Architecture::X86_64, true) => "amd64",
        (Architecture::I386, true) => "386",
        (Architecture::Aarch64, true) => "arm64",
        (Architecture::Arm, true) => "arm",
        (Architecture::Riscv64, true) => "riscv64",
        (Architecture::LoongArch64, true) => "loong64",
        (Architecture::PowerPc64, true) => "ppc64le",
        (Architecture::PowerPc64, false) => "ppc64",
        (Architecture::S390x, false) => "s390x",
        (Architecture::Mips64, true) => "mips64le",
        (Architecture::Mips64, false) => "mips64",
        _ => return None,
    })
}

fn looks_like(data: &[u8]) -> &'static str {
    match data {
        [] => "empty",
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            "a program for macOS (Mach-O)"
        }
        [b'M', b'Z', ..] => "a program for Windows (PE)",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        [b'#', b'!', ..] => "a script",
        _ if data.iter().take(512).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "a text",
        _ => "something else",
    }
}

/// `6.4 MiB`, rounded to the nearest tenth.
pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes.saturating_mul(10).saturating_add(1 << 19)) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// ELF files as small as they can be, of any class and byte order.
#[cfg(test)]
pub(crate) mod sample {
    use object::elf::{ELFOSABI_NONE, EM_X86_64, ET_EXEC, FileType, Machine, OsAbi};

    /// What a file is.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Shape {
        pub(crate) wide: bool,
        pub(crate) little: bool,
        pub(crate) machine: Machine,
        pub(crate) kind: FileType,
        pub(crate) abi: OsAbi,
        pub(crate) entry: u32,
    }

    impl Default for Shape {
        fn default() -> Self {
            Self { wide: true, little: true, machine: EM_X86_64, kind: ET_EXEC, abi: ELFOSABI_NONE, entry: 0x1000 }
        }
    }

    /// Writes numbers in one byte order and width.
    struct Writer(Shape, Vec<u8>);

    impl Writer {
        fn half(&mut self, number: u16) {
            self.1.extend(if self.0.little { number.to_le_bytes() } else { number.to_be_bytes() });
        }

        fn word(&mut self, number: u32) {
            self.1.extend(if self.0.little { number.to_le_bytes() } else { number.to_be_bytes() });
        }

        /// As wide as an address.
        fn long(&mut self, number: u32) {
            if !self.0.wide {
                return self.word(number);
            }
            let number = u64::from(number);
            self.1.extend(if self.0.little { number.to_le_bytes() } else { number.to_be_bytes() });
        }

        fn section(&mut self, name: u32, kind: u32, offset: u32, size: u32) {
            self.word(name);
            self.word(kind);
            self.long(0);
            self.long(0);
            self.long(offset);
            self.long(size);
            self.word(0);
            self.word(0);
            self.long(1);
            self.long(0);
        }
    }

    fn short(number: usize) -> u32 {
        u32::try_from(number).expect("small")
    }

    /// A file with these sections, and no segment.
    pub(crate) fn elf(shape: Shape, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let (header, entry) = if shape.wide { (64_u16, 64_u16) } else { (52, 40) };
        let mut names = b"\0.shstrtab\0".to_vec();
        let mut contents: Vec<u8> = Vec::new();
        let mut table = Vec::new();
        for (name, data) in sections {
            table.push((short(names.len()), short(usize::from(header) + contents.len()), short(data.len())));
            names.extend(name.bytes().chain([0]));
            contents.extend_from_slice(data);
        }
        let names_at = short(usize::from(header) + contents.len());
        contents.extend_from_slice(&names);
        let mut out = Writer(shape, vec![0x7f, b'E', b'L', b'F']);
        out.1.extend([if shape.wide { 2 } else { 1 }, if shape.little { 1 } else { 2 }, 1, shape.abi.0]);
        out.1.extend([0; 8]);
        out.half(shape.kind.0);
        out.half(shape.machine.0);
        out.word(1);
        out.long(shape.entry);
        out.long(0);
        out.long(short(usize::from(header) + contents.len()));
        out.word(0);
        out.half(header);
        out.half(if shape.wide { 56 } else { 32 });
        out.half(0);
        out.half(entry);
        out.half(u16::try_from(sections.len()).expect("few") + 2);
        out.half(1);
        out.1.extend(contents);
        out.section(0, 0, 0, 0);
        out.section(1, 3, names_at, short(names.len()));
        for (name, offset, size) in table {
            out.section(name, 1, offset, size);
        }
        out.1
    }
}

#[cfg(test)]
mod tests {
    use object::elf::{
        ELFOSABI_FREEBSD, EM_386, EM_AARCH64, EM_ALPHA, EM_ARM, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, ET_CORE,
        ET_DYN, ET_REL,
    };
    use tempfile::NamedTempFile;

    use super::sample::{Shape, elf};
    use super::*;

    fn file(data: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), data).expect("written");
        file
    }

    fn machine(shape: Shape) -> Result<&'static str, String> {
        let file = file(&elf(shape, &[]));
        Elf::read(file.path()).expect("an ELF file").architecture().map_err(|error| {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            first.replace(&file.path().display().to_string(), "FILE")
        })
    }

    #[test]
    fn sections_of_every_class_and_byte_order_are_read_without_their_padding() {
        for (wide, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let shape = Shape { wide, little, ..Shape::default() };
            let file =
                file(&elf(shape, &[(".first", b"one\0two\0\0\0\0"), (".second", b"three"), (".nothing", b"\0\0")]));
            let elf = Elf::read(file.path()).expect("an ELF file");
            let section = |name| elf.section(name).expect("readable");
            assert_eq!(section(".first"), Some(b"one\0two".as_slice()), "{shape:?}");
            assert_eq!(section(".second"), Some(b"three".as_slice()), "{shape:?}");
            assert_eq!(section(".nothing"), Some(b"".as_slice()), "{shape:?}");
            assert_eq!(section(".absent"), None, "{shape:?}");
        }
    }

    #[test]
    fn the_machine_is_that_of_the_file() {
        let shape = Shape::default();
        let narrow = Shape { wide: false, ..shape };
        let big = Shape { little: false, ..shape };
        for (shape, machine_of_elf, expected) in [
            (shape, EM_X86_64, "amd64"),
            (shape, EM_AARCH64, "arm64"),
            (shape, EM_RISCV, "riscv64"),
            (shape, EM_PPC64, "ppc64le"),
            (big, EM_PPC64, "ppc64"),
            (big, EM_S390, "s390x"),
            (narrow, EM_ARM, "arm"),
            (narrow, EM_386, "386"),
        ] {
            assert_eq!(machine(Shape { machine: machine_of_elf, ..shape }).as_deref(), Ok(expected));
        }
        let alpha = machine(Shape { machine: EM_ALPHA, ..shape }).expect_err("no name");
        assert_eq!(alpha, "`FILE` is for a machine that images have no name for: Alpha, little-endian");
        // The 32-bit ABI of x86-64 is another machine to a kernel.
        machine(Shape { machine: EM_X86_64, ..narrow }).expect_err("no name");
    }

    #[test]
    fn only_executables_for_linux_are_executables() {
        let shape = Shape::default();
        assert_eq!(machine(Shape { kind: ET_DYN, ..shape }), Ok("amd64"), "position-independent");
        for (shape, what) in [
            (Shape { kind: ET_DYN, entry: 0, ..shape }, "a shared library"),
            (Shape { kind: ET_REL, ..shape }, "an object file"),
            (Shape { kind: ET_CORE, ..shape }, "a core dump"),
            (Shape { abi: ELFOSABI_FREEBSD, ..shape }, "for another system"),
        ] {
            assert_eq!(machine(shape), Err(format!("`FILE` is no executable for Linux: it is {what}")));
        }
        assert_eq!(machine(Shape { abi: ELFOSABI_GNU, ..shape }), Ok("amd64"));
    }

    #[test]
    fn what_is_no_elf_file_is_called_by_its_name() {
        for (data, what) in [
            (b"".as_slice(), "empty"),
            (b"#!/bin/sh\n", "a script"),
            (b"hello\n", "a text"),
            (b"MZ\x90\0", "a program for Windows (PE)"),
            (b"\xcf\xfa\xed\xfe\x07\0", "a program for macOS (Mach-O)"),
            (b"\xca\xfe\xba\xbe\0\0", "a program for macOS (Mach-O)"),
            (b"\0asm\x01\0\0\0", "a WebAssembly module"),
            (b"\x01\x02\x03", "something else"),
        ] {
            let file = file(data);
            let error = Elf::read(file.path()).expect_err("no ELF file").to_string();
            assert!(error.contains(&format!("is no ELF executable: it is {what}\n")), "{error}");
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = Elf::read(dir.path()).expect_err("a folder").to_string();
        assert!(error.contains("is a folder\n  = name the file of a gateway"), "{error}");
        let error = Elf::read(&dir.path().join("absent")).expect_err("absent").to_string();
        assert!(error.starts_with("cannot read `"), "{error}");
        let error = Elf::read(Path::new("/dev/zero")).expect_err("endless").to_string();
        assert!(error.starts_with("`/dev/zero` is not a file\n"), "{error}");
    }

    #[test]
    fn sizes_are_in_mebibytes() {
        assert_eq!(mebibytes(6_700_000), "6.4 MiB");
        assert_eq!(mebibytes(u64::MAX).split('.').next(), Some("1759218604441"));
    }
}
