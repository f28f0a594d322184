//! The floor: the least that one `send` a delivery can cost. A bare loop that sends what is
//! appended to a log to everybody, as events. It is no server: it understands no request, and waits
//! for whoever does not read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use socket2::{Domain, SockAddr, Socket, Type};

/// A log to serve.
#[derive(Debug, clap::Args)]
pub struct Floor {
    /// The log
    log: PathBuf,
    /// Speak FastCGI on this Unix socket, not HTTP on a free port
    #[arg(long)]
    fastcgi: Option<PathBuf>,
}

const LISTENER: u64 = u64::MAX;
const LOG: u64 = u64::MAX - 1;

/// The most content of a FastCGI record, as a multiple of 8.
const RECORD_MAX_BYTES: usize = 65_528;

/// Serves for ever. Prints where, as chatroom does.
pub fn run(floor: &Floor) -> io::Result<()> {
    crate::client::raise_descriptor_limit()?;
    let framed = |bytes: &[u8]| if floor.fastcgi.is_some() { records(bytes) } else { bytes.to_vec() };
    let head = match floor.fastcgi {
        Some(_) => framed(b"Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\r\n"),
        None => b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec(),
    };
    let (epoll, listener) = (Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, listen(floor.fastcgi.as_deref())?);
    let (mut log, inotify) = (File::open(&floor.log)?, Inotify::init(InitFlags::IN_NONBLOCK)?);
    log.seek(SeekFrom::End(0))?;
    inotify.add_watch(&floor.log, AddWatchFlags::IN_MODIFY)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    epoll.add(inotify.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, LOG))?;

    // Peers by descriptor, which are small numbers; those that have asked are sent to.
    let mut peers: Vec<Option<Socket>> = Vec::new();
    let mut asked: Vec<usize> = Vec::new();
    let mut events = vec![EpollEvent::empty(); 256];
    let mut buffer = vec![0; 1 << 20];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for token in events[..ready].iter().map(EpollEvent::data) {
            match token {
                LISTENER => {
                    while let Ok((peer, _)) = listener.accept() {
                        if floor.fastcgi.is_none() {
                            peer.set_tcp_nodelay(true)?;
                        }
                        let at = peer.as_raw_fd() as usize;
                        epoll.add(&peer, EpollEvent::new(EpollFlags::EPOLLIN, at as u64))?;
                        peers.resize_with(peers.len().max(at + 1), || None);
                        peers[at] = Some(peer);
                    }
                }
                LOG => {
                    let _ = inotify.read_events();
                    let len = log.read(&mut buffer)?;
                    if len > 0 {
                        let out = framed(&events_of(&buffer[..len]));
                        for at in &asked {
                            let _ = peers[*at].as_ref().map(|mut peer| peer.write_all(&out));
                        }
                    }
                }
                peer => {
                    let at = peer as usize;
                    let Some(mut socket) = peers[at].as_ref() else { continue };
                    match socket.read(&mut buffer) {
                        Ok(0) | Err(_) => {
                            asked.retain(|other| *other != at);
                            peers[at] = None;
                        }
                        Ok(_) if asked.contains(&at) => {}
                        Ok(_) => {
                            asked.push(at);
                            let _ = socket.write_all(&head);
                        }
                    }
                }
            }
        }
    }
}

fn listen(path: Option<&Path>) -> io::Result<Socket> {
    let socket = match path {
        Some(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket
        }
        None => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
            socket
        }
    };
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    match (path, socket.local_addr()?.as_socket()) {
        (None, Some(addr)) => println!("http://{addr}/"),
        (path, _) => println!("fastcgi unix:{}", path.unwrap_or(Path::new("")).display()),
    }
    Ok(socket)
}

fn events_of(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len() * 2);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // As long as chatroom's.
        out.extend_from_slice(b"id: 0000000000000000_0000000000123456_0123456789ab\nevent: message\ndata: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n\n");
    }
    out
}

fn records(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for part in bytes.chunks(RECORD_MAX_BYTES) {
        let [high, low] = (part.len() as u16).to_be_bytes();
        out.extend_from_slice(&[1, 6, 0, 1, high, low, 0, 0]);
        out.extend_from_slice(part);
    }
    out
}
