//! A server that says literal bytes to whoever asks, however wrong they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::within_deadline;

/// What is done when a request has come.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says this.
    Say(Vec<u8>),
    /// Says this again and again, as long as somebody listens.
    Flood(Vec<u8>),
    /// Says this a byte at a time, slowly, again and again.
    Drip(Vec<u8>),
    /// Closes in good order.
    Close,
    /// Closes so that the other end is told of an error.
    Reset,
}

/// [`Act::Say`] of a text.
#[must_use]
pub fn say(text: impl Into<Vec<u8>>) -> Act {
    Act::Say(text.into())
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were made.
    pub connections: usize,
    /// Those of them that have ended.
    pub ended: usize,
    /// Requests without bodies.
    pub requests: usize,
}

/// The server: to every request it does the same.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    tally: Arc<watch::Sender<Tally>>,
}

impl Scripted {
    /// Starts.
    ///
    /// # Panics
    /// When there is no port left.
    pub async fn start(acts: impl Into<Vec<Act>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        let (acts, tally): (Arc<[Act]>, Arc<watch::Sender<Tally>>) = (acts.into().into(), Arc::default());
        let told = Arc::clone(&tally);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                told.send_modify(|tally| tally.connections += 1);
                let (acts, told) = (Arc::clone(&acts), Arc::clone(&told));
                tokio::spawn(async move {
                    serve(stream, &acts, &told).await;
                    told.send_modify(|tally| tally.ended += 1);
                });
            }
        });
        Self { address, tally }
    }

    /// What has happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Waits until every connection so far has ended.
    pub async fn all_ended(&self) {
        let mut tally = self.tally.subscribe();
        let ended = tally.wait_for(|tally| tally.ended == tally.connections);
        let _ = within_deadline("the end of every connection to the upstream", ended).await;
    }
}

async fn serve(mut stream: TcpStream, acts: &[Act], told: &watch::Sender<Tally>) {
    let _ = stream.set_nodelay(true);
    while head(&mut stream).await {
        told.send_modify(|tally| tally.requests += 1);
        for act in acts {
            match act {
                Act::Say(bytes) => _ = stream.write_all(bytes).await,
                Act::Flood(bytes) => while stream.write_all(bytes).await.is_ok() {},
                Act::Drip(bytes) => {
                    for byte in bytes.iter().cycle() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        if stream.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                    }
                }
                Act::Close => return,
                Act::Reset => {
                    let _ = stream.set_zero_linger();
                    return;
                }
            }
        }
    }
}

/// Reads one head; `false` at the other end's.
async fn head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}
