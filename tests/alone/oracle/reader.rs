//! A reader of the simulation: a connection of the engine's, a network that delivers as it likes, and a client that
//! knows what it saw.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chatroom::live::admission::{Admission, Bounds};
use chatroom::live::encoding::{Format, Framing};
use chatroom::live::feed::{Feed, Topic, View};
use chatroom::live::metrics::Tally;
use chatroom::live::reader::Reader;
use chatroom::live::stream::{Pace, Start, Stream};
use chatroom::room::cursor::Cursor;
use chatroom::store::root::DataRoot;

use super::super::support::seeded::Seeded;
use super::super::support::sse::{Decoder, Event};

/// A line as a reader saw it: where it ends, and its bytes.
pub(super) type Seen = (u64, String);

/// A reader, connected or not.
pub(super) struct Client {
    connection: Option<Connection>,
    /// The last id that came.
    pub(super) at: Option<String>,
    /// Where it began; `None` before it knows.
    pub(super) from: Option<u64>,
    /// What it has seen since then, or since the last reset.
    pub(super) seen: Vec<Seen>,
    /// Whether it was told to begin anew.
    pub(super) was_reset: bool,
    /// For how many steps it takes nothing.
    pub(super) asleep: u64,
    json: bool,
}

struct Connection {
    reader: Reader,
    framing: Framing,
    request: u16,
    unsent: Vec<u8>,
    records: Vec<u8>,
    decoder: Decoder,
}

impl Client {
    /// One that has not connected yet.
    pub(super) fn new(seeded: &mut Seeded) -> Client {
        Client {
            connection: None,
            at: None,
            from: None,
            seen: Vec::new(),
            was_reset: false,
            asleep: 0,
            json: seeded.below(2) == 0,
        }
    }

    /// Whether it has a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Loses its connection, and what was under way.
    pub(super) fn cut_off(&mut self) {
        self.connection = None;
        if self.at.is_none() {
            // It learned nothing from it, and begins wherever it begins next.
            (self.from, self.was_reset) = (None, false);
            self.seen.clear();
        }
    }

    /// Connects to `feed`: after its last id, else at `start`.
    pub(super) fn connect(
        &mut self,
        root: &Arc<DataRoot>,
        feed: &Feed,
        topic: &Topic,
        start: Start,
        seeded: &mut Seeded,
    ) {
        let slot = Admission::new(Bounds::default()).admit(&(root.clone(), topic.clone()), None).expect("a place");
        let start = match &self.at {
            Some(id) => Start::After(Cursor::parse(id).expect("an id of ours")),
            None => start,
        };
        let forever = std::time::Duration::from_secs(1_000_000);
        let pace = Pace { ping: forever, lifetime: forever, long_poll: forever, padding: seeded.below(16) == 0 };
        let format = if self.json { Format::Json } else { Format::Raw };
        let mut stream =
            Stream { slot, start, format, user: None, cursor: 0, once: false, prelude: b"retry: 1\n\n".to_vec(), pace };
        let (framing, request) = match seeded.below(4) {
            0 => (Framing::FastCgi, 7),
            1 => (Framing::FastCgi, 1),
            _ => (Framing::Plain, 1),
        };
        let reader = Reader::open(&mut stream, &feed.view(), framing, request, Instant::now()).expect("it can be read");
        let (unsent, records, decoder) = (Vec::new(), Vec::new(), Decoder::default());
        self.connection = Some(Connection { reader, framing, request, unsent, records, decoder });
    }

    /// Takes what the engine has for it, and lets the network deliver at most `deliver` bytes of it. Says whether
    /// there was anything.
    pub(super) fn step(&mut self, view: &View, deliver: usize) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        if connection.unsent.is_empty() && !connection.reader.has_ended() {
            let mut pieces: Vec<Bytes> = Vec::new();
            let gathered = connection.reader.gather(view, Instant::now(), &mut pieces, &mut Tally::default());
            gathered.expect("the log can be read");
            connection.unsent = pieces.concat();
        }
        let moved = deliver.min(connection.unsent.len());
        let bytes: Vec<u8> = connection.unsent.drain(..moved).collect();
        let bytes = connection.unframed(bytes);
        let events = connection.decoder.feed(&bytes);
        let over = connection.unsent.is_empty() && connection.reader.has_ended();
        events.iter().for_each(|event| self.take(event));
        if over {
            self.connection = None;
        }
        moved > 0
    }

    fn take(&mut self, event: &Event) {
        let id = event.id.as_deref();
        match &event.event[..] {
            "members" => {
                if self.from.is_none() && id.is_some() {
                    self.from = id.map(offset);
                }
            }
            "message" => {
                let id = id.expect("a message has an id");
                let text = if self.json { text_of(&event.json()) } else { without_time(&event.data) };
                self.seen.push((offset(id), text));
            }
            "reset" => {
                self.was_reset = true;
                self.from = id.map(offset);
                self.seen.clear();
            }
            "error" => assert!(event.data.contains("404"), "{event:?}"),
            other => panic!("{other}: {event:?}"),
        }
        if let Some(id) = id {
            self.at = Some(id.to_owned());
        }
    }
}

impl Connection {
    /// The content of whole records, where there are records.
    fn unframed(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.framing == Framing::Plain {
            return bytes;
        }
        self.records.extend(bytes);
        let mut content = Vec::new();
        while self.records.len() >= 8 {
            let [version, kind, high, low, len_high, len_low, padding, _] = self.records[..8] else { unreachable!() };
            let (len, end) = (usize::from(u16::from_be_bytes([len_high, len_low])), 8 + usize::from(padding));
            if self.records.len() < end + len {
                break;
            }
            assert_eq!((version, u16::from_be_bytes([high, low])), (1, self.request));
            if kind == 6 {
                content.extend_from_slice(&self.records[8..8 + len]);
            }
            self.records.drain(..end + len);
        }
        content
    }
}

/// The offset that an id tells.
pub(super) fn offset(id: &str) -> u64 {
    id.split('_').nth(1).and_then(|digits| digits.parse().ok()).expect("an id")
}

/// What a message in JSON says of its line, without the time: who and what.
pub(super) fn text_of(message: &serde_json::Value) -> String {
    let text = with_lf(message["text"].as_str().expect("a text"));
    match message["from"].as_str() {
        Some(from) => format!("{from}\0{text}"),
        None => text.into_owned(),
    }
}

/// An end of a line within a text is LF, however it is told, and at its end it may not be told at all.
fn with_lf(text: &str) -> Cow<'_, str> {
    // Most have none, and there are many.
    if text.contains('\r') || text.contains("\u{2028}") {
        return text.replace(['\r', '\u{2028}'], "\n").trim_end_matches('\n').to_owned().into();
    }
    text.trim_end_matches('\n').into()
}

/// The same of a line.
pub(super) fn without_time(line: &str) -> String {
    let line = &with_lf(line)[..];
    let (stamp, rest) = line.split_at_checked(21).unwrap_or((line, ""));
    let rest = rest.strip_prefix(' ').or_else(|| rest.is_empty().then_some(""));
    let is_stamp = stamp.len() == 21 && stamp.starts_with("[2026-") && stamp.ends_with(']');
    let Some(rest) = rest.filter(|_| is_stamp) else { return line.to_owned() };
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=64).contains(&name.len()) && name.bytes().all(allowed)
    };
    match rest.split_once(':').filter(|(name, _)| is_name(name)) {
        Some((name, text)) => format!("{name}\0{}", text.strip_prefix(' ').unwrap_or(text)),
        None => rest.to_owned(),
    }
}
