//! Requests that two servers might read in two ways: each is one request with one answer, or none.
//!
//! Source: RFC 9112 §2.2, §3, §5, §6, §7, §11.2.

use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Gateway, Upstream, api};

/// What is hidden behind a request: it reaches the upstream if anybody takes it for one.
const HIDDEN: &str = "GET /x/hidden HTTP/1.1\r\nHost: g\r\n\r\n";

/// What a client sends, how each response to it begins, and how many whole requests the upstream may see.
struct Case(&'static str, String, &'static [u16], usize);

fn post(fields: &str, body: &str) -> String {
    format!("POST /x/post HTTP/1.1\r\nHost: g\r\n{fields}\r\n{body}")
}

fn chunks(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}"))
}

fn with(fields: &str) -> String {
    format!("GET /x/get HTTP/1.1\r\n{fields}\r\n{HIDDEN}")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: g\r\n\r\n{HIDDEN}")
}

/// A request that is right, and the last of its connection.
fn last(fields: &str, body: &str) -> String {
    post(&format!("Connection: close\r\n{fields}"), body)
}

/// Whether the upstream saw what it saw, and the client was told what it was told, once each.
async fn holds(cases: Vec<Case>) {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("x", upstream.address)).await;
    for Case(what, bytes, statuses, seen) in cases {
        let before = upstream.seen().len();
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(&bytes).await;
        let told = wire.responses().await;
        let final_ones: Vec<_> = told.iter().map(gateway_tests::wire::Message::status).filter(|s| *s >= 200).collect();
        assert_eq!(final_ones, statuses, "{what}: {bytes:?}");
        let last = told.last().expect("there is one");
        assert!(last.first.starts_with("HTTP/1.0") || last.header("connection") == "close", "{what}: {last:?}");
        let whole: Vec<_> = upstream.seen().split_off(before).into_iter().filter(|seen| seen.whole).collect();
        assert_eq!(whole.len(), seen, "{what}: {whole:?}");
        assert!(whole.iter().all(|seen| !seen.first().contains("hidden")), "{what}: {whole:?}");
    }
}

/// What is refused before anything else is done.
async fn refused(cases: Vec<(&'static str, String)>) {
    holds(cases.into_iter().map(|(what, bytes)| Case(what, bytes, &[400], 0)).collect()).await;
}

#[tokio::test]
async fn two_framings_are_refused() {
    refused(vec![
        ("length, then chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        ("chunks, then length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
        ("a hidden name", post("transfer-ENCODING:chunked\r\nCONTENT-length:5\r\n", "0\r\n\r\n")),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")),
        ("the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        ("a list of lengths", post("Content-Length: 5, 5\r\n", "hello")),
        ("a length of 0 and another", post("Content-Length: 0\r\nContent-Length: 5\r\n", "hello")),
    ])
    .await;
}

#[tokio::test]
async fn odd_lengths_are_refused() {
    let odd =
        ["+5", "-5", "0x5", "5.0", "five", "", "5 5", "5;", "5\x0b", "99999999999999999999", "18446744073709551621"];
    refused(odd.map(|length| ("an odd length", post(&format!("Content-Length: {length}\r\n"), "hello"))).to_vec())
        .await;
}

#[tokio::test]
async fn odd_codings_are_refused() {
    let odd = [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        ",chunked",
        "\x0bchunked",
        "",
    ];
    let mut cases = odd.map(|coding| ("an odd coding", post(&format!("Transfer-Encoding: {coding}\r\n"), ""))).to_vec();
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    cases.push(("two codings", post(twice, "0\r\n\r\n")));
    cases.push(("chunks in HTTP/1.0", "POST /x/post HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()));
    refused(cases).await;
}

#[tokio::test]
async fn odd_lines_are_refused() {
    refused(vec![
        ("LF alone", "GET /x/get HTTP/1.1\nHost: g\n\n".into()),
        ("LF alone in the middle", with("Host: g\nX: y\r\n")),
        ("LF alone at the end", "GET /x/get HTTP/1.1\r\nHost: g\r\n\n".into()),
        ("CR alone", with("Host: g\r\nX: a\rTransfer-Encoding: chunked\r\n")),
        ("CR alone in a name", with("Host: g\r\nX\rY: a\r\n")),
        ("CR CR LF", with("Host: g\r\r\n")),
        ("a space before the colon", post("Content-Length : 5\r\n", "hello")),
        ("a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n")),
        ("a folded line", with("Host: g\r\nX: a\r\n b\r\n")),
        ("a folded line with a tab", with("Host: g\r\nX: a\r\n\tTransfer-Encoding: chunked\r\n")),
        ("a folded first line", with(" X: a\r\nHost: g\r\n")),
        ("NUL in a value", with("Host: g\r\nX: a\0b\r\n")),
        ("NUL in a name", with("Host: g\r\nX\0: a\r\n")),
        ("a control character in a value", with("Host: g\r\nX: a\x01b\r\n")),
        ("DEL in a value", with("Host: g\r\nX: a\x7fb\r\n")),
        ("no colon", with("Host: g\r\nX\r\n")),
        ("no name", with("Host: g\r\n: x\r\n")),
        ("a name in two words", with("Host: g\r\nX Y: x\r\n")),
        ("a name that is none", with("Host: g\r\nX(Y): x\r\n")),
    ])
    .await;
}

#[tokio::test]
async fn odd_request_lines_are_refused() {
    refused(vec![
        ("HTTP/0.9", "GET /x/get\r\n".into()),
        ("no version", line("GET /x/get")),
        ("a version in lower case", line("GET /x/get http/1.1")),
        ("another protocol", line("GET /x/get ICAP/1.0")),
        ("a version with more", line("GET /x/get HTTP/1.1 ")),
        ("two spaces", line("GET  /x/get HTTP/1.1")),
        ("two spaces before the version", line("GET /x/get  HTTP/1.1")),
        ("a tab", line("GET\t/x/get HTTP/1.1")),
        ("a space first", line(" GET /x/get HTTP/1.1")),
        ("a method that is none", line("G(T /x/get HTTP/1.1")),
        ("no method", line("/x/get HTTP/1.1")),
        ("a target that is a name", line("GET x/get HTTP/1.1")),
        ("a target that is an authority", line("GET g:80 HTTP/1.1")),
        ("a target of OPTIONS alone", line("GET * HTTP/1.1")),
        ("a target with a fragment", line("GET /x/get#f HTTP/1.1")),
        ("a target with a control character", line("GET /x/\x01 HTTP/1.1")),
        ("a URL without a host", line("GET http:///x/get HTTP/1.1")),
        ("a URL with a user", line("GET http://user@g/x/get HTTP/1.1")),
        ("a URL of another scheme", line("GET ftp://g/x/get HTTP/1.1")),
    ])
    .await;
}

#[tokio::test]
async fn odd_hosts_are_refused() {
    let odd = ["u@g", "g/x", "g x", "g?x", "g#x", "g:x", "g:80:80", "g:80x", "[::1", "[g]", "g\\x", "<g>", "\u{e9}"];
    let mut cases = odd.map(|host| ("an odd host", with(&format!("Host: {host}\r\n")))).to_vec();
    cases.push(("no host", with("")));
    cases.push(("two hosts", with("Host: g\r\nHost: g\r\n")));
    cases.push(("two hosts that differ", with("Host: g\r\nhost: h\r\n")));
    cases.push(("two hosts and a URL", "GET http://g/x/get HTTP/1.1\r\nHost: g\r\nHost: h\r\n\r\n".into()));
    refused(cases).await;
}

#[tokio::test]
async fn odd_chunks_are_refused() {
    refused(vec![
        ("a hexadecimal prefix", chunks("0x5\r\nhello\r\n0\r\n\r\n")),
        ("a plus", chunks("+5\r\nhello\r\n0\r\n\r\n")),
        ("a minus", chunks("-5\r\nhello\r\n0\r\n\r\n")),
        ("a space first", chunks(" 5\r\nhello\r\n0\r\n\r\n")),
        ("no size", chunks("\r\nhello\r\n0\r\n\r\n")),
        ("more zeros than a size has digits", chunks("00000000000000005\r\nhello\r\n0\r\n\r\n")),
        ("a size that is none's", chunks("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        ("LF behind a size", chunks("5\nhello\r\n0\r\n\r\n")),
        ("CR behind a size", chunks("5\rhello\r\n0\r\n\r\n")),
        ("LF in an extension", chunks("5;a\nhello\r\n0\r\n\r\n")),
        ("CR in an extension", chunks("5;a\rb\r\nhello\r\n0\r\n\r\n")),
        ("no CRLF behind a chunk", chunks("5\r\nhello0\r\n\r\n")),
        ("LF behind a chunk", chunks("5\r\nhello\n0\r\n\r\n")),
        ("a chunk longer than its size", chunks("3\r\nhello\r\n0\r\n\r\n")),
        ("LF in the trailers", chunks("5\r\nhello\r\n0\r\nX: y\n\r\n")),
        ("LF at the end", chunks("5\r\nhello\r\n0\r\n\n")),
        ("a long extension", chunks(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(5000)))),
        ("extensions without end", chunks(&format!("1;{}\r\nx\r\n", "a".repeat(3000)).repeat(8))),
        ("trailers without end", chunks(&format!("0\r\n{}", "A: b\r\n".repeat(4000)))),
    ])
    .await;
}

#[tokio::test]
async fn what_is_refused_for_another_reason_says_so() {
    holds(vec![
        Case("HTTP/1.2", line("GET /x/get HTTP/1.2"), &[505], 0),
        Case("HTTP/3.0", line("GET /x/get HTTP/3.0"), &[505], 0),
        Case("a tunnel", line("CONNECT g:80 HTTP/1.1"), &[405], 0),
    ])
    .await;
}

#[tokio::test]
async fn what_is_unusual_and_clear_is_served() {
    let nothing = |fields: &str| last(fields, "");
    holds(vec![
        Case("an empty body", nothing("Content-Length: 0\r\n"), &[200], 1),
        Case("zeros before a length", last("Content-Length: 0005\r\n", "hello"), &[200], 1),
        Case("tabs around a length", last("Content-Length:\t5\t\r\n", "hello"), &[200], 1),
        Case("chunks", last("Transfer-Encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), &[200], 1),
        Case("zeros before a size", last("Transfer-Encoding: chunked\r\n", "0005\r\nhello\r\n0\r\n\r\n"), &[200], 1),
        Case("an extension", last("Transfer-Encoding: chunked\r\n", "5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n"), &[200], 1),
        Case("trailers", last("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n"), &[200], 1),
        Case("empty lines first", format!("\r\n\r\n{}", nothing("")), &[200], 1),
        Case("a header twice", nothing("X: a\r\nX: b\r\n"), &[200], 1),
        Case("an empty host", "GET /x/get HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n".into(), &[200], 1),
        Case("no host in HTTP/1.0", "GET /x/get HTTP/1.0\r\n\r\n".into(), &[200], 1),
        Case("a literal", "GET /x/get HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n".into(), &[200], 1),
    ])
    .await;
}

#[tokio::test]
async fn each_of_several_requests_is_read_for_itself() {
    let get = "GET /x/get HTTP/1.1\r\nHost: g\r\n\r\n";
    let chunked = post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    let long = "x".repeat(100_000);
    let sized = post("Content-Length: 100000\r\n", &long);
    let bad = with("Host: g\r\nHost: h\r\n");
    holds(vec![
        Case("right ones", format!("{get}{chunked}{sized}{get}{}", last("", "")), &[200; 5], 5),
        Case("a bad one behind none", format!("{get}{bad}"), &[200, 400], 1),
        Case("a bad one behind a body", format!("{}{bad}", post("Content-Length: 5\r\n", "hello")), &[200, 400], 1),
        Case("a bad one behind a long body", format!("{sized}{bad}"), &[200, 400], 1),
        Case("a bad one behind chunks", format!("{chunked}{bad}"), &[200, 400], 1),
        Case(
            "two framings behind chunks",
            format!("{chunked}{}", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            &[200, 400],
            1,
        ),
        Case(
            "LF alone behind a body",
            format!("{}GET /x/hidden HTTP/1.1\nHost: g\n\n", post("Content-Length: 5\r\n", "hello")),
            &[200, 400],
            1,
        ),
        Case(
            "a body longer than told",
            format!("{}\0\0{HIDDEN}", post("Content-Length: 5\r\n", "hello")),
            &[200, 400],
            1,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_request_in_a_body_is_a_body() {
    let length = HIDDEN.len();
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("x", upstream.address)).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write(last(&format!("Content-Length: {length}\r\n"), HIDDEN)).await;
    assert_eq!(wire.responses().await.len(), 1);
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(upstream.last().message.text(), HIDDEN);
}

#[tokio::test]
async fn the_host_of_a_url_is_the_one_that_is_meant() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("x", upstream.address).set("/proxy/preserve_host_header", true)).await;
    for (target, host, expected) in [
        ("http://meant:81/x/get?a=b", "Host: other\r\n", "meant:81"),
        ("HTTPS://meant/x/get?a=b", "Host: other\r\n", "meant"),
        ("/x/get?a=b", "Host: other\r\n", "other"),
    ] {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(format!("GET {target} HTTP/1.1\r\n{host}\r\n")).await;
        assert_eq!(wire.response(false).await.status(), 200, "{target}");
        let seen = upstream.last();
        assert_eq!((seen.first(), seen.all("host")), ("GET /get?a=b HTTP/1.1", vec![expected]), "{target}");
    }
}

#[tokio::test]
async fn who_is_refused_is_told_counted_and_logged_with_the_reason() {
    let gateway = Conf::default().start().await;
    for (bytes, error) in [
        (with("Host: g\r\nHost: h\r\n"), "the head has a second `Host`"),
        (with("Host: g\r\nX: a\0b\r\n"), "invalid HTTP header parsed"),
    ] {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(bytes).await;
        assert_eq!(wire.responses().await.len(), 1);
        let line = gateway.log().wait(error, |line| line.field("error").contains(error)).await;
        assert_eq!(
            (line.message(), line.field("level"), line.field("fault")),
            ("connection refused", "INFO", "client")
        );
        assert!(line.field("client").starts_with("127.0.0.1:"), "{}", line.text);
    }
    assert_eq!(gateway.refused("bad_head").await, 2);
}
