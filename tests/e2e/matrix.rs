//! Every hook × every kind of function × everything it can do: go on, answer, refuse, panic.

use gateway_tests::{Answer, Client, Definition, Gateway, Upstream, api, get};

const HOOKS: [&str; 6] = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"];
/// A plain function, one before its first `await`, one after it.
const KINDS: [&str; 3] = ["ActSync", "ActBeforeAwait", "ActAfterAwait"];

/// An API with one plugin, in one hook.
fn with_plugin_in(hook: &str, plugin: &str, upstream: &Upstream) -> Definition {
    let definition = api("matrix", upstream.address);
    match hook {
        "auth_check" => definition.auth(plugin),
        "post_key_auth" => {
            definition.auth("SetSession").config("SetSession", serde_json::json!({})).plugins(hook, &[plugin])
        }
        "endpoint" => definition.endpoint("GET", "/act", plugin),
        _ => definition.plugins(hook, &[plugin]),
    }
}

/// The gateway of one cell, and what its client gets.
struct Cell {
    hook: &'static str,
    plugin: &'static str,
    upstream: Upstream,
    gateway: Gateway,
}

impl Cell {
    async fn act(&self, client: &mut Client, act: &str) -> Answer {
        client.ask(get("/matrix/act").header("x-act", act)).await
    }

    /// The response hook runs when the upstream has answered; all others end the request before it is called.
    fn calls_of_the_upstream(&self, requests: usize) {
        let expected = if self.hook == "response" { requests } else { 0 };
        assert_eq!(self.upstream.seen().len(), expected, "{} in {}", self.plugin, self.hook);
    }
}

async fn each_cell(check: impl AsyncFn(Cell)) {
    for hook in HOOKS {
        for plugin in KINDS {
            let upstream = Upstream::start();
            let gateway = Gateway::serving(&with_plugin_in(hook, plugin, &upstream)).await;
            check(Cell { hook, plugin, upstream, gateway }).await;
        }
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    each_cell(async |cell| {
        let Cell { hook, plugin, upstream, gateway } = &cell;
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            cell.act(&mut client, "panic").await.is_error(500, "Internal Server Error");
        }
        cell.calls_of_the_upstream(2);

        let line = gateway.log().wait("the panic", |line| line.message() == "request failed").await;
        let error = line.field("error");
        assert!([*plugin, *hook, "asked to panic"].iter().all(|part| error.contains(part)), "{error}");
        assert_eq!((line.field("api_id"), line.field("fault")), ("matrix", "plugin"));

        let seen = upstream.seen().len();
        assert_eq!(client.ask(get("/matrix/next")).await.json()["Path"], "/next", "{plugin} in {hook}");
        assert_eq!(gateway.get("/matrix/new").await.json()["Path"], "/new", "{plugin} in {hook}");
        assert_eq!(upstream.seen().len(), seen + 2);
    })
    .await;
}

#[tokio::test]
async fn who_goes_on_is_proxied() {
    each_cell(async |cell| {
        let answer = cell.act(&mut cell.gateway.connect().await, "go on").await;
        assert_eq!((answer.status, &answer.json()["Path"]), (200, &"/act".into()), "{} in {}", cell.plugin, cell.hook);
        assert_eq!(cell.upstream.seen().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_what_the_client_gets() {
    each_cell(async |cell| {
        let answer = cell.act(&mut cell.gateway.connect().await, "answer").await;
        assert_eq!((answer.status, &*answer.text()), (201, "answered"), "{} in {}", cell.plugin, cell.hook);
        assert_eq!(answer.header("content-length"), "8");
        cell.calls_of_the_upstream(1);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_the_gateways_error_with_the_plugins_words() {
    each_cell(async |cell| {
        cell.act(&mut cell.gateway.connect().await, "refuse").await.is_error(409, "refused");
        cell.calls_of_the_upstream(1);
    })
    .await;
}
