//! One reader of a feed: what is to be written next, as bytes. It does not write; the [hub] and
//! [solo] do.
//!
//! [hub]: crate::live::hub
//! [solo]: crate::live::solo

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::limits::{PADDING_BYTES, PAGE_MAX_BYTES, RESET_LINES, WRITE_MAX_BYTES, WRITE_MAX_SLICES};
use crate::live::encoding::{Encoding, Format, Framing, interval_now, part};
use crate::live::feed::View;
use crate::live::metrics::Tally;
use crate::live::stream::{Start, Stream};
use crate::live::subscription::{Beat, Step, Subscription};
use crate::store::history::start_of_last;
use crate::store::since::since;
use crate::store::stream_tail::next;
use crate::wire::durable::{self, Media, Standing};
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
    /// A client of a stream gets no `Stream-Cursor` below this one.
    cursor: u64,
    /// It ends once it has had something to say beside how things are.
    once: bool,
    ended: bool,
}

/// Why a stream ends that did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has reached its maximum life.
    Lifetime,
    /// The server stops, and its clients are to come back after this long.
    Stopping(Duration),
    /// It was to wait for one thing, and that has come.
    Answered,
}

impl End {
    fn sentence(self) -> &'static str {
        match self {
            End::Lifetime => "Connection time limit reached. Please reconnect.",
            End::Answered => "That is all for now. Please ask again.",
            End::Stopping(_) => "The server stops. Please reconnect.",
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
            cursor: stream.cursor,
            request,
            padding: pace.padding,
            prelude: Some(std::mem::take(&mut stream.prelude).into_boxed_slice()),
            once: stream.once,
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
    /// nothing is ready. Fails, and adds nothing, where that can't be read; it is still to be sent then.
    pub fn gather(&mut self, view: &View, now: Instant, out: &mut Vec<Bytes>, tally: &mut Tally) -> io::Result<()> {
        let (mut gathered, before, had_ended) = (0, tally.deliveries, self.ended);
        let is_first = self.prelude.is_some();
        while !self.ended && gathered < WRITE_MAX_BYTES && out.len() < WRITE_MAX_SLICES {
            let before = self.subscription;
            match self.step(view, tally) {
                Ok(Some(bytes)) => {
                    gathered += bytes.len();
                    out.push(bytes);
                }
                Ok(None) => break,
                Err(error) => {
                    self.subscription = before;
                    if gathered == 0 {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        if gathered > 0 || self.ended != had_ended {
            self.close_write(now, out);
        }
        if self.once && gathered > 0 && (tally.deliveries > before || !is_first) {
            self.finish(End::Answered, now, out);
        }
        tally.coalesced += u64::from(tally.deliveries > before + 1);
        Ok(())
    }

    /// Adds to `out` what the time asks for.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        match self.subscription.tick(now) {
            Some(Beat::Ping) => {
                out.push(match self.encoding.format {
                    // A comment: the protocol knows no such event.
                    Format::Bytes(..) => self.framed(sse::padding(0)),
                    _ => self.own("ping", b"keepalive"),
                });
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

    /// Adds to `out` that the stream ends, and why. A reader of bytes is not told: it goes on where it was.
    pub fn finish(&mut self, end: End, now: Instant, out: &mut Vec<Bytes>) {
        if !self.ended {
            if !matches!(self.encoding.format, Format::Bytes(..)) {
                if let End::Stopping(retry) = end {
                    let mut later = Vec::new();
                    sse::retry(&mut later, retry);
                    out.push(self.framed(later));
                }
                out.push(self.own("timeout", end.sentence().as_bytes()));
            }
            self.ended = true;
            self.close_write(now, out);
        }
    }

    fn step(&mut self, view: &View, tally: &mut Tally) -> io::Result<Option<Bytes>> {
        if let Format::Bytes(media, _) = self.encoding.format {
            return self.step_of_bytes(view, media, tally);
        }
        let framing = self.encoding.framing;
        Ok(Some(match self.subscription.next(&view.tip) {
            Step::Wait => return Ok(None),
            Step::State if self.prelude.is_some() => {
                // The first event tells where the reader is, so that a reconnect goes on from there.
                let told = view.has_positions && self.subscription.holds();
                let at = told.then(|| view.cursor(self.subscription.offset())).transpose()?;
                let mut first = self.prelude.take().unwrap_or_default().into_vec();
                first.extend(view.state_event(at));
                self.framed(first)
            }
            Step::State => self.numbered(view.state(framing)),
            Step::Presence => self.numbered(view.presence(framing)),
            Step::Lines(from) => match view.batch(from) {
                Some(batch) => {
                    self.subscription.advance(batch.range());
                    tally.deliveries += batch.lines;
                    self.numbered(batch.encoded(self.encoding))
                }
                // Not beyond where the feed stands: only there it is checked that the log is still the same.
                None => {
                    match view.log.as_ref().map(|log| log.stretch_before(from, view.tip.end)).transpose()?.flatten() {
                        Some(stretch) => {
                            self.subscription.advance(stretch.range());
                            tally.deliveries += stretch.count();
                            tally.catch_ups += 1;
                            self.numbered(self.encoding.of(&stretch))
                        }
                        // The log has changed since: the next look at it says how.
                        None => return Ok(None),
                    }
                }
            },
            Step::Reset(reason, offset) => {
                let mut event = Vec::new();
                let data = serde_json::json!({ "reason": reason }).to_string();
                sse::event(&mut event, Some(&view.cursor(offset)?), "reset", data.as_bytes());
                self.framed(event)
            }
            Step::Closed => return Ok(None),
            Step::Gone => {
                self.ended = true;
                self.own("error", br#"{"code":404,"message":"Room not found"}"#)
            }
        }))
    }

    /// The same for one who reads a stream's bytes. It is told what is next and how far that is, and nothing else: where
    /// its position does not hold any more it ends, and whoever asks for that position then is told why.
    fn step_of_bytes(&mut self, view: &View, media: Media, tally: &mut Tally) -> io::Result<Option<Bytes>> {
        loop {
            let from = self.subscription.offset();
            return Ok(Some(match self.subscription.next(&view.tip) {
                Step::Wait => return Ok(None),
                Step::State if !self.subscription.holds() || from < view.tip.end || view.tip.closed => continue,
                Step::State => self.control(view, Standing::UpToDate)?,
                Step::Presence => continue,
                Step::Lines(from) => {
                    let read;
                    let (batch, stretch) = match (view.batch(from), &view.log) {
                        (Some(batch), _) => (Some(batch), batch.stretch()),
                        (None, Some(log)) => match next(log, media, from, view.tip.end)? {
                            Some(stretch) => {
                                tally.catch_ups += 1;
                                read = stretch;
                                (None, &read)
                            }
                            // The log has changed since: the next look at it says how.
                            None => return Ok(None),
                        },
                        (None, None) => return Ok(None),
                    };
                    tally.deliveries += stretch.count().max(1);
                    self.subscription.advance(stretch.range());
                    let standing = if stretch.range().end < view.reach { Standing::Behind } else { Standing::UpToDate };
                    let encoding = Encoding { format: Format::Bytes(media, standing), ..self.encoding };
                    match batch {
                        Some(batch) if interval_now() >= self.cursor => self.numbered(batch.encoded(encoding)),
                        _ => {
                            let mut own = Vec::new();
                            part(&mut own, stretch, media, standing, interval_now().max(self.cursor));
                            self.framed(own)
                        }
                    }
                }
                Step::Closed => {
                    let closed = self.control(view, Standing::Closed)?;
                    self.ended = true;
                    closed
                }
                Step::Reset(..) | Step::Gone => {
                    self.ended = true;
                    return Ok(None);
                }
            }));
        }
    }

    /// Where it is, and how far that is.
    fn control(&self, view: &View, standing: Standing) -> io::Result<Bytes> {
        let mut event = Vec::new();
        let at = view.cursor(self.subscription.offset())?;
        durable::control(&mut event, &at, interval_now().max(self.cursor), standing);
        Ok(self.framed(event))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::admission::{Admission, Bounds};
    use crate::live::feed::{Changes, Feed, Topic};
    use crate::live::stream::Pace;
    use crate::room::cursor::Cursor;
    use crate::room::name::RoomName;
    use crate::store::bell;
    use crate::store::log::Log;
    use crate::store::root::DataRoot;
    use crate::store::watch::{Watch, WatchMode};
    use std::fs::{self, File};
    use std::sync::Arc;

    fn told(reader: &mut Reader, view: &View) -> io::Result<String> {
        let mut out = Vec::new();
        reader.gather(view, Instant::now(), &mut out, &mut Tally::default())?;
        Ok(String::from_utf8(out.concat()).unwrap())
    }

    #[test]
    fn what_can_not_be_read_is_still_to_be_said() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("R/.log");
        fs::create_dir(dir.path().join("R")).unwrap();
        fs::write(&log, "a line\n").unwrap();
        let root = Arc::new(DataRoot::open(dir.path()).unwrap());
        let key = (root.clone(), Topic::Room(RoomName::parse("R").unwrap()));
        let watcher: Arc<dyn Watch> = bell::hang(&root, WatchMode::Poll).unwrap();
        let feed = Feed::open(&root, &key.1, &watcher, &Arc::default()).unwrap().unwrap();
        let hour = Duration::from_secs(3600);
        let mut stream = Stream {
            slot: Admission::new(Bounds::default()).admit(&key, None).unwrap(),
            start: Start::After(Cursor::ZERO),
            format: Format::Raw,
            user: None,
            cursor: 0,
            prelude: b"retry: 1\n\n".to_vec(),
            once: false,
            pace: Pace { ping: hour, lifetime: hour, long_poll: hour, padding: false },
        };
        let unreadable = |view: &Arc<View>| {
            let log = Log::of(File::options().append(true).open(&log).unwrap()).unwrap();
            let mut view = View::clone(view);
            view.log = Some(Arc::new(log));
            view
        };
        let readable = feed.view();
        let mut reader = Reader::open(&mut stream, &readable, Framing::Plain, 1, Instant::now()).unwrap();
        // Its first event has no position to look up, so that is said, and then the line is missing.
        assert!(told(&mut reader, &unreadable(&readable)).unwrap().starts_with("retry: 1\n\nid: "));
        told(&mut reader, &unreadable(&readable)).unwrap_err();
        assert!(told(&mut reader, &readable).unwrap().contains("\ndata: a line\n"));
        assert_eq!(told(&mut reader, &readable).unwrap(), "");

        // One whose first event has a position, and one that is told of another log.
        stream.prelude = b"retry: 2\n\n".to_vec();
        stream.start = Start::Now;
        let mut later = Reader::open(&mut stream, &readable, Framing::Plain, 1, Instant::now()).unwrap();
        told(&mut later, &unreadable(&readable)).unwrap_err();
        assert!(told(&mut later, &readable).unwrap().starts_with("retry: 2\n\nid: "));
        fs::write(&log, "b\n".repeat(RESET_LINES + 1)).unwrap();
        feed.refresh(Changes::ALL).unwrap();
        let another = feed.view();
        told(&mut later, &unreadable(&another)).unwrap_err();
        let reset = told(&mut later, &another).unwrap();
        assert!(reset.contains("event: reset\n") && reset.contains("\ndata: b\n"), "{reset}");
    }
}
