//! `<listen path>/tyk/rate-limits/`: what a caller has left. Source: gateway.md §2.9.

use gateway_tests::{Answer, Definition, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/keyed/tyk/rate-limits/";

fn keyed(upstream: &Upstream) -> Definition {
    api("keyed", upstream.address).set("/use_keyless", false)
}

async fn write(gateway: &Gateway, key: &str, session: Value) {
    let written = gateway.operate(Method::POST, &format!("/tyk/keys/{key}"), session.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
}

async fn ask(gateway: &Gateway, path: &str, token: &str) -> Answer {
    gateway.ask(get(path).header("authorization", token)).await
}

#[tokio::test]
async fn a_caller_is_told_its_limits_and_nothing_is_counted_for_that() {
    let upstream = Upstream::start();
    let definition = keyed(&upstream).plugins("pre", &["OrderA"]).plugins("post_key_auth", &["OrderB"]);
    let gateway = Gateway::serving(&definition).await;
    let session = json!({
        "org_id": "default", "rate": 2.0, "per": 600.0, "quota_max": 5, "quota_renewal_rate": 600,
        "access_rights": {"keyed": {}},
    });
    write(&gateway, "mine", session).await;
    for _ in 0..4 {
        let told = ask(&gateway, PATH, "mine").await;
        assert_eq!((told.status, told.header("content-type")), (200, "application/json"));
        assert_eq!(told.json()["rate_limit"], json!({"requests": 2.0, "per_unit": 600.0}));
        assert_eq!(
            (&told.json()["quota"]["quota_max"], &told.json()["quota"]["quota_remaining"]),
            (&json!(5), &json!(5))
        );
        assert_eq!(told.header("x-order"), "", "no plugin but `auth_check` runs");
    }
    assert_eq!(ask(&gateway, "/keyed/get", "mine").await.status, 200);
    let quota = ask(&gateway, PATH, "mine").await.json()["quota"].clone();
    assert_eq!(quota["quota_remaining"], 4);
    assert!(quota["quota_renews"].as_i64().is_some_and(|renews| renews > 1_600_000_000), "{quota}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn whoever_would_be_refused_is_refused_there_too() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    gateway.get(PATH).await.is_error(401, "Authorization field missing");
    ask(&gateway, PATH, "nobody").await.is_error(403, "Access to this API has been disallowed");
    write(&gateway, "old", json!({"expires": 1_000_000_000, "access_rights": {"keyed": {}}})).await;
    ask(&gateway, PATH, "old").await.is_error(401, "Key has expired, please renew");
    write(&gateway, "other", json!({"access_rights": {"other": {}}})).await;
    ask(&gateway, PATH, "other").await.is_error(403, "Access to this API has been disallowed");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn it_is_there_for_apis_with_authentication_alone_and_on_that_path_alone() {
    let upstream = Upstream::start();
    let open = Gateway::serving(&api("open", upstream.address)).await;
    assert_eq!(open.get("/open/tyk/rate-limits/").await.json()["Path"], "/tyk/rate-limits/");
    let gateway = Gateway::serving(&keyed(&upstream).auth("SetSession")).await;
    for path in ["/keyed/tyk/rate-limits", "/keyed/x/tyk/rate-limits/", "/keyed/tyk/rate-limits/x"] {
        assert_eq!(gateway.get(path).await.json()["Path"], path["/keyed".len()..]);
    }
    let told = gateway.get(PATH).await;
    assert_eq!(told.json()["quota"], json!({"quota_max": 0, "quota_remaining": 0, "quota_renews": 0}));
    assert_eq!(told.json()["rate_limit"], json!({"requests": 0.0, "per_unit": 0.0}));
}
