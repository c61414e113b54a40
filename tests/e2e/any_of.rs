//! Groups of ways of authentication, of which one is enough. Source: gateway.md §3.5, §4.2; plugin-system.md §4.10.

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

const DISALLOWED: &str = "Access to this API has been disallowed";
const MISSING: &str = "Authorization field missing";

/// An API with a plugin and tokens, whose OpenAPI document knows them as `custom` and `token`.
fn both(upstream: &Upstream, plugin: &str, groups: Value) -> Definition {
    api("both", upstream.address)
        .auth(plugin)
        .set("/use_standard_auth", true)
        .set("/is_oas", true)
        .set("/security_requirements", groups)
        .plugins("post_key_auth", &["ShowSession"])
        .config("SetSession", json!({"alias": "of the plugin"}))
}

fn document(mode: &str) -> String {
    json!({
        "openapi": "3.0.3",
        "components": {"securitySchemes": {
            "token": {"type": "apiKey", "in": "header", "name": "authorization"},
            "basic": {"type": "http", "scheme": "basic"},
        }},
        "x-tyk-api-gateway": {"server": {"authentication": {
            "securityProcessingMode": mode, "custom": {"enabled": true},
        }}},
    })
    .to_string()
}

/// A gateway with that API, and the key `mine`.
async fn serving(definition: &Definition, mode: &str) -> Gateway {
    let gateway = Conf::default().with(definition).file("both-oas.json", &document(mode)).start().await;
    let session = json!({"org_id": "default", "alias": "of the token", "access_rights": {"both": {}}});
    let written = gateway.operate(Method::POST, "/tyk/keys/mine", session.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
    gateway
}

async fn ask(gateway: &Gateway, token: &str) -> Answer {
    gateway.ask(get("/both/get").header("authorization", token)).await
}

/// The document has no scheme `custom`: it is the plugin. Source: plugin-system.md §10.2,
/// gateway/mw_auth_or_wrapper_test.go:4358.
#[tokio::test]
async fn the_first_group_that_passes_says_who_is_calling() {
    let upstream = Upstream::start();
    let groups = json!([["custom"], ["token"]]);
    let gateway = serving(&both(&upstream, "MyPluginAuthCheck@goplugins", groups), "compliant").await;
    let of_plugin = ask(&gateway, "abc").await;
    assert_eq!((of_plugin.status, of_plugin.header("x-session")), (200, "abc-session"));
    assert_eq!(of_plugin.header("x-auth-result"), "OK");
    // Looked up, and then known from before.
    for _ in 0..2 {
        let of_token = ask(&gateway, "mine").await;
        assert_eq!((of_token.status, of_token.header("x-session")), (200, "of the token"));
        assert_eq!(of_token.header("x-auth-result"), "", "what the plugin did that refused is taken back");
    }
    ask(&gateway, "nobody").await.is_error(403, DISALLOWED);
    gateway.get("/both/get").await.is_error(401, MISSING);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn the_last_group_says_why_not_and_a_plugin_in_its_own_words() {
    let upstream = Upstream::start();
    let groups = json!([["token"], ["custom"]]);
    let gateway = serving(&both(&upstream, "MyPluginAuthCheck@goplugins", groups), "compliant").await;
    let refused = ask(&gateway, "nobody").await;
    assert_eq!((refused.status, &*refused.text(), refused.header("x-auth-result")), (403, "auth failed", "failed"));
    assert_eq!(ask(&gateway, "mine").await.header("x-session"), "of the token");
    assert_eq!(ask(&gateway, "abc").await.header("x-session"), "abc-session");
}

#[tokio::test]
async fn all_of_a_group_must_pass_and_its_last_one_counts() {
    let upstream = Upstream::start();
    let definition = both(&upstream, "SetSession", json!([["custom", "token"], ["basic"]]));
    let gateway = serving(&definition.set("/base_identity_provided_by", "custom_auth"), "compliant").await;
    assert_eq!(ask(&gateway, "mine").await.header("x-session"), "of the token");
    ask(&gateway, "nobody").await.is_error(500, "security scheme basic is not configured");
    let turned = both(&upstream, "SetSession", json!([["basic"], ["token", "custom"]]));
    let gateway = serving(&turned, "compliant").await;
    assert_eq!(ask(&gateway, "mine").await.header("x-session"), "of the plugin");
    ask(&gateway, "nobody").await.is_error(403, DISALLOWED);
}

/// The plugin has set a session in the first group, which fails for its token.
#[tokio::test]
async fn a_group_that_fails_leaves_no_session_behind() {
    let upstream = Upstream::start();
    let groups = json!([["custom", "token"], ["unknown"]]);
    let gateway = serving(&both(&upstream, "SetSession", groups), "compliant").await;
    for token in ["nobody", "probe"] {
        ask(&gateway, token).await.is_error(500, "security scheme unknown is not configured");
        assert_eq!(gateway.control("/tyk/keys/probe").await.status, 404, "the session would be a key");
    }
    let told = gateway.log().to_string();
    assert!(told.contains("security_requirements[1][0]") && told.contains("`unknown` stands for no way"), "{told}");
    let groups = json!([["custom", "unknown"], ["token"]]);
    let gateway = serving(&both(&upstream, "SetSession", groups), "compliant").await;
    assert_eq!(ask(&gateway, "mine").await.header("x-session"), "of the token");
    ask(&gateway, "nobody").await.is_error(403, DISALLOWED);
    assert_eq!(gateway.control("/tyk/keys/probe").await.status, 404, "what the first group did is undone");
    ask(&gateway, "probe").await.is_error(403, DISALLOWED);
    assert_eq!(upstream.seen().len(), 1);
    let groups = json!([["token", "custom"], ["custom"]]);
    let gateway = serving(&both(&upstream, "SetSession", groups), "compliant").await;
    assert_eq!(ask(&gateway, "nobody").await.status, 200);
    assert_eq!(gateway.control("/tyk/keys/probe").await.json()["alias"], "of the plugin", "a group has passed");
}

#[tokio::test]
async fn a_plugin_that_is_missing_fails_its_group_alone() {
    let upstream = Upstream::start();
    let groups = json!([["custom"], ["token"]]);
    let gateway = serving(&both(&upstream, "NoSuch", groups), "compliant").await;
    assert_eq!(ask(&gateway, "mine").await.status, 200);
    ask(&gateway, "nobody").await.is_error(403, DISALLOWED);
}

/// Source: gateway.md §12, 6 and 22.
#[tokio::test]
async fn without_a_document_that_says_so_all_ways_are_asked_for() {
    let upstream = Upstream::start();
    let definition = both(&upstream, "MyPluginAuthCheck@goplugins", json!([["custom"], ["token"]]));
    let gateway = serving(&definition, "legacy").await;
    let refused = async |gateway: &Gateway| {
        assert_eq!(ask(gateway, "mine").await.text(), "auth failed");
        // The plugin saves its session, which is a key from then on: this passes both.
        assert_eq!(ask(gateway, "abc").await.status, 200);
    };
    refused(&gateway).await;
    // Another document is another API, though the definition is what it was.
    gateway.write_file("both-oas.json", &document("compliant"));
    gateway.reload().await;
    assert_eq!(ask(&gateway, "mine").await.status, 200);
    for broken in ["", "{", "[]", r#"{"components": 7}"#] {
        gateway.write_file("both-oas.json", broken);
        gateway.reload().await;
        refused(&gateway).await;
    }
    std::fs::remove_file(gateway.apps().join("both-oas.json")).expect("a file of ours");
    gateway.reload().await;
    refused(&gateway).await;
    let told = gateway.log().to_string();
    assert!(told.contains("security_requirements") && told.contains("it is not there"), "{told}");
}

/// Whom basic authentication refuses is asked for a password only if no other way lets them in.
#[tokio::test]
async fn a_client_is_asked_for_a_password_by_the_last_group_alone() {
    let upstream = Upstream::start();
    let definition = |groups: Value| {
        api("both", upstream.address)
            .set("/use_keyless", false)
            .set("/use_basic_auth", true)
            .set("/use_standard_auth", true)
            .set("/auth_configs", json!({"basic": {"auth_header_name": "x-user"}, "authToken": {}}))
            .set("/is_oas", true)
            .set("/security_requirements", groups)
    };
    let gateway = serving(&definition(json!([["basic"], ["token"]])), "compliant").await;
    let of_token = ask(&gateway, "mine").await;
    assert_eq!((of_token.status, of_token.header("www-authenticate")), (200, ""));
    let refused = ask(&gateway, "nobody").await;
    refused.is_error(403, DISALLOWED);
    assert_eq!(refused.header("www-authenticate"), "");
    let gateway = serving(&definition(json!([["token"], ["basic"]])), "compliant").await;
    let refused = ask(&gateway, "nobody").await;
    refused.is_error(401, MISSING);
    assert_eq!(refused.header("www-authenticate"), "Basic realm=\"both\"");
    assert_eq!(ask(&gateway, "mine").await.status, 200);
}
