//! The life of a plugin: its configuration, `init`, its state over reloads, `shutdown`.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, within_deadline};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

fn alive(upstream: &Upstream, how: Value) -> Definition {
    api("alive", upstream.address).plugins("pre", &["Life"]).config("Life", how)
}

/// Hears what a plugin says in its `shutdown`.
struct Listener(TcpListener);

impl Listener {
    async fn bind() -> (Self, Value) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        (Self(listener), json!({"tell": address.to_string()}))
    }

    async fn line(&self) -> String {
        within_deadline("a plugin's shutdown", async {
            let (mut stream, _) = self.0.accept().await.expect("a connection");
            let mut text = String::new();
            stream.read_to_string(&mut text).await.expect("a line");
            text
        })
        .await
    }

    /// Whether nobody has said anything so far.
    async fn is_silent(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.0.accept() => false,
            () = std::future::ready(()) => true,
        }
    }
}

#[tokio::test]
async fn a_configuration_that_its_plugin_does_not_understand_is_refused_with_its_position() {
    let upstream = Upstream::start();
    let text = r#"{
  "api_id": "limits",
  "use_keyless": true,
  "proxy": { "listen_path": "/limits/", "target_url": "http://localhost/" },
  "custom_middleware": { "driver": "goplugin", "pre": [{ "name": "Strict", "path": "probe.so" }] },
  "config_data": {
    "Strict": { "per_minute": "many" }
  }
}
"#;
    let conf = Conf::default().file("limits.json", text).with(&api("other", upstream.address));
    let check = conf.command(&["check", "--apis", "apps"]);
    let expected = "error: apps/limits.json:7:31: config_data.Strict.per_minute: invalid type: string \"many\", expected u32, \
                    as plugin `Strict` expects it\n";
    assert_eq!((check.status.code(), &*String::from_utf8_lossy(&check.stderr)), (Some(1), expected));

    let gateway = conf.start().await;
    gateway.get("/limits/get").await.is_error(500, "Internal Server Error");
    assert_eq!(gateway.get("/other/get").await.status, 200);
    let line = gateway.log().message("API definition").await;
    assert!(line.field("finding").contains("limits.json:7:31: config_data.Strict.per_minute: "), "{}", line.text);
}

#[tokio::test]
async fn a_configuration_is_the_member_with_the_plugins_name_or_else_all_of_it() {
    let upstream = Upstream::start();
    let definition =
        |id: &str, config: Value| api(id, upstream.address).plugins("pre", &["Strict"]).set("/config_data", config);
    let gateway = Conf::default()
        .with(&definition("own", json!({"per_minute": 1, "Strict": {"per_minute": 2}})))
        .with(&definition("all", json!({"per_minute": 1})))
        .start()
        .await;
    assert_eq!(gateway.get("/own/get").await.header("x-per-minute"), "2");
    assert_eq!(gateway.get("/all/get").await.header("x-per-minute"), "1");
}

#[tokio::test]
async fn an_init_that_fails_or_panics_leaves_its_api_closed_and_others_open() {
    let upstream = Upstream::start();
    for (how, reason) in [
        (json!({"fail": "no database"}), "plugin `Life` did not start: no database"),
        (json!({"panic": "no database"}), "plugin `Life` did not start: its `init` panicked: no database"),
    ] {
        let gateway = Conf::default().with(&alive(&upstream, how)).with(&api("other", upstream.address)).start().await;
        gateway.get("/alive/get").await.is_error(500, "Internal Server Error");
        assert_eq!(gateway.get("/other/get").await.status, 200);
        let line = gateway.log().message("API definition").await;
        assert!(line.field("finding").ends_with(&format!("custom_middleware: {reason}")), "{}", line.text);
    }
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn init_runs_once_per_api_and_may_log() {
    let upstream = Upstream::start();
    let definition = alive(&upstream, json!({})).plugins("post", &["Life"]).endpoint("GET", "/get", "Life");
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/alive/get").await.all("x-calls"), ["1", "2", "3"], "one state for all hooks");
    let begun = gateway.log().exactly(1, "life begins", |line| line.message() == "life begins").await;
    assert_eq!((begun[0].field("plugin"), begun[0].field("api_id")), ("Life", "alive"));
}

#[tokio::test]
async fn two_apis_have_a_state_each() {
    let upstream = Upstream::start();
    let second = alive(&upstream, json!({})).set("/api_id", "second").set("/proxy/listen_path", "/second/");
    let gateway = Conf::default().with(&alive(&upstream, json!({}))).with(&second).start().await;
    for path in ["/alive/get", "/second/get"] {
        assert_eq!(gateway.get(path).await.header("x-calls"), "1");
    }
}

/// With Tyk an API with plugins is loaded anew each time. Source: plugin-system.md §10.2, gateway/util_test.go:240.
#[tokio::test]
async fn a_reload_keeps_the_state_of_an_unchanged_definition_and_starts_a_changed_one_anew() {
    let upstream = Upstream::start();
    let (listener, how) = Listener::bind().await;
    let changed = alive(&upstream, how).set("/api_id", "changed").set("/proxy/listen_path", "/changed/");
    let gateway = Conf::default().with(&alive(&upstream, json!({}))).with(&changed).start().await;
    for calls in ["1", "2"] {
        assert_eq!(gateway.get("/alive/get").await.header("x-calls"), calls);
        assert_eq!(gateway.get("/changed/get").await.header("x-calls"), calls);
    }
    gateway.write(&changed.set("/name", "another name"));
    gateway.reload().await;
    assert_eq!(gateway.get("/alive/get").await.header("x-calls"), "3");
    assert_eq!(gateway.get("/changed/get").await.header("x-calls"), "1");
    assert_eq!(listener.line().await, "ended after 2 calls\n", "the old one is shut down");
}

#[tokio::test]
async fn shutdown_runs_when_its_api_is_removed_and_its_last_request_is_over() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let (listener, how) = Listener::bind().await;
    let gateway = Gateway::serving(&alive(&upstream, how)).await;
    let mut client = gateway.connect().await;
    let held = tokio::spawn(async move { client.ask(gateway_tests::get("/alive/held")).await });
    hold.arrived(1).await;
    std::fs::remove_file(gateway.apps().join("alive.json")).expect("it was written at the start");
    gateway.reload().await;
    assert_eq!(gateway.get("/alive/get").await.status, 404);
    assert!(listener.is_silent().await, "a request is still on its way through");
    hold.release(1);
    assert_eq!(held.await.expect("no panic").status, 200);
    assert_eq!(listener.line().await, "ended after 1 calls\n");
}

#[tokio::test]
async fn shutdown_runs_when_the_gateway_ends() {
    let upstream = Upstream::start();
    let (listener, how) = Listener::bind().await;
    let gateway = Gateway::serving(&alive(&upstream, how)).await;
    gateway.get("/alive/get").await;
    let (line, exit) = tokio::join!(listener.line(), gateway.terminate());
    assert_eq!(line, "ended after 1 calls\n");
    assert_eq!(exit.code(), Some(0));
}

#[tokio::test]
async fn a_shutdown_that_panics_is_logged_and_harms_nobody() {
    let upstream = Upstream::start();
    let nobody = gateway_tests::upstream::Nobody::default();
    let conf = Conf::default().with(&alive(&upstream, json!({"tell": nobody.address.to_string()})));
    let gateway = conf.with(&api("other", upstream.address)).start().await;
    std::fs::remove_file(gateway.apps().join("alive.json")).expect("it was written at the start");
    gateway.reload().await;
    gateway.log().message("a plugin's `shutdown` failed").await;
    assert_eq!(gateway.get("/other/get").await.status, 200);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}
