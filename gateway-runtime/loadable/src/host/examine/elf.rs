//! What of ELF is asked of a file.

use std::ffi::CStr;

use object::elf::{self, DataEncoding, FileClass, FileHeader64, Machine, OsAbi};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use object::{Endianness, StringTable};

use super::reason::Reason;
use crate::abi;

/// The offsets in an ELF header of its class, the order of its bytes, and its system.
const CLASS: usize = 4;
const DATA: usize = 5;
const OS_ABI: usize = 7;

/// Machines by their numbers.
const MACHINES: [(Machine, &str); 6] = [
    (elf::EM_X86_64, "x86_64"),
    (elf::EM_AARCH64, "aarch64"),
    (elf::EM_386, "i386"),
    (elf::EM_ARM, "arm"),
    (elf::EM_RISCV, "riscv"),
    (elf::EM_S390, "s390x"),
];

/// A shared object for this machine.
pub(super) struct Elf<'d> {
    bytes: &'d [u8],
    endian: Endianness,
    header: &'d FileHeader64<Endianness>,
    sections: SectionTable<'d, FileHeader64<Endianness>>,
}

fn damaged(error: object::Error) -> Reason {
    Reason::Damaged(error.to_string())
}

/// The machine that this is.
fn here() -> (Machine, &'static str) {
    let arch = std::env::consts::ARCH;
    MACHINES.into_iter().find(|(_, name)| *name == arch).unwrap_or((elf::EM_NONE, arch))
}

impl<'d> Elf<'d> {
    pub(super) fn parse(bytes: &'d [u8]) -> Result<Self, Reason> {
        if !bytes.starts_with(&elf::ELFMAG) {
            return Err(Reason::NotElf);
        }
        let other = |found: String| Reason::OtherMachine { found, expected: here().1.to_owned() };
        let at =
            |index: usize| bytes.get(index).copied().ok_or_else(|| Reason::Damaged("there is no header".to_owned()));
        match FileClass(at(CLASS)?) {
            elf::ELFCLASS64 => {}
            elf::ELFCLASS32 => return Err(other("a machine of 32 bits".to_owned())),
            FileClass(class) => return Err(Reason::Damaged(format!("its class is {class}"))),
        }
        let ours = if cfg!(target_endian = "big") { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        if DataEncoding(at(DATA)?) != ours {
            return Err(other("a machine with another order of bytes".to_owned()));
        }
        let system = OsAbi(at(OS_ABI)?);
        if ![elf::ELFOSABI_SYSV, elf::ELFOSABI_GNU].contains(&system) {
            return Err(other(format!("another system (OS ABI {})", system.0)));
        }
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let machine = header.e_machine(endian);
        if machine != here().0 {
            let known = MACHINES.into_iter().find(|(number, _)| *number == machine);
            return Err(other(known.map_or_else(|| format!("machine {}", machine.0), |(_, name)| name.to_owned())));
        }
        match header.e_type(endian) {
            elf::ET_DYN => {}
            elf::ET_REL => return Err(Reason::NotShared("an object that is not linked")),
            elf::ET_EXEC => return Err(Reason::NotShared("a program")),
            _ => return Err(Reason::NotShared("a core or something else")),
        }
        let sections = header.sections(endian, bytes).map_err(damaged)?;
        let file = Self { bytes, endian, header, sections };
        if file.is_program()? {
            return Err(Reason::NotShared("a program"));
        }
        Ok(file)
    }

    /// All that is loaded lies in the file.
    fn is_program(&self) -> Result<bool, Reason> {
        let mut interpreter = false;
        for segment in self.header.program_headers(self.endian, self.bytes).map_err(damaged)? {
            interpreter |= segment.p_type(self.endian) == elf::PT_INTERP;
            if segment.p_type(self.endian) == elf::PT_LOAD {
                segment
                    .data(self.endian, self.bytes)
                    .map_err(|()| Reason::Damaged("it ends before what it says is to be loaded".to_owned()))?;
            }
        }
        Ok(interpreter)
    }

    /// What a section holds; `None` if there is none of the name.
    ///
    /// # Errors
    /// When there are two, or it lies outside of the file.
    pub(super) fn section(&self, name: &str) -> Result<Option<&'d [u8]>, Reason> {
        let mut found = None;
        for section in self.sections.iter() {
            if self.sections.section_name(self.endian, section).ok() == Some(name.as_bytes()) {
                let data = section.data(self.endian, self.bytes).map_err(damaged)?;
                if found.replace(data).is_some() {
                    return Err(Reason::Undescribed(format!("it has two sections `{name}`")));
                }
            }
        }
        Ok(found)
    }

    /// The libraries that it needs, and where it says they are.
    pub(super) fn needed(&self) -> Result<(Vec<String>, Vec<String>), Reason> {
        let (mut needed, mut places) = (Vec::new(), Vec::new());
        let Some((entries, link)) = self.sections.dynamic(self.endian, self.bytes).map_err(damaged)? else {
            return Ok((needed, places));
        };
        let strings = self.sections.strings(self.endian, self.bytes, link).map_err(damaged)?;
        for entry in entries {
            let list = match entry.d_tag(self.endian) {
                elf::DT_NEEDED => &mut needed,
                elf::DT_RPATH | elf::DT_RUNPATH => &mut places,
                elf::DT_NULL => break,
                _ => continue,
            };
            list.push(text(&strings, entry.d_val(self.endian))?);
        }
        let places = places.iter().flat_map(|list| list.split(':')).map(str::to_owned).collect();
        Ok((needed, places))
    }

    /// The C library here has all versions of symbols that the file needs.
    pub(super) fn glibc_is_known(&self) -> Result<(), Reason> {
        let Some(here) = libc_version() else { return Ok(()) };
        let mut highest = (0, 0, 0);
        if let Some((mut libraries, link)) = self.sections.gnu_verneed(self.endian, self.bytes).map_err(damaged)? {
            let strings = self.sections.strings(self.endian, self.bytes, link).map_err(damaged)?;
            while let Some((_, mut versions)) = libraries.next().map_err(damaged)? {
                while let Some(version) = versions.next().map_err(damaged)? {
                    let name = version.name(self.endian, strings).map_err(damaged)?;
                    let name = std::str::from_utf8(name).unwrap_or_default();
                    if let Some(version) = name.strip_prefix("GLIBC_").and_then(version_of) {
                        highest = highest.max(version);
                    }
                }
            }
        }
        let has = version_of(here).unwrap_or_default();
        if highest > has {
            let (major, minor, patch) = highest;
            let patch = if patch > 0 { format!(".{patch}") } else { String::new() };
            return Err(Reason::NewerGlibc { needs: format!("{major}.{minor}{patch}"), has: here.to_owned() });
        }
        Ok(())
    }

    /// It exports the entry.
    pub(super) fn has_entry(&self) -> Result<(), Reason> {
        let symbols = self.sections.symbols(self.endian, self.bytes, elf::SHT_DYNSYM).map_err(damaged)?;
        let is_entry = |symbol: &elf::Sym64<Endianness>| {
            symbol.st_shndx(self.endian) != elf::SHN_UNDEF
                && symbols.symbol_name(self.endian, symbol).ok() == Some(abi::ENTRY.as_bytes())
        };
        if symbols.iter().any(is_entry) { Ok(()) } else { Err(Reason::NoEntry) }
    }
}

fn text(strings: &StringTable<'_>, at: u64) -> Result<String, Reason> {
    let outside = || Reason::Damaged("the name of a library lies outside of its table".to_owned());
    let at = u32::try_from(at).map_err(|_| outside())?;
    let name = strings.get(at).map_err(|()| outside())?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// `2.36` or `2.2.5`.
fn version_of(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

/// The version of the C library of this process; `None` if that is not glibc.
fn libc_version() -> Option<&'static str> {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn gnu_get_libc_version() -> *const std::ffi::c_char;
        }
        // SAFETY: glibc gives a text that is there for ever.
        let version = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
        version.to_str().ok()
    }
    #[cfg(not(target_env = "gnu"))]
    {
        let none: Option<&'static CStr> = None;
        none.and_then(|version| version.to_str().ok())
    }
}
