//! Versions of an API. Source: gateway.md §3.3, §5.4, §12.4.

use gateway_tests::client::Ask;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get};
use serde_json::{Value, json};

const UNKNOWN: &str = "This API version does not seem to exist";
const MISSING: &str = "Version information not found";

/// A base with the versions `v1`, which is the base itself, `v2`, an API that only it reaches, and `v9`, which is not there.
struct Apis {
    base: Upstream,
    two: Upstream,
    gateway: Gateway,
}

fn base(upstream: &Upstream, definition: Value) -> Definition {
    let mut members = json!({
        "enabled": true, "name": "v1", "default": "", "location": "header", "key": "x-api-version",
        "versions": {"v2": "two", "v9": "nobody"},
    });
    for (key, value) in definition.as_object().expect("members") {
        members[key] = value.clone();
    }
    api("base", upstream.address).set("/definition", members)
}

async fn serving(definition: Value) -> Apis {
    let (base_upstream, two_upstream) = (Upstream::start(), Upstream::start());
    let two = api("two", two_upstream.address).set("/internal", true).plugins("pre", &["OrderB"]);
    let base = base(&base_upstream, definition).plugins("pre", &["OrderA"]);
    let gateway = Conf::default().with(&base).with(&two).start().await;
    Apis { base: base_upstream, two: two_upstream, gateway }
}

fn version(path: &str, version: &str) -> Ask {
    get(path).header("x-api-version", version)
}

#[tokio::test]
async fn a_header_chooses_the_api_whose_whole_chain_serves() {
    let apis = serving(json!({})).await;
    let answer = apis.gateway.ask(version("/base/get?a=1", "v2")).await;
    assert_eq!((answer.status, answer.all("x-order")), (200, vec!["b"]));
    // The listen path of the base is taken off.
    assert_eq!(apis.two.last().first(), "GET /get?a=1 HTTP/1.1");
    assert_eq!(apis.two.last().header("x-api-version"), "v2");
    for name in ["v1", "self"] {
        let answer = apis.gateway.ask(version("/base/get", name)).await;
        assert_eq!((answer.status, answer.all("x-order")), (200, vec!["a"]));
    }
    assert_eq!(apis.base.seen().len(), 2);
    apis.gateway.ask(version("/base/get", "v3")).await.is_error(404, UNKNOWN);
    apis.gateway.ask(version("/base/get", "v9")).await.is_error(404, UNKNOWN);
    apis.gateway.get("/base/get").await.is_error(403, MISSING);
    // Nobody else reaches the version.
    assert_eq!(apis.gateway.get("/two/get").await.status, 404);
}

#[tokio::test]
async fn a_request_that_names_no_version_is_for_the_default_one() {
    for (default, expected) in [("v2", "b"), ("self", "a"), ("v1", "a")] {
        let apis = serving(json!({"default": default})).await;
        let answer = apis.gateway.get("/base/get").await;
        assert_eq!((answer.status, answer.header("x-order")), (200, expected), "{default}");
        apis.gateway.ask(version("/base/get", "v3")).await.is_error(404, UNKNOWN);
    }
    let apis = serving(json!({"default": "v2", "fallback_to_default": true})).await;
    assert_eq!(apis.gateway.ask(version("/base/get", "v3")).await.header("x-order"), "b");
    let apis = serving(json!({"fallback_to_default": true})).await;
    apis.gateway.ask(version("/base/get", "v3")).await.is_error(404, UNKNOWN);
}

#[tokio::test]
async fn a_parameter_or_a_segment_chooses_too_and_may_be_taken_out() {
    let apis = serving(json!({"location": "url-param", "key": "v"})).await;
    assert_eq!(apis.gateway.get("/base/get?a=%20&v=v2&b").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /get?a=%20&v=v2&b HTTP/1.1");
    let apis = serving(json!({"location": "url-param", "key": "v", "strip_versioning_data": true})).await;
    assert_eq!(apis.gateway.get("/base/get?a=%20&v=v2&b").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /get?a=%20&b HTTP/1.1");
    let apis = serving(json!({"strip_versioning_data": true})).await;
    assert_eq!(apis.gateway.ask(version("/base/get", "v2")).await.status, 200);
    assert_eq!(apis.two.last().all("x-api-version").len(), 0);

    let apis = serving(json!({"location": "url", "key": ""})).await;
    assert_eq!(apis.gateway.get("/base/v2/get?q").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /v2/get?q HTTP/1.1");
    let apis = serving(json!({"location": "url", "strip_versioning_data": true})).await;
    assert_eq!(apis.gateway.get("/base/v2/get?q").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /get?q HTTP/1.1");
    assert_eq!(apis.gateway.get("/base/v1/get").await.status, 200);
    assert_eq!(apis.base.last().first(), "GET /get HTTP/1.1");
    // Without a pattern, any segment is one of a version.
    let default =
        json!({"location": "url", "strip_versioning_data": true, "default": "v2", "fallback_to_default": true});
    let apis = serving(default.clone()).await;
    assert_eq!(apis.gateway.get("/base/users/get").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /get HTTP/1.1");
    let mut patterned = default;
    patterned["url_versioning_pattern"] = json!("^v[0-9]+$");
    let apis = serving(patterned).await;
    assert_eq!(apis.gateway.get("/base/users/get").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /users/get HTTP/1.1");
    assert_eq!(apis.gateway.get("/base/v2/users").await.status, 200);
    assert_eq!(apis.two.last().first(), "GET /users HTTP/1.1");
}

/// The base asks for a token, and its version does not; and the other way about.
#[tokio::test]
async fn the_authentication_is_that_of_the_version_alone() {
    let upstream = Upstream::start();
    let two = api("two", upstream.address).set("/internal", true);
    let keyed = |definition: &Definition| definition.clone().set("/use_keyless", false);
    let base = base(&upstream, json!({}));
    let gateway = Conf::default().with(&keyed(&base)).with(&two).start().await;
    assert_eq!(gateway.ask(version("/base/get", "v2")).await.status, 200);
    gateway.ask(version("/base/get", "v1")).await.is_error(401, "Authorization field missing");
    let gateway = Conf::default().with(&base).with(&keyed(&two)).start().await;
    gateway.ask(version("/base/get", "v2")).await.is_error(401, "Authorization field missing");
    assert_eq!(gateway.ask(version("/base/get", "v1")).await.status, 200);
}

/// A version that does not load is closed, and one that is its own base ends.
#[tokio::test]
async fn versions_that_hand_a_request_to_each_other_end() {
    let upstream = Upstream::start();
    let to = |id: &str, other: &str| {
        let versions =
            json!({"enabled": true, "default": "x", "location": "header", "key": "v", "versions": {"x": other}});
        api(id, upstream.address).set("/definition", versions)
    };
    let broken = api("broken", upstream.address).set("/expiration", "soon");
    let apis = Conf::default().with(&to("a", "b")).with(&to("b", "a")).with(&to("c", "broken")).with(&broken);
    let gateway = apis.start().await;
    gateway.get("/a/get").await.is_error(500, "Internal Server Error");
    gateway.get("/c/get").await.is_error(500, "Internal Server Error");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_place_that_cannot_name_a_version_is_told() {
    let upstream = Upstream::start();
    for (definition, told) in [
        (json!({"location": "cookie"}), "definition.location: unknown location `cookie`"),
        (json!({"key": "a b"}), "definition.key: `a b` is no name of a header"),
        (json!({"location": "url-param", "key": ""}), "definition.key: is empty"),
        (json!({"url_versioning_pattern": "("}), "definition.url_versioning_pattern: not a regular expression"),
    ] {
        let gateway = Gateway::serving(&base(&upstream, definition)).await;
        let line = gateway.log().message("API definition").await;
        assert!(line.field("finding").contains(told), "{}", line.text);
    }
}

/// An API with the versions `one` and `two` in its definition.
fn within(upstream: &Upstream, other: &Upstream) -> Definition {
    let paths = |list: &str| json!({list: [{"path": "/listed"}]});
    let versions = json!({
        "one": {"name": "one", "use_extended_paths": true, "extended_paths": paths("black_list")},
        "two": {"name": "two", "use_extended_paths": true, "extended_paths": paths("ignored"),
                "global_headers": {"x-two": "yes"}, "global_headers_remove": ["x-out"],
                "override_target": format!("http://{}/base/", other.address)},
    });
    api("some", upstream.address)
        .set("/definition", json!({"location": "header", "key": "x-api-version"}))
        .set("/version_data", json!({"not_versioned": false, "default_version": "", "versions": versions}))
}

/// Source: gateway.md §3.3, §5.4.
#[tokio::test]
async fn a_version_of_the_definition_has_a_chain_of_its_own() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = within(&upstream, &other).set("/use_keyless", false);
    let gateway = Gateway::serving(&definition).await;
    gateway.ask(version("/some/listed", "one")).await.is_error(403, "Requested endpoint is forbidden");
    gateway.ask(version("/some/get", "one")).await.is_error(401, "Authorization field missing");
    assert_eq!(gateway.ask(version("/some/listed", "two").header("x-out", "1")).await.status, 200);
    let seen = other.last();
    assert_eq!((seen.first(), seen.header("x-two"), seen.all("x-out").len()), ("GET /base/listed HTTP/1.1", "yes", 0));
    gateway.ask(version("/some/listed", "three")).await.is_error(403, UNKNOWN);
    gateway.get("/some/listed").await.is_error(403, MISSING);
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: gateway.md §3.3.
#[tokio::test]
async fn older_lists_are_those_of_their_version() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = within(&upstream, &other)
        .set("/version_data/versions/one/use_extended_paths", false)
        .set("/version_data/versions/one/paths", json!({"black_list": ["/older"]}));
    let gateway = Gateway::serving(&definition).await;
    gateway.ask(version("/some/older", "one")).await.is_error(403, "Requested endpoint is forbidden");
    assert_eq!(gateway.ask(version("/some/listed", "one")).await.status, 200);
    assert_eq!(gateway.ask(version("/some/older", "two")).await.status, 200);
}

/// Source: gateway.md §3.1, §12.4.
#[tokio::test]
async fn paths_are_those_of_the_name_of_a_version_and_not_of_its_key() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = within(&upstream, &other).set("/version_data/versions/one/name", "first");
    let gateway = Gateway::serving(&definition).await;
    gateway.ask(version("/some/get", "one")).await.is_error(403, UNKNOWN);
    gateway.ask(version("/some/get", "first")).await.is_error(403, UNKNOWN);
    assert_eq!(gateway.ask(version("/some/get", "two")).await.status, 200);
    let said = |line: &gateway_tests::log::Line| line.text.contains("make the two the same");
    gateway.log().wait("the version whose name and key differ", said).await;
}

/// Source: gateway.md §1.2 (`version_header`), §5.4.
#[tokio::test]
async fn the_default_version_is_told_to_who_names_none() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = within(&upstream, &other)
        .set("/version_data/default_version", "one")
        .set("/definition/fallback_to_default", true);
    let apis = base(&upstream, json!({"default": "v1"}));
    let gateway = Conf::default().set("version_header", "x-served").with(&definition).with(&apis).start().await;
    let answer = gateway.get("/some/get").await;
    assert_eq!((answer.status, answer.header("x-served")), (200, "one"));
    assert_eq!(gateway.ask(version("/some/get", "one")).await.all("x-served").len(), 0);
    // The default is for who names none, not for who names another.
    gateway.ask(version("/some/get", "three")).await.is_error(403, UNKNOWN);
    assert_eq!(gateway.get("/base/get").await.header("x-served"), "v1");
}

/// Source: gateway.md §3.2 (`expiration`), §5.4.
#[tokio::test]
async fn a_version_of_the_definition_ends_by_itself() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = within(&upstream, &other)
        .set("/expiration", "2006-01-02 15:04")
        .set("/version_data/versions/one/expires", "2006-01-02 15:04")
        .set("/version_data/versions/two/expires", "2999-01-02 15:04");
    let gateway = Gateway::serving(&definition).await;
    let told = "Api Version has expired, please check documentation or contact administrator";
    gateway.ask(version("/some/get", "one")).await.is_error(403, told);
    let answer = gateway.ask(version("/some/get", "two")).await;
    assert_eq!((answer.status, answer.header("x-tyk-api-expires")), (200, "Wed, 02 Jan 2999 15:04:00 UTC"));
}

/// Source: gateway.md §5.15: of an API with versions, a key may have some.
#[tokio::test]
async fn a_session_may_have_access_to_some_versions() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let rights = json!({"some": {"api_id": "some", "versions": ["two"]}});
    let definition =
        within(&upstream, &other).auth("SetSession").config("SetSession", json!({"access_rights": rights}));
    let gateway = Gateway::serving(&definition).await;
    let asked = |name: &str| version("/some/get", name).header("authorization", "abc");
    gateway.ask(asked("one")).await.is_error(403, "Access to this API has been disallowed");
    assert_eq!(gateway.ask(asked("two")).await.status, 200);
}

#[tokio::test]
async fn a_segment_names_a_version_of_the_definition_and_may_be_taken_out() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let url = json!({"location": "url", "strip_path": true});
    let gateway = Gateway::serving(&within(&upstream, &other).set("/definition", url)).await;
    assert_eq!(gateway.get("/some/one/get?a").await.status, 200);
    assert_eq!(upstream.last().first(), "GET /get?a HTTP/1.1");
    assert_eq!(gateway.get("/some/two/get").await.status, 200);
    assert_eq!(other.last().first(), "GET /base/get HTTP/1.1");
    gateway.get("/some/three/get").await.is_error(403, UNKNOWN);
}

/// A request that goes round stays with its version, whose name may have been taken out of it.
#[tokio::test]
async fn a_request_that_goes_round_keeps_its_version() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let rewrite =
        json!([{"path": "/again", "method": "GET", "match_pattern": "again", "rewrite_to": "tyk://self/there"}]);
    let definition = within(&upstream, &other)
        .set("/definition/strip_versioning_data", true)
        .set("/version_data/versions/two/extended_paths/url_rewrites", rewrite);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.ask(version("/some/again", "two")).await.status, 200);
    assert_eq!(other.last().first(), "GET /base/there HTTP/1.1");
}

/// The answers of one version are no answers of another, whatever else of the requests is the same.
#[tokio::test]
async fn answers_are_kept_by_version() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let cache = json!({"enable_cache": true, "cache_timeout": 60, "cache_all_safe_requests": true});
    let gateway = Gateway::serving(&within(&upstream, &other).set("/cache_options", cache)).await;
    for (name, hits) in [("one", (1, 0)), ("two", (1, 1)), ("one", (1, 1))] {
        assert_eq!(gateway.ask(version("/some/get", name)).await.status, 200);
        assert_eq!((upstream.seen().len(), other.seen().len()), hits, "{name}");
    }
}
