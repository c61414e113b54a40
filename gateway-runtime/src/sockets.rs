//! The sockets to listen on: bound here, or inherited from whoever started the process.
//!
//! Inherited ones come by systemd's protocol: `LISTEN_FDS` tells how many there are, from descriptor 3 on, and
//! `LISTEN_PID` whose they are. They outlive the process, so one gateway can take over from another without a moment in
//! which nobody listens. Where there are none, each core binds a socket of its own on the configured address
//! (`SO_REUSEPORT`); the kernel spreads the connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::handover::Predecessor;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// There is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error(
        "cannot listen on {address}: {error}; choose another port with `--port` or `listen_port`, or stop what is there"
    )]
    Bind { address: SocketAddr, error: io::Error },
    #[error(
        "cannot listen on {address} for the control API: {error}; choose another `control_api_port`, or stop what is there"
    )]
    Control { address: SocketAddr, error: io::Error },
    #[error(
        "socket {number} of the {count} that `LISTEN_FDS` announces is not one to listen on: {reason}; pass listening TCP \
         sockets only, or unset `LISTEN_FDS` to use `listen_address` and `listen_port`"
    )]
    Inherited { number: usize, count: usize, reason: String },
}

/// What to listen on, in this process.
pub(crate) struct Sockets {
    /// Where APIs are served, without repetition.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Whoever gave them keeps them, with the clients that wait in their queues.
    pub(crate) inherited: bool,
    /// Who waits for this gateway to serve.
    pub(crate) predecessor: Option<Predecessor>,
    sockets: Vec<Socket>,
    /// The one for the control API, if it has one to itself and none was inherited.
    control: Option<Socket>,
}

impl Sockets {
    /// Takes those that were inherited, or binds one for each core. Bound ones do not listen yet: a client that comes
    /// now is refused. To be called before there are threads, since it clears the variables.
    ///
    /// # Errors
    /// When one that was inherited is no listening TCP socket, or when the address is in use or not ours.
    pub(crate) fn new(wanted: SocketAddr, control_port: Option<u16>, cores: usize) -> Result<Self, SocketError> {
        let mut announced = ListenFd::from_env();
        let mut this = if announced.len() == 0 { Self::bind(wanted, cores) } else { Self::inherit(&mut announced) }?;
        let Some(port) = control_port else { return Ok(this) };
        let known = this.addresses.len();
        this.addresses.retain(|address| address.port() != port || !this.inherited);
        if this.addresses.len() == known {
            let ip =
                if this.inherited { wanted.ip() } else { this.addresses.first().map_or(wanted.ip(), SocketAddr::ip) };
            let address = SocketAddr::new(ip, port);
            let socket = bound(address, false).map_err(|error| SocketError::Control { address, error })?;
            this.control = Some(socket);
        }
        Ok(this)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.sockets.len()
    }

    fn inherit(announced: &mut ListenFd) -> Result<Self, SocketError> {
        let mut count = announced.len();
        let mut predecessor = None;
        if Predecessor::is_there()
            && let Ok(Some(channel)) = announced.take_unix_datagram(count - 1)
        {
            count -= 1;
            predecessor = Some(Predecessor::new(channel));
        }
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        let refuse = |number, error: io::Error| SocketError::Inherited { number, count, reason: error.to_string() };
        for index in 0..count {
            let taken = announced.take_tcp_listener(index).and_then(|taken| taken.map(checked).transpose());
            let (socket, address) = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => continue,
                Err(error) => return Err(refuse(index + 1, error)),
            };
            sockets.push(socket);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Self { addresses, inherited: true, predecessor, sockets, control: None })
    }

    fn bind(wanted: SocketAddr, cores: usize) -> Result<Self, SocketError> {
        match Self::bind_at(wanted, cores) {
            // A machine without IPv6 has its IPv4 addresses all the same.
            Err(error) if wanted.ip() == Ipv6Addr::UNSPECIFIED && is_about_address(&error) => {
                let address = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port());
                Self::bind_at(address, cores).map_err(|error| SocketError::Bind { address, error })
            }
            bound => bound.map_err(|error| SocketError::Bind { address: wanted, error }),
        }
    }

    fn bind_at(wanted: SocketAddr, cores: usize) -> io::Result<Self> {
        // Sockets that share an address would also share it with another gateway's: the first is alone on purpose.
        drop(bound(wanted, false)?);
        let first = bound(wanted, true)?;
        let address = first.local_addr()?.as_socket().unwrap_or(wanted);
        let mut sockets = vec![first];
        for _ in 1..cores {
            sockets.push(bound(address, true)?);
        }
        Ok(Self { addresses: vec![address], inherited: false, predecessor: None, sockets, control: None })
    }

    /// Begins to listen, and gives each core its share: every socket is served, and no core is without one.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen(self, cores: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        if !self.inherited {
            self.sockets.iter().try_for_each(|socket| socket.listen(BACKLOG))?;
        }
        self.control.iter().try_for_each(|socket| socket.listen(BACKLOG))?;
        let mut listeners: Vec<TcpListener> = self.sockets.into_iter().map(TcpListener::from).collect();
        let mut next = 0;
        while listeners.len() < cores {
            listeners.push(listeners[next].try_clone()?);
            next += 1;
        }
        listeners.extend(self.control.map(TcpListener::from));
        let mut shares: Vec<Vec<TcpListener>> = (0..cores).map(|_| Vec::new()).collect();
        for (at, listener) in listeners.into_iter().enumerate() {
            shares[at % cores].push(listener);
        }
        Ok(shares)
    }
}

/// An inherited socket, if it listens; the type was checked when it was taken.
fn checked(listener: TcpListener) -> io::Result<(Socket, SocketAddr)> {
    if !SockRef::from(&listener).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener.into(), address))
}

fn bound(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether another address may do: this one is neither taken nor forbidden.
fn is_about_address(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ports that each core serves, with `given` inherited sockets.
    fn shares(given: usize, cores: usize) -> (Vec<u16>, Vec<Vec<u16>>) {
        let listener = |_| TcpListener::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
        let listeners: Vec<_> = (0..given).map(listener).collect();
        let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
        let ports = listeners.iter().map(port).collect();
        let sockets = listeners.into_iter().map(Socket::from).collect();
        let sockets = Sockets { addresses: Vec::new(), inherited: true, predecessor: None, sockets, control: None };
        let shares = sockets.listen(cores).expect("descriptors are left");
        (ports, shares.iter().map(|share| share.iter().map(port).collect()).collect())
    }

    #[test]
    fn no_core_is_without_a_socket() {
        let (ports, served) = shares(2, 5);
        let [a, b] = ports[..] else { panic!("two sockets") };
        assert_eq!(served, [[a], [b], [a], [b], [a]]);
    }

    #[test]
    fn every_socket_is_served_once() {
        let (ports, served) = shares(5, 2);
        assert_eq!(served, [vec![ports[0], ports[2], ports[4]], vec![ports[1], ports[3]]]);
    }
}
