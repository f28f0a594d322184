//! A client that goes on across lost connections, as a browser does, and knows what it was promised.

use super::PATIENCE;
use super::http::Site;
use super::sse::Decoder;
use super::wait::wait_until;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends what others do until this is `true`, also where something panics meanwhile: a test that fails does not hang.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Posts a text. Says whether it was acknowledged: if not, it may be in the log or not.
pub fn post(site: &Site, path: &str, text: &str) -> bool {
    let mut answer = Vec::new();
    let request = format!(
        "POST {}{path} HTTP/1.0\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        site.mount,
        text.len()
    );
    // A connection that is lost in the middle of the answer may have lost the status, too.
    let _ = connect(site).and_then(|mut socket| {
        socket.write_all(request.as_bytes())?;
        socket.read_to_end(&mut answer)
    });
    answer.starts_with(b"HTTP/1.1 201") || answer.starts_with(b"HTTP/1.0 201")
}

/// Follows a room from its beginning to the line `last`, from one connection to the next by the last id. Panics at a
/// `reset`, and at a stream that says nothing: what a reconnect makes good is not to pass for what came.
pub fn follow(site: &Site, path: &str, last: &str) -> Vec<String> {
    let (mut lines, mut at) = (Vec::new(), "0000000000000000_0000000000000000".to_owned());
    while lines.last().is_none_or(|line| line != last) {
        // It is there again when it is: nobody is told.
        wait_until("a stream is served", PATIENCE, || match open(site, path, &at) {
            Ok(stream) => {
                read(stream, last, &mut lines, &mut at);
                true
            }
            Err(_) => false,
        });
    }
    lines
}

/// Reads a stream until it is lost, or its last line was read.
fn read((mut socket, beginning): (TcpStream, Vec<u8>), last: &str, lines: &mut Vec<String>, at: &mut String) {
    let (mut decoder, mut buffer) = (Decoder::default(), [0; 16 * 1024]);
    let mut events = decoder.feed(&beginning);
    loop {
        for event in events {
            assert_ne!(event.event, "reset", "after {} lines, from {at}", lines.len());
            if !event.last_event_id.is_empty() {
                at.clone_from(&event.last_event_id);
            }
            if event.event == "message" {
                lines.push(event.data);
                if lines.last().is_some_and(|line| line == last) {
                    return;
                }
            }
        }
        match socket.read(&mut buffer) {
            Ok(len) if len > 0 => events = decoder.feed(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("a stream says nothing after {} lines, from {at}", lines.len())
            }
            _ => return,
        }
    }
}

/// A stream after `at`, and what came of it with the head.
fn open(site: &Site, path: &str, at: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut socket = connect(site)?;
    // Of this version, so that the body has no framing.
    let accept = "Accept: text/event-stream";
    write!(socket, "GET {}{path} HTTP/1.0\r\nHost: x\r\n{accept}\r\nLast-Event-ID: {at}\r\n\r\n", site.mount)?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let is_stream = seen.starts_with(b"HTTP/1.1 200") || seen.starts_with(b"HTTP/1.0 200");
            return if is_stream { Ok((socket, seen.split_off(end + 4))) } else { Err(io::ErrorKind::Other.into()) };
        }
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => seen.extend_from_slice(&buffer[..len]),
        }
    }
}

fn connect(site: &Site) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(site.addr)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
