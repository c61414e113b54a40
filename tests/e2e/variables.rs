//! `$tyk_context.…`: what is known of a request, in texts of the definition. Source: gateway.md §5.6, §5.7.

use gateway_tests::client::Ask;
use gateway_tests::{Definition, Gateway, Upstream, api, get, post};
use serde_json::json;

/// An API that tells the upstream what a variable is, as the query of `/told`.
fn telling(upstream: &Upstream, text: &str) -> Definition {
    let entry = |method: &str| json!({"path": "/", "method": method, "match_pattern": ".*", "rewrite_to": format!("/told?{text}")});
    let definition = api("some", upstream.address).set("/enable_context_vars", true);
    let entries = json!({"url_rewrites": [entry("GET"), entry("POST")]});
    definition.set("/version_data/versions/Default/extended_paths", entries)
}

async fn told(definition: &Definition, upstream: &Upstream, request: Ask) -> String {
    let answer = Gateway::serving(definition).await.ask(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let first = upstream.last().first().to_owned();
    let told = first.split(' ').nth(1).and_then(|url| url.strip_prefix("/told"));
    told.unwrap_or_else(|| panic!("{first}")).trim_start_matches('?').to_owned()
}

#[tokio::test]
async fn a_request_is_known_by_its_parts() {
    let upstream = Upstream::start();
    for (name, expected) in [
        ("path", "%2Fsome%2Fa+b%2Fc"),
        ("path_parts", "some%2Ca+b%2Cc"),
        ("remote_addr", "10.0.0.7"),
        ("headers_Host", "gateway"),
        ("headers_X_Api_Key", "k%261"),
        ("headers_Referer", "http://example.com/?a=b"),
        ("cookies_a_b", "1"),
        ("request_data_q", "2"),
        ("request_data", "q%3A2%2C3"),
        ("none", ""),
        ("token", ""),
        ("headers_x_api_key", ""),
    ] {
        let request = get("/some/a%20b/c?q=2&q=3").header("x-api-key", "k&1").header("x-real-ip", "10.0.0.7");
        let request = request.header("cookie", "a-b=1").header("referer", "http://example.com/?a=b");
        let definition = telling(&upstream, &format!("$tyk_context.{name}"));
        assert_eq!(told(&definition, &upstream, request).await, expected, "{name}");
    }
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&telling(&upstream, "$tyk_context.request_id")).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        assert_eq!(gateway.get("/some/").await.status, 200);
        let first = upstream.last().first().to_owned();
        let id = first.trim_start_matches("GET /told?").trim_end_matches(" HTTP/1.1").to_owned();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_fields_of_a_form_come_before_those_of_the_query() {
    let upstream = Upstream::start();
    let definition = telling(&upstream, "$tyk_context.request_data");
    let form =
        post("/some/?a=1", "a=2&b=x+y").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(told(&definition, &upstream, form).await, "a%3A2%2C1%3Bb%3Ax+y");
    assert_eq!(upstream.last().message.body, b"a=2&b=x+y", "it goes on whole");
    let other = post("/some/?a=1", "a=2").header("content-type", "text/plain");
    assert_eq!(told(&definition, &upstream, other).await, "a%3A1");
}

#[tokio::test]
async fn who_is_calling_is_known_once_somebody_was_let_in() {
    let upstream = Upstream::start();
    let text = "$tyk_meta.tier,$tyk_context.quota_limit,$tyk_context.quota_remaining,$tyk_context.token";
    let session = json!({"meta_data": {"tier": "a b"}, "quota_max": 3, "quota_renewal_rate": 600});
    let keyed = telling(&upstream, text).auth("SetSession").config("SetSession", session);
    assert_eq!(told(&keyed, &upstream, get("/some/")).await, "a+b,3,2,probe");
    let keyless = telling(&upstream, text);
    assert_eq!(told(&keyless, &upstream, get("/some/").header("authorization", "x")).await, ",,,");
}

/// What a client writes is no text of the definition: it is not looked at for variables.
#[tokio::test]
async fn only_the_definition_names_variables() {
    let upstream = Upstream::start();
    let request = get("/some/").header("x-a", "$tyk_context.path$1");
    let definition = telling(&upstream, "$tyk_context.headers_X_A");
    assert_eq!(told(&definition, &upstream, request).await, "%24tyk_context.path%241");
}

#[tokio::test]
async fn without_the_switch_nothing_is_known() {
    let upstream = Upstream::start();
    let definition = telling(&upstream, "[$tyk_context.path]").set("/enable_context_vars", false);
    assert_eq!(told(&definition, &upstream, get("/some/")).await, "[]");
}
