//! Sessions of organisations: how they are written, and what they do to requests. Source: gateway.md §2.6, §5.3, §5.11.

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api};
use http::Method;
use serde_json::{Value, json};

const DISABLED: &str = "this organisation access has been disabled, please contact your API administrator";
const RATE: &str = "This organisation rate limit has been exceeded, please contact your API administrator";
const QUOTA: &str = "This organisation quota has been exceeded, please contact your API administrator";

async fn enforcing(definitions: &[Definition]) -> Gateway {
    let conf = Conf::default().set("enforce_org_quotas", true);
    definitions.iter().fold(conf, Conf::with).start().await
}

async fn write(gateway: &Gateway, path: &str, session: &Value) -> Answer {
    gateway.operate(Method::POST, &format!("/tyk/org/keys/{path}"), session.to_string()).await
}

/// Gives the organisation of every API of these tests a session.
async fn limit(gateway: &Gateway, session: Value) {
    let written = write(gateway, "default", &session).await;
    written.is_reply(200, r#"{"key":"default","status":"ok","action":"added"}"#);
}

async fn statuses(gateway: &Gateway, path: &str, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(gateway.get(path).await.status);
    }
    statuses
}

#[tokio::test]
async fn a_session_is_written_read_listed_and_deleted() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    gateway.control("/tyk/org/keys").await.is_reply(200, r#"{"keys":[]}"#);
    gateway.control("/tyk/org/keys/acme").await.is_refusal(404, "Org not found");
    let session = json!({"org_id": "acme", "rate": 5.0, "per": 60.0});
    let written = write(&gateway, "acme", &session).await;
    written.is_reply(200, r#"{"key":"acme","status":"ok","action":"added"}"#);
    let read = gateway.control("/tyk/org/keys/acme").await;
    assert_eq!((read.status, read.json()), (200, session));
    let put = gateway.operate(Method::PUT, "/tyk/org/keys/b%2F%C3%A4%20%25", r#"{"is_inactive": true}"#).await;
    put.is_reply(200, r#"{"key":"b/ä %","status":"ok","action":"modified"}"#);
    gateway.control("/tyk/org/keys").await.is_reply(200, r#"{"keys":["acme","b/ä %"]}"#);
    gateway.control("/tyk/org/keys?filter=b").await.is_reply(200, r#"{"keys":["b/ä %"]}"#);
    assert_eq!(gateway.control("/tyk/keys").await.json()["keys"], json!([]), "they are no keys");
    let delete = async || gateway.operate(Method::DELETE, "/tyk/org/keys/acme", "").await;
    delete().await.is_reply(200, r#"{"key":"acme","status":"ok","action":"deleted"}"#);
    delete().await.is_refusal(400, "Failed to remove the key");
    gateway.control("/tyk/org/keys/acme").await.is_refusal(404, "Org not found");
}

#[tokio::test]
async fn without_any_api_no_organisation_is_known() {
    let gateway = Conf::default().start().await;
    gateway.control("/tyk/org/keys").await.is_refusal(404, "ORG not found");
    assert_eq!(write(&gateway, "acme", &json!({})).await.status, 200, "it can be written all the same");
    gateway.control("/tyk/org/keys/acme").await.is_refusal(404, "Org not found");
    gateway.operate(Method::DELETE, "/tyk/org/keys/acme", "").await.is_refusal(404, "Org not found");
    let strict = Conf::default().set("suppress_default_org_store", true).start().await;
    let refused = write(&strict, "acme", &json!({})).await;
    refused.is_refusal(404, "No such organisation found in Active API list");
}

#[tokio::test]
async fn what_is_no_session_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    for body in ["", "{", "[]", "null", "7", r#"{"rate": "x"}"#, r#"{"tags": 7}"#] {
        let answer = gateway.operate(Method::POST, "/tyk/org/keys/acme", body).await;
        answer.is_refusal(400, "Request malformed");
    }
    gateway.control("/tyk/org/keys/acme").await.is_refusal(404, "Org not found");
}

/// The step stands after `pre` and before authentication. Source: gateway.md §5.3.
#[tokio::test]
async fn an_organisation_that_is_switched_off_is_refused_before_anybody_is_asked_who_they_are() {
    let upstream = Upstream::start();
    let keyed = api("keyed", upstream.address).set("/use_keyless", false);
    let other = api("other", upstream.address).set("/org_id", "other");
    let gateway = enforcing(&[api("open", upstream.address), keyed, other]).await;
    assert_eq!(gateway.get("/open/get").await.status, 200, "nobody needs a session");
    limit(&gateway, json!({"is_inactive": true})).await;
    for path in ["/open/get", "/keyed/get"] {
        gateway.get(path).await.is_error(403, DISABLED);
    }
    assert_eq!(gateway.get("/other/get").await.status, 200);
    assert_eq!(gateway.operate(Method::DELETE, "/tyk/org/keys/default", "").await.status, 200);
    assert_eq!(gateway.get("/open/get").await.status, 200);
    gateway.get("/keyed/get").await.is_error(401, "Authorization field missing");
}

#[tokio::test]
async fn the_rate_of_an_organisation_is_that_of_all_its_apis_together() {
    let upstream = Upstream::start();
    let gateway = enforcing(&[api("one", upstream.address), api("two", upstream.address)]).await;
    limit(&gateway, json!({"rate": 3, "per": 600})).await;
    assert_eq!(statuses(&gateway, "/one/get", 2).await, [200, 200]);
    assert_eq!(statuses(&gateway, "/two/get", 2).await, [200, 403]);
    gateway.get("/one/get").await.is_error(403, RATE);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn the_quota_of_an_organisation_is_told_and_begins_anew_when_asked() {
    let upstream = Upstream::start();
    let gateway = enforcing(&[api("one", upstream.address)]).await;
    let session = json!({"quota_max": 2, "quota_renewal_rate": 600});
    limit(&gateway, session.clone()).await;
    assert_eq!(statuses(&gateway, "/one/get", 3).await, [200, 200, 403]);
    gateway.get("/one/get").await.is_error(403, QUOTA);
    limit(&gateway, session.clone()).await;
    gateway.get("/one/get").await.is_error(403, QUOTA);
    assert_eq!(write(&gateway, "default?reset_quota=1", &session).await.status, 200);
    assert_eq!(statuses(&gateway, "/one/get", 1).await, [200]);
    let read = gateway.control("/tyk/org/keys/default").await.json();
    assert_eq!(read["quota_remaining"], 1);
    assert!(read["quota_renews"].as_i64().is_some_and(|renews| renews > 1_600_000_000), "{read}");
}

#[tokio::test]
async fn rights_of_an_organisation_that_do_not_name_an_api_close_it() {
    let upstream = Upstream::start();
    let gateway = enforcing(&[api("one", upstream.address), api("two", upstream.address)]).await;
    limit(&gateway, json!({"access_rights": {"one": {"limit": {"rate": 1, "per": 600}}}})).await;
    assert_eq!(statuses(&gateway, "/one/get", 2).await, [200, 403]);
    gateway.get("/two/get").await.is_error(403, RATE);
}

#[tokio::test]
async fn nothing_is_limited_unless_it_is_switched_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    limit(&gateway, json!({"is_inactive": true})).await;
    assert_eq!(gateway.get("/one/get").await.status, 200);
}
