//! Sockets to listen on: made here, or inherited from spawn-fcgi or systemd.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::PathBuf;
use std::str::FromStr;

use listenfd::ListenFd;
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::limits::{BACKLOG, STUCK_MAX};
use crate::live::socket::{Socket, UnixSocket};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `ADDR:PORT`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("expected a path after `unix:`".into()),
            Some(path) => Ok(Address::Unix(path.into())),
            None => text
                .parse()
                .map(Address::Tcp)
                .map_err(|_| "expected ADDR:PORT, such as 127.0.0.1:8080, or unix:PATH".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens. A Unix socket that was made here is removed with it.
#[derive(Debug)]
pub struct Bound {
    socket: OwnedFd,
    address: Address,
    made: Option<PathBuf>,
}

impl Bound {
    /// Listens at `address`. A Unix socket gets `mode`; one that nobody listens on any more is
    /// replaced.
    pub fn new(address: &Address, mode: u32) -> io::Result<Bound> {
        match address {
            Address::Tcp(address) => {
                let socket = RawSocket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                socket.bind(&SockAddr::from(*address))?;
                socket.listen(BACKLOG)?;
                Bound::of(socket)
            }
            Address::Unix(path) => {
                let left_over = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
                    && StdUnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
                if left_over {
                    fs::remove_file(path)?;
                }
                let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.bind(&SockAddr::unix(path)?)?;
                let mut bound = Bound { socket: socket.into(), address: address.clone(), made: Some(path.clone()) };
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                let socket = RawSocket::from(bound.socket.try_clone()?);
                socket.listen(BACKLOG)?;
                bound.socket = socket.into();
                Ok(bound)
            }
        }
    }

    /// The socket that systemd (LISTEN_FDS), or spawn-fcgi or the program before a reload (descriptor 0), passed, where
    /// one did. One of descriptor 0 that `listen` names was made by that program, and is removed with it.
    pub fn inherited(listen: Option<&Address>) -> io::Result<Option<Bound>> {
        let mut passed = ListenFd::from_env();
        if passed.len() > 0 {
            let socket: Option<OwnedFd> = match passed.take_unix_listener(0) {
                Ok(listener) => listener.map(OwnedFd::from),
                Err(_) => passed.take_tcp_listener(0)?.map(OwnedFd::from),
            };
            return socket.map(|socket| Bound::of(socket.into())).transpose();
        }
        let stdin = RawSocket::from(io::stdin().as_fd().try_clone_to_owned()?);
        match stdin.is_listener() {
            Ok(true) => {
                let mut bound = Bound::of(stdin)?;
                bound.made = match listen {
                    Some(Address::Unix(path)) if listen == Some(&bound.address) => Some(path.clone()),
                    _ => None,
                };
                Ok(Some(bound))
            }
            _ => Ok(None),
        }
    }

    fn of(socket: RawSocket) -> io::Result<Bound> {
        let address = socket.local_addr()?;
        let address = match address.as_socket() {
            Some(address) => Address::Tcp(address),
            None => Address::Unix(address.as_pathname().map(PathBuf::from).unwrap_or_default()),
        };
        Ok(Bound { socket: socket.into(), address, made: None })
    }

    /// The socket, for another program to go on with.
    pub fn hand_on(mut self) -> io::Result<OwnedFd> {
        let socket = self.socket.try_clone()?;
        self.made = None;
        Ok(socket)
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same socket, for one more worker to accept from.
    pub fn listener(&self) -> io::Result<Listener> {
        let socket = RawSocket::from(self.socket.try_clone()?);
        socket.set_nonblocking(true)?;
        Ok(match self.address {
            Address::Tcp(_) => Listener::Tcp(TcpListener::from_std(socket.into())?),
            Address::Unix(_) => Listener::Unix(UnixListener::from_std(StdUnixListener::from(OwnedFd::from(socket)))?),
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            let _ = fs::remove_file(path);
        }
    }
}

/// Accepts connections within a runtime.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// The next connection.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, _) = listener.accept().await?;
                // Events are small and must not wait for each other.
                socket.set_nodelay(true)?;
                // A peer that is gone without a word does not confirm what it is sent.
                #[cfg(target_os = "linux")]
                socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(STUCK_MAX))?;
                Ok(Accepted::Tcp(socket))
            }
            Listener::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// A connection as it was accepted.
#[derive(Debug)]
pub enum Accepted {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Accepted {
    /// The address of who connected; over a Unix socket there is none.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            Accepted::Tcp(socket) => socket.peer_addr().ok().map(|address| address.ip()),
            Accepted::Unix(_) => None,
        }
    }

    /// Its socket, for streams.
    pub fn into_socket(self) -> io::Result<Socket> {
        match self {
            Accepted::Tcp(socket) => Ok(Socket::Tcp(socket)),
            Accepted::Unix(socket) => UnixSocket::new(socket).map(Socket::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_they_are_read() {
        for text in ["127.0.0.1:8080", "[::1]:80", "unix:/run/chatroom.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in ["", "8080", "localhost:80", "unix:", "127.0.0.1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
