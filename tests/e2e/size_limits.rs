//! Requests whose bodies are too large, or of which nobody says how large they are. Source: gateway.md §3.4, §5.11.

use gateway_tests::feed::{feed, whole};
use gateway_tests::{Definition, Gateway, Upstream, api, ask, post};
use http::Method;
use serde_json::json;

const VERSION: &str = "/version_data/versions/Default";
const LARGE: &str = "Request is too large";

fn limited(upstream: &Upstream) -> Definition {
    let entries = json!([
        {"path": "off", "method": "POST", "size_limit": 1, "disabled": true},
        {"path": "small", "method": "POST", "size_limit": 4},
        {"path": "small", "method": "DELETE", "size_limit": 4},
        {"path": "wide", "method": "POST", "size_limit": 100},
    ]);
    api("some", upstream.address).set(&format!("{VERSION}/extended_paths"), json!({"size_limits": entries}))
}

/// A limit of a path does not take the place of that of the version: both hold.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let upstream = Upstream::start();
    let paths = limited(&upstream);
    let both = paths.clone().set(&format!("{VERSION}/global_size_limit"), 8);
    let off = both.clone().set(&format!("{VERSION}/global_size_limit_disabled"), true);
    for (definition, path, size, expected) in [
        (&paths, "/some/small", 4, 200),
        (&paths, "/some/small", 5, 400),
        (&paths, "/some/off", 5, 200),
        (&paths, "/some/other", 5000, 200),
        (&both, "/some/other", 8, 200),
        (&both, "/some/other", 9, 400),
        (&both, "/some/wide", 9, 400),
        (&both, "/some/small", 5, 400),
        (&off, "/some/other", 9, 200),
        (&off, "/some/small", 5, 400),
    ] {
        let gateway = Gateway::serving(definition).await;
        let answer = gateway.ask(post(path, vec![b'x'; size])).await;
        assert_eq!(answer.status, expected, "{path} {size} {definition}");
        if expected == 400 {
            answer.is_error(400, LARGE);
        }
    }
}

#[tokio::test]
async fn methods_without_a_meaning_for_bodies_are_exempt() {
    let upstream = Upstream::start();
    let definition = limited(&upstream).set(&format!("{VERSION}/global_size_limit"), 2);
    let gateway = Gateway::serving(&definition).await;
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        let answer = gateway.ask(ask(method.clone(), "/some/small").body(whole("12345678"))).await;
        assert_eq!(answer.status, 200, "{method}");
    }
    gateway.ask(ask(Method::PATCH, "/some/small").body(whole("12345678"))).await.is_error(400, LARGE);
}

/// A body without a length may be of any: it is not taken where that is limited, and it is elsewhere.
#[tokio::test]
async fn a_body_without_a_length_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&limited(&upstream)).await;
    let chunked = |path| {
        let (sent, body) = feed();
        sent.data("hi");
        ask(Method::POST, path).body(body)
    };
    gateway.ask(chunked("/some/small")).await.is_error(411, "Content length is required for this request");
    assert_eq!(gateway.ask(chunked("/some/other")).await.json()["Body"], "hi");
}

#[tokio::test]
async fn a_limit_below_zero_is_told_with_its_place() {
    let upstream = Upstream::start();
    let entry = json!([{"path": "x", "method": "POST", "size_limit": -1}]);
    let definition =
        api("some", upstream.address).set(&format!("{VERSION}/extended_paths"), json!({"size_limits": entry}));
    let gateway = Gateway::serving(&definition).await;
    let line = gateway.log().message("API definition").await;
    let finding = line.field("finding");
    assert!(finding.contains("size_limits[0].size_limit: -1 is not a number of bytes"), "{finding}");
}
