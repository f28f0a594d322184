//! A connection's socket, TCP or Unix, as a stream writes to it: at once or not at all.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::net::{TcpStream, UnixStream};

use crate::limits::READ_BYTES;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Socket {
    /// The address of who connected; over a Unix socket there is none.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            Socket::Tcp(socket) => socket.peer_addr().ok().map(|address| address.ip()),
            Socket::Unix(_) => None,
        }
    }

    /// Writes what the socket takes at once; how much that was.
    pub fn try_write(&self, pieces: &[Bytes]) -> io::Result<usize> {
        if let [piece] = pieces {
            return match self {
                Socket::Tcp(socket) => socket.try_write(piece),
                Socket::Unix(socket) => socket.try_write(piece),
            };
        }
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        match self {
            Socket::Tcp(socket) => socket.try_write_vectored(&slices),
            Socket::Unix(socket) => socket.try_write_vectored(&slices),
        }
    }

    /// Reads what is there.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.try_read(buffer),
            Socket::Unix(socket) => socket.try_read(buffer),
        }
    }

    /// Whether something can be read; the task is woken when it can.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_read_ready(cx),
            Socket::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    /// Whether something can be written; the task is woken when it can.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_write_ready(cx),
            Socket::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Waits until something can be read, and shows it to `take`; how much that was. No buffer waits
    /// meanwhile.
    pub async fn read(&self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut buffer = [0; READ_BYTES];
            loop {
                ready!(self.poll_readable(cx))?;
                match self.try_read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read.inspect(|len| take(&buffer[..*len]))),
                }
            }
        })
        .await
    }

    /// Writes all of it.
    pub async fn write_all(&self, bytes: Bytes) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.try_write(std::slice::from_ref(&rest)) {
                Ok(written) => drop(rest.split_to(written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll_fn(|cx| self.poll_writable(cx)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
