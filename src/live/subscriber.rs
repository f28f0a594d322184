//! One reader of a hub, and its socket: what the socket does not take at once waits here, and only
//! this reader with it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tracing::warn;

use crate::limits::{REPLIES_MAX_BYTES, STUCK_MAX, TURN_MAX_BYTES};
use crate::live::feed::{Feed, View};
use crate::live::metrics::Tally;
use crate::live::reader::{End, Reader};
use crate::live::socket::Socket;

/// A reader and its socket.
pub struct Subscriber {
    feed: Arc<Feed>,
    reader: Reader,
    socket: Rc<Socket>,
    /// What the socket did not take yet.
    unsent: Bytes,
    stuck_since: Option<Instant>,
    failed: Option<Outcome>,
    /// Nobody tells when its socket is free, for want of a descriptor: it is tried from time to time.
    untold: bool,
    /// What it is to be sent can't be read: that is tried from time to time.
    unreadable: bool,
    /// Wakes the task that waits for the socket.
    waker: Option<Waker>,
    /// Its index among the readers of its feed.
    pub index: usize,
}

/// One turn of writing, to one reader or to all of a feed.
pub struct Turn {
    now: Instant,
    pieces: Vec<Bytes>,
    /// What it did so far.
    pub tally: Tally,
}

impl Turn {
    /// A turn that begins now.
    pub fn begin() -> Turn {
        Turn { now: Instant::now(), pieces: Vec::new(), tally: Tally::default() }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was said and sent.
    Complete,
    /// The reader went.
    Gone,
    /// The reader took nothing for too long.
    Stuck,
}

/// What the peer's bytes mean while a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Ignore,
    /// It wants these bytes between what the stream says.
    Reply(Bytes),
    /// It gave up on the stream, and wants it ended in order.
    End,
    /// It wants no more.
    Stop,
}

impl Subscriber {
    /// `reader` of `feed` on `socket`, where `head` is to be sent first.
    pub fn new(feed: Arc<Feed>, reader: Reader, socket: Rc<Socket>, head: Bytes) -> Subscriber {
        Subscriber {
            feed,
            reader,
            socket,
            unsent: head,
            stuck_since: None,
            failed: None,
            untold: false,
            unreadable: false,
            waker: None,
            index: 0,
        }
    }

    /// What it reads.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Whether its socket took nothing the last time: then it waits for the socket by itself.
    pub fn is_stuck(&self) -> bool {
        self.stuck_since.is_some()
    }

    /// Writes what is ready, as far as the socket takes it.
    pub fn flush(&mut self, view: &View, turn: &mut Turn) {
        let now = turn.now;
        let mut written = 0;
        while self.failed.is_none() {
            if !self.unsent.is_empty() {
                match self.socket.try_write(std::slice::from_ref(&self.unsent)) {
                    Ok(len) => {
                        drop(self.unsent.split_to(len));
                        self.stuck_since = None;
                        turn.tally.writes += 1;
                        turn.tally.bytes += len as u64;
                    }
                    Err(error) => return self.could_not_write(&error, now),
                }
                continue;
            }
            if self.reader.has_ended() {
                return self.wake();
            }
            if written > TURN_MAX_BYTES {
                // The rest when it is this reader's turn again.
                return self.wake();
            }
            turn.pieces.clear();
            let gathered = self.reader.gather(view, now, &mut turn.pieces, &mut turn.tally);
            let was_unreadable = std::mem::replace(&mut self.unreadable, gathered.is_err());
            if let Err(error) = gathered {
                if !was_unreadable {
                    warn!(%error, "a stream waits: its log can't be read");
                }
                return;
            }
            if turn.pieces.is_empty() {
                if self.reader.has_ended() {
                    self.wake();
                }
                return;
            }
            written += self.write(turn);
        }
    }

    /// Writes the turn's pieces, and keeps what the socket does not take. Says how long they were.
    fn write(&mut self, turn: &mut Turn) -> usize {
        let pieces = &mut turn.pieces;
        let whole = pieces.iter().map(Bytes::len).sum();
        match self.socket.try_write(pieces) {
            Ok(len) => {
                turn.tally.writes += 1;
                turn.tally.bytes += len as u64;
                if len < whole {
                    let mut left = len;
                    pieces.retain_mut(|piece| {
                        let sent = left.min(piece.len());
                        left -= sent;
                        drop(piece.split_to(sent));
                        !piece.is_empty()
                    });
                    self.keep(pieces);
                }
            }
            Err(error) => {
                self.keep(pieces);
                self.could_not_write(&error, turn.now);
            }
        }
        pieces.clear();
        whole
    }

    fn keep(&mut self, pieces: &mut Vec<Bytes>) {
        self.unsent = if pieces.len() == 1 { pieces.remove(0) } else { pieces.concat().into() };
    }

    fn could_not_write(&mut self, error: &io::Error, now: Instant) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.stuck_since.get_or_insert(now);
            self.wake();
        } else {
            self.fail(Outcome::Gone);
        }
    }

    /// Does what the time asks for.
    pub fn tick(&mut self, now: Instant) {
        let stuck = self.stuck_since.is_some_and(|since| now.duration_since(since) > STUCK_MAX);
        // One that takes a byte at a time is not stuck, but has its time.
        if stuck || self.reader.is_overdue(now, STUCK_MAX) {
            self.feed.metrics().stuck.inc();
            return self.fail(Outcome::Stuck);
        }
        if std::mem::take(&mut self.untold) || self.unreadable {
            self.wake();
        }
        if self.unsent.is_empty() && now >= self.reader.deadline() {
            let mut turn = Turn::begin();
            self.reader.tick(now, &mut turn.pieces);
            self.write_own(turn);
        }
    }

    /// Ends the stream. What is ready but was not sent is for the next one: it resumes.
    pub fn finish(&mut self, end: End) {
        let mut turn = Turn::begin();
        if !self.unsent.is_empty() {
            turn.pieces.push(std::mem::take(&mut self.unsent));
        }
        self.reader.finish(end, turn.now, &mut turn.pieces);
        self.write_own(turn);
    }

    fn write_own(&mut self, mut turn: Turn) {
        if !turn.pieces.is_empty() {
            self.write(&mut turn);
            self.feed.metrics().add(turn.tally);
        }
        if self.reader.has_ended() || !self.unsent.is_empty() {
            self.wake();
        }
    }

    fn fail(&mut self, outcome: Outcome) {
        self.failed = Some(outcome);
        self.wake();
    }

    /// Lets its task look again.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Waits for the end: of the stream, or of the peer's interest in it.
    pub fn poll(&mut self, cx: &mut Context<'_>, input: &mut impl FnMut(&[u8]) -> Input) -> Poll<Outcome> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let mut buffer = [0; 512];
        while let Poll::Ready(ready) = self.socket.poll_readable(cx) {
            match ready.and_then(|()| self.socket.try_read(&mut buffer)) {
                Ok(0) => return Poll::Ready(Outcome::Gone),
                Ok(len) => match input(&buffer[..len]) {
                    Input::Ignore => {}
                    Input::Reply(reply) => {
                        if self.unsent.len() + reply.len() > REPLIES_MAX_BYTES {
                            return Poll::Ready(Outcome::Stuck);
                        }
                        let unsent = std::mem::take(&mut self.unsent);
                        self.keep(&mut vec![unsent, reply]);
                    }
                    Input::End => {
                        let mut pieces = vec![std::mem::take(&mut self.unsent)];
                        self.reader.abandon(Instant::now(), &mut pieces);
                        self.keep(&mut pieces);
                    }
                    Input::Stop => return Poll::Ready(Outcome::Gone),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Outcome::Gone),
            }
        }
        loop {
            if let Some(failure) = self.failed {
                return Poll::Ready(failure);
            }
            if self.unsent.is_empty() && self.reader.has_ended() {
                return Poll::Ready(Outcome::Complete);
            }
            if !self.unsent.is_empty() {
                if self.untold {
                    return Poll::Pending;
                }
                match self.socket.poll_writable(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(ready) => self.untold = ready.is_err(),
                }
            }
            let before = self.unsent.len();
            let (view, mut turn) = (self.feed.view(), Turn::begin());
            self.flush(&view, &mut turn);
            self.feed.metrics().add(turn.tally);
            if self.unsent.is_empty() && before == 0 {
                return Poll::Pending;
            }
        }
    }
}
