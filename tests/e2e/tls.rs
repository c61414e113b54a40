//! TLS on the client's side: certificates by name, reloads, versions, ALPN. Source: Tyk, `gateway/cert.go`.

mod clients;
mod operators;
pub(crate) mod scene;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::upstream::Nobody;
use gateway_tests::wire::Wire;
use gateway_tests::{Gateway, Upstream, api, get, within_deadline};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use scene::{Authority, Caller, Made, conf};

/// Reloads by signal, and waits until that is done for the `times`th time.
pub(crate) async fn reload(gateway: &Gateway, times: usize) {
    gateway.process.signal(Signal::HUP);
    gateway.log().message_times("reloaded", times).await;
}

#[tokio::test]
async fn a_name_picks_its_certificate_and_an_unknown_one_gets_the_first() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let first = authority.server(&["first.example.com", "127.0.0.1", "other.example.com"]);
    let (exact, wild) = (authority.server(&["a.example.com"]), authority.server(&["*.example.com", "x.y.example.com"]));
    let own = authority.server(&["api.example.org"]);
    let conf = conf(&[&first, &exact, &wild]).set("enable_custom_domains", true);
    let certificate = own.joined(conf.folder(), "own");
    let definition =
        api("mine", upstream.address).set("/domain", "api.example.org").set("/certificates", json!([certificate]));
    let gateway = conf.with(&definition).start().await;
    let caller = Caller::trusting(&authority);
    for (name, expected) in [
        ("first.example.com", &first),
        ("a.example.com", &exact),
        ("A.Example.COM", &exact),
        ("b.example.com", &wild),
        ("x.y.example.com", &wild),
        ("127.0.0.1", &first),
        ("api.example.org", &own),
    ] {
        assert!(caller.shown(&gateway, name).await == expected.der(), "{name}");
    }
    // A name that no certificate is for: its client finds the first, and refuses it.
    assert!(caller.try_connect(&gateway, "nobody.example.net").await.is_err());
    let answer = caller.ask(&gateway, "api.example.org", get("/mine/get").header("host", "api.example.org")).await;
    assert_eq!(answer.expect("an answer").status, 400, "two hosts");
}

#[tokio::test]
async fn a_certificate_is_reloaded_under_connections_that_live_on() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let (old, new) = (authority.server(&["a.example.com"]), authority.server(&["a.example.com"]));
    let gateway = conf(&[&old]).with(&api("mine", upstream.address)).start().await;
    let caller = Caller::trusting(&authority);
    let mut living = caller.client(&gateway, "a.example.com").await;
    assert_eq!(living.ask(get("/mine/get")).await.status, 200);
    new.entry(gateway.folder(), "server0");
    assert!(caller.shown(&gateway, "a.example.com").await == old.der(), "nobody said so yet");
    reload(&gateway, 1).await;
    assert!(caller.shown(&gateway, "a.example.com").await == new.der());
    assert_eq!(living.ask(get("/mine/get")).await.status, 200);
    // By the control route too.
    old.entry(gateway.folder(), "server0");
    let asked = get("/tyk/reload?block=true").header(SECRET_HEADER, SECRET);
    assert_eq!(living.ask(asked).await.status, 200);
    assert!(caller.shown(&gateway, "a.example.com").await == old.der());
}

#[tokio::test]
async fn a_broken_certificate_at_a_reload_leaves_the_old_one_and_is_told_once() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let (old, new) = (authority.server(&["a.example.com"]), authority.server(&["b.example.com"]));
    let gateway = conf(&[&old, &new]).with(&api("mine", upstream.address)).start().await;
    let other = authority.server(&["b.example.com"]);
    let file = gateway.folder().join("server0.key");
    std::fs::write(&file, &new.key).expect("written");
    other.entry(gateway.folder(), "server1");
    reload(&gateway, 1).await;
    let caller = Caller::trusting(&authority);
    assert!(caller.shown(&gateway, "a.example.com").await == old.der());
    assert!(caller.shown(&gateway, "b.example.com").await == other.der(), "the others are as they are now");
    let stays = "the certificate that was read before stays in use";
    let told = gateway.log().exactly(1, stays, |line| line.message() == stays).await;
    assert_eq!(told[0].field("path"), "http_server_options.certificates[0].key_file");
    let expected = format!("the key in {} does not belong to the certificate in", file.display());
    assert!(told[0].field("error").starts_with(&expected), "{}", told[0].text);
    no_key_is_logged(&gateway, &[&old, &new, &other]);
}

fn no_key_is_logged(gateway: &Gateway, all: &[&Made]) {
    let log = gateway.log().to_string();
    for made in all {
        let line = made.key.lines().nth(1).expect("a key has lines");
        assert!(!log.contains(line), "a key is in the log:\n{log}");
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_stop_the_start_and_the_check_says_the_same() {
    let authority = Authority::new("CA");
    let (one, other) = (authority.server(&["a"]), authority.server(&["b"]));
    for (expected, text) in [
        ("No such file or directory (os error 2); name a PEM file", None),
        ("it has no private key; put the certificate's key there", Some("")),
        ("does not belong to the certificate in", Some(&*other.key)),
        ("it has no private key", Some(&*other.certificate)),
    ] {
        let conf = conf(&[&one]);
        let file = conf.folder().join("server0.key");
        match text {
            Some(text) => std::fs::write(file, text).expect("written"),
            None => std::fs::remove_file(file).expect("removed"),
        }
        for arguments in [&["serve"][..], &["check"]] {
            let output = conf.command(arguments);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(
                told.contains("http_server_options.certificates[0].key_file: ") && told.contains(expected),
                "{told}"
            );
            assert!(told.contains("tyk.conf:"), "{told}");
        }
    }
    let gateway = conf(&[]).command(&["serve"]);
    assert!(String::from_utf8_lossy(&gateway.stderr).contains("use_ssl: is set, and there is no certificate"));
}

#[tokio::test]
async fn both_versions_are_spoken_unless_one_is_ruled_out() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let server = authority.server(&["a"]);
    let caller = |version| Caller::trusting(&authority).by(version);
    for (min, max, old, new) in [(0, 0, true, true), (772, 0, false, true), (771, 771, true, false)] {
        let conf = conf(&[&server]).server("min_version", min).server("max_version", max);
        let gateway = conf.with(&api("mine", upstream.address)).start().await;
        for (version, expected) in [(&TLS12, old), (&TLS13, new)] {
            let answer = caller(version).ask(&gateway, "a", get("/mine/get")).await;
            assert_eq!(answer.map(|answer| answer.status), expected.then_some(200), "{min} {max} {version:?}");
        }
    }
}

#[tokio::test]
async fn client_and_server_agree_upon_the_version_of_http() {
    let authority = Authority::new("CA");
    let server = authority.server(&["a"]);
    for http2 in [true, false] {
        let gateway = conf(&[&server]).server("enable_http2", http2).start().await;
        for (offered, on, off) in [
            (&["h2", "http/1.1"][..], Some("h2"), Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2"), Some("http/1.1")),
            (&["http/1.1"], Some("http/1.1"), Some("http/1.1")),
            (&["h2"], Some("h2"), None),
            (&["smtp"], None, None),
            (&[], Some(""), Some("")),
        ] {
            let stream = Caller::trusting(&authority).offering(offered).try_connect(&gateway, "a").await.ok();
            let chosen = stream.map(|stream| {
                let chosen = stream.get_ref().1.alpn_protocol().unwrap_or_default();
                String::from_utf8_lossy(chosen).into_owned()
            });
            assert_eq!(chosen.as_deref(), if http2 { on } else { off }, "{offered:?} {http2}");
        }
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_so_and_holds_nobody_up() {
    let authority = Authority::new("CA");
    let gateway = conf(&[&authority.server(&["a"])]).set("log_level", "debug").start().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(gateway.address).await.expect("a connection"));
    }
    silent[0].write_all(b"\x16\x03").await.expect("written");
    let answer = gateway.get("/hello").await;
    assert_eq!((answer.status, &*answer.text()), (400, "Client sent an HTTP request to an HTTPS server.\n"));
    let mut garbage = Wire::connect(gateway.address).await;
    garbage.write(b"\x16\x03\x01\x00\x05abcde").await;
    garbage.ends().await;
    let answer = Caller::trusting(&authority).ask(&gateway, "a", get("/hello")).await;
    assert_eq!(answer.expect("an answer").status, 200);
    let line = gateway.log().message("TLS handshake failed").await;
    assert!(line.field("address").starts_with("127.0.0.1:"), "{}", line.text);
    gateway.log().wait("a count", |line| line.json["failures"] == 2).await;
    drop(silent);
    assert_eq!(within_deadline("the end", gateway.terminate()).await.code(), Some(0));
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_in_time_is_hung_up_on() {
    let authority = Authority::new("CA");
    let conf = conf(&[&authority.server(&["a"])]).server("read_timeout", 1).set("log_level", "debug");
    let gateway = conf.start().await;
    let (mut silent, mut begun) = (Wire::connect(gateway.address).await, Wire::connect(gateway.address).await);
    begun.write(b"\x16\x03\x01\x02\x00").await;
    silent.ends().await;
    begun.ends().await;
    let line = gateway.log().message_times("TLS handshake failed", 2).await;
    assert_eq!(line.field("error"), "no handshake within 1s");
}

#[tokio::test]
async fn plain_answers_and_bodies_pass_as_without_tls() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let gateway = conf(&[&authority.server(&["a"])]).with(&api("mine", upstream.address)).start().await;
    let mut client = Caller::trusting(&authority).client(&gateway, "a").await;
    let body = vec![b'x'; 3 * 1024 * 1024];
    let answer = client.ask(gateway_tests::post("/mine/echo", body.clone())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.last().message.body.len(), body.len());
    assert_eq!(upstream.last().header("x-forwarded-for"), "127.0.0.1");
}

#[tokio::test]
async fn health_asks_by_tls_where_the_gateway_speaks_it() {
    let authority = Authority::new("CA");
    let server = authority.server(&["a"]);
    let conf = || conf(&[&server]).server("server_name", "a");
    let gateway = conf().start().await;
    let health = |port: u16| {
        let output = conf().command(&["health", "--port", &port.to_string()]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let port = gateway.address.port();
    assert_eq!(health(port), (Some(0), format!("healthy: https://127.0.0.1:{port}/hello\n"), String::new()));
    let nobody = Nobody::default();
    let (code, _, told) = health(nobody.address.port());
    assert_eq!(code, Some(1));
    assert!(told.ends_with("no connection: Connection refused (os error 111)\n"), "{told}");
    let plain = Upstream::start();
    let (code, _, told) = health(plain.address.port());
    assert!(code == Some(1) && told.contains("no TLS: "), "{told}");
    let upstream = Upstream::start();
    let guarded = conf();
    let ca = authority.made.public(guarded.folder(), "ca");
    let definition =
        api("m", upstream.address).set("/use_mutual_tls_auth", true).set("/client_certificates", json!([ca]));
    let gateway = guarded.with(&definition).start().await;
    assert_eq!(health(gateway.address.port()).0, Some(0), "it asks for a certificate, so it is there");
}
