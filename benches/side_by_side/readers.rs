//! Many subscribers in one loop. Each checks that it gets every message of the run once and in
//! order, and how late.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Socket, Type};

use crate::message::Stamp;
use crate::stream::Decoder;
use crate::support::fastcgi;

/// How long a connection that comes and goes stays.
const VISIT: Duration = Duration::from_millis(500);

/// The receive buffer of one that never reads: as small as the kernel gives.
const SLOW_BUFFER_BYTES: usize = 4096;

/// What is subscribed to.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where the server listens.
    pub addr: SocketAddr,
    /// The path and query. `{}` in it stands for a room's number.
    pub path: String,
    /// The data root, where the server speaks FastCGI.
    pub fastcgi: Option<PathBuf>,
}

/// Subscribers, and the clock of the run.
pub struct Readers {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    readers: Vec<Reader>,
    slow: Vec<Socket>,
    visitors: VecDeque<(Instant, Socket)>,
    run: u64,
    clock: Instant,
    /// How late each message came to each reader, in microseconds, by the readers' group.
    latencies: Vec<Vec<u32>>,
    /// What was received.
    pub bytes: u64,
}

struct Reader {
    socket: Option<Socket>,
    decoder: Decoder,
    group: usize,
    next: u64,
    got: u64,
    twice: u64,
    skipped: u64,
    resets: u64,
}

/// What the readers have got, together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Readers whose stream goes on.
    pub live: usize,
    /// Messages received for the first time.
    pub got: u64,
    /// Messages that came again.
    pub twice: u64,
    /// Messages that were left out before later ones.
    pub skipped: u64,
    /// How often one was told that its position did not hold any more.
    pub resets: u64,
}

impl Source {
    /// Connects and asks for the stream.
    pub fn subscribe(&self, room: usize, receive_buffer: Option<usize>) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.addr), Type::STREAM, None)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(&self.addr.into())?;
        socket.set_tcp_nodelay(true)?;
        (&socket).write_all(&self.request(&self.path.replace("{}", &room.to_string())))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn request(&self, path: &str) -> Vec<u8> {
        let Some(root) = &self.fastcgi else {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", self.addr);
            return head.into_bytes();
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut params = fastcgi::params("GET", path, query);
        let root = root.to_string_lossy();
        params.extend([("HTTP_ACCEPT", "text/event-stream"), ("CHATROOM_ROOT", &*root), ("NO_BUFFERING", "1")]);
        fastcgi::request(1, true, &params, b"")
    }

    fn decoder(&self) -> Decoder {
        if self.fastcgi.is_some() { Decoder::fastcgi() } else { Decoder::http() }
    }
}

impl Readers {
    /// None yet, of the run `run`.
    pub fn new(run: u64) -> io::Result<Readers> {
        Ok(Readers {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: vec![EpollEvent::empty(); 512],
            buffer: vec![0; 1 << 18],
            readers: Vec::new(),
            slow: Vec::new(),
            visitors: VecDeque::new(),
            run,
            clock: Instant::now(),
            latencies: Vec::new(),
            bytes: 0,
        })
    }

    /// One more, of the room of this number. Its latencies are those of its group.
    pub fn add(&mut self, source: &Source, room: usize, group: usize) -> io::Result<()> {
        let socket = source.subscribe(room, None)?;
        self.watch(&socket, self.readers.len() as u64)?;
        self.readers.push(Reader {
            socket: Some(socket),
            decoder: source.decoder(),
            group,
            next: 0,
            got: 0,
            twice: 0,
            skipped: 0,
            resets: 0,
        });
        self.latencies.resize_with(self.latencies.len().max(group + 1), Vec::new);
        Ok(())
    }

    /// One more that never reads.
    pub fn add_slow(&mut self, source: &Source) -> io::Result<()> {
        self.slow.push(source.subscribe(0, Some(SLOW_BUFFER_BYTES))?);
        Ok(())
    }

    /// One more that stays for half a second, and reads nothing.
    pub fn add_visitor(&mut self, source: &Source) -> io::Result<()> {
        self.visitors.push_back((Instant::now(), source.subscribe(0, None)?));
        Ok(())
    }

    /// Hangs up all who never read.
    pub fn drop_slow(&mut self) {
        self.slow.clear();
    }

    /// Lets [`Readers::pump`] tell when `socket` can be read, under `token`, which is above all
    /// readers' numbers.
    pub fn watch(&self, socket: &Socket, token: u64) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// A message's stamp, now.
    pub fn stamp(&self, number: u64) -> Stamp {
        Stamp { run: self.run, number, nanos: self.clock.elapsed().as_nanos() as u64 }
    }

    /// Reads what has come, after waiting for it up to `wait`. Tells the tokens that are not its own.
    pub fn pump(&mut self, wait: Duration, mut other: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
        while self.visitors.front().is_some_and(|(came, _)| came.elapsed() > VISIT) {
            self.visitors.pop_front();
        }
        // Rounded up: less than a millisecond is no reason to spin.
        let millis = wait.as_nanos().div_ceil(1_000_000).min(1000) as u16;
        let ready = match self.epoll.wait(&mut self.events, EpollTimeout::from(millis)) {
            Ok(ready) => ready,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &self.events[..ready] {
            let token = event.data();
            match usize::try_from(token).ok().and_then(|index| self.readers.get_mut(index)) {
                Some(reader) => {
                    let Some(mut socket) = reader.socket.as_ref() else { continue };
                    match socket.read(&mut self.buffer) {
                        Ok(0) => reader.socket = None,
                        Ok(len) => {
                            self.bytes += len as u64;
                            let now = self.clock.elapsed().as_nanos() as u64;
                            let latencies = &mut self.latencies[reader.group];
                            reader.take(&self.buffer[..len], self.run, now, latencies);
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => reader.socket = None,
                    }
                }
                None => other(token)?,
            }
        }
        Ok(())
    }

    /// What they have got so far.
    pub fn tally(&self) -> Tally {
        self.readers.iter().fold(Tally::default(), |sum, reader| Tally {
            live: sum.live + usize::from(reader.is_live()),
            got: sum.got + reader.got,
            twice: sum.twice + reader.twice,
            skipped: sum.skipped + reader.skipped,
            resets: sum.resets + reader.resets,
        })
    }

    /// The latencies of a group since they were last asked for, in microseconds.
    pub fn take_latencies(&mut self, group: usize) -> Vec<u32> {
        self.latencies.get_mut(group).map(std::mem::take).unwrap_or_default()
    }
}

impl Reader {
    fn is_live(&self) -> bool {
        self.socket.is_some() && self.decoder.status == Some(200) && !self.decoder.ended
    }

    fn take(&mut self, bytes: &[u8], run: u64, now: u64, latencies: &mut Vec<u32>) {
        let Reader { decoder, next, got, twice, skipped, resets, .. } = self;
        decoder.feed(bytes, &mut |line| {
            let Some(stamp) = line.strip_prefix(b"data:").and_then(Stamp::find) else {
                *resets += u64::from(line == b"event: reset");
                return;
            };
            if stamp.run != run {
                return;
            }
            if stamp.number < *next {
                *twice += 1;
                return;
            }
            *skipped += stamp.number - *next;
            *next = stamp.number + 1;
            *got += 1;
            latencies.push(u32::try_from(now.saturating_sub(stamp.nanos) / 1000).unwrap_or(u32::MAX));
        });
    }
}
