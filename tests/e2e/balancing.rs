//! Several upstreams for one API: each has its turn, and nobody is sent to where nobody is.

use gateway_tests::feed::feed;
use gateway_tests::upstream::Nobody;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post};

/// An API with these targets, and none else.
fn balanced<T: ToString>(targets: &[T]) -> Definition {
    let nobody = Nobody::default();
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    api("many", nobody.address).set("/proxy/enable_load_balancing", true).set("/proxy/target_list", targets)
}

fn seen(upstreams: &[Upstream]) -> Vec<usize> {
    upstreams.iter().map(|upstream| upstream.seen().len()).collect()
}

#[tokio::test]
async fn three_targets_have_the_same_share_of_one_connection() {
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let gateway = Gateway::serving(&balanced(&upstreams.each_ref().map(|upstream| upstream.address))).await;
    let mut client = gateway.connect().await;
    for _ in 0..300 {
        assert_eq!(client.ask(get("/many/get")).await.status, 200);
    }
    assert_eq!(seen(&upstreams), [100, 100, 100]);
    for upstream in &upstreams {
        assert_eq!(upstream.last().header("host"), upstream.address.to_string());
    }
}

#[tokio::test]
async fn all_connections_together_are_even_within_one_for_each_core() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let gateway = Gateway::serving(&balanced(&upstreams.each_ref().map(|upstream| upstream.address))).await;
    for _ in 0..30 {
        let mut client = gateway.connect().await;
        for _ in 0..7 {
            assert_eq!(client.ask(get("/many/get")).await.status, 200);
        }
    }
    let seen = seen(&upstreams);
    assert_eq!(seen.iter().sum::<usize>(), 210, "none was sent twice");
    assert!(seen.iter().all(|requests| requests.abs_diff(70) <= cores), "{seen:?}");
}

#[tokio::test]
async fn a_target_that_is_named_twice_has_two_shares_and_each_has_its_own_path() {
    let upstreams = [Upstream::start(), Upstream::start()];
    let [first, second] = upstreams.each_ref().map(|upstream| upstream.address.to_string());
    let targets = [format!("http://{first}/a/"), second, format!("{first}/b")];
    let gateway = Gateway::serving(&balanced(&targets)).await;
    let mut client = gateway.connect().await;
    for _ in 0..30 {
        client.ask(get("/many/get?q=1")).await;
    }
    assert_eq!(seen(&upstreams), [20, 10]);
    let lines = |upstream: &Upstream, line: &str| upstream.seen().iter().filter(|seen| seen.first() == line).count();
    assert_eq!(lines(&upstreams[0], "GET /a/get?q=1 HTTP/1.1"), 10);
    assert_eq!(lines(&upstreams[0], "GET /b/get?q=1 HTTP/1.1"), 10);
    assert_eq!(lines(&upstreams[1], "GET /get?q=1 HTTP/1.1"), 10);
}

#[tokio::test]
async fn where_nobody_listens_the_next_one_is_asked() {
    let (nobody, upstreams) = (Nobody::default(), [Upstream::start(), Upstream::start()]);
    let [first, second] = upstreams.each_ref().map(|upstream| format!("{}/base", upstream.address));
    // Named twice, it is passed over once for each request.
    let targets = [nobody.address.to_string(), nobody.address.to_string(), first, second];
    let gateway = Gateway::serving(&balanced(&targets)).await;
    let mut client = gateway.connect().await;
    for n in 0..40 {
        let answer = client.ask(post("/many/echo", format!("body {n}"))).await;
        assert_eq!((answer.status, answer.json()["Body"].as_str()), (200, Some(&*format!("body {n}"))));
    }
    let seen = seen(&upstreams);
    assert_eq!(seen.iter().sum::<usize>(), 40, "each was sent once");
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    assert_eq!(upstreams[0].last().first(), "POST /base/echo HTTP/1.1", "the path was joined anew");
    assert_eq!(upstreams[0].last().header("host"), upstreams[0].address.to_string());
    gateway.log().message("a target is passed over").await;
}

#[tokio::test]
async fn a_body_that_is_still_coming_goes_to_the_next_one_whole() {
    let (nobody, upstream) = (Nobody::default(), Upstream::start());
    let gateway = Gateway::serving(&balanced(&[nobody.address, upstream.address])).await;
    let mut client = gateway.connect().await;
    for _ in 0..4 {
        let (feed, body) = feed();
        feed.data("first ");
        feed.data("second");
        drop(feed);
        let answer = client.ask(post("/many/echo", "").body(body)).await;
        assert_eq!((answer.status, answer.json()["Body"].as_str()), (200, Some("first second")));
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_target_that_goes_away_is_passed_over() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::serving(&balanced(&[first.address, second.address])).await;
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(get("/many/get")).await.status, 200);
    }
    assert_eq!(first.seen().len(), 5);
    // With it go the connections that the gateway has kept.
    drop(first);
    for _ in 0..10 {
        assert_eq!(client.ask(get("/many/get")).await.status, 200);
    }
    assert_eq!(second.seen().len(), 15);
}

#[tokio::test]
async fn where_nobody_listens_at_all_it_is_told() {
    let (first, second) = (Nobody::default(), Nobody::default());
    let gateway = Gateway::serving(&balanced(&[first.address, second.address])).await;
    gateway.get("/many/get").await.is_error(500, "There was a problem proxying the request");
    let line = gateway.log().message("request failed").await;
    assert_eq!(line.field("api_id"), "many");
    assert!(line.field("error").starts_with("no connection to 127.0.0.1:"), "{line:?}");
    let passed = "a target is passed over";
    gateway.log().exactly(1, passed, |line| line.message() == passed).await;
}

#[tokio::test]
async fn a_target_that_is_none_is_told_with_its_place() {
    let conf = Conf::default().with(&balanced(&["a", "http://b:99999/", "gopher://c"]));
    let checked = conf.command(&["check"]);
    let told = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(1));
    for expected in [
        "proxy.target_list[1]: the port is not a number up to 65535",
        "proxy.target_list[2]: `gopher` upstreams are not served",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    assert!(!told.contains("target_list[0]"), "{told}");
}

/// Hosts that are watched: one failure makes them down, and a check a second brings them back.
fn watching(definition: &Definition, checks: serde_json::Value) -> Conf {
    let definition = definition
        .clone()
        .set("/proxy/check_host_against_uptime_tests", true)
        .set("/uptime_tests", serde_json::json!({"check_list": checks}));
    Conf::default()
        .set("uptime_tests", serde_json::json!({"config": {"failure_trigger_sample_size": 1, "time_wait": 1}}))
        .with(&definition)
}

#[tokio::test]
async fn a_host_that_is_found_down_is_left_out_until_it_is_up() {
    let upstreams = [Upstream::start(), Upstream::start()];
    let [first, second] = upstreams.each_ref().map(|upstream| upstream.address);
    for upstream in &upstreams {
        upstream.answer("/health", 503, &[], "");
    }
    let checks = serde_json::json!([
        {"url": format!("http://{first}/health"), "method": "PUT", "headers": {"x-check": "1"}, "body": "b"},
        {"url": format!("http://{second}/health"), "timeout": "5s"},
    ]);
    let gateway = watching(&balanced(&[first, second]), checks).start().await;
    let down = gateway.log().message_times("a host is down: balancers leave it out", 2).await;
    assert_eq!((down.field("event"), down.field("api_id"), down.field("reason")), ("HostDown", "many", "status 503"));
    let answer = gateway.get("/many/get").await;
    assert_eq!((answer.status, &*answer.text()), (503, "all hosts are down"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let checked = upstreams[0].last();
    assert_eq!((checked.first(), checked.header("x-check")), ("PUT /health HTTP/1.1", "1"));
    assert_eq!(checked.header("host"), first.to_string());

    upstreams[1].answer("/health", 200, &[], "");
    gateway.log().message("a host is up again").await;
    let got = |upstream: &Upstream| upstream.seen().iter().filter(|seen| seen.first().contains("/get")).count();
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(get("/many/get")).await.status, 200);
    }
    // A reload forgets nothing.
    gateway.reload().await;
    for _ in 0..10 {
        assert_eq!(client.ask(get("/many/get")).await.status, 200);
    }
    assert_eq!(upstreams.each_ref().map(got), [0, 20]);
}

#[tokio::test]
async fn a_host_may_be_checked_by_a_connection() {
    let (upstream, nobody) = (Upstream::start(), Nobody::default());
    let say = serde_json::json!([
        {"name": "send", "message": "GET /said HTTP/1.1\r\nHost: up\r\n\r\n"}, {"name": "expect", "message": "HTTP/1.1 200"},
    ]);
    let checks = serde_json::json!([
        {"url": format!("tcp://{}", nobody.address), "protocol": "tcp"},
        {"url": upstream.address.to_string(), "protocol": "tcp", "commands": say},
    ]);
    let gateway = watching(&balanced(&[nobody.address, upstream.address]), checks).start().await;
    gateway.log().message("a host is down: balancers leave it out").await;
    // By now it was asked, and is up.
    upstream.count(1).await;
    for _ in 0..4 {
        assert_eq!(gateway.get("/many/get").await.status, 200);
    }
    assert!(gateway.log().all(|line| line.message() == "a target is passed over").is_empty(), "nobody tried");
}

#[tokio::test]
async fn a_check_that_cannot_be_made_is_told_with_its_place() {
    let checks =
        serde_json::json!([{"url": "ok"}, {"url": "http://a", "method": "G T"}, {"url": "a", "protocol": "tls"}]);
    let checked = watching(&balanced(&["a"]), checks).command(&["check"]);
    let told = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(1));
    assert!(told.contains("uptime_tests.check_list[1].method: "), "{told}");
    assert!(told.contains("uptime_tests.check_list[2].protocol: `tls` checks are not made"), "{told}");
    assert!(!told.contains("check_list[0]"), "{told}");
}
