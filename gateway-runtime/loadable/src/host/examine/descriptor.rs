//! What a file says of itself.

use serde::Deserialize;

use super::elf::Elf;
use super::reason::Reason;
use crate::abi;

/// The longest description, and the longest list of plugins, in bytes.
const MOST: [(&str, usize); 2] = [(".gw_plugin", 64 * 1024), (".gw_plugins", 1024 * 1024)];

/// What a file says of itself. What it does not know is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The version of the interface, major and minor.
    pub abi: (u16, u16),
    /// Of the SDK.
    pub sdk: Option<String>,
    /// Of the compiler.
    pub rustc: Option<String>,
    /// What it was built for.
    pub target: Option<String>,
    /// What a panic does: `unwind` or `abort`.
    pub panic: Option<String>,
    /// How it was built.
    pub profile: Option<String>,
    /// What it was written in.
    pub language: Option<String>,
    /// Its plugins.
    pub plugins: Vec<PluginLine>,
}

/// One plugin, as a file says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PluginLine {
    /// The crate, module or folder.
    #[serde(rename = "crate")]
    pub package: String,
    /// Its version.
    pub version: String,
    /// As definitions name it.
    pub name: String,
    /// The hooks that it serves.
    pub hooks: Vec<String>,
}

#[derive(Deserialize)]
struct FileLine {
    abi: String,
    sdk: Option<String>,
    rustc: Option<String>,
    target: Option<String>,
    panic: Option<String>,
    profile: Option<String>,
    language: Option<String>,
}

pub(super) fn read(file: &Elf<'_>) -> Result<Descriptor, Reason> {
    let [one, all] = MOST;
    let mut lines = lines(file, one)?.into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(Reason::Undescribed(format!("its section `{}` is not one line", one.0)));
    };
    let FileLine { abi, sdk, rustc, target, panic, profile, language } = json(one.0, line)?;
    let version = abi.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let version =
        version.ok_or_else(|| Reason::Undescribed(format!("`{abi}` is no version of the plugin interface")))?;
    let plugins: Vec<PluginLine> =
        self::lines(file, all)?.into_iter().map(|line| json(all.0, line)).collect::<Result<_, _>>()?;
    if plugins.is_empty() {
        return Err(Reason::Undescribed(format!("its section `{}` names no plugin", all.0)));
    }
    Ok(Descriptor { abi: version, sdk, rustc, target, panic, profile, language, plugins })
}

/// The lines of a section. A text of C's may end in a zero.
fn lines<'d>(file: &Elf<'d>, (name, most): (&str, usize)) -> Result<Vec<&'d str>, Reason> {
    let Some(data) = file.section(name)? else {
        return Err(Reason::Undescribed(format!("it has no section `{name}`")));
    };
    if data.len() > most {
        return Err(Reason::Undescribed(format!(
            "its section `{name}` has {} bytes, and {most} are allowed",
            data.len()
        )));
    }
    let text =
        std::str::from_utf8(data).map_err(|_| Reason::Undescribed(format!("its section `{name}` is not UTF-8")))?;
    Ok(text.split(['\n', '\0']).map(str::trim).filter(|line| !line.is_empty()).collect())
}

fn json<'l, T: Deserialize<'l>>(section: &str, line: &'l str) -> Result<T, Reason> {
    serde_json::from_str(line)
        .map_err(|error| Reason::Undescribed(format!("its section `{section}` is not right: {error}")))
}

impl Descriptor {
    /// Whether this gateway speaks the file's language.
    pub(super) fn fits(&self) -> Result<(), Reason> {
        let (major, minor) = self.abi;
        if major != abi::MAJOR || minor > abi::MINOR {
            return Err(Reason::OtherAbi {
                found: format!("{major}.{minor}"),
                newer: self.abi > (abi::MAJOR, abi::MINOR),
            });
        }
        match &self.panic {
            Some(strategy) if strategy != "unwind" => Err(Reason::Aborts(strategy.clone())),
            _ => Ok(()),
        }
    }
}
