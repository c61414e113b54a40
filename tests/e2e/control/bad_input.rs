//! Bad input over every route of the document: each with its error, nothing half-written, and running APIs untouched.
//!
//! Source: gateway.md §2.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::wire::Wire;
use gateway_tests::{Answer, Conf, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

use super::apis::files;
use super::document::{at, operations};
use crate::oas::document;

/// A gateway that has one of everything.
struct Scene {
    gateway: Gateway,
    policies: PathBuf,
    _upstream: Upstream,
}

impl Scene {
    async fn start() -> Self {
        let upstream = Upstream::start();
        let conf = Conf::default().with(&api("open", upstream.address));
        let conf = conf.with(&api("keyed", upstream.address).set("/use_keyless", false));
        let mut drawn = document(&upstream, json!({}));
        drawn["x-tyk-api-gateway"]["info"]["id"] = "drawn".into();
        let conf = conf.file("drawn.json", &drawn.to_string());
        let policies = conf.folder().join("policies");
        fs::create_dir(&policies).expect("a folder in a folder of ours");
        let gold = json!({"id": "gold", "org_id": "default", "access_rights": {"keyed": {}}});
        fs::write(policies.join("gold.json"), gold.to_string()).expect("a file in a folder of ours");
        let gateway = conf.set("policies", json!({"policy_path": policies})).start().await;
        for (path, body) in
            [("/tyk/keys/mine", json!({"apply_policies": ["gold"]})), ("/tyk/org/keys/default", json!({"rate": 9.0}))]
        {
            let written = gateway.operate(Method::POST, path, body.to_string()).await;
            assert_eq!(written.status, 200, "{}", written.text());
        }
        Self { gateway, policies, _upstream: upstream }
    }

    /// All that is in its folders and in its store.
    async fn state(&self) -> Value {
        let mut sessions = Vec::new();
        for list in ["/tyk/keys", "/tyk/org/keys"] {
            let keys = self.gateway.control(list).await.json()["keys"].clone();
            for key in keys.as_array().expect("a list") {
                let key = key.as_str().expect("a key");
                sessions.push(json!([list, key, self.gateway.control(&format!("{list}/{key}")).await.json()]));
            }
        }
        let loaded =
            [self.gateway.control("/tyk/apis").await.json(), self.gateway.control("/tyk/policies").await.json()];
        json!([files(&self.gateway.apps()), files(&self.policies), sessions, loaded])
    }

    /// Whether all is served that was served at the beginning.
    async fn serves(&self) {
        assert_eq!(self.gateway.get("/open/get").await.status, 200);
        let keyed = self.gateway.ask(get("/keyed/get").header("authorization", "mine")).await;
        assert_eq!(keyed.status, 200, "{}", keyed.text());
    }

    /// The operations that take a body, each with the id of something that is there.
    async fn writing(&self) -> Vec<(Method, String)> {
        let document = self.gateway.control("/tyk/openapi.json").await.json();
        let mut writing = Vec::new();
        for (method, path) in operations(&self.gateway).await {
            if !document["paths"][&path][method.as_str().to_lowercase()]["requestBody"].is_null() {
                writing.push((method, at(&path, known(&path))));
            }
        }
        writing
    }
}

/// Something that is there.
fn known(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/tyk/apis/oas") => "drawn",
        _ if path.starts_with("/tyk/apis") => "open",
        _ if path.starts_with("/tyk/policies") => "gold",
        _ if path.starts_with("/tyk/org") => "default",
        _ => "mine",
    }
}

/// What the route says of a body that it does not understand.
fn misunderstood(path: &str) -> &'static str {
    match path {
        "/tyk/keys" | "/tyk/keys/create" => "Unmarshalling failed",
        _ if path.starts_with("/tyk/apis/oas") => "request malformed",
        _ if path.starts_with("/tyk/keys/policy/") => "Couldn't decode instruction",
        _ => "Request malformed",
    }
}

/// Routes whose bodies are what this is about: JSON objects of ours.
fn is_ours(path: &str) -> bool {
    ["/tyk/apis", "/tyk/policies", "/tyk/keys", "/tyk/org/keys"].iter().any(|prefix| path.starts_with(prefix))
}

/// A name, all of it in escapes.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "%{byte:02X}");
        escaped
    })
}

/// Any error of the control API that is the caller's.
#[track_caller]
fn is_refused(answer: &Answer, what: &str) {
    let is_error = (400..500).contains(&answer.status) && answer.json()["status"] == "error";
    assert!(is_error, "{what}: {} {}", answer.status, answer.text());
}

#[tokio::test]
async fn a_body_that_is_no_json_or_no_object_is_refused_by_every_route() {
    let scene = Scene::start().await;
    let before = scene.state().await;
    let deep = "[".repeat(10_000);
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let bodies = ["", "{", "}", "null", "7", "\"x\"", "[]", "[{}]", "{} {}", "{\"a\":}", "\u{feff}{}", &deep];
    let writing = scene.writing().await;
    assert!(writing.len() >= 13, "{writing:?}");
    for (method, path) in writing {
        for body in bodies {
            let answer = scene.gateway.operate(method.clone(), &path, body.to_owned()).await;
            let what = format!("{method} {path} {}", &body[..body.len().min(20)]);
            is_refused(&answer, &what);
            if is_ours(&path) {
                assert_eq!((answer.status, &answer.json()["message"]), (400, &json!(misunderstood(&path))), "{what}");
            }
        }
        for body in [&b"{\"name\": \"\xff\"}"[..], nested.as_bytes()] {
            let answer = scene.gateway.operate(method.clone(), &path, body.to_vec()).await;
            is_refused(&answer, &format!("{method} {path}: no text, or too deep"));
        }
    }
    assert_eq!(scene.state().await, before);
    scene.serves().await;
}

#[tokio::test]
async fn values_of_wrong_types_are_refused_by_every_route() {
    let scene = Scene::start().await;
    let before = scene.state().await;
    let of_apis = [
        json!({"api_id": "open", "proxy": 7}),
        json!({"api_id": "open", "use_keyless": "yes"}),
        json!({"api_id": ["open"]}),
        json!({"api_id": "open", "version_data": {"versions": []}}),
    ];
    let of_documents = [
        json!({"openapi": 3, "x-tyk-api-gateway": {"info": {"id": "drawn"}}}),
        json!({"openapi": "3.0.3", "x-tyk-api-gateway": []}),
        json!({"openapi": "3.0.3", "info": [], "paths": {}}),
        json!({"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": []}),
        json!({"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {}, "x-tyk-api-gateway": {
            "info": {"id": "drawn"}, "upstream": 7, "server": {"listenPath": "/"},
        }}),
    ];
    let of_policies = [
        json!({"id": "gold", "rate": "fast"}),
        json!({"id": "gold", "access_rights": []}),
        json!({"id": {}}),
        json!({"id": "gold", "quota_max": 1e30}),
    ];
    let of_sessions = [
        json!({"rate": "x"}),
        json!({"access_rights": 7}),
        json!({"access_rights": {"keyed": {"versions": 7}}}),
        json!({"tags": {}}),
        json!({"expires": 1e99}),
        json!({"quota_max": 9_223_372_036_854_775_808_u64}),
        json!({"apply_policies": [7]}),
        json!({"meta_data": []}),
    ];
    for (method, path) in scene.writing().await {
        let bodies = match known(&path) {
            "open" => &of_apis[..],
            "drawn" => &of_documents,
            "gold" => &of_policies,
            _ if is_ours(&path) => &of_sessions,
            _ => continue,
        };
        for body in bodies {
            // What is no instruction at all is one that names no policy.
            let answer = scene.gateway.operate(method.clone(), &path, body.to_string()).await;
            is_refused(&answer, &format!("{method} {path} {body}"));
        }
    }
    assert_eq!(scene.state().await, before);
    scene.serves().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_by_every_route() {
    let scene = Scene::start().await;
    let before = scene.state().await;
    let long = "x".repeat(4096);
    for id in ["nobody", "a%2Fb", "%25", "%00", "%E2%82%AC", "..", &long] {
        for (method, path, status, message) in [
            (Method::GET, "/tyk/apis/{}", 404, "API not found"),
            (Method::GET, "/tyk/apis/{}/versions", 404, "API not found"),
            (Method::GET, "/tyk/policies/{}", 404, "Policy not found"),
            (Method::GET, "/tyk/keys/{}", 404, "Key not found"),
            (Method::PUT, "/tyk/keys/{}", 404, "Key is not found"),
            (Method::DELETE, "/tyk/keys/{}", 404, "There is no such key found"),
            (Method::POST, "/tyk/keys/policy/{}", 404, "Key not found"),
            (Method::GET, "/tyk/org/keys/{}", 404, "Org not found"),
            (Method::DELETE, "/tyk/org/keys/{}", 400, "Failed to remove the key"),
        ] {
            let answer = scene.gateway.operate(method, &path.replace("{}", id), "{}").await;
            answer.is_refusal(status, message);
        }
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            for path in ["/tyk/apis/{}", "/tyk/policies/{}"] {
                let path = path.replace("{}", id);
                is_refused(&scene.gateway.operate(method.clone(), &path, "{}").await, &format!("{method} {path}"));
            }
        }
    }
    assert_eq!(scene.state().await, before);
    scene.serves().await;
}

#[tokio::test]
async fn keys_and_organisations_may_have_any_name() {
    let scene = Scene::start().await;
    let (gateway, before) = (&scene.gateway, scene.state().await);
    let long = "k".repeat(4096);
    let names =
        ["a/b/c", "../../etc", "50%", "ключ-€-🔑", "a b\tc", "\"'<>&", "?q=1#f", "{key}", "\u{7f}\u{1}x", "a,b", &long];
    for name in names {
        let escaped = escaped(name);
        for (list, path) in
            [("/tyk/keys", format!("/tyk/keys/{escaped}")), ("/tyk/org/keys", format!("/tyk/org/keys/{escaped}"))]
        {
            let session = json!({"alias": name, "access_rights": {"keyed": {}}});
            let written = gateway.operate(Method::POST, &path, session.to_string()).await;
            assert_eq!((written.status, &written.json()["key"]), (200, &json!(name)), "{path}");
            assert_eq!(gateway.control(&path).await.json()["alias"], name);
            let listed = gateway.control(list).await.json();
            assert!(listed["keys"].as_array().is_some_and(|keys| keys.contains(&json!(name))), "{listed}");
        }
        if name.is_ascii() && !name.contains(char::is_control) {
            let answer = gateway.ask(get("/keyed/get").header("authorization", name)).await;
            assert_eq!(answer.status, 200, "{name}");
        }
        for path in [format!("/tyk/keys/{escaped}"), format!("/tyk/org/keys/{escaped}")] {
            let deleted = gateway.operate(Method::DELETE, &path, "").await;
            assert_eq!((deleted.status, &deleted.json()["key"]), (200, &json!(name)), "{path}");
        }
    }
    assert_eq!(scene.state().await, before);
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_by_every_route_before_it_is_sent() {
    let scene = Scene::start().await;
    let before = scene.state().await;
    let message = "Request Entity Too Large: the control API takes up to 16777216 bytes";
    for (method, path) in scene.writing().await {
        let mut wire = Wire::connect(scene.gateway.address).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\n{SECRET_HEADER}: {SECRET}\r\nContent-Length: 104857600\r\nExpect: 100-continue\r\n\r\n"
        );
        wire.write(head).await;
        let answer = wire.response(false).await;
        assert_eq!(answer.status(), 413, "{method} {path}: {answer:?}");
        assert_eq!(answer.text(), format!("{{\"status\":\"error\",\"message\":\"{message}\"}}\n"));
    }
    assert_eq!(scene.state().await, before);
    scene.serves().await;
}

/// What was here first keeps its listen path.
#[tokio::test]
async fn a_second_api_on_a_listen_path_does_not_touch_the_first() {
    let scene = Scene::start().await;
    let other = Upstream::start();
    // Its file comes before that of the other.
    let second = api("another", other.address).set("/proxy/listen_path", "/open/");
    let added = scene.gateway.operate(Method::POST, "/tyk/apis", second.to_string()).await;
    added.is_reply(200, r#"{"key":"another","status":"ok","action":"added"}"#);
    scene.gateway.reload().await;
    scene.serves().await;
    assert_eq!(other.seen().len(), 0);
    let told = scene.gateway.log().to_string();
    assert!(told.contains("listens here already"), "{told}");
}

/// A policy cannot name another one, but may hold some, and so itself.
#[tokio::test]
async fn policies_that_hold_themselves_or_are_named_twice_end_somewhere() {
    let scene = Scene::start().await;
    let gateway = &scene.gateway;
    let rights = json!({"keyed": {}});
    let inner = json!({"id": "loop", "org_id": "default", "access_rights": rights, "rate": 5.0, "per": 1.0});
    let mut policy = inner.clone();
    policy["meta_data"] = json!({"policies": [inner]});
    policy["meta_data"]["policies"][0]["meta_data"] = json!({"policies": [inner]});
    let added = gateway.operate(Method::POST, "/tyk/policies", policy.to_string()).await;
    assert_eq!(added.status, 200, "{}", added.text());
    gateway.reload().await;
    let session = json!({"apply_policies": ["loop", "loop", "gold", "loop"]});
    let written = gateway.operate(Method::POST, "/tyk/keys/round", session.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
    assert_eq!(gateway.ask(get("/keyed/get").header("authorization", "round")).await.status, 200);
    let before = scene.state().await;
    // A list of anything but policies is none, as in Tyk.
    for policies in [json!([{"id": 7}]), json!([7]), json!([[]])] {
        let session = json!({"meta_data": {"policies": policies}, "access_rights": {"keyed": {}}});
        let written = gateway.operate(Method::POST, "/tyk/keys/odd", session.to_string()).await;
        assert_eq!(written.status, 200, "{session}: {}", written.text());
        assert_eq!(gateway.ask(get("/keyed/get").header("authorization", "odd")).await.status, 200);
        assert_eq!(gateway.operate(Method::DELETE, "/tyk/keys/odd", "").await.status, 200);
    }
    for session in [json!({"apply_policies": ["nobody"]}), json!({"apply_policies": [""]})] {
        let refused = gateway.operate(Method::POST, "/tyk/keys/odd", session.to_string()).await;
        refused.is_refusal(400, "Failed to create key, ensure security settings are correct.");
    }
    assert_eq!(scene.state().await, before);
    scene.serves().await;
}

/// Numbers at the ends of what there is: whoever uses such a key is served or refused, and never fails.
#[tokio::test]
async fn limits_at_the_ends_of_numbers_break_nothing() {
    let scene = Scene::start().await;
    let gateway = &scene.gateway;
    for more in [
        json!({"rate": 1e308, "per": 1e308}),
        json!({"rate": 1e-308, "per": 1e-308}),
        json!({"rate": -1.0, "per": -1.0}),
        json!({"quota_max": i64::MAX, "quota_renewal_rate": i64::MAX}),
        json!({"quota_max": i64::MIN, "quota_renewal_rate": i64::MIN, "quota_renews": i64::MIN}),
        json!({"quota_max": 5, "quota_renewal_rate": i64::MAX, "quota_remaining": i64::MIN}),
        json!({"expires": i64::MIN, "session_lifetime": i64::MIN}),
        json!({"expires": i64::MAX, "session_lifetime": i64::MAX}),
        json!({"throttle_interval": -1e300, "throttle_retry_limit": i64::MIN}),
        json!({"max_query_depth": i64::MIN, "post_expiry_grace_period": i64::MIN}),
    ] {
        let mut session = json!({"access_rights": {"keyed": {}}});
        session.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        for path in ["/tyk/keys/edge", "/tyk/org/keys/edge"] {
            let written = gateway.operate(Method::POST, path, session.to_string()).await;
            assert_eq!(written.status, 200, "{more}: {}", written.text());
            assert_eq!(gateway.control(path).await.status, 200, "{more}");
        }
        for path in ["/keyed/get", "/keyed/tyk/rate-limits/"] {
            let answer = gateway.ask(get(path).header("authorization", "edge")).await;
            assert!(answer.status < 500, "{more}: {} {}", answer.status, answer.text());
        }
    }
    scene.serves().await;
}
