//! Which API a request is for. Source: Tyk, `gateway/api_loader.go`, `gateway/proxy_muxer.go`.

use gateway_tests::{Conf, Gateway, Upstream, api};

#[tokio::test]
async fn no_api_is_a_404_in_plain_text() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("here", upstream.address)).await;
    for path in ["/elsewhere", "/here", "/"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, &*answer.text()), (404, "Not Found"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
}

/// Source: gateway.md §12.2.
#[tokio::test]
async fn a_listen_path_is_a_prefix_and_the_longest_wins() {
    let upstream = Upstream::start();
    let on = |id: &str, path: &str| api(id, upstream.address).set("/proxy/listen_path", path).plugins("pre", &[]);
    let gateway = Conf::default()
        .with(&on("root", "/").plugins("pre", &["OrderA"]))
        .with(&on("app", "/app").plugins("pre", &["OrderB"]))
        .with(&on("deep", "/app/deep/").plugins("pre", &["OrderC"]))
        .start()
        .await;
    for (path, expected) in [
        ("/app", "b"),
        ("/apple", "b"),
        ("/app/x", "b"),
        ("/app/deep/x", "c"),
        ("/app/deeper", "b"),
        ("/x", "a"),
        ("/", "a"),
    ] {
        assert_eq!(gateway.get(path).await.header("x-order"), expected, "{path}");
    }
    gateway.get("/apple?x=1").await;
    assert_eq!(upstream.last().first(), "GET /le?x=1 HTTP/1.1", "a prefix of the text, not of the segments");
}

/// Source: gateway.md §12.5.
#[tokio::test]
async fn an_api_that_is_not_active_is_served() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("idle", upstream.address).set("/active", false)).await;
    assert_eq!(gateway.get("/idle/get").await.status, 200);
}

#[tokio::test]
async fn strict_routes_end_at_a_slash() {
    let upstream = Upstream::start();
    let conf = Conf::default().server("enable_strict_routes", true);
    let gateway = conf.with(&api("app", upstream.address).set("/proxy/listen_path", "/app")).start().await;
    for (path, status) in [("/app", 200), ("/app/x", 200), ("/apple", 404)] {
        assert_eq!(gateway.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn every_api_is_also_under_its_id_which_is_not_stripped() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("my-id", upstream.address).set("/proxy/listen_path", "/listen/")).await;
    assert_eq!(gateway.get("/my-id/get").await.status, 200);
    assert_eq!(upstream.last().first(), "GET /my-id/get HTTP/1.1");
}

#[tokio::test]
async fn paths_with_empty_and_dot_segments_are_sent_to_the_clean_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("clean", upstream.address)).await;
    for (path, location) in [
        ("/clean//a?x=//", "/clean/a?x=//"),
        ("/clean/./a", "/clean/a"),
        ("/other/../clean/a/", "/clean/a/"),
        ("/clean/a/..", "/clean/"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (301, location), "{path}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn unless_the_configuration_keeps_them() {
    let upstream = Upstream::start();
    let conf = Conf::default().server("skip_url_cleaning", true).with(&api("clean", upstream.address));
    assert_eq!(conf.start().await.get("/clean/a//b").await.status, 200);
    assert_eq!(upstream.last().first(), "GET /a//b HTTP/1.1");
}

#[tokio::test]
async fn the_second_api_on_a_listen_path_is_moved_and_said_so() {
    let upstream = Upstream::start();
    let on = |id: &str| api(id, upstream.address).set("/proxy/listen_path", "/same/");
    let conf = Conf::default().with(&on("a").plugins("pre", &["OrderA"])).with(&on("b").plugins("pre", &["OrderB"]));
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/same/get").await.header("x-order"), "a");
    assert_eq!(gateway.get("/same/-b/get").await.header("x-order"), "b");
    let finding = gateway.log().message("API definition").await;
    let reason =
        format!("{} listens here already; this API is moved to `/same/-b`", gateway.apps().join("a.json").display());
    assert!(finding.field("finding").ends_with(&format!("proxy.listen_path: {reason}")), "{}", finding.text);
}

#[tokio::test]
async fn an_internal_api_is_not_routed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("inner", upstream.address).set("/internal", true)).await;
    assert_eq!(gateway.get("/inner/get").await.status, 404);
}

#[tokio::test]
async fn an_api_with_a_port_of_its_own_is_served_on_that_port_or_not_at_all() {
    let upstream = Upstream::start();
    let own = api("own", upstream.address).set("/listen_port", 8080).set("/protocol", "http");
    let other = api("other", upstream.address).set("/listen_port", 9999);
    let secure = api("secure", upstream.address).set("/protocol", "https");
    let checked = Conf::default().with(&own).with(&other).with(&secure).command(&["check"]);
    let told = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(1));
    assert!(told.contains("listen_port: the gateway does not listen on 9999, but on 8080: "), "{told}");
    assert!(told.contains("protocol: clients are to speak TLS, and this gateway listens without it"), "{told}");
    assert!(!told.contains("own.json"), "{told}");

    let gateway = Conf::default().with(&other).with(&secure).start().await;
    for path in ["/other/get", "/secure/get"] {
        gateway.get(path).await.is_error(500, "Internal Server Error");
    }
    let port = gateway.address.port();
    gateway.write(&api("other", upstream.address).set("/listen_port", port));
    gateway.reload().await;
    assert_eq!(gateway.get("/other/get").await.status, 200);
    assert_eq!(upstream.seen().len(), 1);
}
