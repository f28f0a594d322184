//! A reader of server-sent events, written from the WHATWG's description of the format and nothing of chatroom's.

use super::http::{Body, Connection, Reply, Site};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

/// An event as `EventSource` would dispatch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type: `message` where none is given.
    pub event: String,
    pub data: String,
    /// The id that came with it.
    pub id: Option<String>,
    /// The last id that came at all, which is what `EventSource` shows and resumes from.
    pub last_event_id: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A live stream. Every wait ends in a panic that shows what was received, at the latest after the timeout.
pub struct Stream {
    pub headers: Vec<(String, String)>,
    body: Body<Connection>,
    decoder: Decoder,
    events: VecDeque<Event>,
    last_event_id: String,
    raw: Vec<u8>,
    closed: bool,
}

impl Stream {
    /// Opens a stream; panics where the answer is none.
    pub fn open(site: &Site, path: &str, headers: &[(&str, &str)]) -> Stream {
        Stream::try_open(site, path, headers).unwrap_or_else(|reply| panic!("no stream at {path}: {reply:?}"))
    }

    /// Opens a stream, or returns what came instead.
    pub fn try_open(site: &Site, path: &str, headers: &[(&str, &str)]) -> Result<Stream, Reply> {
        let mut all = vec![("Accept", "text/event-stream")];
        all.extend(headers);
        let mut connection = Connection::open(site.addr);
        connection.send("GET", &format!("{}{path}", site.mount), &all, b"");
        let (status, headers, mut body) = connection.into_body("GET");
        let is_stream = headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("Content-Type") && value.starts_with("text/event-stream"));
        if status != 200 || !is_stream {
            let mut rest = Vec::new();
            body.read_to_end(&mut rest).expect("the reply can be read to its end");
            return Err(Reply { status, headers, body: rest });
        }
        Ok(Stream {
            headers,
            body,
            decoder: Decoder::default(),
            events: VecDeque::new(),
            last_event_id: String::new(),
            raw: Vec::new(),
            closed: false,
        })
    }

    /// Resumes as `EventSource` would, with the id that it saw last.
    pub fn resume(site: &Site, path: &str, last_event_id: &str) -> Stream {
        Stream::open(site, path, &[("Last-Event-ID", last_event_id)])
    }

    /// How long each wait may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.body.get_ref().set_timeout(timeout);
    }

    /// The next event; panics where the stream ends instead.
    pub fn next(&mut self) -> Event {
        self.next_or_end().unwrap_or_else(|| panic!("the stream ended; received: {}", self.received()))
    }

    /// The next event, or `None` where the server closed the stream.
    pub fn next_or_end(&mut self) -> Option<Event> {
        while self.events.is_empty() && !self.closed {
            if let Err(error) = self.read() {
                panic!("no event: {error}; received: {}", self.received());
            }
        }
        let event = self.events.pop_front()?;
        self.last_event_id.clone_from(&event.last_event_id);
        Some(event)
    }

    /// The next event of this type; others before it are passed over.
    pub fn next_named(&mut self, event: &str) -> Event {
        loop {
            let next = self.next();
            if next.event == event {
                return next;
            }
        }
    }

    /// All events up to the first that `is_last`, and that.
    pub fn until(&mut self, mut is_last: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let next = self.next();
            let last = is_last(&next);
            events.push(next);
            if last {
                return events;
            }
        }
    }

    /// The data of the next `count` messages; other events are passed over.
    pub fn messages(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next_named("message").data).collect()
    }

    /// All events until the server closes.
    pub fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next_or_end()).collect()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The reconnection time in milliseconds, once it came.
    pub fn retry(&self) -> Option<u64> {
        self.decoder.retry
    }

    /// Where to resume after the events that were taken so far, whatever else has arrived.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The comments so far.
    pub fn comments(&self) -> &[String] {
        &self.decoder.comments
    }

    /// All bytes of the body so far.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether the server closed the stream.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.body.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => {
                self.raw.extend(&buffer[..count]);
                self.events.extend(self.decoder.feed(&buffer[..count]));
            }
            // Whoever stops this process and lets it go on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A server that was killed: for a stream an end like any other.
            Err(error) if is_close(&error) => self.closed = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn received(&self) -> String {
        format!("{:?}", String::from_utf8_lossy(&self.raw))
    }
}

fn is_close(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
}

/// Bytes in, events out, however the bytes are cut.
#[derive(Default)]
pub struct Decoder {
    started: bool,
    line: Vec<u8>,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    event: String,
    data: String,
    id: Option<String>,
    last_event_id: String,
    pub retry: Option<u64>,
    pub comments: Vec<String>,
}

impl Decoder {
    /// The events that these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let decoded = String::from_utf8_lossy(&bytes);
        let mut line: &str = &decoded;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        if let Some(comment) = line.strip_prefix(':') {
            self.comments.push(comment.to_owned());
            return None;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data += value;
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok();
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        let id = self.id.take();
        // It counts from the blank line on, and even where there is nothing to dispatch.
        if let Some(id) = &id {
            self.last_event_id.clone_from(id);
        }
        if data.is_empty() {
            return None;
        }
        data.pop();
        if event.is_empty() {
            "message".clone_into(&mut event);
        }
        Some(Event { event, data, id, last_event_id: self.last_event_id.clone() })
    }
}
