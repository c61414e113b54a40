//! Bodies of all sizes, in both directions, with and without a length: whole, and in flat memory.

use std::net::SocketAddr;

use gateway_tests::{Conf, Gateway, api, within_deadline};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// How much is sent at once.
const PIECE: usize = 256 * KIB;
/// What is passed on in flat memory: a gigabyte takes a machine that does something else besides too long.
const LARGE: usize = 256 * MIB;
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
        stream.write_all(&piece[..length]).await.expect("the gateway reads");
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
    let mut body = Check { left: size, piece: Vec::new() };
    if !is_chunked {
        let length = format!("content-length: {size}");
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case(&length)), "{head:?}");
        body.take(stream, size).await;
    }
    let mut length = usize::from(is_chunked);
    while length > 0 {
        length = usize::from_str_radix(&line(stream).await, 16).expect("a size");
        body.take(stream, length).await;
        assert_eq!(line(stream).await, "");
    }
    assert_eq!(body.left, 0, "a body of {size} bytes");
    head.into_iter().next().expect("a first line")
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("more"));
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
    piece: Vec<u8>,
}

impl Check {
    async fn take(&mut self, stream: &mut (impl AsyncRead + Unpin), mut length: usize) {
        while length > 0 {
            let whole = self.left.min(PIECE);
            let here = length.min(whole - self.piece.len());
            let had = self.piece.len();
            self.piece.resize(had + here, 0);
            stream.read_exact(&mut self.piece[had..]).await.expect("more");
            length -= here;
            if self.piece.len() == whole {
                let mut expected = vec![b'x'; whole];
                mark(&mut expected, self.left);
                assert!(self.piece == expected, "{} bytes before the end", self.left);
                self.left -= whole;
                self.piece.clear();
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

async fn there_and_back(gateway: &Gateway, id: &str, size: usize, framing: Framing) {
    let stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let mut stream = BufReader::with_capacity(PIECE, stream);
    let first = format!("POST /{id}/ HTTP/1.1\r\nHost: g\r\nConnection: close");
    let passing = async {
        send(stream.get_mut(), &first, size, framing).await;
        assert_eq!(receive(&mut stream, size).await, "HTTP/1.1 200 OK");
    };
    within_deadline("a body, there and back", passing).await;
}

#[tokio::test]
async fn bodies_of_all_sizes_come_whole_in_both_directions() {
    for framing in [Framing::Length, Framing::Chunks] {
        for size in [1, KIB, 8 * KIB, 10 * KIB, 64 * KIB + 1, MIB, 10 * MIB + 7] {
            let gateway = Gateway::serving(&api("size", upstream(size, framing).await)).await;
            there_and_back(&gateway, "size", size, framing).await;
        }
    }
}

/// By how much the gateway grows at most, in KiB, when a body of [`LARGE`] passes there and back, beyond what one of
/// [`USUAL`] has made it take.
async fn growth(framing: Framing) -> u64 {
    let (usual, large) = (upstream(USUAL, framing).await, upstream(LARGE, framing).await);
    let gateway = Conf::default().with(&api("usual", usual)).with(&api("large", large)).start().await;
    for _ in 0..2 {
        there_and_back(&gateway, "usual", USUAL, framing).await;
    }
    let before = gateway.memory("VmHWM");
    there_and_back(&gateway, "large", LARGE, framing).await;
    gateway.memory("VmHWM") - before
}

#[tokio::test]
async fn a_large_body_with_a_length_takes_no_memory() {
    let grown = growth(Framing::Length).await;
    assert!(grown < FLAT_KIB, "it grew by {grown} KiB");
}

#[tokio::test]
async fn a_large_body_in_chunks_takes_no_memory() {
    let grown = growth(Framing::Chunks).await;
    assert!(grown < FLAT_KIB, "it grew by {grown} KiB");
}
