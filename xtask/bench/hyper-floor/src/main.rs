//! The least that a proxy made of hyper can cost: one runtime per core, `client::conn`, a pool per thread, and nothing
//! that a gateway does. `hyper-floor LISTEN UPSTREAM`; two threads.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::{env, io, thread};

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, TE, TRAILER, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: usize = 2;
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

fn main() -> io::Result<()> {
    let addresses: Vec<SocketAddr> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [listen, upstream] = addresses[..] else {
        return Err(io::Error::other("usage: hyper-floor LISTEN UPSTREAM"));
    };
    let sockets = (0..THREADS).map(|_| bound(listen)).collect::<io::Result<Vec<_>>>()?;
    let threads: Vec<_> = sockets.into_iter().map(|socket| thread::spawn(move || serve(socket, upstream))).collect();
    threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread died"))))
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket)
}

fn serve(socket: Socket, upstream: SocketAddr) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(socket.into())?;
        let pool = Pool { upstream, idle: Rc::default() };
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let _ = client.set_nodelay(true);
            tokio::task::spawn_local(connection(client, pool.clone()));
        }
    })
}

async fn connection(client: TcpStream, pool: Pool) {
    let service = service_fn(|request| pool.forward(request));
    // A client that goes away is no matter.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service).await;
}

/// Idle connections to the upstream.
#[derive(Clone)]
struct Pool {
    upstream: SocketAddr,
    idle: Rc<RefCell<Vec<SendRequest<Incoming>>>>,
}

impl Pool {
    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Either<Pooled, Empty<Bytes>>>, Infallible> {
        strip(request.headers_mut());
        let answer = match self.checkout().await {
            Ok(mut sender) => sender.send_request(request).await.map(|response| (response, sender)),
            Err(error) => Err(error),
        };
        Ok(match answer {
            Ok((mut response, sender)) => {
                strip(response.headers_mut());
                response.map(|body| Either::Left(Pooled { body, back: Some((sender, self.clone())) }))
            }
            Err(_) => {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        })
    }

    async fn checkout(&self) -> hyper::Result<SendRequest<Incoming>> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = match TcpStream::connect(self.upstream).await {
            Ok(stream) => stream,
            // It would have to be an error of hyper's; the bench stops at the first answer that is no 200.
            Err(_) => std::process::exit(1),
        };
        let _ = stream.set_nodelay(true);
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            let _ = driver.await;
        });
        Ok(sender)
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, UPGRADE] {
        headers.remove(name);
    }
}

/// A response's body; its connection goes back to the pool when it has been read to its end.
struct Pooled {
    body: Incoming,
    back: Option<(SendRequest<Incoming>, Pool)>,
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if self.body.is_end_stream()
            && let Some((sender, pool)) = self.back.take()
        {
            pool.idle.borrow_mut().push(sender);
        }
    }
}
