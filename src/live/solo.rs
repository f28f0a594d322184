//! One stream in a process of its own, as CGI has it: the same feed and the same reader as the
//! hub's, no runtime, asleep in the kernel until a file changes, the time has come, or the client
//! hangs up.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::limits::{ACTIVITY_EVERY, SWEEP_EVERY};
use crate::live::attendance;
use crate::live::encoding::Framing;
use crate::live::feed::{Changes, Feed, Topic};
use crate::live::metrics::Tally;
use crate::live::reader::Reader;
use crate::live::stream::Stream;
use crate::live::wait::Wait;
use crate::store::avatars;
use crate::store::bell::{self, Bell};
use crate::store::watch::{Watch, WatchMode};

/// A stream that has not begun.
pub struct Solo {
    stream: Stream,
    bell: Arc<dyn Bell>,
    feed: Feed,
    reader: Reader,
}

impl Solo {
    /// The stream of this plan; `None` where the room is not there (any more).
    pub fn open(mut stream: Stream, mode: WatchMode) -> io::Result<Option<Solo>> {
        let (root, topic) = stream.slot.key();
        let bell = bell::hang(root, mode)?;
        let watcher: Arc<dyn Watch> = bell.clone();
        let Some(feed) = Feed::open(root, topic, &watcher, &Arc::default())? else { return Ok(None) };
        let reader = Reader::open(&mut stream, &feed.view(), Framing::Plain, 1, Instant::now())?;
        Ok(Some(Solo { stream, bell, feed, reader }))
    }

    /// Writes it to `out` until it ends or its client has gone. `head` goes before all.
    pub fn serve(self, head: Vec<u8>, out: &mut (impl Write + AsFd)) -> io::Result<()> {
        let Solo { stream, bell, feed, mut reader } = self;
        let mut stay = Stay::of(&stream);
        let (mut pieces, mut failed) = (vec![Bytes::from(head)], false);
        // What may have changed and was not all read yet.
        let mut unread = feed.is_counting().then_some(Changes { state: true, ..Changes::default() });
        loop {
            let read = read(&feed, &mut reader, &mut unread, &mut pieces);
            if let (Err(error), false) = (&read, failed) {
                let _ = writeln!(io::stderr(), "chatroom: the log can't be read, and is tried again: {error}");
            }
            failed = read.is_err();
            if pieces.is_empty() && (unread.is_none() || failed) && !reader.has_ended() {
                let again = failed.then(|| Instant::now() + SWEEP_EVERY);
                let due = [stay.due, again].into_iter().flatten().fold(reader.deadline(), Instant::min);
                if !bell.wait(out.as_fd(), Some(due))? {
                    return Ok(());
                }
                let hints = bell.take()?;
                unread = hints.iter().filter_map(|hint| feed.concern(hint)).chain(unread).reduce(Changes::and);
            }
            // Also where there is always something to say.
            reader.tick(Instant::now(), &mut pieces);
            stay.renew(&stream);
            if !write(out, &mut pieces)? || reader.has_ended() {
                return Ok(());
            }
        }
    }
}

/// Adds to `pieces` what is ready to be sent, and reads what is `unread` where nothing is.
fn read(feed: &Feed, reader: &mut Reader, unread: &mut Option<Changes>, pieces: &mut Vec<Bytes>) -> io::Result<()> {
    let mut tally = Tally::default();
    reader.gather(&feed.view(), Instant::now(), pieces, &mut tally)?;
    if let (true, Some(changes)) = (pieces.is_empty(), *unread) {
        let read = feed.refresh(changes);
        *unread = read.as_ref().map_or(Some(changes), |more| *more);
        // What was read before something failed is handed on, too.
        reader.gather(&feed.view(), Instant::now(), pieces, &mut tally)?;
        read?;
    }
    Ok(())
}

/// Waits until there is something to say to one who waits, or its time is over. Says whether `out` is still read.
pub fn wait(wait: &Wait, mode: WatchMode, out: &impl AsFd) -> io::Result<bool> {
    let (root, topic) = wait.slot.key();
    let bell = bell::hang(root, mode)?;
    let watcher: Arc<dyn Watch> = bell.clone();
    let Some(feed) = Feed::open(root, topic, &watcher, &Arc::default())? else { return Ok(true) };
    let (due, epoch) = (Instant::now() + wait.time, feed.view().tip.epoch);
    if wait.is_vain(&feed.view())? {
        return Ok(true);
    }
    while !wait.is_over(&feed.view(), epoch) && Instant::now() < due {
        if !bell.wait(out.as_fd(), Some(due))? {
            return Ok(false);
        }
        let mut unread = bell.take()?.iter().filter_map(|hint| Changes::of(hint, topic)).reduce(Changes::and);
        while let Some(changes) = unread.filter(|_| !wait.is_over(&feed.view(), epoch)) {
            unread = feed.refresh(changes)?;
        }
    }
    Ok(true)
}

/// Writes and drops all of `pieces`, in one piece. Says whether somebody still reads.
fn write(out: &mut impl Write, pieces: &mut Vec<Bytes>) -> io::Result<bool> {
    let whole = pieces.concat();
    pieces.clear();
    match out.write_all(&whole).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps the web avatar of the stream's user here while the stream lives.
struct Stay {
    due: Option<Instant>,
}

impl Stay {
    fn of(stream: &Stream) -> Stay {
        let mut stay = Stay { due: stream.user.as_ref().map(|_| Instant::now()) };
        stay.renew(stream);
        stay
    }

    fn renew(&mut self, stream: &Stream) {
        let now = Instant::now();
        let (root, topic) = stream.slot.key();
        let (Topic::Room(room), Some(user)) = (topic, &stream.user) else { return };
        if self.due.is_some_and(|due| due <= now) {
            self.due = Some(now + ACTIVITY_EVERY);
            // An avatar that can't be noted or swept is no reason to end a conversation.
            if let Ok(Some(dir)) = root.room(room) {
                let _ = avatars::touch(&dir, user);
                let _ = attendance::sweep(&dir, |other| other == user);
            }
        }
    }
}
