//! Plugin bundles: fetched, verified, unpacked, and in the place of a definition's own plugins. Source: plugin-system.md §7.

mod building;
mod fetching;
mod kept;
mod several;
mod verified;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::log::Line;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The MD5 of nothing: the checksum of a bundle of a manifest alone.
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// What a bundle says that has a plugin for one hook; the plugin is linked.
fn section(hook: &str, names: &[&str]) -> Value {
    let entries: Vec<Value> = names.iter().map(|name| json!({"name": name, "path": "plugin.so"})).collect();
    json!({"driver": "goplugin", hook: entries})
}

/// A bundle of a manifest alone.
fn bundle(section: Value) -> Vec<u8> {
    let manifest = json!({"file_list": [], "custom_middleware": section, "checksum": EMPTY, "signature": ""});
    archive(&[("manifest.json", manifest.to_string().as_bytes())])
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).expect("an entry");
        zip.write_all(content).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// A gateway that fetches bundles from here, and does not wait long.
fn fetching(server: &Upstream) -> Conf {
    fetching_from(&format!("http://{}/bundles/", server.address))
}

fn fetching_from(base: &str) -> Conf {
    let conf = Conf::default();
    let middleware = conf.folder().join("middleware");
    conf.set("enable_bundle_downloader", true)
        .set("bundle_base_url", base)
        .set("bundle_retry_ms", 1)
        .set("middleware_path", middleware.to_str().expect("a path"))
}

/// An API with a bundle, whose own plugins are others.
fn with_bundle(id: &str, upstream: &Upstream, name: &str) -> Definition {
    api(id, upstream.address).plugins("pre", &["OrderC"]).set("/custom_middleware_bundle", name)
}

/// Where a bundle is unpacked.
fn folder_of(folder: &Path, text: &str) -> PathBuf {
    let output = Command::new("sh").args(["-c", "printf %s \"$0\" | md5sum", text]).output().expect("md5sum runs");
    let told = String::from_utf8(output.stdout).expect("text");
    folder.join("middleware/bundles").join(told.split(' ').next().expect("a digest"))
}

/// The ids of all APIs that the gateway knows.
async fn known(gateway: &Gateway) -> Vec<String> {
    let list = gateway.control("/tyk/apis").await.json();
    list.as_array().expect("a list").iter().map(|api| api["api_id"].as_str().expect("an id").to_owned()).collect()
}

/// It is as if there were no such API, and the log says why.
async fn is_absent(gateway: &Gateway, id: &str, reason: &str) {
    let nowhere = gateway.get("/nowhere/").await;
    let answer = gateway.get(&format!("/{id}/get")).await;
    assert_eq!((answer.status, answer.text()), (404, nowhere.text()), "{}", gateway.log());
    assert!(!known(gateway).await.contains(&id.to_owned()));
    let told = |line: &Line| {
        let finding = line.field("finding");
        finding.contains(&format!("/{id}.json:")) && finding.contains("custom_middleware_bundle: ")
    };
    let line = gateway.log().wait(reason, told).await;
    assert!(line.field("finding").contains(reason), "{}", line.text);
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:85, :262.
#[tokio::test]
async fn the_plugins_of_a_bundle_take_the_place_of_the_definitions() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    let gateway = fetching(&upstream).with(&with_bundle("bundled", &upstream, "b.zip")).start().await;
    gateway.get("/bundled/get").await;
    let seen = upstream.last();
    assert_eq!((seen.header("foo"), seen.header("x-order")), ("Bar", ""), "the definition's own has not run");
    assert_eq!(known(&gateway).await, ["bundled"]);
    let folder = folder_of(gateway.folder(), "b.zip");
    assert!(folder.join("manifest.json").is_file(), "{}", folder.display());
    let own =
        gateway.log().wait("what has no effect", |line| line.field("finding").contains("its place is taken")).await;
    assert!(own.field("finding").contains("custom_middleware: has no effect"));
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:111, :123, :135.
#[tokio::test]
async fn a_definition_that_uses_no_bundle_keeps_its_own_plugins() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    let off = with_bundle("off", &upstream, "b.zip").set("/custom_middleware_bundle_disabled", true);
    let blank = with_bundle("blank", &upstream, " , ");
    let gateway = fetching(&upstream).with(&off).with(&blank).start().await;
    for path in ["/off/get", "/blank/get"] {
        gateway.get(path).await;
        assert_eq!((upstream.last().header("foo"), upstream.last().header("x-order")), ("", "c"), "{path}");
    }
    let node = fetching(&upstream).set("management_node", true).with(&with_bundle("node", &upstream, "b.zip"));
    let node = node.start().await;
    node.get("/node/get").await;
    assert_eq!((upstream.last().header("foo"), upstream.last().header("x-order")), ("", "c"));
    node.log().wait("that it has none", |line| line.field("finding").contains("`management_node` is set")).await;
    assert!(upstream.seen().iter().all(|seen| !seen.first().contains("/bundles/")), "nobody asked for one");
}

/// Source: plugin-system.md §2.3 (`pluginConfig.bundle`).
#[tokio::test]
async fn a_document_names_a_bundle_too() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    upstream.answer("/bundles/no.zip", 404, &[], "");
    let document = |id: &str, name: &str| {
        json!({
            "openapi": "3.0.3", "info": {"title": id, "version": "1"}, "paths": {},
            "x-tyk-api-gateway": {
                "info": {"id": id, "name": id, "state": {"active": true}},
                "upstream": {"url": format!("http://{}/", upstream.address)},
                "server": {"listenPath": {"value": format!("/{id}/"), "strip": true}},
                "middleware": {"global": {"pluginConfig": {"bundle": {"enabled": true, "path": name}}}},
            },
        })
        .to_string()
    };
    let conf =
        fetching(&upstream).file("oas.json", &document("oas", "b.zip")).file("no.json", &document("no", "no.zip"));
    let gateway = conf.start().await;
    gateway.get("/oas/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
    assert_eq!(gateway.get("/no/get").await.status, 404);
    assert_eq!(gateway.control("/tyk/apis/oas").await.json().as_array().expect("a list").len(), 1);
    assert_eq!(gateway.control("/tyk/apis/oas/no").await.status, 404);
    let line = gateway.log().wait("its place", |line| line.field("finding").contains("Couldn't fetch bundle")).await;
    let place = "x-tyk-api-gateway.middleware.global.pluginConfig.bundle.path: Couldn't fetch bundle: HTTP Error, got status code 404";
    assert!(line.field("finding").contains(place), "{}", line.text);
}

/// Source: plugin-system.md §7.3, §10.4, coprocess_bundle_test.go:822.
#[tokio::test]
async fn a_bundle_brings_the_plugin_of_analytics() {
    let upstream = Upstream::start();
    let logs = json!({"driver": "goplugin", "traffic_logs": {"name": "MyAnalyticsPluginAddTag", "path": "logs.so"}});
    upstream.answer("/bundles/b.zip", 200, &[], bundle(logs));
    let definition = api("told", upstream.address).set("/custom_middleware_bundle", "b.zip");
    let gateway = fetching(&upstream).set("enable_analytics", true).with(&definition).start().await;
    let plugins = gateway.control("/tyk/plugins").await.text().to_owned();
    assert!(plugins.contains("MyAnalyticsPluginAddTag") && plugins.contains("\"told\""), "{plugins}");
}

/// A plugin that a bundle names and nobody has linked fails as any other: the log names bundle and entry.
#[tokio::test]
async fn what_a_bundle_names_and_is_not_there_is_told_by_bundle_and_entry() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeadr"])));
    let definition = api("lost", upstream.address).set("/custom_middleware_bundle", "b.zip");
    let gateway = fetching(&upstream).with(&definition).start().await;
    gateway.get("/lost/get").await.is_error(500, "Internal Server Error");
    let line = gateway.log().wait("the plugin", |line| line.field("finding").contains("AddFooBarHeadr")).await;
    let folder = folder_of(gateway.folder(), "b.zip");
    let told = format!(
        "custom_middleware_bundle: bundle `b.zip`, in {}: custom_middleware.post[0].name: no plugin `AddFooBarHeadr`",
        folder.display()
    );
    assert!(line.field("finding").contains(&told), "{}", line.text);
}
