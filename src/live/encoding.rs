//! The forms in which a room's lines leave. There are few, so each line is encoded once for all
//! readers that want the same.

use bytes::Bytes;
use chrono::Local;

use crate::room::message::Message;
use crate::store::log::Stretch;
use crate::wire::{fastcgi, sse};

/// What the data of a `message` event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The message as JSON.
    Json,
    /// The log's line as it is.
    Raw,
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
    /// How many there are.
    pub const COUNT: usize = 4;

    /// A number below [`Encoding::COUNT`] of its own.
    pub fn index(self) -> usize {
        self.format as usize * 2 + self.framing as usize
    }

    /// The lines of a stretch as events.
    pub fn lines(self, stretch: &Stretch) -> Bytes {
        let mut out = Vec::new();
        for line in stretch.lines() {
            match self.format {
                Format::Raw => {
                    let data = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
                    sse::event(&mut out, Some(&line.id), "message", data);
                }
                Format::Json => {
                    let message = Message::new(line.id, line.bytes, line.cut, &Local);
                    // Strings and numbers only: it always has a JSON form.
                    let data = serde_json::to_vec(&message).unwrap_or_default();
                    sse::event(&mut out, Some(&line.id), "message", &data);
                }
            }
        }
        self.framing.frame(out)
    }
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
