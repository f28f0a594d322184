//! One stream in a process of its own, as CGI has it: the same feed and the same reader as the
//! hub's, no runtime, asleep in the kernel until a file changes, the time has come, or the client
//! hangs up.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::limits::ACTIVITY_EVERY;
use crate::live::attendance;
use crate::live::encoding::Framing;
use crate::live::feed::{Changes, Feed, Topic};
use crate::live::metrics::Tally;
use crate::live::reader::Reader;
use crate::live::stream::Stream;
use crate::live::wait::Wait;
use crate::store::avatars;
use crate::store::bell;
use crate::store::watch::{Watch, WatchMode};

/// Writes a stream to `out` until it ends or its client has gone. `head` goes before all. Says
/// whether the room is there: else nothing was written.
pub fn serve(mut stream: Stream, mode: WatchMode, head: Vec<u8>, out: &mut (impl Write + AsFd)) -> io::Result<bool> {
    let (root, topic) = stream.slot.key().clone();
    let bell = bell::hang(&root, mode)?;
    let watcher: Arc<dyn Watch> = bell.clone();
    let Some(feed) = Feed::open(&root, &topic, &watcher, &Arc::default())? else { return Ok(false) };
    let mut reader = Reader::open(&mut stream, &feed.view(), Framing::Plain, 1, Instant::now())?;
    let mut stay = Stay::of(&stream);
    let (mut pieces, mut tally) = (vec![Bytes::from(head)], Tally::default());
    // What may have changed and was not all read yet.
    let mut unread = feed.is_counting().then_some(Changes { state: true, ..Changes::default() });
    loop {
        reader.gather(&feed.view(), Instant::now(), &mut pieces, &mut tally)?;
        if pieces.is_empty() && unread.is_none() && !reader.has_ended() {
            let due = stay.due.map_or(reader.deadline(), |due| due.min(reader.deadline()));
            if !bell.wait(out.as_fd(), Some(due))? {
                return Ok(true);
            }
            let hints = bell.take()?;
            unread = hints.iter().filter_map(|hint| feed.concern(hint)).reduce(Changes::and);
        }
        if pieces.is_empty() {
            unread = unread.map_or(Ok(None), |changes| feed.refresh(changes))?;
            reader.gather(&feed.view(), Instant::now(), &mut pieces, &mut tally)?;
        }
        // Also where there is always something to say.
        reader.tick(Instant::now(), &mut pieces);
        stay.renew(&stream);
        if !write(out, &mut pieces)? || reader.has_ended() {
            return Ok(true);
        }
    }
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
