//! An upstream that is played by the test, byte by byte.

use std::net::SocketAddr;

use gateway_tests::within_deadline;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the gateway connects to.
pub(crate) struct Raw {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A connection of the gateway's.
pub(crate) struct Line {
    stream: TcpStream,
    /// What came and was not taken.
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Line {
        let (stream, _) = within_deadline("a connection", self.listener.accept()).await.expect("a connection");
        Line { stream, buffer: Vec::new() }
    }

    /// Answers every request on every connection with these bytes; `closes` ends the connection after each.
    pub(crate) fn always(self, answer: &'static [u8], closes: bool) -> SocketAddr {
        let address = self.address;
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                let mut line = Line { stream, buffer: Vec::new() };
                tokio::spawn(async move {
                    while line.try_head().await.is_some() {
                        if line.stream.write_all(answer).await.is_err() || closes {
                            return;
                        }
                    }
                });
            }
        });
        address
    }
}

impl Line {
    /// The head of the next request, with the empty line.
    pub(crate) async fn head(&mut self) -> String {
        within_deadline("a head", self.try_head()).await.expect("a request")
    }

    async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).ok();
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The next bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        within_deadline("bytes", async {
            while self.buffer.len() < length {
                let read = self.stream.read_buf(&mut self.buffer).await.expect("the gateway is there");
                assert!(read > 0, "the end after {:?}", String::from_utf8_lossy(&self.buffer));
            }
            self.buffer.drain(..length).collect()
        })
        .await
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the gateway reads");
    }

    /// Says that nothing more will come.
    pub(crate) async fn close_writing(&mut self) {
        self.stream.shutdown().await.expect("the connection is there");
    }

    /// Waits until the gateway says nothing more.
    pub(crate) async fn ends(&mut self) {
        within_deadline("the end of the connection", async {
            // A reset is an end too.
            while self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0) {}
        })
        .await;
    }
}
