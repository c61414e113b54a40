//! Servers of bundles that fail, stall, break off, and say that it is elsewhere. Source: plugin-system.md §7.4.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::feed::whole;
use gateway_tests::log::Line;
use gateway_tests::scripted::{Act, Scripted, say};
use gateway_tests::{Upstream, api};
use http::Response;

use super::{archive, bundle, fetching, fetching_from, folder_of, is_absent, known, section, with_bundle};
use crate::pki::{Authority, wish};
use crate::secure::Secure;

/// Fails so many times, and then has it.
fn fails(server: &Upstream, path: &str, times: usize, bundle: Vec<u8>) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    server.on(path, move |_| {
        let is_failure = counted.fetch_add(1, Ordering::SeqCst) < times;
        let body = whole(if is_failure { Vec::new() } else { bundle.clone() });
        let status = if is_failure { 500 } else { 200 };
        async move { Ok(Response::builder().status(status).body(body).expect("a response")) }
    });
    asked
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:443, :75.
#[tokio::test]
async fn a_server_that_fails_is_asked_five_times_at_most() {
    let upstream = Upstream::start();
    let good = || bundle(section("post", &["AddFooBarHeader"]));
    let soon = fails(&upstream, "/bundles/soon.zip", 2, good());
    let never = fails(&upstream, "/bundles/never.zip", 99, good());
    let conf = fetching(&upstream).with(&with_bundle("soon", &upstream, "soon.zip"));
    let gateway = conf.with(&with_bundle("never", &upstream, "never.zip")).start().await;
    gateway.get("/soon/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
    is_absent(&gateway, "never", "Couldn't fetch bundle: HTTP Error, got status code 500").await;
    assert_eq!((soon.load(Ordering::SeqCst), never.load(Ordering::SeqCst)), (3, 5));
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:317 (nobody is there); §12.25. Requests do not fall through to
/// an API with a shorter listen path.
#[tokio::test]
async fn an_api_whose_bundle_does_not_come_is_not_there_and_all_others_are() {
    let upstream = Upstream::start();
    let root = api("root", upstream.address).set("/proxy/listen_path", "/");
    let conf = fetching_from("http://127.0.0.1:1/").with(&with_bundle("gone", &upstream, "b.zip")).with(&root);
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/gone/get").await.status, 404);
    assert_eq!(upstream.seen().len(), 0, "nothing reached the API at `/`");
    gateway.get("/else").await;
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(known(&gateway).await, ["root"]);
    assert_eq!(gateway.control("/tyk/apis/gone").await.status, 404);
}

/// The start waits as long as one attempt may take, and the API is served when its bundle has come.
#[tokio::test]
async fn a_server_that_stalls_holds_up_nobody() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/bundles/b.zip");
    let conf = fetching(&upstream).set("bundle_timeout_ms", 400).set("bundle_retry_ms", 300);
    let conf = conf.with(&with_bundle("late", &upstream, "b.zip")).with(&api("plain", upstream.address));
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/plain/get").await.status, 200);
    is_absent(&gateway, "late", "is on its way").await;
    hold.arrived(1).await;
    upstream.answer("/bundles/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    gateway.log().message("a bundle has come after all: APIs are loaded again").await;
    gateway.log().message("reloaded").await;
    gateway.get("/late/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
}

/// Requests are served while a reload waits for a server, and by the API as it was.
#[tokio::test]
async fn a_reload_that_waits_for_a_bundle_holds_up_no_request() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/bundles/b.zip");
    let gateway = fetching(&upstream).with(&api("busy", upstream.address)).start().await;
    gateway.write(&with_bundle("busy", &upstream, "b.zip"));
    let (answer, ()) = tokio::join!(gateway.control("/tyk/reload?block=true"), async {
        hold.arrived(1).await;
        let mut client = gateway.connect().await;
        for _ in 0..20 {
            assert_eq!(client.ask(gateway_tests::get("/busy/get")).await.status, 200);
        }
        hold.release(1);
    });
    assert_eq!(answer.status, 200);
    // What was held is echoed: no bundle.
    let told = |line: &Line| line.field("finding").contains("not a zip file that can be read");
    gateway.log().wait("what came", told).await;
    assert_eq!(gateway.get("/busy/get").await.status, 200, "it is what it was");
}

#[tokio::test]
async fn what_comes_is_not_a_bundle() {
    let upstream = Upstream::start();
    let good = bundle(section("post", &["AddFooBarHeader"]));
    upstream.answer("/bundles/html.zip", 200, &[], "<html>");
    upstream.answer("/bundles/half.zip", 200, &[], good[..good.len() / 2].to_vec());
    upstream.answer("/bundles/bare.zip", 200, &[], archive(&[("a.so", b"a")]));
    upstream.answer("/bundles/evil.zip", 200, &[], archive(&[("../../evil", b"a")]));
    upstream.answer("/bundles/bomb.zip", 200, &[], archive(&[("manifest.json", b"{}"), ("zeros", &vec![0; 4 << 20])]));
    upstream.answer("/bundles/huge.zip", 200, &[], vec![1; 70_000]);
    let cases = [
        ("html", "Couldn't save bundle: not a zip file that can be read"),
        ("half", "Couldn't save bundle: not a zip file that can be read"),
        ("bare", "Couldn't load bundle: manifest.json: file does not exist"),
        ("evil", "Couldn't save bundle: invalid file path in archive: ../../evil"),
        ("bomb", "Couldn't save bundle: more than 1000000 bytes when unpacked; raise `bundle_max_unpacked_bytes`"),
        ("huge", "more than 60000 bytes; raise `bundle_max_bytes`"),
    ];
    let mut conf = fetching(&upstream).set("bundle_max_bytes", 60_000).set("bundle_max_unpacked_bytes", 1_000_000);
    for (id, _) in cases {
        conf = conf.with(&with_bundle(id, &upstream, &format!("{id}.zip")));
    }
    let gateway = conf.start().await;
    for (id, reason) in cases {
        is_absent(&gateway, id, reason).await;
        assert!(!folder_of(gateway.folder(), &format!("{id}.zip")).exists(), "no folder is poisoned: {id}");
    }
    assert!(!gateway.folder().join("evil").exists() && !gateway.folder().join("middleware/evil").exists());
    // The same name again, when it is right.
    upstream.answer("/bundles/half.zip", 200, &[], good);
    gateway.reload().await;
    gateway.get("/half/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
}

#[tokio::test]
async fn a_server_that_breaks_off_or_drips_or_never_ends_is_told() {
    let upstream = Upstream::start();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases: [(&str, Vec<Act>, &str); 4] = [
        ("torn", vec![say(format!("{head}abc")), Act::Close], "it was tried 5 times"),
        ("reset", vec![Act::Reset], "it was tried 5 times"),
        ("drip", vec![say(head), Act::Drip(b"a".to_vec())], "is on its way"),
        (
            "flood",
            vec![say(endless), Act::Flood(b"400\r\n".iter().copied().chain([b'a'; 1024]).chain(*b"\r\n").collect())],
            "more than 60000 bytes",
        ),
    ];
    for (id, acts, reason) in cases {
        let server = Scripted::start(acts).await;
        let conf = fetching_from(&format!("http://{}/", server.address)).set("bundle_timeout_ms", 1500);
        let gateway = conf.set("bundle_max_bytes", 60_000).with(&with_bundle(id, &upstream, "b.zip")).start().await;
        is_absent(&gateway, id, reason).await;
    }
}

#[tokio::test]
async fn a_bundle_may_be_elsewhere_but_not_for_ever() {
    let upstream = Upstream::start();
    upstream.answer("/bundles/moved.zip", 302, &[("location", "/store/b.zip?token=1")], "");
    upstream.answer("/store/b.zip", 200, &[], bundle(section("post", &["AddFooBarHeader"])));
    upstream.answer("/bundles/round.zip", 301, &[("location", "round.zip")], "");
    upstream.answer("/bundles/file.zip", 302, &[("location", "file:///etc/passwd")], "");
    let mut conf = fetching(&upstream);
    for id in ["moved", "round", "file"] {
        conf = conf.with(&with_bundle(id, &upstream, &format!("{id}.zip")));
    }
    let gateway = conf.start().await;
    gateway.get("/moved/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
    is_absent(&gateway, "round", "it is elsewhere more than 10 times").await;
    is_absent(&gateway, "file", "`file:///etc/passwd`, which is no URL of `http` or `https`").await;
}

/// Source: plugin-system.md §7.2 (`bundle_insecure_skip_verify`).
#[tokio::test]
async fn a_server_with_tls_is_believed_if_its_issuer_is_known_or_nobody_asks() {
    let (upstream, authority) = (Upstream::start(), Authority::new("ours"));
    // It says facts, which are no bundle: that they come is what counts here.
    let server = Secure::start(authority.issue(wish(&["localhost"])).server().config()).await;
    let base = format!("https://localhost:{}/", server.address.port());
    let conf = || fetching_from(&base).with(&with_bundle("safe", &upstream, "b.zip"));
    let unknown = conf().start().await;
    is_absent(&unknown, "safe", "nobody known has issued its certificate").await;
    let insecure = conf().set("bundle_insecure_skip_verify", true).start().await;
    is_absent(&insecure, "safe", "not a zip file that can be read").await;
    let warned = |line: &Line| line.field("finding").contains("bundle_insecure_skip_verify: anybody");
    insecure.log().wait("a warning", warned).await;
    let known = conf();
    std::fs::write(known.folder().join("roots.pem"), &authority.pem).expect("a file in a folder of ours");
    let known = known.set("proxy_ssl_ca_file", "roots.pem").start().await;
    is_absent(&known, "safe", "not a zip file that can be read").await;
}

/// Source: plugin-system.md §10.4, tests/coprocess/bundle_loading_test.go:16 (a URL in the field, and no base).
#[tokio::test]
async fn what_is_configured_is_no_place_for_bundles() {
    let upstream = Upstream::start();
    let url = format!("http://{}/bundles/b.zip", upstream.address);
    let gateway = fetching_from("").with(&with_bundle("nobase", &upstream, &url)).start().await;
    is_absent(&gateway, "nobase", "No bundle base URL set, skipping bundle").await;
    let gateway = fetching_from("ftp://h/").with(&with_bundle("scheme", &upstream, "b.zip")).start().await;
    is_absent(&gateway, "scheme", "Couldn't fetch bundle: Unknown URL scheme `ftp`").await;
    let off = fetching(&upstream).set("enable_bundle_downloader", false);
    let gateway = off.with(&with_bundle("off", &upstream, "b.zip")).start().await;
    is_absent(&gateway, "off", "Couldn't fetch bundle: Bundle downloader is disabled").await;
    assert_eq!(upstream.seen().len(), 0);
}

/// APIs with the same bundle ask for it once; and so do two gateways with one store, in which nothing is disturbed.
#[tokio::test]
async fn one_bundle_for_many_is_fetched_once_and_two_gateways_share_a_store() {
    let upstream = Upstream::start();
    let asked = fails(&upstream, "/bundles/b.zip", 0, bundle(section("post", &["AddFooBarHeader"])));
    let with_all = |mut conf: gateway_tests::Conf| {
        for id in ["one", "two", "three"] {
            conf = conf.with(&with_bundle(id, &upstream, "b.zip"));
        }
        conf
    };
    let first = with_all(fetching(&upstream));
    let shared = first.folder().join("middleware").to_str().expect("a path").to_owned();
    let second = with_all(fetching(&upstream)).set("middleware_path", shared);
    let (first, second) = tokio::join!(first.start(), second.start());
    for gateway in [&first, &second] {
        for id in ["one", "two", "three"] {
            gateway.get(&format!("/{id}/get")).await;
            assert_eq!(upstream.last().header("foo"), "Bar", "{id}");
        }
    }
    assert!(asked.load(Ordering::SeqCst) <= 2, "once for each gateway at most");
    let left = std::fs::read_dir(first.folder().join("middleware/bundles")).expect("the store");
    let names: Vec<_> = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with(".unpack-")), "{names:?}");
}
