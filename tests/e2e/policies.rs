//! Policies: what a key may do is what they say. Source: gateway.md §6.3.

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

const DISALLOWED: &str = "Access to this API has been disallowed";

fn keyed(upstream: &Upstream) -> Definition {
    api("keyed", upstream.address).set("/use_keyless", false)
}

/// A policy with rights on that API, and what else it says.
fn policy(more: Value) -> Value {
    let mut policy = json!({"org_id": "default", "access_rights": {"keyed": {"api_id": "keyed"}}});
    policy.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    policy
}

/// A gateway whose policies are a file of its folder.
async fn serving(upstream: &Upstream, policies: &Value) -> Gateway {
    let conf = Conf::default();
    let file = conf.folder().join("policies.json");
    std::fs::write(&file, policies.to_string()).expect("a file in a folder of ours");
    conf.set("policies", json!({"policy_source": "file", "policy_record_name": file}))
        .with(&keyed(upstream))
        .start()
        .await
}

async fn write(gateway: &Gateway, key: &str, session: Value) -> Answer {
    gateway.operate(Method::POST, &format!("/tyk/keys/{key}"), session.to_string()).await
}

async fn ask(gateway: &Gateway, token: &str) -> Answer {
    gateway.ask(get("/keyed/get").header("authorization", token)).await
}

#[tokio::test]
async fn a_key_may_do_what_its_policy_says_and_after_a_reload_what_it_says_then() {
    let upstream = Upstream::start();
    let gateway =
        serving(&upstream, &json!({"gold": policy(json!({"quota_max": 5, "quota_renewal_rate": 600}))})).await;
    let session = json!({"org_id": "default", "apply_policies": ["gold"]});
    assert_eq!(write(&gateway, "mine", session).await.status, 200);
    assert_eq!(ask(&gateway, "mine").await.header("x-ratelimit-limit"), "5");

    let file = gateway.folder().join("policies.json");
    let put = |policies: Value| std::fs::write(&file, policies.to_string()).expect("a file in a folder of ours");
    put(json!({"gold": policy(json!({"quota_max": 9, "quota_renewal_rate": 600}))}));
    assert_eq!(ask(&gateway, "mine").await.header("x-ratelimit-limit"), "5", "nothing changes before a reload");
    gateway.reload().await;
    assert_eq!(ask(&gateway, "mine").await.header("x-ratelimit-limit"), "9");

    put(json!({"gold": {"rate": "fast"}}));
    gateway.reload().await;
    assert_eq!(ask(&gateway, "mine").await.header("x-ratelimit-limit"), "9", "what is not understood changes nothing");

    put(json!({"gold": policy(json!({"is_inactive": true}))}));
    gateway.reload().await;
    ask(&gateway, "mine").await.is_error(403, "Key is inactive, please renew");
    put(json!({}));
    gateway.reload().await;
    ask(&gateway, "mine").await.is_error(403, DISALLOWED);
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn policies_that_cannot_be_together_refuse_the_key() {
    let upstream = Upstream::start();
    let policies = json!({
        "each": policy(json!({"partitions": {"per_api": true}})),
        "part": policy(json!({"partitions": {"acl": true}})),
        "theirs": {"org_id": "other", "access_rights": {"keyed": {}}},
    });
    let gateway = serving(&upstream, &policies).await;
    let refused = [json!(["each", "part"]), json!(["theirs"]), json!(["none"])];
    let message = "Failed to create key, ensure security settings are correct.";
    for ids in refused {
        let session = json!({"org_id": "default", "apply_policies": ids, "access_rights": {"keyed": {}}});
        write(&gateway, "mine", session).await.is_refusal(400, message);
    }
    gateway.control("/tyk/keys").await.is_reply(200, r#"{"keys":[]}"#);
}

#[tokio::test]
async fn partitions_govern_parts_and_the_fastest_policy_wins() {
    let upstream = Upstream::start();
    let policies = json!({
        "rights": policy(json!({"partitions": {"acl": true}, "rate": 1, "per": 600})),
        "slow": policy(json!({"partitions": {"rate_limit": true}, "rate": 1, "per": 600})),
        "fast": policy(json!({"partitions": {"rate_limit": true}, "rate": 3, "per": 600})),
    });
    let gateway = serving(&upstream, &policies).await;
    let session = json!({"org_id": "default", "apply_policies": ["rights", "slow", "fast"], "quota_max": 7});
    assert_eq!(write(&gateway, "mine", session).await.status, 200);
    for (status, left) in [(200, "6"), (200, "5"), (200, "4"), (429, "")] {
        let answer = ask(&gateway, "mine").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (status, left));
    }
}

/// Source: gateway.md §6.3, 4: counters are apart.
#[tokio::test]
async fn each_api_of_a_policy_counts_for_itself_if_it_says_so() {
    let upstream = Upstream::start();
    let gold = json!({"org_id": "default", "partitions": {"per_api": true}, "access_rights": {
        "keyed": {"limit": {"rate": 1, "per": 600, "quota_max": 5, "quota_renewal_rate": 600}},
        "second": {"limit": {"rate": 2, "per": 600, "quota_max": 7, "quota_renewal_rate": 600}},
    }});
    let conf = Conf::default();
    let file = conf.folder().join("policies.json");
    std::fs::write(&file, json!({"gold": gold}).to_string()).expect("a file in a folder of ours");
    let second = api("second", upstream.address).set("/use_keyless", false);
    let conf = conf.set("policies", json!({"policy_record_name": file}));
    let gateway = conf.with(&keyed(&upstream)).with(&second).start().await;
    assert_eq!(write(&gateway, "mine", json!({"org_id": "default", "apply_policies": ["gold"]})).await.status, 200);
    let ask = async |api: &str| gateway.ask(get(&format!("/{api}/get")).header("authorization", "mine")).await;
    for (api, limit, remaining) in [("keyed", "5", "4"), ("second", "7", "6"), ("second", "7", "5")] {
        let answer = ask(api).await;
        let told = ["x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| answer.header(name));
        assert_eq!((answer.status, told), (200, [limit, remaining]), "{api}");
    }
    for api in ["keyed", "second"] {
        ask(api).await.is_error(429, "Rate Limit Exceeded");
    }
}

#[tokio::test]
async fn a_folder_holds_a_policy_in_each_file_and_one_that_is_wrong_stops_the_start() {
    let upstream = Upstream::start();
    let conf = Conf::default();
    let folder = conf.folder().join("policies");
    std::fs::create_dir(&folder).expect("a folder in a folder of ours");
    let put = |name: &str, policy: &Value| {
        std::fs::write(folder.join(name), policy.to_string()).expect("a file in a folder of ours");
    };
    put("gold.json", &policy(json!({"id": "gold", "quota_max": 5, "quota_renewal_rate": 600})));
    let conf = conf.set("policies", json!({"policy_path": folder})).with(&keyed(&upstream));
    let gateway = conf.start().await;
    assert_eq!(write(&gateway, "mine", json!({"org_id": "default", "apply_policies": ["gold"]})).await.status, 200);
    assert_eq!(ask(&gateway, "mine").await.header("x-ratelimit-limit"), "5");

    let conf = Conf::default();
    let folder = conf.folder().join("policies");
    std::fs::create_dir(&folder).expect("a folder in a folder of ours");
    std::fs::write(folder.join("gold.json"), r#"{"rate": 5}"#).expect("a file in a folder of ours");
    let conf = conf.set("policies", json!({"policy_path": folder}));
    let checked = conf.command(&["check"]);
    assert!(!checked.status.success());
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(told.contains("gold.json:1:1: id: is empty"), "{told}");
    let process = conf.spawn(&["--port", "0"]);
    assert!(!process.exit().await.success());
}

/// Source: plugin-system.md §4.2, 7: the policies of a session apply whoever sets it.
#[tokio::test]
async fn a_session_that_a_plugin_sets_is_what_its_policies_say() {
    let upstream = Upstream::start();
    let session = json!({"apply_policies": ["gold"], "quota_max": 99});
    let conf = Conf::default();
    let file = conf.folder().join("policies.json");
    let gold = policy(json!({"quota_max": 2, "quota_renewal_rate": 600}));
    std::fs::write(&file, json!({"gold": gold}).to_string()).expect("a file in a folder of ours");
    let definition = keyed(&upstream).auth("SetSession").config("SetSession", session);
    let gateway = conf.set("policies", json!({"policy_record_name": file})).with(&definition).start().await;
    for (status, remaining) in [(200, "1"), (200, "0"), (403, "")] {
        let answer = gateway.get("/keyed/get").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (status, remaining));
    }
    assert_eq!(gateway.control("/tyk/keys/probe").await.json()["access_rights"]["keyed"]["api_id"], "keyed");
}

/// Whichever way it is given to the key.
#[tokio::test]
async fn a_policy_of_another_organisation_is_not_for_a_key() {
    let upstream = Upstream::start();
    let foreign = policy(json!({"org_id": "other"}));
    let gateway = serving(&upstream, &json!({"gold": policy(json!({})), "foreign": foreign})).await;
    assert_eq!(write(&gateway, "mine", json!({"org_id": "default", "apply_policies": ["gold"]})).await.status, 200);
    let session = gateway.control("/tyk/keys/defaultmine").await.json();
    let refused = write(&gateway, "new", json!({"org_id": "default", "apply_policies": ["foreign"]})).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    for instruction in [json!({"policy": "foreign"}), json!({"apply_policies": ["gold", "foreign"]})] {
        let path = "/tyk/keys/policy/defaultmine";
        let refused = gateway.operate(Method::POST, path, instruction.to_string()).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains("policy \\\"foreign\\\", key ****mine"), "{}", refused.text());
    }
    assert_eq!(gateway.control("/tyk/keys/defaultmine").await.json(), session, "it is as it was");
    assert_eq!(ask(&gateway, "mine").await.status, 200);
}
