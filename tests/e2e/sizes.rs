//! Bodies of all sizes, in both directions, with and without a length: whole, and in flat memory.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use gateway_tests::{Conf, Gateway, api, within_deadline};
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// How much is sent at once.
const PIECE: usize = 256 * KIB;
/// What is passed on in flat memory.
const LARGE: usize = 1 << 30;
/// The same by HTTP/2, which takes this test many times the work.
const LARGE_HTTP2: usize = 256 * MIB;
const USUAL: usize = 32 * MIB;
/// What the gateway may grow by meanwhile, in KiB: buffers of a few connections.
const FLAT_KIB: u64 = 8 * 1024;

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunks,
}

impl Framing {
    fn field(self, size: usize) -> String {
        match self {
            Self::Length => format!("Content-Length: {size}"),
            Self::Chunks => "Transfer-Encoding: chunked".to_owned(),
        }
    }
}

/// Sends a head and a body, in which each piece begins with its number.
async fn send(stream: &mut (impl AsyncWrite + Unpin), first: &str, size: usize, framing: Framing) {
    let head = format!("{first}\r\n{}\r\n\r\n", framing.field(size));
    stream.write_all(head.as_bytes()).await.expect("the gateway reads");
    let mut piece = vec![b'x'; PIECE];
    let mut left = size;
    while left > 0 {
        let length = left.min(PIECE);
        mark(&mut piece[..length], left);
        if framing == Framing::Chunks {
            stream.write_all(format!("{length:x}\r\n").as_bytes()).await.expect("the gateway reads");
        }
        within_deadline("room", stream.write_all(&piece[..length])).await.expect("the gateway reads");
        if framing == Framing::Chunks {
            stream.write_all(b"\r\n").await.expect("the gateway reads");
        }
        left -= length;
    }
    if framing == Framing::Chunks {
        stream.write_all(b"0\r\n\r\n").await.expect("the gateway reads");
    }
}

fn mark(piece: &mut [u8], left: usize) {
    match piece.first_chunk_mut() {
        Some(place) => *place = left.to_be_bytes(),
        None => piece.fill(b'x'),
    }
}

/// Receives a head and a body like those that [`send`] sends, whatever its framing has become; gives the first line.
async fn receive(stream: &mut BufReader<impl AsyncRead + Unpin>, size: usize) -> String {
    let head = lines(stream).await;
    let is_chunked = head.iter().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    let mut body = Check::new(size);
    if is_chunked {
        loop {
            let length = usize::from_str_radix(&line(stream).await, 16).expect("a size");
            body.take(stream, length).await;
            assert_eq!(line(stream).await, "");
            if length == 0 {
                break;
            }
        }
    } else {
        let length = format!("content-length: {size}");
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case(&length)), "{head:?}");
        body.take(stream, size).await;
    }
    assert_eq!(body.left, 0, "a body of {size} bytes");
    head.into_iter().next().expect("a first line")
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(within_deadline("a line", stream.read_u8()).await.expect("more"));
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).expect("a text")
}

async fn lines(stream: &mut (impl AsyncRead + Unpin)) -> Vec<String> {
    let mut lines = vec![line(stream).await];
    while lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(line(stream).await);
    }
    lines
}

/// A body as it comes in: what is in its pieces must be what was sent.
struct Check {
    left: usize,
    expected: Vec<u8>,
    piece: Vec<u8>,
    /// How much of the piece has come.
    filled: usize,
}

impl Check {
    fn new(size: usize) -> Self {
        Self { left: size, expected: vec![b'x'; PIECE], piece: vec![0; PIECE], filled: 0 }
    }

    async fn take(&mut self, stream: &mut (impl AsyncRead + Unpin), mut length: usize) {
        while length > 0 {
            let whole = self.left.min(PIECE);
            let here = length.min(whole - self.filled);
            let room = &mut self.piece[self.filled..][..here];
            within_deadline("a piece", stream.read_exact(room)).await.expect("more");
            length -= here;
            self.filled += here;
            if self.filled == whole {
                let expected = &mut self.expected[..whole];
                mark(expected, self.left);
                assert!(self.piece[..whole] == *expected, "{} bytes before the end", self.left);
                self.left -= whole;
                self.filled = 0;
            }
        }
    }
}

/// An upstream that receives and sends bodies of `size`, for as many connections as come.
async fn upstream(size: usize, framing: Framing) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::with_capacity(PIECE, stream);
                receive(&mut stream, size).await;
                send(stream.get_mut(), "HTTP/1.1 200 OK", size, framing).await;
            });
        }
    });
    address
}

/// How the client speaks.
#[derive(Debug, Clone, Copy)]
enum By {
    Http1(Framing),
    Http2,
}

async fn there_and_back(gateway: &Gateway, id: &str, size: usize, by: By) {
    let stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    match by {
        By::Http1(framing) => by_http1(stream, id, size, framing).await,
        By::Http2 => by_http2(stream, id, size).await,
    }
}

async fn by_http1(stream: TcpStream, id: &str, size: usize, framing: Framing) {
    let mut stream = BufReader::with_capacity(PIECE, stream);
    let first = format!("POST /{id}/ HTTP/1.1\r\nHost: g\r\nConnection: close");
    send(stream.get_mut(), &first, size, framing).await;
    assert_eq!(receive(&mut stream, size).await, "HTTP/1.1 200 OK");
}

async fn by_http2(stream: TcpStream, id: &str, size: usize) {
    let window = u32::try_from(4 * MIB).expect("a window");
    let mut builder = h2::client::Builder::new();
    let builder = builder.initial_window_size(window).initial_connection_window_size(window);
    let (mut sender, connection) = builder.handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::post(format!("http://g/{id}/")).body(()).expect("a request");
    let (response, mut sending) = sender.send_request(request, false).expect("a stream");
    let mut piece = vec![b'x'; PIECE];
    let mut left = size;
    while left > 0 {
        let length = left.min(PIECE);
        mark(&mut piece[..length], left);
        left -= length;
        let mut data = Bytes::copy_from_slice(&piece[..length]);
        while !data.is_empty() {
            sending.reserve_capacity(data.len());
            let room = within_deadline("room", poll_fn(|cx| sending.poll_capacity(cx))).await;
            let room = room.expect("an open stream").expect("room");
            let part = data.split_to(room.min(data.len()));
            sending.send_data(part, left == 0 && data.is_empty()).expect("the gateway reads");
        }
    }
    let response = within_deadline("an answer", response).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let (mut body, mut check) = (response.into_body(), Check::new(size));
    while let Some(data) = within_deadline("a piece", body.data()).await {
        let data = data.expect("more");
        check.take(&mut &data[..], data.len()).await;
        body.flow_control().release_capacity(data.len()).expect("an open stream");
    }
    assert_eq!(check.left, 0, "a body of {size} bytes");
}

#[tokio::test]
async fn bodies_of_all_sizes_come_whole_in_both_directions() {
    for framing in [Framing::Length, Framing::Chunks] {
        for size in [1, KIB, 8 * KIB, 10 * KIB, 64 * KIB + 1, MIB, 10 * MIB + 7] {
            let gateway = Gateway::serving(&api("size", upstream(size, framing).await)).await;
            there_and_back(&gateway, "size", size, By::Http1(framing)).await;
        }
    }
}

/// Passes a large body there and back. The most memory that the gateway has had meanwhile must be what one of
/// [`USUAL`] makes it take, or little more.
async fn is_flat(by: By) {
    let (framing, size) = match by {
        By::Http1(framing) => (framing, LARGE),
        By::Http2 => (Framing::Chunks, LARGE_HTTP2),
    };
    let (usual, large) = (upstream(USUAL, framing).await, upstream(size, framing).await);
    let gateway = Conf::default().with(&api("usual", usual)).with(&api("large", large)).start().await;
    for _ in 0..2 {
        there_and_back(&gateway, "usual", USUAL, by).await;
    }
    let before = gateway.memory("VmHWM");
    there_and_back(&gateway, "large", size, by).await;
    // The system counts in batches of each thread: a later look may see a little less.
    let grown = gateway.memory("VmHWM").saturating_sub(before);
    assert!(grown < FLAT_KIB, "it grew by {grown} KiB");
}

#[tokio::test]
async fn a_gigabyte_with_a_length_takes_no_memory() {
    is_flat(By::Http1(Framing::Length)).await;
}

#[tokio::test]
async fn a_gigabyte_in_chunks_takes_no_memory() {
    is_flat(By::Http1(Framing::Chunks)).await;
}

#[tokio::test]
async fn a_large_body_by_http2_takes_no_memory() {
    is_flat(By::Http2).await;
}
