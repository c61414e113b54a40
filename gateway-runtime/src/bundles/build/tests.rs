//! Source: plugin-system.md §7.8; §10.4, cli/bundler/bundler_test.go:78,220.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use zip::ZipArchive;

use super::*;
use crate::bundles::testing::{EMPTY, key, md5, private_key, section, settings};
use crate::bundles::verify::{Depth, verify};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn plan(folder: &Path, manifest: &str) -> Result<Plan, String> {
    let file = folder.join("manifest.json");
    fs::write(&file, manifest).expect("written");
    Plan::read(&file, folder).map_err(|error| error.to_string())
}

fn refused(manifest: &str) -> String {
    plan(folder().path(), manifest).expect_err("refused")
}

#[test]
fn what_cannot_be_built_is_told() {
    let nowhere = Plan::read(Path::new("/no/manifest.json"), Path::new("/")).expect_err("refused").to_string();
    assert!(nowhere.starts_with("Couldn't load manifest file /no/manifest.json: "), "{nowhere}");
    assert!(refused("").contains("unexpected end of JSON input"), "{}", refused(""));
    let missing = json!({"file_list": ["nonexistent.so"], "custom_middleware": section("post", "A")}).to_string();
    let told = refused(&missing);
    assert!(told.starts_with("Referencing a nonexistent file: nonexistent.so, in the `file_list` of "), "{told}");
    let no_hooks = json!({"custom_middleware": {"driver": "goplugin", "auth_check": {"path": "a"}}}).to_string();
    assert!(refused(&no_hooks).starts_with("No hooks defined"));
    let no_driver = json!({"custom_middleware": {"post": [{"name": "A"}]}}).to_string();
    assert!(refused(&no_driver).starts_with("No driver specified"));
    let logs = json!({"custom_middleware": {"driver": "goplugin", "traffic_logs": {"name": "T"}}}).to_string();
    assert!(plan(folder().path(), &logs).is_ok(), "a plugin of analytics alone is enough");
}

/// Every entry of an archive.
fn entries(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).expect("an archive");
    let names = 0..archive.len();
    let mut entry = |at| {
        let mut entry = archive.by_index(at).expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("read");
        (String::from_utf8(entry.name_raw().to_vec()).expect("text"), content)
    };
    names.map(&mut entry).collect()
}

#[test]
fn a_bundle_has_its_files_in_their_order_and_then_the_manifest() {
    let folder = folder();
    let manifest = json!({"file_list": ["b.so", "a.so"], "custom_middleware": section("post", "A"), "own": 1});
    fs::write(folder.path().join("a.so"), "a").expect("written");
    fs::write(folder.path().join("b.so"), "bb").expect("written");
    let build = || plan(folder.path(), &manifest.to_string()).expect("a plan").archive(None).expect("built");
    let zip = build();
    assert_eq!(zip, build(), "the same bytes");
    let found = entries(&zip);
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b.so", "a.so", "manifest.json"]);
    let written: Value = serde_json::from_slice(&found[2].1).expect("JSON");
    assert_eq!((written["checksum"].as_str(), written["signature"].as_str()), (Some(&*md5(b"bba")), Some("")));
    assert_eq!((&written["own"], &written["custom_middleware"]), (&json!(1), &manifest["custom_middleware"]));
    let empty = json!({"custom_middleware": section("post", "A")}).to_string();
    let zip = plan(folder.path(), &empty).expect("a plan").archive(None).expect("built");
    let written: Value = serde_json::from_slice(&entries(&zip)[0].1).expect("JSON");
    assert_eq!(written["checksum"], EMPTY);
}

#[test]
fn what_is_signed_is_verified_by_the_public_key() {
    let folder = folder();
    fs::write(folder.path().join("a.so"), "a").expect("written");
    let private = folder.path().join("key.pem");
    let manifest = json!({"file_list": ["a.so"], "custom_middleware": section("post", "A")}).to_string();
    let signed =
        || plan(folder.path(), &manifest).expect("a plan").archive(Some(&private)).map_err(|error| error.to_string());
    assert!(signed().expect_err("no key").contains("No such file"));
    fs::write(&private, "nothing").expect("written");
    assert!(signed().expect_err("no key").contains("no `PRIVATE KEY`"));
    fs::write(&private, private_key()).expect("written");
    let found = entries(&signed().expect("signed"));
    let read = parse(&found[1].1).expect("a manifest");
    let mut settings = settings(folder.path());
    settings.key = Some(key());
    verify(folder.path(), &read, Depth::Deep, &settings).expect("signed by us");
}

#[test]
fn it_is_written_whole_for_everybody_to_read() {
    let folder = folder();
    let output = folder.path().join("bundle.zip");
    write(&output, b"1").expect("written");
    write(&output, b"22").expect("written again");
    assert_eq!(fs::read(&output).expect("a file"), b"22");
    assert_eq!(fs::metadata(&output).expect("a file").permissions().mode() & 0o700, 0o700);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    let nowhere = write(&folder.path().join("no/bundle.zip"), b"1").expect_err("no folder").to_string();
    assert!(nowhere.contains("no/bundle.zip: "), "{nowhere}");
}
