//! Pages of other origins. Source: gateway.md §5.12, §12.13.

use gateway_tests::client::{Answer, Ask};
use gateway_tests::{Definition, Gateway, Upstream, api, ask, get};
use http::Method;
use serde_json::{Value, json};

const ORIGIN: &str = "https://shop.example.com";
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

fn with(upstream: &Upstream, cors: Value) -> Definition {
    api("some", upstream.address).set("/CORS", cors)
}

fn preflight(origin: &str, method: &str) -> Ask {
    let asked = ask(Method::OPTIONS, "/some/get").header("origin", origin);
    asked.header("access-control-request-method", method)
}

/// What an answer says to pages: origin, methods, headers, credentials, age.
fn told(answer: &Answer) -> [Vec<&str>; 5] {
    ["origin", "methods", "headers", "credentials"]
        .map(|what| format!("access-control-allow-{what}"))
        .map(|name| answer.all(&name))
        .into_iter()
        .chain([answer.all("access-control-max-age")])
        .collect::<Vec<_>>()
        .try_into()
        .expect("five of them")
}

#[tokio::test]
async fn the_gateway_answers_what_browsers_ask_beforehand_before_authentication() {
    let upstream = Upstream::start();
    let cors = json!({
        "enable": true, "allowed_origins": [ORIGIN, "http://*.example.org"], "allowed_methods": ["PUT"],
        "allowed_headers": ["X-Mine"], "allow_credentials": true, "max_age": 24,
    });
    let gateway = Gateway::serving(&with(&upstream, cors).set("/use_keyless", false)).await;
    let answer = gateway.ask(preflight(ORIGIN, "PUT").header("access-control-request-headers", "x-mine")).await;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_eq!(told(&answer), [vec![ORIGIN], vec!["PUT"], vec!["x-mine"], vec!["true"], vec!["24"]]);
    assert_eq!(answer.all("vary"), [PREFLIGHT_VARY]);
    // Whatever is not allowed is answered without a word on it.
    for refused in [
        preflight("https://evil.example.com", "PUT"),
        preflight(ORIGIN, "DELETE"),
        preflight(ORIGIN, "put"),
        preflight(ORIGIN, "PUT").header("access-control-request-headers", "x-mine, x-other"),
        ask(Method::OPTIONS, "/some/get").header("access-control-request-method", "PUT"),
    ] {
        let answer = gateway.ask(refused).await;
        assert_eq!((answer.status, told(&answer).concat().len()), (204, 0));
        assert_eq!(answer.all("vary"), [PREFLIGHT_VARY]);
    }
    let wild = gateway.ask(preflight("http://A.example.org", "PUT")).await;
    assert_eq!(told(&wild)[0], ["http://A.example.org"]);
    assert_eq!(told(&gateway.ask(preflight("http://example.org", "PUT")).await)[0], [""; 0]);
    // An `OPTIONS` that is none of a browser's.
    let other = gateway.ask(ask(Method::OPTIONS, "/some/get").header("origin", ORIGIN)).await;
    assert_eq!((other.status, other.text().as_str(), other.header("vary")), (200, "", "Origin"));
    assert_eq!(told(&other)[0], [ORIGIN]);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn what_is_not_said_is_any_origin_the_simple_methods_and_the_usual_headers() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&with(&upstream, json!({"enable": true}))).await;
    let usual = "accept,content-type,x-requested-with";
    let answer = gateway.ask(preflight(ORIGIN, "POST").header("access-control-request-headers", usual)).await;
    assert_eq!(told(&answer), [vec!["*"], vec!["POST"], vec![usual], vec![], vec![]]);
    let other = gateway.ask(preflight(ORIGIN, "POST").header("access-control-request-headers", "x-a")).await;
    assert_eq!((other.status, told(&other).concat().len()), (204, 0));
    assert_eq!(told(&gateway.ask(preflight(ORIGIN, "PUT")).await).concat().len(), 0);
}

#[tokio::test]
async fn an_answer_says_who_may_read_it_and_the_upstream_has_no_say_in_it() {
    let upstream = Upstream::start();
    let said = [
        ("access-control-allow-origin", "https://upstream.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-theirs"),
        ("vary", "Accept"),
    ];
    upstream.answer("/get", 200, &said, "");
    let cors = json!({"enable": true, "allowed_origins": [ORIGIN], "exposed_headers": ["x-mine", "X-OTHER"]});
    let gateway = Gateway::serving(&with(&upstream, cors)).await;
    let answer = gateway.ask(get("/some/get").header("origin", ORIGIN)).await;
    assert_eq!(told(&answer)[0], [ORIGIN]);
    assert_eq!(answer.all("access-control-expose-headers"), ["X-Mine, X-Other"]);
    assert_eq!(answer.all("vary"), ["Accept", "Origin"]);
    // The page may not read it, and the upstream gets the request all the same.
    let before = upstream.seen().len();
    let answer = gateway.ask(get("/some/get").header("origin", "https://evil.example.com")).await;
    assert_eq!((answer.status, answer.all("vary")), (200, vec!["Accept", "Origin"]));
    assert_eq!(upstream.seen().len(), before + 1);
}

#[tokio::test]
async fn a_refusal_says_who_may_read_it() {
    let upstream = Upstream::start();
    let definition = with(&upstream, json!({"enable": true})).set("/use_keyless", false);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.ask(get("/some/get").header("origin", ORIGIN)).await;
    answer.is_error(401, "Authorization field missing");
    assert_eq!((told(&answer)[0].as_slice(), answer.header("vary")), (["*"].as_slice(), "Origin"));
}

/// Source: gateway.md §5.3, §5.4: lists come first, and are not asked about what browsers ask beforehand.
#[tokio::test]
async fn lists_are_not_asked_about_what_browsers_ask_beforehand() {
    let upstream = Upstream::start();
    let lists = json!({"black_list": [{"path": "/get"}]});
    let definition =
        with(&upstream, json!({"enable": true})).set("/version_data/versions/Default/extended_paths", lists);
    let gateway = Gateway::serving(&definition.plugins("pre", &["MyPluginPre"])).await;
    let answer = gateway.ask(preflight(ORIGIN, "GET")).await;
    assert_eq!((answer.status, told(&answer)[0].as_slice()), (204, ["*"].as_slice()));
    assert_eq!(answer.all("x-initial-uri").len(), 0, "pre plugins come later");
    let answer = gateway.ask(get("/some/get").header("origin", ORIGIN)).await;
    answer.is_error(403, "Requested endpoint is forbidden");
    assert_eq!(told(&answer)[0].len(), 0);
}

/// Source: gateway.md §5.3, §12.13.
#[tokio::test]
async fn options_may_pass_by_everything_to_the_upstream() {
    let upstream = Upstream::start();
    for enable in [true, false] {
        let cors = json!({"enable": enable, "options_passthrough": true});
        let definition = with(&upstream, cors)
            .set("/use_keyless", false)
            .set("/blacklisted_ips", json!(["127.0.0.1"]))
            .set("/version_data/versions/Default/extended_paths", json!({"black_list": [{"path": "/"}]}))
            .plugins("pre", &["MyPluginPre"])
            .plugins("post", &["OrderA"]);
        let gateway = Gateway::serving(&definition).await;
        let answer = gateway.ask(preflight(ORIGIN, "GET")).await;
        assert_eq!((answer.status, answer.all("x-order").len(), answer.all("x-initial-uri").len()), (200, 0, 0));
        assert_eq!(upstream.last().first(), "OPTIONS /get HTTP/1.1");
        gateway.get("/some/get").await.is_error(403, "Requested endpoint is forbidden");
    }
}

#[tokio::test]
async fn an_origin_that_none_is_like_is_told_with_its_place() {
    let upstream = Upstream::start();
    let cors = json!({"enable": true, "allowed_origins": [ORIGIN, "http://*.*.com"]});
    let gateway = Gateway::serving(&with(&upstream, cors)).await;
    let line = gateway.log().message("API definition").await;
    let finding = line.field("finding");
    assert!(finding.contains("CORS.allowed_origins[1]: `http://*.*.com` has more than one `*`"), "{finding}");
}
