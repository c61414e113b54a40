//! Requests over keep-alive connections.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinHandle;

use crate::job::{Event, Job, Pace, Tally};
use crate::open;

/// How long anything may take beyond its time, and what has no time of its own in all.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// Does a job, and tells its events.
pub(crate) fn run(job: Job) -> io::Result<()> {
    let job = Arc::new(job);
    let (_, end) = job.pace.window();
    let limit = end.saturating_add(PATIENCE.0).min(PATIENCE.1);
    let address = job.address;
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("load: {address} has left a request without an answer for too long");
        std::process::exit(1);
    });
    let ready = Arc::new(Barrier::new(job.threads + 1));
    let begin = |index| {
        let (job, ready) = (Arc::clone(&job), Arc::clone(&ready));
        thread::spawn(move || worker(&job, index, &ready))
    };
    let workers: Vec<_> = (0..job.threads).map(begin).collect();
    ready.wait();
    let started = Instant::now();
    let (open, end) = job.pace.window();
    thread::sleep(open);
    Event::Begin.tell()?;
    if matches!(job.pace, Pace::Hold) {
        io::stdin().read_to_end(&mut Vec::new())?;
        std::process::exit(0);
    }
    if end != Duration::MAX {
        thread::sleep((started + end).saturating_duration_since(Instant::now()));
        Event::End.tell()?;
    }
    let mut total = Tally::new()?;
    for worker in workers {
        total.add(&worker.join().map_err(|_| io::Error::other("a thread died"))??)?;
    }
    total.event().tell()
}

/// What the connections of a thread share.
pub(crate) struct Shared {
    pub(crate) job: Job,
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) tally: RefCell<Tally>,
}

fn worker(job: &Job, index: usize, ready: &Barrier) -> io::Result<Tally> {
    let share = job.connections / job.threads + usize::from(index < job.connections % job.threads);
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut request = request(job.address, &job.path, job.post)?;
    if let Some(key) = &job.key {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(key).map_err(io::Error::other)?);
    }
    let shared = Rc::new(Shared { job: job.clone(), request, tally: RefCell::new(Tally::new()?) });
    let connected = runtime.block_on(async {
        let mut clients = Vec::with_capacity(share);
        for _ in 0..share {
            let mut client = Client::connect(Rc::clone(&shared)).await?;
            if matches!(job.pace, Pace::Hold) && client.ask().await? != StatusCode::OK {
                return Err(io::Error::other("an answer is no 200"));
            }
            clients.push(client);
        }
        Ok(clients)
    });
    let clients = match connected {
        Ok(clients) => clients,
        // The others wait for this thread.
        Err(error) => {
            eprintln!("load: {}: {error}", job.address);
            std::process::exit(1);
        }
    };
    ready.wait();
    let started = Instant::now();
    runtime.block_on(async {
        match job.pace {
            Pace::Open { rate, .. } => open::run(&shared, clients, rate, started).await,
            Pace::Hold => std::future::pending().await,
            Pace::Closed { .. } | Pace::Requests(_) => {
                let tasks: Vec<JoinHandle<()>> =
                    clients.into_iter().map(|client| tokio::task::spawn_local(client.loops(started))).collect();
                for task in tasks {
                    task.await.map_err(io::Error::other)?;
                }
                Ok(())
            }
        }
    })?;
    Ok(shared.tally.replace(Tally::new()?))
}

/// `GET`, or `POST` of a JSON object of so many bytes, at least 8.
pub(crate) fn request(address: SocketAddr, path: &str, post: usize) -> io::Result<Request<Full<Bytes>>> {
    let body = if post == 0 { String::new() } else { format!(r#"{{"a":"{}"}}"#, "x".repeat(post.saturating_sub(8))) };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    if post > 0 {
        *request.method_mut() = Method::POST;
    }
    let host = HeaderValue::from_str(&address.to_string()).map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("load/1"));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    Ok(request)
}

/// A connection.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Connects.
pub(crate) async fn open(address: SocketAddr) -> io::Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, driver) = connected.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // What went wrong is known to whoever has sent.
        let _ = driver.await;
    });
    Ok(sender)
}

/// Asks on a connection that is ready: the status, and how long the body was.
pub(crate) async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> io::Result<(StatusCode, usize)> {
    let (head, mut body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
    }
    Ok((head.status, length))
}

/// A connection, and what is asked on it.
pub(crate) struct Client {
    pub(crate) shared: Rc<Shared>,
    sender: Sender,
}

impl Client {
    async fn connect(shared: Rc<Shared>) -> io::Result<Self> {
        let sender = open(shared.job.address).await?;
        Ok(Self { shared, sender })
    }

    async fn ask(&mut self) -> io::Result<StatusCode> {
        self.sender.ready().await.map_err(io::Error::other)?;
        ask(&mut self.sender, self.shared.request.clone()).await.map(|(status, _)| status)
    }

    /// One request; counted if its moment was in the window. A connection that failed is made again.
    pub(crate) async fn counted(&mut self, due: Instant, counts: bool) {
        let answer = self.ask().await;
        if counts {
            let mut tally = self.shared.tally.borrow_mut();
            match &answer {
                Ok(StatusCode::OK) => {
                    tally.answered += 1;
                    let latency = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    tally.latency.saturating_record(latency);
                }
                Ok(_) => tally.refused += 1,
                Err(_) => tally.failed += 1,
            }
        }
        if (answer.is_err() || self.sender.is_closed())
            && let Err(error) = self.reopen().await
        {
            eprintln!("load: {}: {error}", self.shared.job.address);
            std::process::exit(1);
        }
    }

    async fn reopen(&mut self) -> io::Result<()> {
        self.sender = open(self.shared.job.address).await?;
        Ok(())
    }

    /// One request after the other, until all is done or the time is over.
    async fn loops(mut self, started: Instant) {
        let (open, end) = self.shared.job.pace.window();
        let mut left = match self.shared.job.pace {
            Pace::Requests(count) => count,
            _ => u64::MAX,
        };
        while left > 0 {
            let sent = Instant::now();
            let at = sent - started;
            if at >= end {
                break;
            }
            self.counted(sent, at >= open).await;
            left -= 1;
        }
    }
}
