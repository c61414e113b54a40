//! Upstreams that answer wrongly, in part, too much, too slowly, or not at all: the client is told as well as can be, the
//! connection is not used again, and nothing is left of it.
//!
//! Source: RFC 9112 §6.3, §7.1, §9; Tyk, `gateway/reverse_proxy.go`.

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::scripted::{Act, Scripted, say};
use gateway_tests::upstream::Nobody;
use gateway_tests::{Conf, Gateway, api, get};

/// What an upstream does, what the client is told, what is counted, and how the log's reason begins.
struct Case {
    what: &'static str,
    acts: Vec<Act>,
    status: u16,
    kind: &'static str,
    reason: &'static str,
}

const PROXYING: &str = "There was a problem proxying the request";
const LATE: &str = "Upstream service reached hard timeout.";

/// An API for each case, and a bound of a second.
async fn serving(cases: &[Case]) -> (Gateway, Vec<Scripted>) {
    let mut upstreams = Vec::new();
    let mut conf = Conf::default().set("proxy_default_timeout", 1);
    for (at, case) in cases.iter().enumerate() {
        let upstream = Scripted::start(case.acts.clone()).await;
        conf = conf.with(&api(&format!("case-{at}"), upstream.address));
        upstreams.push(upstream);
    }
    (conf.start().await, upstreams)
}

async fn holds(cases: Vec<Case>) {
    let (gateway, upstreams) = serving(&cases).await;
    // All questions are asked on one connection.
    let mut client = gateway.connect().await;
    client.ask(get("/tyk/metrics").header(SECRET_HEADER, SECRET)).await;
    let floor = gateway.descriptors();
    for (at, (case, upstream)) in cases.iter().zip(&upstreams).enumerate() {
        let (what, id) = (case.what, format!("case-{at}"));
        let before = gateway.failed(case.kind).await;
        let answer = client.ask(get(&format!("/{id}/get"))).await;
        answer.is_error(case.status, if case.status == 504 { LATE } else { PROXYING });
        assert_eq!(gateway.failed(case.kind).await, before + 1, "{what}: {} is counted", case.kind);
        let line = gateway.log().wait(what, |line| line.field("api_id") == id).await;
        assert_eq!((line.message(), line.field("fault")), ("request failed", "upstream"), "{what}");
        assert!(line.field("error").starts_with(case.reason), "{what}: {}", line.text);
        assert_eq!(upstream.tally().requests, 1, "{what}: nothing is sent twice");
        upstream.all_ended().await;
    }
    gateway.descriptors_at_most(floor).await;
    let upstream_errors = gateway.metric("gw_errors_total{fault=\"upstream\",status=\"500\"}").await;
    let late = gateway.metric("gw_errors_total{fault=\"upstream\",status=\"504\"}").await;
    assert_eq!(usize::try_from(upstream_errors + late), Ok(cases.len()));
}

/// A response that says where it ends in a way that two clients might read in two ways.
fn malformed(what: &'static str, response: &str) -> Case {
    Case { what, acts: vec![say(response)], status: 500, kind: "malformed", reason: "" }
}

fn ambiguous(what: &'static str, fields: &str) -> Case {
    let reason = "the framing of the response is ambiguous: ";
    let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n0\r\n\r\n");
    Case { what, acts: vec![say(response)], status: 500, kind: "malformed", reason }
}

#[tokio::test]
async fn a_response_of_two_lengths_is_none() {
    holds(vec![
        ambiguous("both framings", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ambiguous("both framings, the other way", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ambiguous("one length twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        ambiguous("another coding before chunks", "Transfer-Encoding: gzip, chunked\r\n"),
        ambiguous("another coding", "Transfer-Encoding: identity\r\n"),
        ambiguous("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        malformed("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        malformed("a plus", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
        malformed("no number", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello"),
        malformed("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_response_is_none() {
    let flood = |first: &str, line: &str| vec![say(first), Act::Flood(line.into())];
    let endless = |what, acts| Case { what, acts, status: 500, kind: "malformed", reason: "" };
    holds(vec![
        malformed("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        malformed("another version", "HTTP/2.0 200 OK\r\n\r\n"),
        malformed("no status", "HTTP/1.1 OK\r\n\r\n"),
        malformed("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
        malformed("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        malformed("no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n"),
        malformed("a name in two words", "HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n"),
        malformed("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
        malformed("a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
        malformed("more fields than are read", &format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101))),
        endless("fields without end", flood("HTTP/1.1 200 OK\r\n", "A: b\r\n")),
        endless("a field without end", flood("HTTP/1.1 200 OK\r\nA: ", "aaaaaaaaaaaaaaaa")),
        endless("a line without end", flood("HTTP/1.1 200 ", "OOOOOOOOOOOOOOOO")),
    ])
    .await;
}

#[tokio::test]
async fn who_says_nothing_in_time_is_late() {
    let late = |what, acts| Case { what, acts, status: 504, kind: "timeout", reason: "no response within 1s" };
    holds(vec![
        late("nothing", vec![]),
        late("half a head", vec![say("HTTP/1.1 200 OK\r\nContent-Le")]),
        late("a byte at a time", vec![say("HTTP/1.1 200 OK\r\n"), Act::Drip(b"A: b\r\n".to_vec())]),
        late("hints without end", vec![Act::Drip(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())]),
        late("a flood of hints", vec![Act::Flood(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())]),
    ])
    .await;
}

#[tokio::test]
async fn who_breaks_off_before_the_body_has_said_nothing() {
    let closed = |what, acts| Case { what, acts, status: 500, kind: "closed", reason: "the upstream broke off: " };
    holds(vec![
        closed("at once", vec![Act::Close]),
        closed("at once, and hard", vec![Act::Reset]),
        closed("in the status", vec![say("HTTP/1.1 2"), Act::Close]),
        closed("in the head", vec![say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), Act::Close]),
        closed("in the head, and hard", vec![say("HTTP/1.1 200 OK\r\nContent-Le"), Act::Reset]),
        closed("after a hint", vec![say("HTTP/1.1 103 Early Hints\r\n\r\n"), Act::Close]),
    ])
    .await;
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_its_own() {
    let nobody = Nobody::default();
    let gateway = Gateway::serving(&api("nobody", nobody.address)).await;
    gateway.get("/nobody/get").await.is_error(500, PROXYING);
    assert_eq!(gateway.failed("connect").await, 1);
    let line = gateway.log().message("request failed").await;
    assert!(line.field("error").starts_with("no connection to 127.0.0.1:"), "{}", line.text);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let case = |what, acts| Case { what, acts, status: 200, kind: "body", reason: "" };
    let cases = vec![
        case("fewer than promised", vec![say(format!("{SIZED}hello")), Act::Close]),
        case("none of what was promised", vec![say(SIZED), Act::Close]),
        case("fewer than promised, and hard", vec![say(format!("{SIZED}hello")), Act::Reset]),
        case("no last chunk", vec![say(format!("{CHUNKED}5\r\nhello\r\n")), Act::Close]),
        case("half a chunk", vec![say(format!("{CHUNKED}5\r\nhel")), Act::Close]),
        case("half a chunk, and hard", vec![say(format!("{CHUNKED}5\r\nhel")), Act::Reset]),
        case("a size that is none", vec![say(format!("{CHUNKED}zz\r\nhello\r\n0\r\n\r\n"))]),
        case("a prefix", vec![say(format!("{CHUNKED}0x5\r\nhello\r\n0\r\n\r\n"))]),
        case("no end of a chunk", vec![say(format!("{CHUNKED}5\r\nhelloXX0\r\n\r\n"))]),
        case("an extension without end", vec![say(format!("{CHUNKED}5;")), Act::Flood(b"aaaaaaaa".to_vec())]),
        case("trailers without end", vec![say(format!("{CHUNKED}0\r\n")), Act::Flood(b"A: b\r\n".to_vec())]),
    ];
    let (gateway, upstreams) = serving(&cases).await;
    let floor = gateway.descriptors();
    for (at, (case, upstream)) in cases.iter().zip(&upstreams).enumerate() {
        let before = gateway.failed(case.kind).await;
        let mut client = gateway.connect().await;
        let response = client.open(get(&format!("/case-{at}/get"))).await;
        let read = match response {
            Ok(response) => gateway_tests::read(response).await,
            Err(error) => Err(error),
        };
        assert!(read.is_err(), "{}: {read:?}", case.what);
        let address = upstream.address.to_string();
        let line = gateway.log().wait(case.what, |line| line.field("upstream") == address).await;
        let told = (line.message(), line.field("level"), line.field("fault"));
        assert_eq!(told, ("response broke off", "WARN", "upstream"), "{}", line.text);
        assert_eq!(gateway.failed(case.kind).await, before + 1, "{}", case.what);
        upstream.all_ended().await;
    }
    gateway.descriptors_at_most(floor).await;
}

#[tokio::test]
async fn what_is_behind_a_response_is_nobodys() {
    const STRAY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    for (what, right) in [("a length", sized), ("chunks", chunked), ("no body", empty)] {
        let upstream = Scripted::start([say(format!("{right}{STRAY}"))]).await;
        let gateway = Gateway::serving(&api("more", upstream.address)).await;
        let mut client = gateway.connect().await;
        for _ in 0..3 {
            let answer = client.ask(get("/more/get")).await;
            assert_ne!(answer.text(), "stray", "{what}");
            assert_eq!(answer.text().is_empty(), right == empty, "{what}");
        }
        let tally = upstream.tally();
        assert_eq!((tally.requests, tally.connections), (3, 3), "{what}: a connection in doubt is used once");
    }
}
