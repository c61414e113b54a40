//! What holds for all plugins. These keys are our own.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::LONGEST;
use super::remark::Remarks;

/// Threads for `blocking` plugins, if nobody says how many.
const THREADS: usize = 32;
const MOST_THREADS: usize = 1024;
/// How large a plugin's file may be, if nobody says so.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawPlugins {
    timeout_ms: u64,
    threads: usize,
    metrics: bool,
    folder: String,
    max_file_bytes: u64,
    pinned: BTreeMap<String, String>,
}

/// What holds for all plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PluginSettings {
    /// How long a call may take of a plugin that says nothing of that.
    pub(crate) timeout: Option<Duration>,
    /// So many `blocking` plugins run at the same time.
    pub(crate) threads: usize,
    /// All calls are counted and timed, and not only those that fail.
    pub(crate) metrics: bool,
}

pub(super) fn resolve(raw: &RawPlugins, remarks: &mut Remarks<'_>) -> PluginSettings {
    let RawPlugins { timeout_ms, threads, metrics, .. } = *raw;
    if threads > MOST_THREADS {
        remarks.error("plugins.threads", format!("{threads} is more than {MOST_THREADS}"));
    }
    PluginSettings {
        timeout: Some(Duration::from_millis(timeout_ms).min(LONGEST)).filter(|timeout| !timeout.is_zero()),
        threads: if threads == 0 { THREADS } else { threads.min(MOST_THREADS) },
        metrics,
    }
}

/// What holds for files of plugins.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "dynamic"), expect(dead_code, reason = "no file is loaded"))]
pub(crate) struct FileSettings {
    /// Its files are loaded without being named: their plugins are found by name, as linked ones are.
    pub(crate) folder: Option<PathBuf>,
    /// A larger file is refused, in bytes.
    pub(crate) max_bytes: u64,
    /// By its name or its path: the SHA-256 that a file must have.
    pub(crate) pinned: HashMap<String, [u8; 32]>,
}

pub(super) fn resolve_files(raw: &RawPlugins, remarks: &mut Remarks<'_>) -> FileSettings {
    let RawPlugins { folder, max_file_bytes, pinned, .. } = raw;
    let said = [
        ("plugins.folder", !folder.is_empty()),
        ("plugins.max_file_bytes", *max_file_bytes > 0),
        ("plugins.pinned", !pinned.is_empty()),
    ];
    if !cfg!(feature = "dynamic") {
        for (key, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
            let reason = "has no effect: the plugins of this gateway are linked in, and it loads no files; one that does is \
                          built by `cargo xtask build --dynamic`";
            remarks.warning(key, reason);
        }
        return FileSettings::default();
    }
    let mut hashes = HashMap::new();
    for (file, hash) in pinned {
        match sha256(hash) {
            Some(hash) => {
                hashes.insert(file.clone(), hash);
            }
            None => remarks.error(
                &format!("plugins.pinned[{file:?}]"),
                format!("`{hash}` is no SHA-256: write its 64 hexadecimal digits, as `sha256sum` prints them"),
            ),
        }
    }
    FileSettings {
        folder: (!folder.is_empty()).then(|| folder.into()),
        max_bytes: if *max_file_bytes == 0 { FILE_BYTES } else { *max_file_bytes },
        pinned: hashes,
    }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
