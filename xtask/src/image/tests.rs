//! Images, read back.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::elf::sample::{Shape, elf};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// A folder with a binary, and what would go into its image.
struct Here {
    dir: TempDir,
}

impl Here {
    fn new() -> Self {
        Self::with(Shape::default())
    }

    fn with(shape: Shape) -> Self {
        let here = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        let build = br#"{"version":"0.1.0","commit":"abc","plugins":[{"name":"a","version":"1.0.0"}]}"#;
        fs::write(here.path("binary"), elf(shape, &[(".gw_build", build)])).expect("written");
        here
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn contents(&self, settings: &ImageSettings) -> Contents {
        contents(&args(None), &self.path("binary"), settings, 7).expect("contents")
    }

    fn write(&self, output: &str) -> Result<Written, ImageError> {
        write(&self.contents(&ImageSettings::default()), &self.path(output))
    }
}

fn args(tag: Option<&str>) -> ImageArgs {
    ImageArgs { selection: crate::cli::Selection::default(), binary: None, output: None, tag: tag.map(str::to_owned) }
}

/// All files of an archive.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fs::File::open(path).expect("there"));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("readable");
        files.insert(entry.path().expect("a path").display().to_string(), data);
    }
    files
}

fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A document, and the one that a descriptor names, whose digest and size must fit.
fn followed<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("a digest");
    let data = &files[&format!("blobs/sha256/{digest}")];
    assert_eq!((sha256(data).as_str(), &Value::from(data.len())), (digest, &descriptor["size"]));
    data
}

fn json(data: &[u8]) -> Value {
    serde_json::from_slice(data).expect("JSON")
}

#[test]
fn the_documents_of_an_image_lead_to_each_other() {
    let here = Here::new();
    let settings = ImageSettings {
        name: Some("ghcr.io/team/gateway".into()),
        port: Some(9000),
        user: Some(User { uid: 10, gid: 20 }),
        labels: BTreeMap::from([
            ("mine".to_owned(), "1".to_owned()),
            ("org.opencontainers.image.title".to_owned(), "My gateway".to_owned()),
        ]),
        ca_certificates: None,
    };
    let written = write(&here.contents(&settings), &here.path("image.tar")).expect("written");
    let ways = written.ways_to_use();
    assert!(ways.contains("docker run -p 9000:9000 -v $PWD/tyk.conf:/opt/tyk-gateway/tyk.conf:ro "), "{ways}");
    assert!(ways.ends_with("/image.tar docker://ghcr.io/team/gateway:0.1.0"), "{ways}");
    let files = files(&written.path);
    assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = json(&files["index.json"]);
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["digest"], written.digest);
    assert_eq!(descriptor["platform"], serde_json::json!({ "architecture": "amd64", "os": "linux" }));
    assert_eq!(descriptor["annotations"]["org.opencontainers.image.ref.name"], "0.1.0");
    assert_eq!(descriptor["annotations"]["io.containerd.image.name"], "ghcr.io/team/gateway:0.1.0");
    let manifest = json(followed(&files, descriptor));
    let config = json(followed(&files, &manifest["config"]));
    let layer = followed(&files, &manifest["layers"][0]);
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(layer).read_to_end(&mut tar).expect("gzip");
    let expected = serde_json::json!({
        "created": "1970-01-01T00:00:07Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": "10:20",
            "ExposedPorts": { "9000/tcp": {} },
            "Env": ["PATH=/"],
            "Entrypoint": ["/gateway"],
            "WorkingDir": "/opt/tyk-gateway",
            "Labels": {
                "gw.plugins": "a 1.0.0",
                "mine": "1",
                "org.opencontainers.image.created": "1970-01-01T00:00:07Z",
                "org.opencontainers.image.revision": "abc",
                "org.opencontainers.image.title": "My gateway",
                "org.opencontainers.image.version": "0.1.0",
            },
            "StopSignal": "SIGTERM",
            "Healthcheck": { "Test": ["CMD", "/gateway", "health"] },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&tar))] },
        "history": [{ "created": "1970-01-01T00:00:07Z", "created_by": "cargo xtask image" }],
    });
    assert_eq!(config, expected);
    let docker = json(&files["manifest.json"]);
    assert_eq!(docker[0]["RepoTags"], serde_json::json!(["ghcr.io/team/gateway:0.1.0"]));
    let blob =
        |descriptor: &Value| descriptor["digest"].as_str().expect("a digest").replace("sha256:", "blobs/sha256/");
    assert_eq!(docker[0]["Config"], blob(&manifest["config"]));
    assert_eq!(docker[0]["Layers"], serde_json::json!([blob(&manifest["layers"][0])]));
    assert_eq!(files.len(), 3 + 3 + 2, "{:?}", files.keys());
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let (one, other) = (Here::new(), Here::new());
    let (first, second) = (one.write("a.tar").expect("written"), other.write("b.tar").expect("written"));
    assert_eq!(first.digest, second.digest);
    assert_eq!(fs::read(&first.path).expect("there"), fs::read(&second.path).expect("there"));
    let mut later = one.contents(&ImageSettings::default());
    later.created = 8;
    let third = write(&later, &one.path("c.tar")).expect("written");
    assert_ne!(first.digest, third.digest, "the time is in it");
}

#[test]
fn the_name_is_the_typed_one_else_the_manifests_else_gateway_with_the_version_as_tag() {
    let here = Here::new();
    let settings = ImageSettings { name: Some("team/gw".into()), ..ImageSettings::default() };
    let named = |tag, settings: &ImageSettings| {
        let contents = contents(&args(tag), &here.path("binary"), settings, 0).expect("contents");
        contents.name.to_string()
    };
    assert_eq!(named(Some("mine:1"), &settings), "mine:1");
    assert_eq!(named(Some("mine"), &settings), "mine:0.1.0");
    assert_eq!(named(None, &settings), "team/gw:0.1.0");
    assert_eq!(named(None, &ImageSettings::default()), "gateway:0.1.0");
}

#[test]
fn the_architecture_is_that_of_the_binary() {
    let here = Here::with(Shape { machine: object::elf::EM_AARCH64, ..Shape::default() });
    let written = here.write("image.tar").expect("written");
    assert_eq!(written.architecture, "arm64");
    assert!(written.to_string().ends_with("  gateway:0.1.0  linux/arm64"), "{written}");
    assert!(written.ways_to_use().ends_with(" docker://REGISTRY/gateway:0.1.0"), "{}", written.ways_to_use());
    let index = json(&files(&written.path)["index.json"]);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
    let name = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
    assert_eq!(name, "docker.io/library/gateway:0.1.0", "containerd knows full names only");
}

#[test]
fn certificates_go_into_the_layer_if_they_are_some() {
    let here = Here::new();
    let check = |text: Option<&str>| {
        let path = here.path("ca.pem");
        text.map_or_else(|| fs::remove_file(&path), |text| fs::write(&path, text)).expect("done");
        let settings = ImageSettings { ca_certificates: Some(path.clone()), ..ImageSettings::default() };
        let written = write(&here.contents(&settings), &here.path("ca.tar"));
        written.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    };
    let plain = here.write("plain.tar").expect("written");
    let with = check(Some(CERTIFICATE)).expect("written");
    assert_ne!(plain.digest, with.digest);
    let key = format!("{CERTIFICATE}-----BEGIN EC PRIVATE KEY-----\n");
    let half = CERTIFICATE.replace("END CERTIFICATE", "END");
    for (text, said) in [
        ("hello", "`FILE` holds no certificate\n  = `ca-certificates` names a file in PEM form"),
        (&half, "`FILE` holds a certificate without its end\n"),
        (&key, "`FILE` holds a private key, which everybody who has the image could read\n"),
    ] {
        let error = check(Some(text)).expect_err(text);
        assert!(error.starts_with(said), "{error}");
    }
    let error = check(None).expect_err("absent");
    assert_eq!(error, "cannot read the certificates `FILE`\n  = `ca-certificates` names a file in PEM form");
}

#[test]
fn a_failure_leaves_the_previous_image() {
    let here = Here::new();
    fs::write(here.path("image.tar"), "previous").expect("written");
    let contents = here.contents(&ImageSettings::default());
    fs::write(here.path("binary"), "#!/bin/sh\n").expect("written");
    let error = write(&contents, &here.path("image.tar")).expect_err("no binary").to_string();
    assert!(error.contains("is no ELF executable: it is a script"), "{error}");
    assert_eq!(fs::read_to_string(here.path("image.tar")).expect("there"), "previous");
    assert_eq!(fs::read_dir(here.dir.path()).expect("readable").count(), 2, "nothing is left beside it");
}

#[test]
fn an_output_that_is_a_folder_or_below_a_file_is_refused() {
    let here = Here::new();
    fs::create_dir(here.path("folder")).expect("made");
    let error = here.write("folder").expect_err("a folder").to_string();
    let folder = here.path("folder").display().to_string();
    assert_eq!(error, format!("the output `{folder}` is a folder\n  = name a file: --output {folder}/gateway.tar"));
    let error = here.write("binary/image.tar").expect_err("below a file").to_string();
    assert_eq!(error, format!("cannot write `{}`", here.path("binary/image.tar").display()));
}

#[test]
fn an_output_is_replaced_whole_and_its_folder_made() {
    let here = Here::new();
    let first = here.write("new/image.tar").expect("written");
    fs::write(&first.path, "old").expect("written");
    fs::hard_link(&first.path, here.path("opened-before")).expect("linked");
    let again = here.write("new/image.tar").expect("written again");
    assert_eq!(fs::metadata(&again.path).expect("there").len(), again.size);
    assert_eq!(fs::read_to_string(here.path("opened-before")).expect("there"), "old", "who reads the old one goes on");
    assert_eq!(fs::read_dir(here.path("new")).expect("readable").count(), 1);
    let mode = |name: &str| fs::metadata(here.path(name)).expect("there").permissions();
    assert_eq!(mode("new/image.tar"), mode("binary"), "readable for whom any new file is");
}

#[test]
fn the_epoch_is_seconds_or_an_error() {
    let given = |text: &str| epoch(Some(text.to_owned())).map_err(|error| error.to_string());
    assert_eq!(epoch(None).ok(), Some(0));
    assert_eq!(given("1767225600"), Ok(1_767_225_600));
    assert_eq!(given("253402300799"), Ok(LAST_SECOND));
    for wrong in ["", "now", "-1", "253402300800"] {
        let error = given(wrong).expect_err(wrong);
        assert_eq!(
            error,
            format!("SOURCE_DATE_EPOCH is `{wrong}`, and should be seconds since 1970, such as 1767225600")
        );
    }
}

#[test]
fn what_was_typed_wrong_is_a_usage_error_before_anything_is_built() {
    let here = Here::new();
    let repository = Repository::at(here.path(""));
    let run = |args: &ImageArgs| {
        let error = image(&repository, args, &ImageSettings::default(), &Report::silent()).expect_err("refused");
        assert_eq!(error.exit_code(), crate::USAGE);
        error.to_string()
    };
    let error = run(&ImageArgs { output: Some(here.path("out.tar")), ..args(Some("Upper")) });
    assert!(error.starts_with("`Upper` is no name of an image: `Upper` has upper-case letters"), "{error}");
    let error = run(&ImageArgs { output: Some(here.path("")), ..args(None) });
    assert!(error.contains("is a folder\n  = name a file"), "{error}");
}
