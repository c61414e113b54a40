//! `gateway bundle build`, `gateway check`, and a gateway without bundles. Source: plugin-system.md §7.8.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use gateway_tests::{Conf, Upstream, api, binary};
use serde_json::{Value, json};

use super::{bundle, fetching, fetching_from, section, with_bundle};

const PRIVATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/jwt/rsa.pem");
const PUBLIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/jwt/rsa.pub.pem");

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs `gateway bundle build` in a folder with this manifest.
fn build(folder: &Path, manifest: &Value, arguments: &[&str]) -> (Option<i32>, String, String) {
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a file in a folder of ours");
    let mut command = Command::new(binary::everything());
    command.current_dir(folder).args(["bundle", "build"]).args(arguments).stdin(Stdio::null());
    told(&command.output().expect("the gateway's binary runs"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Source: plugin-system.md §10.4, cli/bundler/bundler_test.go:78,220; tests/coprocess/bundle_loading_test.go:16.
#[tokio::test]
async fn what_is_built_and_signed_is_served_by_who_has_the_public_key() {
    let (upstream, made) = (Upstream::start(), folder());
    std::fs::write(made.path().join("plugin.so"), "no code: the plugin is linked").expect("written");
    let manifest = json!({"file_list": ["plugin.so"], "custom_middleware": section("post", &["AddFooBarHeader"])});
    let (code, out, err) = build(made.path(), &manifest, &["-k", PRIVATE]);
    let told = format!(
        "Building bundle using 'manifest.json'\nwarning: Using default bundle path 'bundle.zip'\nSigning bundle with key \
         '{PRIVATE}'\n"
    );
    assert_eq!((code, err), (Some(0), told));
    let zip = std::fs::read(made.path().join("bundle.zip")).expect("it was written");
    assert_eq!(out, format!("Wrote 'bundle.zip' ({} bytes)\n", zip.len()));
    let again =
        build(made.path(), &manifest, &["--key", PRIVATE, "--output", "again.zip", "--manifest", "manifest.json"]);
    assert_eq!(again.0, Some(0), "{}", again.2);
    assert_eq!(std::fs::read(made.path().join("again.zip")).expect("it was written"), zip, "the same bytes");
    let conf = fetching_from(&format!("file://{}", made.path().display())).set("public_key_path", PUBLIC);
    let gateway = conf.with(&with_bundle("built", &upstream, "bundle.zip")).start().await;
    gateway.get("/built/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar", "{}", gateway.log());
}

#[test]
fn without_a_key_it_is_asked_whether_that_is_meant() {
    let made = folder();
    let manifest = json!({"custom_middleware": section("post", &["A"])});
    let (code, _, err) = build(made.path(), &manifest, &[]);
    assert_eq!(code, Some(1));
    assert!(err.ends_with("The bundle will be unsigned, type \"y\" or \"yes\" to confirm:\nAborting\n"), "{err}");
    assert!(!made.path().join("bundle.zip").exists());
    let (code, _, err) = build(made.path(), &manifest, &["-y", "-o", "b.zip"]);
    assert_eq!(
        (code, err),
        (Some(0), "Building bundle using 'manifest.json'\nwarning: The bundle will be unsigned\n".to_owned())
    );
}

#[test]
fn what_cannot_be_built_is_told() {
    let made = folder();
    let refused = |manifest: &Value| {
        let (code, out, err) = build(made.path(), manifest, &["-y"]);
        assert_eq!((code, &*out), (Some(1), ""));
        err
    };
    let missing = refused(&json!({"file_list": ["nonexistent.so"], "custom_middleware": section("post", &["A"])}));
    assert!(missing.contains("Referencing a nonexistent file: nonexistent.so"), "{missing}");
    assert!(refused(&json!({})).contains("No hooks defined"));
    assert!(refused(&json!({"custom_middleware": {"post": [{"name": "A"}]}})).contains("No driver specified"));
    let nowhere = told(&Conf::default().command(&["bundle", "build", "-m", "no.json"]));
    assert!(nowhere.0 == Some(1) && nowhere.2.contains("Couldn't load manifest file no.json"), "{nowhere:?}");
}

/// `gateway check` looks at what is on disk, and says what it cannot know. It fetches nothing.
#[tokio::test]
async fn a_check_looks_at_what_is_on_disk_and_fetches_nothing() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["Lost"])));
    let conf = fetching(&upstream).with(&api("checked", upstream.address).set("/custom_middleware_bundle", "b.zip"));
    let (code, _, err) = told(&conf.command(&["check"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("custom_middleware_bundle: bundle `b.zip` is not on disk: it is fetched"), "{err}");
    assert_eq!(upstream.seen().len(), 0);
    let gateway = conf.start().await;
    let check = Command::new(binary::everything())
        .args(["check", "--conf", gateway.folder().join("tyk.conf").to_str().expect("a path")])
        .current_dir(gateway.folder())
        .output()
        .expect("the gateway's binary runs");
    let (code, _, err) = told(&check);
    assert_eq!(code, Some(1));
    assert!(err.contains("custom_middleware.post[0].name: no plugin `Lost` for hook `post`"), "{err}");
    let off = fetching(&upstream).set("enable_bundle_downloader", false);
    let off = off.with(&api("checked", upstream.address).set("/custom_middleware_bundle", "b.zip"));
    let (code, _, err) = told(&off.command(&["check"]));
    assert!(code == Some(1) && err.contains("Bundle downloader is disabled"), "{err}");
}

#[tokio::test]
async fn a_gateway_without_bundles_says_how_to_build_one_that_has_them() {
    const REMEDY: &str =
        "bundles are not in this binary: build one that has them with `cargo xtask build --features bundles`";
    let upstream = Upstream::start();
    let conf = Conf::of(binary::examples()).set("enable_bundle_downloader", true);
    let conf = conf.with(&api("bundled", upstream.address).set("/custom_middleware_bundle", "b.zip"));
    let (code, _, err) = told(&conf.command(&["check"]));
    assert_eq!(code, Some(1));
    assert_eq!(err.matches(REMEDY).count(), 2, "of the key, and of the definition: {err}");
    let built = told(&conf.command(&["bundle", "build"]));
    assert_eq!((built.0, built.2), (Some(1), format!("{REMEDY}\n")));
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/bundled/get").await.status, 404);
    assert_eq!(upstream.seen().len(), 0);
}
