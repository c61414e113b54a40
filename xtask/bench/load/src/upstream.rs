//! The upstream that every proxy stands in front of: one thread, answers from memory.
//!
//! The last part of the path says what is answered, so that proxies may have prefixes: `10k`, `1m`, `seen` (whether the
//! request has `X-Bench`), `late` 128 bytes after a while, `cut` half of what its head says, `drop` nothing at all, anything
//! else 128 bytes. A body is read to its end first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// How late `late` is.
const LATE: Duration = Duration::from_millis(300);

/// What is answered from.
struct Answers {
    small: Bytes,
    ten: Bytes,
    mega: Bytes,
}

/// Serves until the process is ended.
pub(crate) fn serve() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(4096)?;
        let listener = TcpListener::from_std(socket.into())?;
        println!("{}", listener.local_addr()?);
        let fill = |length: usize| Bytes::from(b"hello world, 32 bytes of text..\n".repeat(length / 32));
        let answers: &'static Answers =
            Box::leak(Box::new(Answers { small: fill(128), ten: fill(10 << 10), mega: fill(1 << 20) }));
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(connection(stream, answers));
        }
    })
}

async fn connection(stream: TcpStream, answers: &'static Answers) {
    let service = service_fn(move |request| answer(request, answers));
    // A proxy that goes away is no matter.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, answers: &Answers) -> io::Result<Response<Either<Full<Bytes>, Half>>> {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let whole = |bytes: &Bytes| Either::Left(Full::new(bytes.clone()));
    let body = match head.uri.path().rsplit('/').next() {
        Some("10k") => whole(&answers.ten),
        Some("1m") => whole(&answers.mega),
        Some("seen") if head.headers.contains_key("x-bench") => whole(&Bytes::from_static(b"yes")),
        Some("seen") => whole(&Bytes::from_static(b"no")),
        Some("late") => {
            tokio::time::sleep(LATE).await;
            whole(&answers.small)
        }
        Some("cut") => Either::Right(Half(Some(answers.ten.clone()))),
        // The connection ends with it.
        Some("drop") => return Err(io::ErrorKind::ConnectionAborted.into()),
        _ => whole(&answers.small),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(SERVER, HeaderValue::from_static("up"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// A body that ends in the middle, and its connection with it.
struct Half(Option<Bytes>);

impl Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(match self.0.take() {
            Some(whole) => Ok(Frame::data(whole.slice(..whole.len() / 2))),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}
