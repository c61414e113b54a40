//! The documents of an image, and the archive that holds them: an OCI layout, which is an archive of Docker too.
//!
//! Sources: the OCI image specification 1.1 (`config.md`, `manifest.md`, `image-layout.md`); for `Healthcheck` and
//! `manifest.json`, the Docker image specification 1.2. Types rather than `json!`: their members stay in this order,
//! whatever the features of serde_json, and with them the digest.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::layer::{Archive, HOME};
use super::name::ImageName;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// What the documents say.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a ImageName,
    pub(crate) architecture: &'static str,
    /// RFC 3339.
    pub(crate) created: String,
    /// Seconds since 1970.
    pub(crate) modified: u64,
    pub(crate) user: String,
    pub(crate) port: u16,
    pub(crate) labels: &'a BTreeMap<String, String>,
}

/// The archive.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    /// Of the manifest: what registries know the image by.
    pub(crate) digest: String,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: Execution<'a>,
    rootfs: RootFs<'a>,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    user: &'a str,
    exposed_ports: BTreeMap<String, Empty>,
    env: [&'a str; 1],
    entrypoint: [&'a str; 1],
    working_dir: &'a str,
    labels: &'a BTreeMap<String, String>,
    stop_signal: &'a str,
    healthcheck: Healthcheck<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck<'a> {
    test: [&'a str; 3],
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'a str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: [Descriptor<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: [Descriptor<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct Platform<'a> {
    architecture: &'a str,
    os: &'a str,
}

/// One entry of `manifest.json`, which `docker load` looked for before it knew OCI layouts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: [String; 1],
    layers: [String; 1],
}

/// A document or a layer, under its digest.
struct Blob {
    media_type: &'static str,
    hash: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, hash: hex_sha256(&bytes), bytes }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash)
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hash)
    }

    fn described<'a>(&self) -> Descriptor<'a> {
        Descriptor {
            media_type: self.media_type,
            digest: self.digest(),
            size: self.bytes.len(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// Puts a layer (as tar, and compressed) into an archive, with the documents that describe it.
pub(crate) fn pack(facts: &Facts<'_>, tar: &[u8], compressed: Vec<u8>) -> io::Result<Packed> {
    let layer = Blob::new(LAYER, compressed);
    let config = Blob::new(CONFIG, serde_json::to_vec(&config(facts, format!("sha256:{}", hex_sha256(tar))))?);
    let manifest =
        Manifest { schema_version: 2, media_type: MANIFEST, config: config.described(), layers: [layer.described()] };
    let manifest = Blob::new(MANIFEST, serde_json::to_vec(&manifest)?);
    let described = Descriptor {
        platform: Some(Platform { architecture: facts.architecture, os: "linux" }),
        annotations: BTreeMap::from([
            ("io.containerd.image.name", facts.name.full()),
            ("org.opencontainers.image.created", facts.created.clone()),
            ("org.opencontainers.image.ref.name", facts.name.tag().to_owned()),
        ]),
        ..manifest.described()
    };
    let index = Index { schema_version: 2, media_type: INDEX, manifests: [described] };
    let docker = DockerImage { config: config.path(), repo_tags: [facts.name.to_string()], layers: [layer.path()] };
    let mut archive = Archive::new(facts.modified);
    archive.folder("blobs/", 0o755)?;
    archive.folder("blobs/sha256/", 0o755)?;
    let mut blobs = [&layer, &config, &manifest];
    blobs.sort_by(|one, other| one.hash.cmp(&other.hash));
    for blob in blobs {
        archive.file(&blob.path(), 0o644, &blob.bytes)?;
    }
    archive.file("index.json", 0o644, &serde_json::to_vec(&index)?)?;
    archive.file("manifest.json", 0o644, &serde_json::to_vec(&[docker])?)?;
    archive.file("oci-layout", 0o644, LAYOUT)?;
    Ok(Packed { bytes: archive.finish()?, digest: manifest.digest() })
}

fn config<'a>(facts: &'a Facts<'a>, diff_id: String) -> Config<'a> {
    Config {
        created: &facts.created,
        architecture: facts.architecture,
        os: "linux",
        config: Execution {
            user: &facts.user,
            exposed_ports: BTreeMap::from([(format!("{}/tcp", facts.port), Empty {})]),
            // For `docker exec NAME gateway plugins list`.
            env: ["PATH=/"],
            entrypoint: ["/gateway"],
            working_dir: HOME,
            labels: facts.labels,
            stop_signal: "SIGTERM",
            healthcheck: Healthcheck { test: ["CMD", "/gateway", "health"] },
        },
        rootfs: RootFs { r#type: "layers", diff_ids: [diff_id] },
        history: [History { created: &facts.created, created_by: "cargo xtask image" }],
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
