//! HTTP/1 to the letter: what is said on one side, and what the other side makes of it.

use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Gateway, Upstream, api};
use serde_json::json;

use crate::raw::Raw;

/// One request, an upstream's answer, and what the client gets.
struct Case {
    name: &'static str,
    request: &'static str,
    /// The upstream's answer; it closes the connection behind it if that is what ends it.
    answer: &'static str,
    closes: bool,
    /// Status and body.
    expected: (u16, &'static str),
    /// A header of the answer; empty if it must not be there.
    header: (&'static str, &'static str),
    /// Whether another request can be sent.
    goes_on: bool,
}

const GET: &str = "GET /a/x HTTP/1.1\r\nHost: g\r\n\r\n";
const PLAIN: Case = Case {
    name: "",
    request: GET,
    answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    closes: false,
    expected: (200, "ok"),
    header: ("", ""),
    goes_on: true,
};

const CASES: &[Case] = &[
    Case { name: "plain", ..PLAIN },
    Case {
        name: "HEAD tells a length and has no body",
        request: "HEAD /a/x HTTP/1.1\r\nHost: g\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        expected: (200, ""),
        header: ("content-length", "5"),
        ..PLAIN
    },
    Case {
        name: "204 has no length",
        answer: "HTTP/1.1 204 No Content\r\n\r\n",
        expected: (204, ""),
        header: ("content-length", ""),
        ..PLAIN
    },
    Case {
        name: "304 tells a length and has no body",
        answer: "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n",
        expected: (304, ""),
        header: ("etag", "\"1\""),
        ..PLAIN
    },
    Case {
        name: "a body that ends with the connection",
        answer: "HTTP/1.1 200 OK\r\n\r\nto the end",
        closes: true,
        expected: (200, "to the end"),
        header: ("transfer-encoding", "chunked"),
        ..PLAIN
    },
    Case {
        name: "chunks with extensions",
        answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n1 ; c=\"d\"\r\n!\r\n0;e\r\n\r\n",
        expected: (200, "ok!"),
        ..PLAIN
    },
    Case {
        name: "100 and 103 before the answer",
        answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                 HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        header: ("link", ""),
        ..PLAIN
    },
    Case { name: "absolute form", request: "GET http://elsewhere/a/x HTTP/1.1\r\nHost: g\r\n\r\n", ..PLAIN },
    Case {
        name: "OPTIONS for the server as a whole",
        request: "OPTIONS * HTTP/1.1\r\nHost: g\r\n\r\n",
        expected: (200, ""),
        header: ("content-length", "0"),
        ..PLAIN
    },
    Case {
        name: "any other method for the server as a whole",
        request: "GET * HTTP/1.1\r\nHost: g\r\n\r\n",
        expected: (400, ""),
        goes_on: false,
        ..PLAIN
    },
    Case { name: "HTTP/1.0 without Host, and its end", request: "GET /a/x HTTP/1.0\r\n\r\n", goes_on: false, ..PLAIN },
    Case {
        name: "HTTP/1.0 knows no chunks",
        request: "GET /a/x HTTP/1.0\r\nHost: g\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        header: ("transfer-encoding", ""),
        goes_on: false,
        ..PLAIN
    },
    Case {
        name: "HTTP/1.0 with keep-alive",
        request: "GET /a/x HTTP/1.0\r\nHost: g\r\nConnection: keep-alive\r\n\r\n",
        header: ("connection", "keep-alive"),
        ..PLAIN
    },
    Case {
        name: "an upstream of HTTP/1.0",
        answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        closes: true,
        ..PLAIN
    },
    Case {
        name: "a client that asks for the end",
        request: "GET /a/x HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n",
        header: ("connection", "close"),
        goes_on: false,
        ..PLAIN
    },
];

#[tokio::test]
async fn messages_are_read_and_written_to_the_letter() {
    let mut wrong = Vec::new();
    for case in CASES {
        if tokio::spawn(check(case)).await.is_err() {
            wrong.push(case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

async fn check(case: &Case) {
    let upstream = Raw::start().await.always(case.answer.as_bytes(), case.closes);
    let gateway = Gateway::serving(&api("a", upstream)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.write(case.request).await;
    let answer = client.response(case.request.starts_with("HEAD")).await;
    assert_eq!(answer.status(), case.expected.0, "{answer:?}");
    if answer.status() < 400 {
        assert_eq!(answer.text(), case.expected.1, "{answer:?}");
    }
    let (name, value) = case.header;
    assert_eq!(answer.header(name), value, "{answer:?}");
    if case.goes_on {
        client.write("GET /hello HTTP/1.1\r\nHost: g\r\n\r\n").await;
        assert_eq!(client.response(false).await.status(), 200, "the connection goes on");
    } else {
        assert!(client.is_closed().await, "the connection ends");
    }
}

#[tokio::test]
async fn trailers_reach_a_client_that_takes_them_and_chunks_are_read_from_one() {
    let raw = Raw::start().await;
    let gateway = Gateway::serving(&api("a", raw.address)).await;
    let mut client = Wire::connect(gateway.address).await;
    client
        .write(
            "POST /a/x HTTP/1.1\r\nHost: g\r\nTE: trailers\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;ext=1\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        )
        .await;
    let mut line = raw.accept().await;
    let head = line.head().await.to_ascii_lowercase();
    assert!(head.contains("te: trailers\r\n") && head.contains("transfer-encoding: chunked\r\n"), "{head}");
    let body = line.take("3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n".len()).await;
    assert_eq!(String::from_utf8_lossy(&body).to_ascii_lowercase(), "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n");
    line.write(
        "HTTP/1.1 200 OK\r\nTrailer: x-end\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\nX-End: 2\r\n\r\n",
    )
    .await;
    let answer = client.response(false).await;
    assert_eq!(answer.text(), "!");
    assert_eq!(answer.trailers.len(), 1, "{answer:?}");
    assert!(answer.trailers[0].0.eq_ignore_ascii_case("x-end"));
}

#[tokio::test]
async fn a_client_is_told_to_go_on_once_its_body_is_wanted() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("a", upstream.address)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.write("POST /a/x HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(client.response(false).await.status(), 100);
    client.write("ok").await;
    assert_eq!(client.response(false).await.status(), 200);
    assert_eq!(upstream.last().header("expect"), "");
    assert_eq!(upstream.last().message.text(), "ok");
}

#[tokio::test]
async fn a_client_whose_body_is_not_wanted_is_not_told_to_go_on() {
    let upstream = Upstream::start();
    let refused = api("a", upstream.address).plugins("pre", &["Answer"]).config("Answer", json!({"status": 403}));
    let gateway = Conf::default().with(&refused).start().await;
    let mut client = Wire::connect(gateway.address).await;
    client.write("POST /a/x HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(client.response(false).await.status(), 403);
    client.ends().await;
    assert!(upstream.seen().is_empty());
}

/// A client that compares names byte by byte is served by one key of the configuration.
#[tokio::test]
async fn names_are_written_in_lower_case_unless_somebody_needs_the_other() {
    let upstream = Upstream::start();
    for (canonical, name) in [(false, "x-ratelimit-limit: 0\r\n"), (true, "X-Ratelimit-Limit: 0\r\n")] {
        let conf = Conf::default().with(&api("a", upstream.address)).server("canonical_header_names", canonical);
        let gateway = conf.start().await;
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.expect("the gateway listens");
        let ask = b"GET /a/get HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, ask).await.expect("the gateway reads");
        let mut answer = String::new();
        let read = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer);
        gateway_tests::within_deadline("an answer", read).await.expect("text");
        assert!(answer.contains(name), "{answer}");
    }
}
