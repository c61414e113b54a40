//! Several bundles of one API. Source: plugin-system.md §7.6.

use gateway_tests::{Upstream, api};
use serde_json::json;

use super::{bundle, fetching, folder_of, is_absent, section};

/// Source: plugin-system.md §10.4, multi_bundle_test.go:158-500 (merged in order; trimmed; subdir naming).
#[tokio::test]
async fn several_bundles_are_put_together_in_their_order() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["OrderB"])));
    upstream.answer("/bundles/team/a.zip", 200, &[], bundle(section("post", &["OrderA"])));
    let auth = json!({"driver": "goplugin", "auth_check": {"name": "MyPluginAuthCheck", "path": "goplugins.so"}});
    upstream.answer("/bundles/auth.zip", 200, &[], bundle(auth));
    let text = " b.zip ,, team/a.zip,auth.zip";
    let definition = api("many", upstream.address).set("/custom_middleware_bundle", text);
    let definition = definition.set("/use_keyless", false).set("/custom_plugin_auth_enabled", true);
    let gateway = fetching(&upstream).with(&definition).start().await;
    assert_eq!(gateway.get("/many/get").await.status, 403, "the `auth_check` of a bundle counts");
    let answer = gateway.ask(gateway_tests::get("/many/get").header("authorization", "abc")).await;
    assert_eq!(answer.status, 200, "{}", gateway.log());
    assert_eq!(upstream.last().all("x-order"), ["b", "a"]);
    let root = folder_of(gateway.folder(), text);
    for folder in ["b", "team__a", "auth"] {
        assert!(root.join(folder).join("manifest.json").is_file(), "{folder}");
    }
}

/// Source: plugin-system.md §10.4, multi_bundle_test.go:158-500 (two auth_checks; two drivers).
#[tokio::test]
async fn several_bundles_that_do_not_go_together_are_refused_by_name() {
    let upstream = Upstream::start();
    let auth = || bundle(json!({"driver": "goplugin", "auth_check": {"name": "A", "path": "a.so"}}));
    upstream.answer("/bundles/one.zip", 200, &[], auth());
    upstream.answer("/bundles/two.zip", 200, &[], auth());
    upstream.answer("/bundles/grpc.zip", 200, &[], bundle(json!({"driver": "grpc", "pre": [{"name": "A"}]})));
    upstream.answer("/bundles/gone.zip", 404, &[], "");
    let cases = [
        ("twice", "one.zip,two.zip", "Couldn't merge bundle \"two.zip\": it has an `auth_check`"),
        (
            "drivers",
            "one.zip,grpc.zip",
            "Couldn't merge bundle \"grpc.zip\": bundle \"grpc.zip\" declares driver \"grpc\"",
        ),
        ("missing", "one.zip,gone.zip", "Couldn't fetch bundle \"gone.zip\": HTTP Error, got status code 404"),
    ];
    let mut conf = fetching(&upstream);
    for (id, text, _) in cases {
        conf = conf.with(&api(id, upstream.address).set("/custom_middleware_bundle", text));
    }
    let gateway = conf.start().await;
    for (id, _, reason) in cases {
        is_absent(&gateway, id, reason).await;
    }
}
