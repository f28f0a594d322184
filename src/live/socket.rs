//! A connection's socket, TCP or Unix, as a stream writes to it: at once or not at all.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

use crate::limits::{ACCEPT_PAUSE, READ_BYTES};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixSocket),
}

/// A Unix socket. One that is registered for writing wakes its owner each time the peer reads, which
/// for a stream is each time that something was written, so it is registered only while it is full.
#[derive(Debug)]
pub struct UnixSocket {
    socket: AsyncFd<StdUnixStream>,
    full: RefCell<Option<AsyncFd<StdUnixStream>>>,
}

impl Socket {
    /// Writes what the socket takes at once; how much that was.
    pub fn try_write(&self, pieces: &[Bytes]) -> io::Result<usize> {
        // The kernel is asked, and not what is known of the socket's readiness: that is one more
        // place in memory for each reader.
        let socket = match self {
            Socket::Tcp(socket) => SockRef::from(socket),
            Socket::Unix(unix) => SockRef::from(unix.socket.get_ref()),
        };
        let written = if let [piece] = pieces {
            socket.send(piece)
        } else {
            let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            socket.send_vectored(&slices)
        };
        match (self, written) {
            // So that it is known to be full, and waited for.
            (Socket::Tcp(socket), Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.try_io(Interest::WRITABLE, || Err(error))
            }
            (_, written) => written,
        }
    }

    /// Reads what is there.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.try_read(buffer),
            Socket::Unix(unix) => unix.socket.try_io(Interest::READABLE, |mut socket| socket.read(buffer)),
        }
    }

    /// Whether something can be read; the task is woken when it can.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_read_ready(cx),
            Socket::Unix(unix) => unix.socket.poll_read_ready(cx).map_ok(drop),
        }
    }

    /// Whether something can be written; the task is woken when it can. To be asked after a write
    /// that would have blocked.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_write_ready(cx),
            Socket::Unix(unix) => unix.poll_writable(cx),
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
                    if poll_fn(|cx| self.poll_writable(cx)).await.is_err() {
                        // For want of a descriptor, most often.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl UnixSocket {
    /// Takes over a socket.
    pub fn new(socket: UnixStream) -> io::Result<UnixSocket> {
        let socket = register(socket.into_std()?, Interest::READABLE)?;
        Ok(UnixSocket { socket, full: RefCell::default() })
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut full = self.full.borrow_mut();
        let waiting = match full.take() {
            Some(waiting) => waiting,
            None => register(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?,
        };
        let ready = waiting.poll_write_ready(cx).map_ok(drop);
        if ready.is_pending() {
            *full = Some(waiting);
        }
        ready
    }
}

#[expect(deprecated, reason = "what replaces it is unsafe, for types that may lie about their descriptor: this can't")]
fn register(socket: StdUnixStream, interest: Interest) -> io::Result<AsyncFd<StdUnixStream>> {
    AsyncFd::with_interest(socket, interest)
}
