//! Frames that break the protocol, each with the error that it ends in; afterwards others are served.
//!
//! RFC 9113 has a code of its own for some mistakes, such as FRAME_SIZE_ERROR, where the h2 library says PROTOCOL_ERROR; and
//! where a stream would have to end, it may end the connection (§5.4.2). Those are its today's answers.

use gateway_tests::{Conf, Gateway, Upstream, api, get as plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, Raw,
    SETTINGS, Said, WINDOW_UPDATE, block, frame, get, with,
};

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const FRAME_SIZE: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// An open request, whose body is to come.
fn post(stream: u32, others: &[(&str, &str)]) -> Vec<u8> {
    let headers =
        [&[(":method", "POST"), (":scheme", "http"), (":authority", "gateway"), (":path", "/held/held")], others]
            .concat();
    frame(HEADERS, END_HEADERS, stream, &block(&headers))
}

fn request(headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(headers))
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn grow(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

async fn gateway(upstream: &Upstream) -> Gateway {
    // Nothing is answered there while the test goes on.
    upstream.ignore("/held");
    Conf::default().with(&api("held", upstream.address)).start().await
}

async fn each_is(gateway: &Gateway, cases: Vec<(&str, Vec<u8>, Said)>) {
    let mut wrong = Vec::new();
    for (what, bytes, expected) in cases {
        let mut raw = Raw::connect(gateway.address).await;
        raw.write(&bytes).await;
        let said = raw.said().await;
        if said != expected {
            wrong.push(format!("{what}: {said:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(gateway.get("/hello").await.status, 200, "others are served");
}

#[tokio::test]
async fn mistakes_that_end_the_connection() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let unfinished = frame(HEADERS, END_STREAM, 1, &block(&with(&[])));
    let cases = vec![
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), Said::Goaway(PROTOCOL)),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), Said::Goaway(PROTOCOL)),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, &block(&with(&[]))), Said::Goaway(PROTOCOL)),
        ("an even stream", get(2), Said::Goaway(PROTOCOL)),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), Said::Goaway(PROTOCOL)),
        ("SETTINGS of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), Said::Goaway(PROTOCOL)),
        ("an acknowledgement with settings", frame(SETTINGS, ACK, 0, &[0; 6]), Said::Goaway(PROTOCOL)),
        ("ENABLE_PUSH of 2", setting(2, 2), Said::Goaway(PROTOCOL)),
        ("INITIAL_WINDOW_SIZE above the most", setting(4, 1 << 31), Said::Goaway(PROTOCOL)),
        ("MAX_FRAME_SIZE below the least", setting(5, 1), Said::Goaway(PROTOCOL)),
        ("WINDOW_UPDATE of nothing", grow(0, 0), Said::Goaway(PROTOCOL)),
        ("WINDOW_UPDATE over the most", grow(0, u32::MAX >> 1), Said::Goaway(FLOW_CONTROL)),
        ("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Said::Goaway(PROTOCOL)),
        ("WINDOW_UPDATE on an idle stream", grow(1, 1), Said::Goaway(PROTOCOL)),
        ("PING of seven bytes", frame(PING, 0, 0, &[0; 7]), Said::Goaway(PROTOCOL)),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), Said::Goaway(PROTOCOL)),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &[0; 4]), Said::Goaway(PROTOCOL)),
        ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0; 4]), Said::Goaway(PROTOCOL)),
        ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &[]), Said::Goaway(PROTOCOL)),
        ("a frame between a head's", [unfinished.clone(), frame(PING, 0, 0, &[0; 8])].concat(), Said::Goaway(PROTOCOL)),
        (
            "CONTINUATION of another stream",
            [unfinished, frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            Said::Goaway(PROTOCOL),
        ),
        ("a frame over the most", frame(DATA, 0, 1, &vec![0; 16_385]), Said::Goaway(FRAME_SIZE)),
        ("PUSH_PROMISE of a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), Said::Goaway(PROTOCOL)),
        ("an index of nothing", frame(HEADERS, END_HEADERS, 1, &[0xff, 0x7f]), Said::Goaway(PROTOCOL)),
        ("padding longer than its frame", frame(HEADERS, END_HEADERS | 8, 1, &[9, 0]), Said::Goaway(PROTOCOL)),
        ("padding longer than its data", [post(1, &[]), frame(DATA, 8, 1, &[9, 0])].concat(), Said::Goaway(PROTOCOL)),
    ];
    each_is(&gateway, cases).await;
}

#[tokio::test]
async fn mistakes_in_a_stream_end_that_or_the_connection() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let swapped = [(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/hello")];
    let reset = || Said::Reset(1, PROTOCOL);
    let cases = vec![
        ("a name in upper case", request(&with(&[("X-A", "b")])), Said::Goaway(PROTOCOL)),
        ("an empty name", request(&with(&[("", "b")])), Said::Goaway(PROTOCOL)),
        ("Connection", request(&with(&[("connection", "close")])), reset()),
        ("Transfer-Encoding", request(&with(&[("transfer-encoding", "chunked")])), reset()),
        ("TE other than trailers", request(&with(&[("te", "gzip")])), reset()),
        ("no :method", request(&with(&[])[1..]), reset()),
        ("no :path", request(&with(&[])[..3]), reset()),
        ("an empty :path", request(&[&with(&[])[..3], &[(":path", "")]].concat()), reset()),
        ("two of :path", request(&with(&[(":path", "/")])), reset()),
        ("a response's pseudo header", request(&with(&[(":status", "200")])), reset()),
        ("an unknown pseudo header", request(&with(&[(":other", "x")])), Said::Goaway(PROTOCOL)),
        ("a pseudo header behind others", request(&swapped), reset()),
        ("a line break in a value", request(&with(&[("x", "a\r\nb: c")])), Said::Goaway(PROTOCOL)),
        (
            "more of a body than was said",
            [post(1, &[("content-length", "1")]), frame(DATA, 0, 1, b"xx")].concat(),
            reset(),
        ),
        (
            "less of a body than was said",
            [post(1, &[("content-length", "3")]), frame(DATA, END_STREAM, 1, b"xx")].concat(),
            reset(),
        ),
        ("a window over the most", [post(1, &[]), grow(1, u32::MAX >> 1)].concat(), Said::Reset(1, FLOW_CONTROL)),
        ("a stream's window by nothing", [post(1, &[]), grow(1, 0)].concat(), Said::Goaway(PROTOCOL)),
        (
            "a body behind its end",
            [post(1, &[]), frame(DATA, END_STREAM, 1, b"x"), frame(DATA, 0, 1, b"x")].concat(),
            Said::Goaway(PROTOCOL),
        ),
    ];
    each_is(&gateway, cases).await;
}

#[tokio::test]
async fn what_is_not_known_is_passed_over() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let cases = vec![
        ("an unknown frame", [frame(0xaa, 0xff, 0, b"x"), get(1)].concat(), Said::Answer(1)),
        ("an unknown setting", [setting(0xaaaa, 7), get(1)].concat(), Said::Answer(1)),
        ("an unknown flag of a ping", frame(PING, 0xf0, 0, &[7; 8]), Said::Pong),
        ("PRIORITY of an idle stream", [frame(PRIORITY, 0, 3, &[0; 5]), get(5)].concat(), Said::Answer(5)),
    ];
    each_is(&gateway, cases).await;
}

#[tokio::test]
async fn a_preface_that_is_none_is_no_http_and_one_in_pieces_is_one() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let mut wrong = TcpStream::connect(gateway.address).await.expect("a connection");
    wrong.write_all(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    gateway_tests::within_deadline("an answer", wrong.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 505 HTTP Version Not Supported\r\n"), "{answer}");

    let mut pieces = TcpStream::connect(gateway.address).await.expect("a connection");
    pieces.set_nodelay(true).expect("a mode of sockets");
    for byte in PREFACE {
        pieces.write_all(&[*byte]).await.expect("written");
        tokio::task::yield_now().await;
    }
    pieces.write_all(&[frame(SETTINGS, 0, 0, &[]), get(1)].concat()).await.expect("written");
    let mut head = [0; 9];
    gateway_tests::within_deadline("a frame", pieces.read_exact(&mut head)).await.expect("a frame");
    assert_eq!((head[3], head[4]), (SETTINGS, 0), "the server's own preface");

    // A method that begins as the preface does is a method.
    for method in ["P", "PR", "PRI"] {
        let answer = gateway.ask(gateway_tests::ask(method.parse().expect("a method"), "/nowhere")).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}

#[tokio::test]
async fn floods_end_the_connection() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    // Requests that are given up at once (CVE-2023-44487).
    let cancel = |stream: u32| [get(stream), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat();
    let rapid: Vec<u8> = (0..500).flat_map(|n| cancel(2 * n + 1)).collect();
    // A head without an end (CVE-2024-27316).
    let part = block(&[("x-a", &"b".repeat(100))]).repeat(100);
    let head: Vec<u8> = (0..200).flat_map(|_| frame(CONTINUATION, 0, 1, &part)).collect();
    let endless = [frame(HEADERS, 0, 1, &block(&with(&[]))), head].concat();
    // Requests that are wrong in themselves.
    let wrong: Vec<u8> = (0..1000)
        .flat_map(|n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block(&with(&[("te", "gzip")]))))
        .collect();
    for (what, bytes) in [("rapid reset", rapid), ("an endless head", endless), ("wrong requests", wrong)] {
        let mut raw = Raw::connect(gateway.address).await;
        raw.write(&bytes).await;
        let end = loop {
            match raw.said().await {
                Said::Answer(_) | Said::Reset(..) | Said::Pong => {}
                end => break end,
            }
        };
        assert!(matches!(end, Said::Goaway(ENHANCE_YOUR_CALM)), "{what}: {end:?}");
        assert_eq!(gateway.ask(plain("/hello")).await.status, 200, "others are served");
    }
}

#[tokio::test]
async fn who_gives_up_what_is_begun_again_and_again_is_hung_up_on() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::connect(gateway.address).await;
    let held = with(&[]).into_iter().map(|(name, value)| (name, if name == ":path" { "/held/held" } else { value }));
    let held = block(&held.collect::<Vec<_>>());
    let mut stream = 1;
    // The request is looked at before it is given up: the ping between tells.
    let ended = loop {
        let ping = frame(PING, 0, 0, &[1; 8]);
        raw.write(&[frame(HEADERS, END_HEADERS | END_STREAM, stream, &held), ping].concat()).await;
        match raw.said().await {
            Said::Pong => {}
            other => break other,
        }
        raw.write(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
        stream += 2;
        assert!(stream < 2000, "it goes on");
    };
    assert!(stream > 300 && matches!(ended, Said::Closed | Said::Reset(..)), "{stream} {ended:?}");
    gateway.log().message("connection ended: most of its requests are given up").await;
    assert_eq!(gateway.get("/hello").await.status, 200);
}

#[tokio::test]
async fn who_asks_nothing_is_hung_up_on_in_time() {
    let gateway = Conf::default().server("read_timeout", 1).start().await;
    let unfinished = frame(HEADERS, END_STREAM, 1, &block(&with(&[])));
    for (what, bytes) in [("nothing", vec![]), ("half a frame", unfinished[..12].to_vec()), ("one request", get(1))] {
        let mut raw = Raw::connect(gateway.address).await;
        raw.write(&bytes).await;
        if what == "one request" {
            assert_eq!(raw.said().await, Said::Answer(1));
        }
        assert_eq!(raw.said().await, Said::Goaway(0), "{what}");
        while raw.said().await != Said::Closed {}
    }
    assert_eq!(gateway.get("/hello").await.status, 200);
}

#[tokio::test]
async fn who_takes_nothing_of_its_answers_is_hung_up_on_in_time() {
    let upstream = Upstream::start();
    let conf = Conf::default().server("write_timeout", 1).server("read_timeout", 1000);
    let gateway = conf.with(&api("mine", upstream.address)).start().await;
    let mut raw = Raw::connect(gateway.address).await;
    // Streams of which nothing may be sent: SETTINGS_INITIAL_WINDOW_SIZE is 0.
    raw.write(&[frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), get(1), get(3)].concat()).await;
    while raw.said().await != Said::Closed {}
    gateway.log().message("connection ended: the client takes nothing of its answers").await;
    assert_eq!(gateway.get("/mine/get").await.status, 200);
}

#[tokio::test]
async fn a_head_over_the_bound_is_answered_with_431() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::connect(gateway.address).await;
    let part = block(&[("x-a", &"b".repeat(100))]);
    let first = frame(HEADERS, END_STREAM, 1, &[block(&with(&[])), part.repeat(100)].concat());
    let more: Vec<u8> = (0..5).flat_map(|_| frame(CONTINUATION, 0, 1, &part.repeat(100))).collect();
    raw.write(&[first, more, frame(CONTINUATION, END_HEADERS, 1, &[])].concat()).await;
    assert_eq!(raw.said().await, Said::Answer(1));
    // `:status` is a literal with the first name of the static table.
    let text = String::from_utf8_lossy(&raw.last).into_owned();
    assert!(raw.last.windows(3).any(|part| part == b"431") || is_huffman_431(&raw.last), "{text:?}");
    raw.write(&get(3)).await;
    let next = loop {
        match raw.said().await {
            Said::Reset(1, _) => {}
            other => break other,
        }
    };
    assert_eq!(next, Said::Answer(3), "the connection lives on");
}

/// `431` by the code of RFC 7541, appendix B: 011010 011001 00001, and ones to the end of the byte.
fn is_huffman_431(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|part| part == [0b0110_1001, 0b1001_0000, 0b1111_1111])
}
