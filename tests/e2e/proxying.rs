//! What crosses the gateway, and what it says when the upstream does not answer.

use gateway_tests::upstream::Nobody;
use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post, within_deadline};
use http_body_util::BodyExt;
use serde_json::json;

#[tokio::test]
async fn hop_by_hop_headers_stop_at_the_gateway_in_both_directions() {
    let upstream = Upstream::start();
    let hop = [("connection", "X-Private"), ("x-private", "1"), ("keep-alive", "timeout=5"), ("proxy-connection", "x")];
    upstream.answer("/back", 200, &[&hop[..], &[("proxy-authenticate", "x"), ("x-kept", "1")]].concat(), "");
    let gateway = Gateway::serving(&api("hop", upstream.address)).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write(
        "GET /hop/back HTTP/1.1\r\nHost: gateway\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
         Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: gzip\r\nTrailer: x\r\nUpgrade: h2c\r\n\
         X-Kept: 1\r\n\r\n",
    )
    .await;
    let response = wire.response(false).await;
    let names: Vec<_> = upstream.last().message.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    assert_eq!(names, ["host", "x-kept", "x-forwarded-for", "user-agent"]);
    for gone in ["connection", "x-private", "keep-alive", "proxy-connection", "proxy-authenticate"] {
        assert_eq!(response.header(gone), "", "{gone}");
    }
    assert_eq!(response.header("x-kept"), "1");
}

#[tokio::test]
async fn te_keeps_trailers_alone() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("te", upstream.address)).await;
    gateway.ask(get("/te/get").header("te", "gzip, trailers")).await;
    assert_eq!(upstream.last().all("te"), ["trailers"]);
}

/// Source: gateway.md §12.17.
#[tokio::test]
async fn the_client_is_the_last_of_x_forwarded_for_and_nothing_else_is_added() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("xff", upstream.address)).await;
    gateway.get("/xff/get").await;
    assert_eq!(upstream.last().all("x-forwarded-for"), ["127.0.0.1"]);
    let chained = get("/xff/get").header("x-forwarded-for", "1.1.1.1").header("x-forwarded-for", "2.2.2.2, 3.3.3.3");
    gateway.ask(chained).await;
    let seen = upstream.last();
    assert_eq!(seen.all("x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1"]);
    for absent in ["x-real-ip", "x-forwarded-proto", "x-forwarded-host", "via", "forwarded"] {
        assert_eq!(seen.header(absent), "", "{absent}");
    }
}

/// A request for the listen path alone loses the slash that the target ends in. Source: gateway.md §5.5, §12.16.
#[tokio::test]
async fn paths_and_queries_are_joined_to_those_of_the_target() {
    let upstream = Upstream::start();
    let cases = [
        ("", "/join/a/b", "/a/b"),
        ("/", "/join/", "/"),
        ("/", "/join/a/", "/a/"),
        ("/base", "/join/a", "/base/a"),
        ("/base/", "/join/a?x=1", "/base/a?x=1"),
        ("/base/", "/join/", "/base"),
        ("/base?key=1", "/join/a?x=2", "/base/a?key=1&x=2"),
        ("/base?key=1", "/join/a", "/base/a?key=1"),
        ("/", "/join/a%2Fb%20c?q=%26", "/a%2Fb%20c?q=%26"),
        ("/", "/join/?", "/"),
    ];
    let gateway = Gateway::serving(&api("join", upstream.address)).await;
    for (target, path, expected) in cases {
        gateway.write(
            &api("join", upstream.address).set("/proxy/target_url", format!("http://{}{target}", upstream.address)),
        );
        gateway.reload().await;
        gateway.get(path).await;
        assert_eq!(upstream.last().first(), format!("GET {expected} HTTP/1.1"), "{path} to {target}");
    }
}

#[tokio::test]
async fn a_listen_path_that_is_not_stripped_stays() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("kept", upstream.address).set("/proxy/strip_listen_path", false)).await;
    gateway.get("/kept/get").await;
    assert_eq!(upstream.last().first(), "GET /kept/get HTTP/1.1");
}

#[tokio::test]
async fn host_is_the_targets_unless_the_clients_is_preserved() {
    let upstream = Upstream::start();
    let preserving = api("preserve", upstream.address).set("/proxy/preserve_host_header", true);
    let gateway = Conf::default().with(&api("target", upstream.address)).with(&preserving).start().await;
    gateway.get("/target/get").await;
    assert_eq!(upstream.last().all("host"), [upstream.address.to_string()]);
    gateway.get("/preserve/get").await;
    assert_eq!(upstream.last().all("host"), ["gateway"]);
}

#[tokio::test]
async fn a_user_agent_is_added_only_where_there_is_none() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("agent", upstream.address)).await;
    gateway.ask(get("/agent/get").header("user-agent", "mine")).await;
    assert_eq!(upstream.last().all("user-agent"), ["mine"]);
    gateway.get("/agent/get").await;
    assert_eq!(upstream.last().all("user-agent"), [concat!("gw/", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn a_response_is_passed_on_with_rate_headers_in_place_of_the_upstreams() {
    let upstream = Upstream::start();
    let headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-ratelimit-limit", "99"), ("server", "mine")];
    upstream.answer("/made", 201, &headers, "made");
    let gateway = Gateway::serving(&api("pass", upstream.address)).await;
    let answer = gateway.get("/pass/made").await;
    assert_eq!((answer.status, &*answer.text(), answer.header("server")), (201, "made", "mine"));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.all("x-ratelimit-limit"), ["0"]);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_told_as_such() {
    let (upstream, nobody) = (Upstream::start(), Nobody::default());
    upstream.refuse("/closes");
    upstream.ignore("/silent");
    let unknown = api("unknown", nobody.address).set("/proxy/target_url", "http://no-such-host.invalid/");
    let gateway = Conf::default()
        .set("proxy_default_timeout", 0.2)
        .with(&api("up", upstream.address))
        .with(&api("nobody", nobody.address))
        .with(&unknown)
        .start()
        .await;
    let problem = "There was a problem proxying the request";
    for (path, status, message) in [
        ("/nobody/get", 500, problem),
        ("/up/closes", 500, problem),
        ("/up/silent", 504, "Upstream service reached hard timeout."),
        ("/unknown/get", 500, "Upstream host lookup failed"),
    ] {
        let answer = gateway.get(path).await;
        answer.is_error(status, message);
        assert_eq!(answer.header("x-ratelimit-limit"), "", "{path}");
    }
    for reason in
        ["no connection to 127.0.0.1:", "the upstream broke off", "no response within 200ms", "`no-such-host.invalid`"]
    {
        let blamed = gateway.log().wait(reason, |line| line.field("error").contains(reason)).await;
        assert_eq!(blamed.field("fault"), "upstream");
    }
    assert_eq!(gateway.get("/up/get").await.status, 200);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_taken_for_a_whole_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("torn", upstream.address)).await;
    let feed = upstream.stream("/stream");
    let response = gateway.connect().await.open(get("/torn/stream")).await.expect("a head");
    let mut body = response.into_body();
    feed.data("half");
    assert_eq!(crate::streaming::next(&mut body).await, "half");
    feed.break_off();
    let end = within_deadline("the end", body.frame()).await;
    assert!(end.is_some_and(|frame| frame.is_err()), "the client is told that it is not the end");
    assert_eq!(gateway.get("/torn/get").await.status, 200);
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let upstream = Upstream::start();
    upstream.answer("/last", 200, &[("connection", "close")], "");
    let gateway = Gateway::serving(&api("again", upstream.address)).await;
    // One client connection stays on one core, and each core has connections of its own.
    let mut client = gateway.connect().await;
    for path in ["/again/a", "/again/last", "/again/b"] {
        client.ask(get(path)).await;
    }
    client.ask(post("/again/c", "body")).await;
    let peers: Vec<_> = upstream.seen().iter().map(|seen| seen.peer).collect();
    assert_eq!(peers[0], peers[1]);
    assert_ne!(peers[1], peers[2], "the upstream closed it");
    assert_eq!(peers[2], peers[3]);
}

#[tokio::test]
async fn they_are_not_when_the_configuration_says_so() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("proxy_close_connections", true).set("close_connections", true);
    let gateway = conf.with(&api("once", upstream.address)).start().await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/once/get").await.header("connection"), "close");
    }
    let seen = upstream.seen();
    assert_ne!(seen[0].peer, seen[1].peer);
}

#[tokio::test]
async fn expect_100_continue_is_answered_by_the_gateway() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("wait", upstream.address)).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("POST /wait/post HTTP/1.1\r\nHost: gateway\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert_eq!(wire.response(false).await.status(), 100);
    wire.write("body").await;
    assert_eq!(wire.response(false).await.status(), 200);
    assert_eq!((upstream.last().message.text(), upstream.last().header("expect")), ("body".to_owned(), ""));
}

/// An XML client gets XML. Source: Tyk, `gateway/handler_error.go`; gateway.md §12.8.
#[tokio::test]
async fn errors_are_xml_for_who_sends_xml() {
    let nobody = Nobody::default();
    let gateway = Gateway::serving(&api("xml", nobody.address)).await;
    for media_type in ["application/xml", "text/xml; charset=utf-8", "application/soap+xml"] {
        let answer = gateway.ask(post("/xml/get", "<a/>").header("content-type", media_type)).await;
        let expected =
            "<?xml version = \"1.0\" encoding = \"UTF-8\"?>\n<error>There was a problem proxying the request</error>\n";
        assert_eq!((answer.status, &*answer.text()), (500, expected));
        assert_eq!(answer.header("content-type"), media_type);
    }
    let other =
        gateway.ask(post("/xml/get", "a").header("content-type", "text/plain").header("accept", "text/xml")).await;
    other.is_error(500, "There was a problem proxying the request");
}

#[tokio::test]
async fn the_generator_is_not_told_if_it_is_hidden() {
    let nobody = Nobody::default();
    let conf = Conf::default().set("hide_generator_header", true).with(&api("hidden", nobody.address));
    assert_eq!(conf.start().await.get("/hidden/get").await.header("x-generator"), "");
}

fn limited(upstream: &Upstream) -> (Conf, Definition) {
    (Conf::default().server("max_request_body_size", 10), api("small", upstream.address))
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_with_and_without_a_length() {
    let upstream = Upstream::start();
    let (conf, definition) = limited(&upstream);
    let gateway = conf.with(&definition).start().await;
    assert_eq!(gateway.ask(post("/small/post", "0123456789")).await.status, 200, "the limit itself is allowed");
    let (feed, body) = gateway_tests::feed::feed();
    feed.data("01234");
    feed.data("56789");
    feed.data("!");
    drop(feed);
    let asks = [post("/small/post", "0123456789!"), gateway_tests::ask(http::Method::POST, "/small/post").body(body)];
    for ask in asks {
        let answer = gateway.ask(ask).await;
        assert_eq!((answer.status, &*answer.text()), (413, "Request Entity Too Large\n"));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let whole = upstream.seen().iter().filter(|seen| seen.message.body.len() > 9).count();
    assert_eq!(whole, 1, "the upstream has not got a body over the limit");
}

#[tokio::test]
async fn a_plugin_that_reads_is_under_the_same_limit() {
    let upstream = Upstream::start();
    let (conf, definition) = limited(&upstream);
    let definition = definition.plugins("pre", &["ReadBody"]).config("ReadBody", json!({"limit": 100}));
    let gateway = conf.with(&definition).start().await;
    let (feed, body) = gateway_tests::feed::feed();
    feed.data("0123456789!");
    drop(feed);
    let answer = gateway.ask(gateway_tests::ask(http::Method::POST, "/small/post").body(body)).await;
    assert_eq!((answer.status, &*answer.text()), (413, "Request Entity Too Large\n"));
}

#[tokio::test]
async fn words_of_a_plugin_cannot_break_out_of_the_error() {
    let upstream = Upstream::start();
    let words = "a \"quote\", <b> & 'c'\n\u{7}";
    let definition = api("words", upstream.address)
        .plugins("pre", &["Refuse"])
        .config("Refuse", json!({"status": 451, "body": words}));
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/words/get").await.is_error(451, words);
    let xml = gateway.ask(post("/words/get", "<a/>").header("content-type", "text/xml")).await.text();
    let escaped = "<error>a &#34;quote&#34;, &lt;b&gt; &amp; &#39;c&#39;\n";
    assert!(xml.contains(escaped), "{xml}");
}
