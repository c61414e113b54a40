//! What a reload does about bundles, and what it leaves as it is.

use gateway_tests::log::Line;
use gateway_tests::{Upstream, api};
use serde_json::json;

use super::{bundle, fetching, folder_of, known, section, with_bundle};

/// Source: plugin-system.md §12.25: Tyk drops an API whose bundle fails at a reload; here it stays what it was, and the log says why.
#[tokio::test]
async fn an_api_whose_new_bundle_fails_stays_what_it_was() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/one.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    upstream.answer("/bundles/two.zip", 404, &[], "");
    let gateway = fetching(&upstream).with(&with_bundle("kept", &upstream, "one.zip")).start().await;
    gateway.write(&with_bundle("kept", &upstream, "two.zip"));
    gateway.reload().await;
    gateway.get("/kept/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
    assert_eq!(known(&gateway).await, ["kept"]);
    let told = |line: &Line| line.field("finding").contains("got status code 404");
    gateway.log().wait("why", told).await;
    assert_eq!(gateway.log().message("reloaded").await.json["kept"], 1);
    // Whenever it is there, it is taken.
    upstream.answer("/bundles/two.zip", 200, &[], bundle(section("post", &["OrderA"])));
    gateway.reload().await;
    gateway.get("/kept/get").await;
    assert_eq!((upstream.last().header("foo"), upstream.last().header("x-order")), ("", "a"));
}

/// Source: plugin-system.md §6.4 (an API with a bundle is looked at anew), §7.3 (what is on disk is not fetched again).
#[tokio::test]
async fn a_reload_looks_at_what_is_on_disk_and_leaves_plugins_alone_that_are_the_same() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("pre", &["Life"])));
    let definition = api("lives", upstream.address).set("/custom_middleware_bundle", "b.zip");
    let gateway = fetching(&upstream).with(&definition).start().await;
    let fetched = || upstream.seen().iter().filter(|seen| seen.first().contains("/bundles/")).count();
    assert_eq!(gateway.get("/lives/get").await.header("x-calls"), "1");
    // Another zip of the same name is not what anybody asks for.
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    gateway.reload().await;
    gateway.reload().await;
    assert_eq!(gateway.get("/lives/get").await.header("x-calls"), "2", "the plugin lives on");
    let manifest = folder_of(gateway.folder(), "b.zip").join("manifest.json");
    let changed = json!({"file_list": [], "custom_middleware": section("post", &["OrderB"])});
    std::fs::write(manifest, changed.to_string()).expect("a file in a folder of ours");
    gateway.reload().await;
    gateway.get("/lives/get").await;
    assert_eq!(upstream.last().header("x-order"), "b", "what somebody wrote there is taken");
    assert_eq!(fetched(), 1);
}
