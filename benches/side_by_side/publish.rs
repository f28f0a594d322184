//! Publishing: by appending to the log, as shells do, or by POST, one after the other on a
//! connection that stays open.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use crate::answer::Answers;

/// Hands on messages.
pub enum Publisher {
    /// Appends lines to a log.
    Append(File),
    /// Posts each line.
    Post(Poster),
}

/// A connection that posts one message after the other.
pub struct Poster {
    socket: Socket,
    head: String,
    waiting: VecDeque<Vec<u8>>,
    under_way: bool,
    answers: Answers,
    /// Whether a line is posted with its newline.
    pub whole_lines: bool,
    /// How many were acknowledged.
    pub acknowledged: u64,
}

impl Publisher {
    /// One that appends to the log at `path`.
    pub fn append(path: &Path) -> io::Result<Publisher> {
        Ok(Publisher::Append(OpenOptions::new().append(true).open(path)?))
    }

    /// Publishes whole lines: in one write, or line by line.
    pub fn publish(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Publisher::Append(log) => log.write_all(lines),
            Publisher::Post(poster) => {
                let whole = poster.whole_lines;
                let posts = lines.split_inclusive(|byte| *byte == b'\n');
                posts
                    .map(|line| if whole { line } else { line.trim_ascii_end() })
                    .try_for_each(|line| poster.post(line))
            }
        }
    }

    /// Whether all was taken over.
    pub fn is_idle(&self) -> bool {
        match self {
            Publisher::Append(_) => true,
            Publisher::Post(poster) => !poster.under_way,
        }
    }
}

impl Poster {
    /// Connects to `addr`, to post to `path`.
    pub fn connect(addr: SocketAddr, path: &str) -> io::Result<Poster> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.connect(&addr.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Poster {
            socket,
            head: format!("POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: text/plain\r\nContent-Length: "),
            waiting: VecDeque::new(),
            under_way: false,
            answers: Answers::default(),
            whole_lines: false,
            acknowledged: 0,
        })
    }

    /// Its connection, to be watched.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Posts `body`, once the ones before are acknowledged.
    pub fn post(&mut self, body: &[u8]) -> io::Result<()> {
        let mut request = format!("{}{}\r\n\r\n", self.head, body.len()).into_bytes();
        request.extend_from_slice(body);
        if self.under_way {
            self.waiting.push_back(request);
            return Ok(());
        }
        self.under_way = true;
        (&self.socket).write_all(&request)
    }

    /// Reads what has come, and posts the next if that was the answer to the last. Whether it was.
    pub fn on_readable(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        match (&self.socket).read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the publisher's connection was closed")),
            Ok(len) => self.answers.feed(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let Some(answer) = self.answers.next_answer() else { return Ok(false) };
        if !(200..300).contains(&answer.status) {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!("a message was refused: {} {body}", answer.status)));
        }
        self.acknowledged += 1;
        match self.waiting.pop_front() {
            Some(request) => (&self.socket).write_all(&request)?,
            None => self.under_way = false,
        }
        Ok(true)
    }
}
