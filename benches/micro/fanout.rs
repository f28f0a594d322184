//! A server in this process and its readers: a message's whole way from the log into each of
//! their sockets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use chatroom::config::Config;
use chatroom::gateway::listen::{Address, Bound};
use chatroom::gateway::server::{self, Protocol};
use tempfile::TempDir;

/// How long a reader may wait for a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// The room, and the readers of it.
pub struct FanOut {
    log: File,
    readers: Vec<UnixStream>,
    buffer: Vec<u8>,
    _dir: TempDir,
}

impl FanOut {
    /// A server on a thread of its own, for as long as this process lives, and so many readers.
    pub fn new(readers: usize) -> io::Result<FanOut> {
        let dir = TempDir::new()?;
        let root = dir.path().join("rooms");
        fs::create_dir_all(root.join("Ops"))?;
        let log = OpenOptions::new().create(true).append(true).open(root.join("Ops/.log"))?;
        let socket = dir.path().join("socket");
        let bound = Bound::new(&Address::Unix(socket.clone()), 0o600)?;
        let config = Config { root: Some(root), ..Config::default() };
        thread::spawn(move || server::run(&bound, Protocol::Http, &config, 1));
        let mut fan_out = FanOut { log, readers: Vec::new(), buffer: vec![0; 64 * 1024], _dir: dir };
        for _ in 0..readers {
            let mut reader = UnixStream::connect(&socket)?;
            reader.set_read_timeout(Some(PATIENCE))?;
            reader.write_all(b"GET /rooms/Ops?format=raw HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")?;
            read_until(&mut reader, &mut fan_out.buffer, b"\"avatars\": []}\n\n")?;
            fan_out.readers.push(reader);
        }
        Ok(fan_out)
    }

    /// Appends a line, and waits until every reader has it.
    pub fn message(&mut self, line: &[u8]) -> io::Result<()> {
        let line = [line, b"\n"].concat();
        self.log.write_all(&line)?;
        let end = [&line[..], b"\n"].concat();
        self.readers.iter_mut().try_for_each(|reader| read_until(reader, &mut self.buffer, &end))
    }
}

/// Reads until what has come ends with `end`.
fn read_until(reader: &mut UnixStream, buffer: &mut [u8], end: &[u8]) -> io::Result<()> {
    let mut len = 0;
    while !buffer[..len].ends_with(end) {
        match reader.read(&mut buffer[len..])? {
            0 => return Err(io::Error::other("a stream ended")),
            more => len += more,
        }
    }
    Ok(())
}
