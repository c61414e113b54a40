//! The listening sockets, which outlive each gateway that serves them: no connection that waits in them is lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::{io, thread};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Sockets of one address, one for each core.
#[derive(Debug)]
pub(super) struct Sockets(Vec<Socket>);

impl Sockets {
    /// Takes the address. A client that comes before [`Sockets::listen`] is refused.
    ///
    /// # Errors
    /// When somebody else has it.
    pub(super) fn bind(port: u16) -> io::Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Sockets that share an address would also share it with a stranger's: the first is alone on purpose.
        drop(socket(wanted, false)?);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).map(|_| socket(wanted, true)).collect::<io::Result<_>>().map(Self)
    }

    /// Begins to listen. A second time changes nothing.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|socket| socket.listen(BACKLOG))
    }

    /// The same sockets, for a child process to own.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(super) fn to_pass(&self) -> io::Result<Vec<OwnedFd>> {
        self.0.iter().map(|socket| socket.try_clone().map(OwnedFd::from)).collect()
    }
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    }

    #[test]
    fn an_address_that_is_taken_is_not_shared() {
        let port = free_port();
        let theirs = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), true).expect("bound");
        theirs.listen(1).expect("listens");
        let error = Sockets::bind(port).expect_err("theirs would share it");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn clients_wait_once_the_sockets_listen_and_are_refused_before() {
        let port = free_port();
        let sockets = Sockets::bind(port).expect("free");
        let refused = TcpStream::connect(("127.0.0.1", port)).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        sockets.listen().expect("listens");
        TcpStream::connect(("127.0.0.1", port)).expect("waits in the queue");
        assert_eq!(sockets.to_pass().expect("descriptors").len(), sockets.0.len());
    }
}
