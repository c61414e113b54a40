//! What the tests of bundles share: archives, manifests, a key.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Limits, Settings};
use crate::storage::PublicKey;

/// The MD5 of nothing.
pub(crate) const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Settings with a store below a folder, and small bounds.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        downloads: true,
        base_url: "http://127.0.0.1:1/".to_owned(),
        insecure: false,
        trusts_existing: false,
        key: None,
        store: folder.join("middleware/bundles"),
        is_off: false,
        limits: Limits { bytes: 1 << 20, unpacked_bytes: 1 << 20, files: 100 },
        timeout: Duration::from_secs(5),
        pause: Duration::from_millis(1),
    }
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/notice/testdata")
}

/// The public key of [`sign`].
pub(crate) fn key() -> PublicKey {
    PublicKey::read(&testdata().join("key.pub.pem")).expect("a public key")
}

/// A private key as `gateway bundle build` reads it.
pub(crate) fn private_key() -> String {
    let der = std::fs::read(testdata().join("key.der")).expect("a file of ours");
    crate::armor::Block::plain("RSA PRIVATE KEY", &der).text()
}

/// A signature of these bytes.
pub(crate) fn sign(bytes: &[u8]) -> String {
    let key = std::fs::read(testdata().join("key.der")).expect("a file of ours");
    let key = RsaKeyPair::from_der(&key).expect("a key of RSA's");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).expect("signed");
    BASE64_STANDARD.encode(signature)
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An archive of these files; a name that ends in a slash is a folder.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default();
        match name.strip_suffix('/') {
            Some(folder) => zip.add_directory(folder, options).expect("a folder"),
            None => {
                zip.start_file(*name, options).expect("an entry");
                zip.write_all(content).expect("memory");
            }
        }
    }
    zip.finish().expect("memory").into_inner()
}

/// A manifest of a bundle without files, with these members of `custom_middleware`.
pub(crate) fn manifest(section: Value) -> Value {
    json!({"file_list": [], "custom_middleware": section, "checksum": EMPTY, "signature": ""})
}

/// A section with one plugin for one hook.
pub(crate) fn section(hook: &str, name: &str) -> Value {
    json!({"driver": "goplugin", hook: [{"name": name, "path": "p.so"}]})
}

/// A bundle of a manifest alone.
pub(crate) fn bundle(manifest: &Value) -> Vec<u8> {
    zip(&[("manifest.json", manifest.to_string().as_bytes())])
}

/// A file with these bytes, at its beginning.
pub(crate) fn file(bytes: &[u8]) -> std::fs::File {
    use std::io::Seek;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("a file");
    file
}

/// The names of all that is below a folder, by path.
pub(crate) fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
            if path.is_dir() {
                found.push(format!("{name}/"));
                left.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}
