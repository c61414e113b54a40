//! Everything at once, for a long time: what clients ask of a gateway, what upstreams do to it, and clients that leave.
//!
//! Each of [`CLIENTS`] asks at a steady pace, whatever the others do; what it asks follows from the number of the request
//! ([`MIX`]). Every second client connects anew every few requests. Every [`CYCLE`] a crowd connects, asks once each, and
//! goes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use crate::generate::{Sender, ask, open, request};
use crate::job::{Count, Event};

/// Who ask for the whole time. It has no divisor in common with 100, else a client would ask the same few things for ever.
const CLIENTS: u32 = 63;
/// After so many requests a client that does not keep its connection makes a new one.
const FRESH_AFTER: u32 = 8;
/// How often the crowd comes. Looks are taken in the middle, when it has been at rest for seconds, and at the end, when it
/// has been gone for seconds.
const CYCLE: Duration = Duration::from_secs(10);
/// How long it stays.
const STAY: Duration = Duration::from_secs(7);
/// How many of the crowd connect at a time.
const AT_A_TIME: usize = 20;
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Soak {
    /// Of the proxy.
    address: SocketAddr,
    /// Before the paths that the upstream knows.
    prefix: String,
    /// Requests per second, over all clients.
    rate: u32,
    /// In whole cycles.
    seconds: u64,
    /// Connections of the crowd.
    crowd: usize,
}

/// A kind of request.
struct Part {
    name: &'static str,
    /// Of a hundred requests.
    share: u32,
    /// `@` is the prefix.
    path: &'static str,
    post: usize,
    must: Must,
}

/// What must become of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    /// This status, and a body of so many bytes; 0: of any length.
    Give(StatusCode, usize),
    /// An error of the gateway, or a connection that ends.
    Fail,
    /// Nothing: the client is gone.
    Leave,
}

#[rustfmt::skip]
const MIX: &[Part] = &[
    Part { name: "small", share: 54, path: "@/hello", post: 0, must: Must::Give(StatusCode::OK, 128) },
    Part { name: "10 KiB", share: 16, path: "@/10k", post: 0, must: Must::Give(StatusCode::OK, 10 << 10) },
    Part { name: "1 MiB", share: 1, path: "@/1m", post: 0, must: Must::Give(StatusCode::OK, 1 << 20) },
    Part { name: "post", share: 15, path: "@/hello", post: 10 << 10, must: Must::Give(StatusCode::OK, 128) },
    Part { name: "late", share: 1, path: "@/late", post: 0, must: Must::Give(StatusCode::OK, 128) },
    Part { name: "no API", share: 5, path: "/nowhere", post: 0, must: Must::Give(StatusCode::NOT_FOUND, 0) },
    Part { name: "cut", share: 2, path: "@/cut", post: 0, must: Must::Fail },
    Part { name: "dropped", share: 2, path: "@/drop", post: 0, must: Must::Fail },
    Part { name: "left", share: 4, path: "", post: 0, must: Must::Leave },
];
/// What the crowd asks is counted under this name.
const CROWD: &str = "crowd";

/// What a request of a number is, by its place in [`MIX`]. Each part has its share of any hundred, and is spread over it.
fn part(number: u64) -> usize {
    // 37 and 100 have no common divisor.
    let mut at = u32::try_from(number * 37 % 100).unwrap_or_default();
    let is_it = |part: &Part| {
        let within = at < part.share;
        at = at.saturating_sub(part.share);
        within
    };
    MIX.iter().position(is_it).unwrap_or_default()
}

/// What all clients share.
struct Ground {
    soak: Soak,
    /// As in [`MIX`].
    requests: Vec<Request<Full<bytes::Bytes>>>,
    counts: RefCell<BTreeMap<&'static str, Count>>,
    end: Instant,
}

impl Ground {
    fn count(&self, name: &'static str, went_well: bool) {
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(name).or_default();
        count.asked += 1;
        count.failed += u64::from(!went_well);
    }
}

/// Asks for all of the time, and tells when to look, and what became of it.
pub(crate) fn run(soak: Soak) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let made = |part: &Part| request(soak.address, &part.path.replace('@', &soak.prefix), part.post);
        // Who leaves asks by hand.
        let requests = MIX.iter().map(|part| if part.path.is_empty() { Ok(Request::default()) } else { made(part) });
        let requests = requests.collect::<io::Result<_>>()?;
        let started = Instant::now();
        let end = started + Duration::from_secs(soak.seconds);
        let cycles = u32::try_from(soak.seconds / CYCLE.as_secs()).map_err(io::Error::other)?;
        let ground = Rc::new(Ground { soak, requests, counts: RefCell::default(), end });
        Event::Begin.tell()?;
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| tokio::task::spawn_local(ask_on(client, Rc::clone(&ground)))).collect();
        for cycle in 0..cycles {
            let begins = started + CYCLE * cycle;
            sleep_until(begins).await;
            tokio::task::spawn_local(crowd(Rc::clone(&ground)));
            sleep_until(begins + CYCLE / 2).await;
            Event::Look { crowd: true }.tell()?;
            sleep_until(begins + CYCLE).await;
            Event::Look { crowd: false }.tell()?;
        }
        for client in clients {
            client.await.map_err(io::Error::other)?;
        }
        Event::Soaked { parts: ground.counts.take() }.tell()
    })
}

/// A client.
async fn ask_on(client: u32, ground: Rc<Ground>) {
    let gap = Duration::from_secs(1) * CLIENTS / ground.soak.rate.max(1);
    let mut ticks = interval_at(Instant::now() + gap * client / CLIENTS, gap);
    // What a late answer has held up is asked soon after.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut connection: Option<Sender> = None;
    let mut used = 0;
    for turn in 0_u64.. {
        if ticks.tick().await >= ground.end {
            break;
        }
        let number = turn * u64::from(CLIENTS) + u64::from(client);
        let at = part(number);
        let Part { name, must, .. } = MIX[at];
        if must == Must::Leave {
            leave(&ground, turn).await;
            ground.count(name, true);
            continue;
        }
        if client % 2 == 1 && used >= FRESH_AFTER {
            connection = None;
        }
        let ready = match connection.take() {
            // One that has ended between two requests is no failure.
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let answered = within(async {
            let mut sender = match ready {
                Some(sender) => sender,
                None => {
                    used = 0;
                    open(ground.soak.address).await?
                }
            };
            used += 1;
            let answer = ask(&mut sender, ground.requests[at].clone()).await?;
            connection = Some(sender);
            Ok(answer)
        });
        let answered = answered.await;
        let went_well = match must {
            Must::Give(status, length) => {
                matches!(&answered, Ok((given, got)) if *given == status && (length == 0 || *got == length))
            }
            Must::Fail | Must::Leave => !matches!(&answered, Ok((status, _)) if !status.is_server_error()),
        };
        if !went_well {
            eprintln!("load: request {number}, {name}: {answered:?}");
        }
        ground.count(name, went_well);
    }
}

async fn within<T>(act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, act).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A client that leaves in the middle: of a request's head, of its body, before the answer, in the middle of it.
async fn leave(ground: &Ground, turn: u64) {
    let Soak { address, prefix, .. } = &ground.soak;
    let host = format!("Host: {address}\r\n");
    let said = match turn % 4 {
        0 => format!("GET {prefix}/hello HTTP/1.1\r\n{host}X-Half: "),
        1 => format!("POST {prefix}/hello HTTP/1.1\r\n{host}Content-Length: 10240\r\n\r\nhalf"),
        2 => format!("GET {prefix}/late HTTP/1.1\r\n{host}\r\n"),
        _ => format!("GET {prefix}/1m HTTP/1.1\r\n{host}\r\n"),
    };
    let gone = within(async {
        let stream = TcpStream::connect(address).await?;
        stream.writable().await?;
        stream.try_write(said.as_bytes())?;
        if turn % 4 == 3 {
            stream.readable().await?;
            stream.try_read(&mut [0; 4096])?;
        } else {
            // So that the gateway is at it.
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    });
    // However it went, nobody is there any more.
    let _ = gone.await;
}

/// Many clients that ask once, and then nothing, and go.
async fn crowd(ground: Rc<Ground>) {
    let leaves = Instant::now() + STAY;
    let mut all = Vec::with_capacity(ground.soak.crowd);
    while all.len() < ground.soak.crowd {
        let some = AT_A_TIME.min(ground.soak.crowd - all.len());
        let coming: Vec<_> = (0..some).map(|_| tokio::task::spawn_local(come(Rc::clone(&ground)))).collect();
        for one in coming {
            all.push(one.await);
        }
    }
    sleep_until(leaves).await;
}

async fn come(ground: Rc<Ground>) -> Option<Sender> {
    let asked = within(async {
        let mut sender = open(ground.soak.address).await?;
        let (status, _) = ask(&mut sender, ground.requests[0].clone()).await?;
        if status == StatusCode::OK { Ok(sender) } else { Err(io::Error::other(status.to_string())) }
    });
    let asked = asked.await;
    if let Err(error) = &asked {
        eprintln!("load: of the crowd: {error}");
    }
    ground.count(CROWD, asked.is_ok());
    asked.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundred_requests_have_each_part_by_its_share() {
        let mut counts = vec![0; MIX.len()];
        (700..800).for_each(|number| counts[part(number)] += 1);
        let shares: Vec<u32> = MIX.iter().map(|part| part.share).collect();
        assert_eq!(counts, shares);
        assert_eq!(shares.iter().sum::<u32>(), 100);
    }

    #[test]
    fn a_client_asks_everything() {
        for client in 0..u64::from(CLIENTS) {
            let asked = |at| (0..100).any(|turn| part(turn * u64::from(CLIENTS) + client) == at);
            assert!((0..MIX.len()).all(asked), "client {client}");
        }
    }
}
