//! A server that echoes what it gets, and does something else on the paths that a test names.

mod echo;
mod tee;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::feed::{BrokenOff, Feed, Payload, feed, whole};
use crate::wire::Message;
use crate::within_deadline;
use tee::{Heads, Tee};

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// As it was on the wire; the body and trailers once they were read.
    pub message: Message,
    /// The other end of its connection.
    pub peer: SocketAddr,
    /// It was echoed: its body had come to its end.
    pub whole: bool,
}

impl Seen {
    /// `GET /path HTTP/1.1`.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.message.first
    }

    /// The first value of a header; empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.message.header(name)
    }

    /// All values of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.message.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value).collect()
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Payload>, BrokenOff>> + Send>>;
type Handler = Arc<dyn Fn(http::Request<Incoming>) -> Answering + Send + Sync>;

#[derive(Default)]
struct Shared {
    handlers: Mutex<HashMap<String, Handler>>,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

/// The server. It stops when this is dropped.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
    _stop: oneshot::Sender<()>,
}

impl Upstream {
    /// Starts, on a thread of its own: a test that blocks does not hold it up.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
        listener.set_nonblocking(true).expect("a mode of sockets");
        let address = listener.local_addr().expect("it is bound");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let shared: Arc<Shared> = Arc::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, runtime: handle, _stop: stop }
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the upstream has seen a request")
    }

    /// Waits until so many requests have come.
    pub async fn count(&self, requests: usize) {
        let mut count = self.shared.count.subscribe();
        let reached = count.wait_for(|count| *count >= requests);
        let _ = within_deadline(&format!("{requests} requests at the upstream"), reached).await;
    }

    /// Answers a path by a function.
    pub fn on<F, R>(&self, path: &str, answer: F)
    where
        F: Fn(http::Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Response<Payload>, BrokenOff>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(answer(request)));
        lock(&self.shared.handlers).insert(path.to_owned(), handler);
    }

    /// Answers a path with this.
    ///
    /// # Panics
    /// When a header is none.
    pub fn answer(&self, path: &str, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).expect("a response");
        self.on(path, move |_| {
            let response = response.clone().map(|()| whole(body.clone()));
            async move { Ok(response) }
        });
    }

    /// Answers the next request for a path with a body that the test feeds; its length is not told.
    #[must_use]
    pub fn stream(&self, path: &str) -> Feed {
        let (feed, body) = feed();
        let body = Mutex::new(Some(body));
        self.on(path, move |_| {
            let body = lock(&body).take().unwrap_or_else(|| whole("streamed already"));
            async move { Ok(Response::new(body)) }
        });
        feed
    }

    /// Hands the body of the next request for a path to the test, which answers when the test says so.
    #[must_use]
    pub fn receive(&self, path: &str) -> oneshot::Receiver<(Incoming, oneshot::Sender<()>)> {
        let (given, body) = oneshot::channel();
        let given = Mutex::new(Some(given));
        self.on(path, move |request| {
            let (done, over) = oneshot::channel();
            if let Some(given) = lock(&given).take() {
                // A test that does not look gets an answer all the same.
                let _ = given.send((request.into_body(), done));
            }
            async move {
                let _ = over.await;
                Ok(Response::new(whole("received")))
            }
        });
        body
    }

    /// Holds every request for a path until it is released; then it is echoed.
    #[must_use]
    pub fn hold(&self, path: &str) -> Hold {
        let hold = Hold { waiting: watch::Sender::new(0), gate: Arc::new(Semaphore::new(0)) };
        let (waiting, gate) = (hold.waiting.clone(), Arc::clone(&hold.gate));
        self.on(path, move |request| {
            let (waiting, gate) = (waiting.clone(), Arc::clone(&gate));
            async move {
                waiting.send_modify(|count| *count += 1);
                if let Ok(permit) = gate.acquire().await {
                    permit.forget();
                }
                let body = request.into_body().collect().await.map_err(|_| BrokenOff)?;
                Ok(Response::new(whole(body.to_bytes())))
            }
        });
        hold
    }

    /// Answers so many requests for a path each second, in the order in which they come.
    pub fn pace(&self, path: &str, per_second: u32) {
        let gate = Arc::new(Semaphore::new(0));
        let open = Arc::clone(&gate);
        self.runtime.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
            loop {
                tick.tick().await;
                open.add_permits(1);
            }
        });
        self.on(path, move |_| {
            let gate = Arc::clone(&gate);
            async move {
                if let Ok(permit) = gate.acquire().await {
                    permit.forget();
                }
                Ok(Response::new(whole("paced")))
            }
        });
    }

    /// Reads requests for a path, and closes the connection without a response.
    pub fn refuse(&self, path: &str) {
        self.on(path, |_| async { Err(BrokenOff) });
    }

    /// Never answers requests for a path.
    pub fn ignore(&self, path: &str) {
        self.on(path, |_| std::future::pending());
    }
}

/// Requests that wait for the test.
pub struct Hold {
    waiting: watch::Sender<usize>,
    gate: Arc<Semaphore>,
}

impl Hold {
    /// Waits until so many requests have come.
    pub async fn arrived(&self, requests: usize) {
        let mut waiting = self.waiting.subscribe();
        let reached = waiting.wait_for(|count| *count >= requests);
        let _ = within_deadline(&format!("{requests} requests held at the upstream"), reached).await;
    }

    /// Lets so many requests go.
    pub fn release(&self, requests: usize) {
        self.gate.add_permits(requests);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener that does not block");
    while let Ok((stream, peer)) = listener.accept().await {
        tokio::spawn(serve(stream, peer, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let (tee, heads) = Tee::new(stream);
    let service = service_fn(|request| {
        let (shared, heads) = (Arc::clone(&shared), heads.clone());
        async move { answer(request, &shared, &heads, peer).await }
    });
    // A test that breaks off makes an error of it.
    drop(http1::Builder::new().serve_connection(TokioIo::new(tee), service).await);
}

async fn answer(
    request: http::Request<Incoming>,
    shared: &Shared,
    heads: &Heads,
    peer: SocketAddr,
) -> Result<Response<Payload>, BrokenOff> {
    let message = heads.take();
    let handler = lock(&shared.handlers).get(request.uri().path()).cloned();
    let echoes = handler.is_none();
    let at = see(shared, Seen { message: message.clone(), peer, whole: false });
    let answered = match handler {
        Some(handler) => handler(request).await,
        None => {
            let body = request.into_body().collect().await.map_err(|_| BrokenOff)?;
            let trailers = body.trailers().map(pairs).unwrap_or_default();
            let message = Message { body: body.to_bytes().into(), trailers, ..message };
            let response = echo::response(&message);
            let seen = &mut lock(&shared.seen)[at];
            (seen.message, seen.whole) = (message, true);
            Ok(response)
        }
    };
    if echoes || answered.is_ok() {
        heads.resume();
    }
    answered
}

fn see(shared: &Shared, seen: Seen) -> usize {
    let mut all = lock(&shared.seen);
    all.push(seen);
    shared.count.send_replace(all.len());
    all.len() - 1
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// A port that is taken, and where nobody listens: connections to it are refused.
pub struct Nobody {
    /// Where nobody listens.
    pub address: SocketAddr,
    /// Keeps the port from others.
    _socket: TcpSocket,
}

impl Default for Nobody {
    fn default() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port of the system's choice");
        Self { address: socket.local_addr().expect("it is bound"), _socket: socket }
    }
}
