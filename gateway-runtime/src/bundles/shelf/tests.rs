//! What is on disk.

use gateway_model::Hook;
use gateway_model::bundle::Bundles;
use serde_json::json;

use super::super::place::places;
use super::*;
use crate::bundles::testing::{self, below, bundle, file, key, section, settings, sign, zip};

fn one(name: &str) -> Bundles {
    Bundles::One(name.to_owned())
}

fn place_of(settings: &Settings, wanted: &Bundles) -> Place {
    places(&settings.store, wanted).expect("places").remove(0)
}

/// Puts a bundle into its place, and takes it from there.
fn through(zip: &[u8], settings: &Settings) -> Result<Bundle, String> {
    let wanted = one("b.zip");
    let place = place_of(settings, &wanted);
    put(file(zip), &place, settings).map_err(|error| error.to_string())?;
    take(&wanted, &[place], &[true], settings).map_err(|error| error.to_string())
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:85 (the folder, and what the manifest says).
#[test]
fn a_bundle_is_unpacked_to_its_folder_and_says_what_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let manifest = testing::manifest(json!({"driver": "goplugin", "auth_check": {"name": "MyAuthHook"}}));
    let found = through(&bundle(&manifest), &settings).expect("taken");
    assert_eq!((found.section.driver.as_str(), found.section.auth_check.name.as_str()), ("goplugin", "MyAuthHook"));
    assert_eq!(found.folder, settings.store.join(testing::md5(b"b.zip")));
    assert_eq!(below(&found.folder), ["manifest.json"]);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!((mode(&found.folder) & 0o777, mode(&settings.store) & 0o777), (0o700, 0o700));
}

#[test]
fn what_is_not_right_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    let manifest = testing::manifest(section("post", "A"));
    let whole = bundle(&manifest);
    let wrong = bundle(&json!({"custom_middleware": section("post", "A"), "checksum": "x"}));
    let cases: [(&[u8], &str); 5] = [
        (b"no zip", "Couldn't save bundle: not a zip file that can be read: "),
        (&whole[..whole.len() - 1], "Couldn't save bundle: not a zip file that can be read: "),
        (&zip(&[("a.so", b"")]), "Couldn't load bundle: manifest.json: file does not exist"),
        (&zip(&[("manifest.json", b"{")]), "Couldn't load bundle: manifest.json:1:1: unexpected end of JSON input"),
        (&wrong, "Couldn't load bundle: invalid checksum"),
    ];
    for (zip, expected) in cases {
        let told = through(zip, &settings).expect_err("refused");
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(below(&settings.store), [".lock"]);
    }
    settings.key = Some(key());
    let told = through(&whole, &settings).expect_err("refused");
    assert!(told.starts_with("Couldn't load bundle: Bundle isn't signed"), "{told}");
    assert_eq!(below(&settings.store), [".lock"]);
    settings.key = None;
    assert!(through(&whole, &settings).is_ok(), "the same name, as if nothing had been");
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:235, :188.
#[test]
fn what_was_there_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    let wanted = one("b.zip");
    let place = place_of(&settings, &wanted);
    let taken = |settings: &Settings| {
        take(&wanted, std::slice::from_ref(&place), &[], settings).map_err(|error| error.to_string())
    };
    fs::create_dir_all(&place.folder).expect("made");
    let told = taken(&settings).expect_err("refused");
    assert!(told.starts_with("Couldn't load bundle: manifest.json: file does not exist"), "{told}");
    let signed = |signature: String| {
        let mut manifest = testing::manifest(section("post", "A"));
        manifest["signature"] = signature.into();
        fs::write(place.folder.join(MANIFEST), manifest.to_string()).expect("written");
    };
    settings.key = Some(key());
    signed(sign(b"something else"));
    let told = taken(&settings).expect_err("refused");
    assert!(told.starts_with("Couldn't load bundle: crypto/rsa: verification error"), "{told}");
    assert!(taken(&Settings { trusts_existing: true, ..settings.clone() }).is_ok());
    signed(sign(b""));
    assert_eq!(taken(&settings).expect("taken").warnings, Vec::<String>::new());
    // Row :500 of the same file: it is used though nobody has signed it. Here that is told, every time.
    signed(String::new());
    let told = taken(&settings).expect("taken").warnings;
    assert!(told[0].contains("nobody has signed it") && told[0].contains("remove "), "{told:?}");
    assert_eq!(taken(&Settings { key: None, ..settings.clone() }).expect("taken").warnings, Vec::<String>::new());
    fs::remove_file(place.folder.join(MANIFEST)).expect("ours");
    fs::create_dir(place.folder.join(MANIFEST)).expect("made");
    assert!(taken(&settings).expect_err("refused").contains("not a regular file"));
}

/// Somebody may have unpacked it in the meantime, and somebody may have died of it.
#[test]
fn who_comes_late_uses_what_is_there_and_what_is_half_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let half = settings.store.join(".unpack-gone");
    fs::create_dir_all(half.join("lib")).expect("made");
    fs::write(half.join("lib/a"), "half").expect("written");
    let first = through(&bundle(&testing::manifest(section("post", "First"))), &settings).expect("taken");
    assert!(!half.exists());
    let second = through(&bundle(&testing::manifest(section("post", "Second"))), &settings).expect("taken");
    assert_eq!(second.section.entries(Hook::Post)[0].name, "First");
    assert_eq!(first.mark, second.mark);
}

/// Threads here stand for processes: the lock is the same.
#[test]
fn many_at_once_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let zip = bundle(&testing::manifest(section("post", "A")));
    std::thread::scope(|scope| {
        let loaders: Vec<_> =
            (0..8).map(|_| scope.spawn(|| through(&zip, &settings).map(|found| found.mark))).collect();
        let marks: Vec<_> = loaders.into_iter().map(|it| it.join().expect("no panic").expect("taken")).collect();
        assert!(marks.iter().all(|mark| *mark == marks[0]));
    });
    let name = testing::md5(b"b.zip");
    assert_eq!(below(&settings.store), [".lock".to_owned(), format!("{name}/"), format!("{name}/manifest.json")]);
}

#[test]
fn several_are_told_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let wanted =
        Bundles::Several { text: "a.zip,b.zip".to_owned(), names: vec!["a.zip".to_owned(), "b.zip".to_owned()] };
    let all = places(&settings.store, &wanted).expect("places");
    let shelve = |place: &Place, section| {
        put(file(&bundle(&testing::manifest(section))), place, &settings).map_err(|error| error.to_string())
    };
    shelve(&all[0], section("post", "A")).expect("put");
    let taken = take(&wanted, &all, &[], &settings).map_err(|error| error.to_string());
    assert!(
        taken.expect_err("refused").starts_with("Couldn't load bundle \"b.zip\": manifest.json: file does not exist")
    );
    shelve(&all[1], json!({"driver": "grpc", "pre": [{"name": "B"}]})).expect("put");
    let told = take(&wanted, &all, &[], &settings).expect_err("refused").to_string();
    assert!(told.starts_with("Couldn't merge bundle \"b.zip\": bundle \"b.zip\" declares driver \"grpc\""), "{told}");
    fs::remove_dir_all(&all[1].folder).expect("ours");
    shelve(&all[1], section("post", "B")).expect("put");
    let found = take(&wanted, &all, &[], &settings).expect("taken");
    let paths: Vec<_> = found.section.post.iter().map(|entry| entry.path.as_str()).collect();
    let expected = [all[0].folder.join("p.so"), all[1].folder.join("p.so")];
    assert_eq!(paths, expected.iter().map(|path| path.to_str().expect("text")).collect::<Vec<_>>());
}

/// Source: plugin-system.md §12.26.
#[test]
fn files_that_no_signature_is_of_are_told_where_there_is_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    let mut manifest = testing::manifest(section("post", "A"));
    manifest["file_list"] = json!(["./lib/a.so"]);
    manifest["checksum"] = testing::md5(b"a").into();
    manifest["signature"] = sign(b"a").into();
    let text = manifest.to_string();
    let all = [("manifest.json", text.as_bytes()), ("lib/a.so", b"a"), ("lib/b.so", b"b"), ("c.so", b"c")];
    assert_eq!(through(&zip(&all), &settings).expect("taken").warnings, Vec::<String>::new(), "nobody verifies");
    settings.key = Some(key());
    let told = through(&zip(&all), &settings).expect("taken").warnings;
    assert!(told.len() == 1 && told[0].contains("`file_list` (2; the first is `c.so`)"), "{told:?}");
    let settings = testing::settings(&folder.path().join("other"));
    let settings = Settings { key: Some(key()), ..settings };
    assert_eq!(through(&zip(&all[..2]), &settings).expect("taken").warnings, Vec::<String>::new());
}
