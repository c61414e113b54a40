//! Requests go on in another API of the gateway: `tyk://`. Source: gateway.md §5.6.

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get, post};
use serde_json::{Value, json};

const ENTRIES: &str = "/version_data/versions/Default/extended_paths";

/// An API that sends some of its requests elsewhere: patterns, and what they are rewritten to.
fn sending(id: &str, upstream: &Upstream, rewrites: &[(&str, &str)]) -> Definition {
    let entry = |(path, to): &(&str, &str)| json!({"path": path, "method": "GET", "match_pattern": format!("{path}(.*)"), "rewrite_to": to});
    let entries: Vec<Value> = rewrites.iter().map(entry).collect();
    api(id, upstream.address).set(ENTRIES, json!({"url_rewrites": entries}))
}

async fn serving(definitions: &[&Definition]) -> Gateway {
    definitions.iter().fold(Conf::default(), |conf, definition| conf.with(definition)).start().await
}

fn order(answer: &Answer) -> String {
    answer.all("x-order").concat()
}

#[tokio::test]
async fn an_api_is_found_by_its_id_its_database_id_or_its_name() {
    let upstream = Upstream::start();
    let other = api("other_1", upstream.address).set("/internal", true).set("/name", "My API (2) #category");
    let other = other
        .set("/id", "5e9d9544a1dcd60001d0ed20")
        .set("/proxy/target_url", format!("http://{}/in/", upstream.address));
    for to in ["other_1", "5e9d9544a1dcd60001d0ed20", "My API (2)", "my-api-2-"] {
        let gateway = serving(&[&sending("some", &upstream, &[("/x", &format!("tyk://{to}/to$1"))]), &other]).await;
        assert_eq!(gateway.get("/some/x/y?a=b").await.status, 200, "{to}");
        assert_eq!(upstream.last().first(), "GET /in/to/y?a=b HTTP/1.1", "{to}");
        assert_eq!(gateway.get("/other_1/").await.status, 404, "it is internal");
    }
}

/// All of the other API's chain runs, from its start; of the first one, what comes before its end.
#[tokio::test]
async fn both_chains_run() {
    let upstream = Upstream::start();
    let first = sending("some", &upstream, &[("/x", "tyk://other/y")]).plugins("pre", &["OrderA"]);
    let first = first.plugins("response", &["ResponseA"]);
    let other = api("other", upstream.address).plugins("pre", &["OrderB"]).plugins("post", &["ShowUri"]);
    let gateway = serving(&[&first, &other.plugins("response", &["ResponseB"])]).await;
    let answer = gateway.get("/some/x").await;
    assert_eq!((answer.status, order(&answer).as_str()), (200, "bab"));
    assert_eq!((upstream.last().first(), upstream.last().header("x-uri")), ("GET /y HTTP/1.1", "/y"));
}

#[tokio::test]
async fn a_loop_has_a_method_and_the_gateways_own_parameters_go_no_further() {
    let upstream = Upstream::start();
    let first = sending("some", &upstream, &[("/x", "tyk://self/y?method=POST&a=1&loop_limit=3&check_limits=true")]);
    let gateway = serving(&[&first]).await;
    assert_eq!(gateway.get("/some/x").await.status, 200);
    assert_eq!(upstream.last().first(), "POST /y?a=1 HTTP/1.1");
}

#[tokio::test]
async fn a_loop_ends() {
    let upstream = Upstream::start();
    for (to, limit) in [("tyk://self/x", 5), ("tyk://self/x?loop_limit=2", 2), ("tyk://some/x?loop_limit=8", 8)] {
        let gateway = serving(&[&sending("some", &upstream, &[("/x", to)])]).await;
        let told = format!("Loop level too deep. Found more than {limit} loops in single request");
        gateway.get("/some/x").await.is_error(500, &told);
        assert_eq!(gateway.get("/some/other").await.status, 200, "the next request is served");
    }
}

#[tokio::test]
async fn nobody_is_where_a_loop_leads() {
    let upstream = Upstream::start();
    let gateway = serving(&[&sending("some", &upstream, &[("/x", "tyk://nobody/y")])]).await;
    gateway.get("/some/x").await.is_error(500, "Can't detect loop target");
    let target = api("some", upstream.address).set("/proxy/target_url", "tyk://nobody");
    serving(&[&target]).await.get("/some/x").await.is_error(500, "Couldn't detect target");
}

#[tokio::test]
async fn a_target_may_be_an_api() {
    let upstream = Upstream::start();
    let first = api("some", upstream.address).set("/proxy/target_url", "tyk://other").plugins("post", &["OrderA"]);
    let other = api("other", upstream.address).set("/internal", true).plugins("post", &["OrderB"]);
    let gateway = serving(&[&first, &other]).await;
    let answer = gateway.ask(post("/some/x?a=b", "body")).await;
    assert_eq!((answer.status, order(&answer).as_str()), (200, "ab"));
    assert_eq!(
        (upstream.last().first(), upstream.last().message.body.as_slice()),
        ("POST /x?a=b HTTP/1.1", &b"body"[..])
    );
}

/// APIs that are each other's targets end in an error, and the gateway goes on.
#[tokio::test]
async fn targets_that_lead_to_each_other_end() {
    let upstream = Upstream::start();
    let to = |id: &str, other: &str| api(id, upstream.address).set("/proxy/target_url", format!("tyk://{other}"));
    let gateway = serving(&[&to("some", "other"), &to("other", "some"), &api("third", upstream.address)]).await;
    assert_eq!(gateway.get("/some/x").await.status, 500);
    assert_eq!(gateway.get("/third/x").await.status, 200);
}

/// Rates and quotas count once, unless a loop says otherwise; and who was let in is not asked again.
#[tokio::test]
async fn limits_count_once_unless_a_loop_says_otherwise() {
    let upstream = Upstream::start();
    for (to, expected) in [("tyk://self/y", [200, 200, 403]), ("tyk://self/y?check_limits=true", [200, 403, 403])] {
        let session = json!({"quota_max": 2, "quota_renewal_rate": 600});
        let first = sending("some", &upstream, &[("/x", to)]).auth("SetSession").config("SetSession", session);
        let gateway = serving(&[&first]).await;
        for status in expected {
            assert_eq!(gateway.get("/some/x").await.status, status, "{to}");
        }
    }
}

/// A self loop does not ask for the token again, which is gone by then.
#[tokio::test]
async fn a_self_loop_asks_for_no_token() {
    let upstream = Upstream::start();
    let first = sending("some", &upstream, &[("/x", "tyk://self/y")]).set("/use_keyless", false);
    let gateway = serving(&[&first.set("/strip_auth_data", true)]).await;
    let session = json!({"org_id": "default", "access_rights": {"some": {"api_id": "some", "versions": ["Default"]}}});
    gateway.operate(http::Method::POST, "/tyk/keys/known", session.to_string()).await;
    let answer = gateway.ask(get("/some/x").header("authorization", "known")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.get("/some/x").await.is_error(401, "Authorization field missing");
}
