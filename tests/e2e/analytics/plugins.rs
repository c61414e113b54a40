//! Plugins of analytics records. Source: plugin-system.md §5, §10.1.

use std::time::Duration;

use gateway_tests::{Definition, Gateway, Upstream, api, get, post, within_deadline};
use serde_json::{Value, json};

use super::{conf, raw, records, serving};

fn with_plugin(definition: Definition, name: &str, file: &str) -> Definition {
    definition.set("/analytics_plugin", json!({"enable": true, "func_name": name, "plugin_path": file}))
}

async fn dropped(gateway: &Gateway, reason: &str, count: u64) {
    let name = format!("gw_analytics_dropped_total{{reason=\"{reason}\"}}");
    within_deadline(&format!("{count} records dropped: {reason}"), async {
        while gateway.metric(&name).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(gateway.metric(&name).await, count);
}

/// Source: plugin-system.md §10.1.18.
#[tokio::test]
async fn a_plugin_changes_the_record_and_what_it_holds() {
    let upstream = Upstream::start();
    upstream.answer("/get", 200, &[("server", "of the upstream")], "answered");
    let definition = api("some", upstream.address).set("/enable_detailed_recording", true);
    let file = "../test/goplugins/goplugins.so";
    let gateway = serving(&with_plugin(definition, "MyAnalyticsPluginAddTag", file)).await;
    let answer = gateway.get("/some/get").await;
    assert_eq!(answer.header("server"), "of the upstream", "the client's response is untouched");
    let [record] = records(&gateway, 1).await.try_into().expect("exactly one");
    assert!(record["tags"].as_array().expect("a list").contains(&json!("TEST")), "{record:#}");
    let response = raw(&record, "raw_response");
    assert!(!response.contains("Server:") && response.contains("\r\nTest: test\r\n"), "{response}");
    assert!(response.ends_with("answered"), "{response}");
}

/// Source: plugin-system.md §10.0.
#[tokio::test]
async fn a_plugin_masks_what_nobody_is_to_read() {
    let upstream = Upstream::start();
    let definition = api("some", upstream.address).set("/enable_detailed_recording", true);
    let plugin = "MyAnalyticsPluginMaskJSONLoginBody";
    let gateway = serving(&with_plugin(definition, plugin, "goplugins.so")).await;
    gateway.ask(post("/some/login", r#"{"email":"a@b","password":"secret"}"#)).await;
    assert!(upstream.last().first().starts_with("POST /login"));
    let [record] = records(&gateway, 1).await.try_into().expect("one");
    let request = raw(&record, "raw_request");
    assert!(request.ends_with(r#"{"email":"****","password":"****"}"#), "{request}");
}

/// What a plugin answers is a success below 400, with the listen path; else an error. Source: plugin-system.md §4.4.
#[tokio::test]
async fn what_plugins_answer_has_records() {
    let upstream = Upstream::start();
    let definition = api("some", upstream.address).set("/enable_detailed_recording", true);
    let definition = definition.endpoint("GET", "/answer", "MyPluginPost@goplugins");
    let gateway = serving(&definition.endpoint("GET", "/refuse", "RejectWithBody@goplugins")).await;
    assert_eq!((gateway.get("/some/answer").await.status, gateway.get("/some/refuse").await.status), (200, 403));
    let [answered, refused] = records(&gateway, 2).await.try_into().expect("two");
    assert_eq!((&answered["path"], &answered["response_code"]), (&json!("/some/answer"), &json!(200)));
    assert!(raw(&answered, "raw_response").ends_with(r#"{"message":"post message"}"#));
    assert_eq!((&refused["path"], &refused["response_code"]), (&json!("/refuse"), &json!(403)));
    assert_eq!(refused["raw_response"], "");
}

#[tokio::test]
async fn a_plugin_that_panics_fails_or_drops_loses_its_record_and_nothing_else() {
    for plugin in ["ActOnRecord", "ActOnRecordAfterAwait"] {
        let upstream = Upstream::start();
        let gateway = serving(&with_plugin(api("some", upstream.address), plugin, "")).await;
        for agent in ["panic", "one", "drop", "fail", "two"] {
            let answer = gateway.ask(get("/some/get").header("user-agent", agent)).await;
            assert_eq!(answer.status, 200, "{agent}");
        }
        let agents: Vec<Value> = records(&gateway, 2).await.iter().map(|record| record["user_agent"].clone()).collect();
        assert_eq!(agents, ["one", "two"]);
        dropped(&gateway, "plugin_failed", 2).await;
        dropped(&gateway, "plugin", 1).await;
        let told = gateway.log().message_times("an analytics record is not kept", 2).await;
        assert_eq!((told.field("plugin"), told.field("api_id")), (plugin, "some"));
    }
}

#[tokio::test]
async fn a_plugin_that_is_missing_is_told_and_what_it_was_to_see_is_not_kept() {
    let upstream = Upstream::start();
    let missing = with_plugin(api("some", upstream.address), "MyAnalyticsPluginAddTga", "");
    let gateway = conf(json!({})).with(&missing).with(&api("other", upstream.address)).start().await;
    let finding = gateway.log().message("API definition").await;
    let finding = finding.field("finding");
    let expected = "analytics_plugin.func_name: no plugin `MyAnalyticsPluginAddTga` for hook `analytics` in this binary; \
                    nearest: `MyAnalyticsPluginAddTag`";
    assert!(finding.contains(expected), "{finding}");
    assert_eq!(gateway.get("/some/get").await.status, 200);
    gateway.get("/other/get").await;
    let [record] = records(&gateway, 1).await.try_into().expect("one");
    assert_eq!(record["api_id"], "other");
    dropped(&gateway, "plugin_failed", 1).await;
}

#[tokio::test]
async fn the_hook_is_known_by_name() {
    let upstream = Upstream::start();
    let definition = with_plugin(api("some", upstream.address), "MyAnalyticsPluginAddTag", "goplugins.so");
    let conf = conf(json!({})).with(&definition);
    let listed = conf.command(&["plugins", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("MyAnalyticsPluginAddTag  (goplugins 0.1.0)  analytics"), "{listed}");
    assert_eq!(conf.command(&["check"]).status.code(), Some(0));
    let gateway = conf.start().await;
    let plugins = gateway.control("/tyk/plugins").await.text();
    assert!(plugins.contains(r#""hook":"analytics""#), "{plugins}");
}
