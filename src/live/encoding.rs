//! The forms in which a room's lines or a stream's bytes leave. There are few, so each is encoded once for all
//! readers that want the same.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::Local;

use crate::room::message::Message;
use crate::store::log::Stretch;
use crate::wire::durable::{self, Media, Standing};
use crate::wire::{fastcgi, interval, sse};

/// What is said of a stretch of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Each line's message as JSON, in a `message` event.
    Json,
    /// Each line as it is, in a `message` event.
    Raw,
    /// Its bytes, as Durable Streams has them: a `data` event and a `control` event.
    Bytes(Media, Standing),
}

/// What carries the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: HTTP to its end, or a CGI program's output.
    Plain,
    /// FastCGI records of request 1, which is what nginx calls every request.
    FastCgi,
}

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// What is said.
    pub format: Format,
    /// How it is carried.
    pub framing: Framing,
}

impl Encoding {
    /// How many there are of one feed: a room's lines have two formats, and a stream's bytes two standings.
    pub const COUNT: usize = 4;

    /// A number below [`Encoding::COUNT`] of its own, among those of one feed.
    pub fn index(self) -> usize {
        let first = matches!(self.format, Format::Json | Format::Bytes(_, Standing::Behind));
        usize::from(!first) * 2 + self.framing as usize
    }

    /// A stretch as events.
    pub fn of(self, stretch: &Stretch) -> Bytes {
        let mut out = Vec::new();
        match self.format {
            Format::Raw => {
                for line in stretch.lines() {
                    let data = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
                    sse::event(&mut out, Some(&line.id), "message", data);
                }
            }
            Format::Json => {
                for line in stretch.lines() {
                    let message = Message::new(line.id, line.bytes, line.cut, &Local);
                    // Strings and numbers only: it always has a JSON form.
                    let data = serde_json::to_vec(&message).unwrap_or_default();
                    sse::event(&mut out, Some(&line.id), "message", &data);
                }
            }
            Format::Bytes(media, standing) => part(&mut out, stretch, media, standing, interval_now()),
        }
        self.framing.frame(out)
    }
}

/// Appends a part of a stream as a pair of events.
pub fn part(out: &mut Vec<u8>, stretch: &Stretch, media: Media, standing: Standing, cursor: u64) {
    durable::data(out, media, stretch.window(), stretch.bytes());
    durable::control(out, &stretch.end(), cursor, standing);
}

/// The interval of time that it is now, as `Stream-Cursor` counts them.
pub fn interval_now() -> u64 {
    interval::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

impl Framing {
    /// Puts the frame around bytes.
    pub fn frame(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Framing::Plain => bytes.into(),
            Framing::FastCgi => {
                let mut out = Vec::with_capacity(bytes.len() + fastcgi::record::HEAD_BYTES);
                fastcgi::record::stdout(&mut out, 1, &bytes);
                out.into()
            }
        }
    }
}
