//! Interim.
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Rules {
    pub max_bytes: u64,
    pub pinned: Option<[u8; 32]>,
}
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Examined {
    pub path: PathBuf,
    pub content: OwnedFd,
    pub sha256: [u8; 32],
    pub bytes: u64,
    pub descriptor: Descriptor,
}
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Descriptor {
    pub plugins: Vec<PluginLine>,
}
#[derive(Debug, Clone, serde::Deserialize)]
#[allow(missing_docs)]
pub struct PluginLine {
    #[serde(rename = "crate")]
    pub package: String,
    pub version: String,
    pub name: String,
    pub hooks: Vec<String>,
}
#[allow(missing_docs)]
pub type Refusal = String;

#[allow(missing_docs)]
pub fn examine(path: &Path, _rules: &Rules) -> Result<Examined, Refusal> {
    use object::{Object, ObjectSection};
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    let file = object::File::parse(&*bytes).map_err(|e| e.to_string())?;
    let data = file.section_by_name(".gw_plugins").ok_or("no section")?.data().map_err(|e| e.to_string())?;
    let plugins = data
        .split(|b| *b == b'\n')
        .map(|l| l.strip_prefix(b"\0").unwrap_or(l))
        .filter(|l| !l.is_empty() && *l != b"\0")
        .map(|l| serde_json::from_slice(l).map_err(|e| e.to_string()))
        .collect::<Result<_, _>>()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let content = rustix::fs::memfd_create("gw", rustix::fs::MemfdFlags::CLOEXEC).map_err(|e| e.to_string())?;
    use std::io::Write;
    let mut f = std::fs::File::from(content);
    f.write_all(&bytes).map_err(|e| e.to_string())?;
    Ok(Examined {
        path: path.to_owned(),
        content: f.into(),
        sha256: digest.as_ref().try_into().map_err(|_| "digest")?,
        bytes: bytes.len() as u64,
        descriptor: Descriptor { plugins },
    })
}
#[allow(missing_docs)]
pub fn candidates(path: &Path, version: &str, os: &str, arch: &str) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    let base = text.strip_suffix(".so").unwrap_or(&text).to_owned();
    let version = version.trim_start_matches('v');
    vec![
        format!("{base}_v{version}_{os}_{arch}.so").into(),
        format!("{base}_{version}_{os}_{arch}.so").into(),
        path.to_owned(),
    ]
}
