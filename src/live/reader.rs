//! One reader of a feed: what is to be written next, as bytes. It does not write; the [hub] and
//! [solo] do.
//!
//! [hub]: crate::live::hub
//! [solo]: crate::live::solo

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::limits::{PADDING_BYTES, PAGE_MAX_BYTES, RESET_LINES, WRITE_MAX_BYTES, WRITE_MAX_SLICES};
use crate::live::encoding::{Encoding, Framing};
use crate::live::feed::View;
use crate::live::metrics::Tally;
use crate::live::stream::{Start, Stream};
use crate::live::subscription::{Beat, Step, Subscription};
use crate::store::history::start_of_last;
use crate::store::since::since;
use crate::wire::{fastcgi, sse};

/// The web server's number for a request that stands for all: what shared records are made for.
const SHARED_REQUEST: u16 = 1;

/// A reader.
#[derive(Debug)]
pub struct Reader {
    subscription: Subscription,
    encoding: Encoding,
    /// The FastCGI request that it answers.
    request: u16,
    padding: bool,
    /// What comes before the first event, until it is sent.
    prelude: Option<Box<[u8]>>,
    ended: bool,
}

/// Why a stream ends that did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has reached its maximum life.
    Lifetime,
    /// The server stops.
    Stopping,
}

impl End {
    fn sentence(self) -> &'static str {
        match self {
            End::Lifetime => "Connection time limit reached. Please reconnect.",
            End::Stopping => "The server stops. Please reconnect.",
        }
    }
}

impl Reader {
    /// The reader that `stream` asks for, of the feed whose view this is, carried in `framing`; in
    /// FastCGI as the answer to `request`.
    pub fn open(stream: &mut Stream, view: &View, framing: Framing, request: u16, now: Instant) -> io::Result<Reader> {
        let last_lines = |log| start_of_last(log, view.tip.end, RESET_LINES, PAGE_MAX_BYTES);
        let start = match (&view.log, stream.start) {
            (_, Start::Now) => Ok(view.tip.end),
            (None, Start::After(cursor)) if cursor.offset() > 0 => Err(("removed", 0)),
            (None, _) => Ok(0),
            (Some(log), Start::Since(time)) => match since(log, time)? {
                Some(offset) => Ok(offset),
                None => Err(("untimed", last_lines(log)?)),
            },
            (Some(log), Start::After(cursor)) => match log.resolve(&cursor)? {
                Ok(offset) => Ok(offset),
                Err(stale) => Err((stale.reason(), last_lines(log)?)),
            },
        };
        let pace = stream.pace;
        Ok(Reader {
            subscription: Subscription::new(&view.tip, start, now, pace.ping, pace.lifetime),
            encoding: Encoding { format: stream.format, framing },
            request,
            padding: pace.padding,
            prelude: Some(std::mem::take(&mut stream.prelude).into_boxed_slice()),
            ended: false,
        })
    }

    /// Whether nothing comes any more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it should have ended this long ago.
    pub fn is_overdue(&self, now: Instant, by: Duration) -> bool {
        self.subscription.ends().checked_add(by).is_some_and(|end| now > end)
    }

    /// When [`Reader::tick`] has something to say, if nothing is sent before.
    pub fn deadline(&self) -> Instant {
        self.subscription.deadline()
    }

    /// Adds to `out` what is ready to be sent, up to about [`WRITE_MAX_BYTES`]. Adds nothing where
    /// nothing is ready.
    pub fn gather(&mut self, view: &View, now: Instant, out: &mut Vec<Bytes>, tally: &mut Tally) -> io::Result<()> {
        let (mut gathered, before) = (0, tally.deliveries);
        while !self.ended && gathered < WRITE_MAX_BYTES && out.len() < WRITE_MAX_SLICES {
            let Some(bytes) = self.step(view, tally)? else { break };
            gathered += bytes.len();
            out.push(bytes);
        }
        if gathered > 0 {
            self.close_write(now, out);
        }
        tally.coalesced += u64::from(tally.deliveries > before + 1);
        Ok(())
    }

    /// Adds to `out` what the time asks for.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        match self.subscription.tick(now) {
            Some(Beat::Ping) => {
                out.push(self.own("ping", b"keepalive"));
                self.close_write(now, out);
            }
            Some(Beat::Timeout) => self.finish(End::Lifetime, now, out),
            None => {}
        }
    }

    /// Adds to `out` the end that a web server wants which gave up on its request.
    pub fn abandon(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        self.ended = true;
        self.padding = false;
        self.close_write(now, out);
    }

    /// Adds to `out` that the stream ends, and why.
    pub fn finish(&mut self, end: End, now: Instant, out: &mut Vec<Bytes>) {
        if !self.ended {
            out.push(self.own("timeout", end.sentence().as_bytes()));
            self.ended = true;
            self.close_write(now, out);
        }
    }

    fn step(&mut self, view: &View, tally: &mut Tally) -> io::Result<Option<Bytes>> {
        let framing = self.encoding.framing;
        Ok(Some(match self.subscription.next(&view.tip) {
            Step::Wait => return Ok(None),
            Step::State => match self.prelude.take() {
                // The first event tells where the reader is, so that a reconnect goes on from there.
                Some(prelude) => {
                    let mut first = prelude.into_vec();
                    let told = view.has_positions && self.subscription.holds();
                    let at = told.then(|| view.cursor(self.subscription.offset())).transpose()?;
                    first.extend(view.state_event(at));
                    self.framed(first)
                }
                None => self.numbered(view.state(framing)),
            },
            Step::Lines(from) => match view.batch(from) {
                Some(batch) => {
                    self.subscription.advance(batch.range());
                    tally.deliveries += batch.lines;
                    self.numbered(batch.encoded(self.encoding))
                }
                None => match view.log.as_ref().map(|log| log.stretch(from)).transpose()?.flatten() {
                    Some(stretch) => {
                        self.subscription.advance(stretch.range());
                        tally.deliveries += stretch.count();
                        tally.catch_ups += 1;
                        self.numbered(self.encoding.lines(&stretch))
                    }
                    // The log has changed since: the next look at it says how.
                    None => return Ok(None),
                },
            },
            Step::Reset(reason, offset) => {
                let mut event = Vec::new();
                let data = serde_json::json!({ "reason": reason }).to_string();
                sse::event(&mut event, Some(&view.cursor(offset)?), "reset", data.as_bytes());
                self.framed(event)
            }
            Step::Gone => {
                self.ended = true;
                self.own("error", br#"{"code":404,"message":"Room not found"}"#)
            }
        }))
    }

    /// What ends every write: padding, where it is needed, and in FastCGI the end of the request.
    fn close_write(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        self.subscription.spoke(now);
        if self.padding {
            out.push(self.framed(sse::padding(PADDING_BYTES)));
        }
        if self.ended && self.encoding.framing == Framing::FastCgi {
            let mut end = Vec::new();
            fastcgi::record::end(&mut end, self.request, fastcgi::record::Outcome::Complete);
            out.push(end.into());
        }
    }

    fn own(&self, name: &'static str, data: &[u8]) -> Bytes {
        let mut event = Vec::new();
        sse::event(&mut event, None, name, data);
        self.framed(event)
    }

    /// Bytes as they are carried to this reader.
    pub fn framed(&self, bytes: Vec<u8>) -> Bytes {
        self.numbered(self.encoding.framing.frame(bytes))
    }

    /// Shared bytes for the request that they are to answer.
    fn numbered(&self, shared: Bytes) -> Bytes {
        if self.encoding.framing == Framing::Plain || self.request == SHARED_REQUEST {
            return shared;
        }
        let mut own = shared.to_vec();
        fastcgi::record::renumber(&mut own, self.request);
        own.into()
    }
}
