//! What somebody has not read yet of a log: how much since their mark, and how much of it speaks of them.

use std::io;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::limits::UNREAD_MAX_BYTES;
use crate::room::line::{self, Line, Speaker};
use crate::room::mention::mentions;
use crate::room::name::UserName;
use crate::store::history::each_line;
use crate::store::log::Log;

/// How much is unread.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Messages and other lines; what happened to the room and one's own are none.
    pub unread: u64,
    /// How many of them mention the reader.
    pub mentions: u64,
    /// Whether there is more than that: only the last [`UNREAD_MAX_BYTES`] are counted.
    pub more: bool,
}

/// What is in `log` after the offset `read`, for `user`.
pub fn unread(log: &Log, read: u64, user: &UserName) -> io::Result<Unread> {
    let end = log.whole_before(log.size()?)?;
    let far = end.saturating_sub(read) > UNREAD_MAX_BYTES;
    let from = if far { log.whole_before(end - UNREAD_MAX_BYTES)? } else { read };
    let mut unread = Unread { more: far, ..Unread::default() };
    each_line(log, from, end, |line| {
        let line = Line::parse(line.bytes);
        let is_news = match line.speaker {
            Speaker::System => false,
            Speaker::User(name) => name != user.as_str(),
            Speaker::Nobody => true,
        };
        if is_news {
            unread.unread += 1;
            unread.mentions += u64::from(mentions(&line::restore(line.text), user.as_str()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_words_since_the_mark() {
        let read = "[2026-01-31 08:00:00] bo: old @al\n";
        let new = "[2026-01-31 08:00:00] al: mine\n[2026-01-31 08:00:00] bo: @al!\n[2026-01-31 08:00:00] log: bo left \
                   the room.\nal: a shell's\n[2026-01-31 08:00:00] bo: x\nhalf";
        let log = Log::with(&format!("{read}{new}"));
        let al = UserName::parse("al").unwrap();
        let at = |offset| unread(&log, offset, &al).unwrap();
        assert_eq!(at(read.len() as u64), Unread { unread: 3, mentions: 2, more: false });
        assert_eq!(at(0).unread, 4);
        assert_eq!(at(u64::MAX).unread, 0, "a mark that is beyond the end");
        let long = Log::with(&read.repeat(2 * UNREAD_MAX_BYTES as usize / read.len()));
        let far = unread(&long, 0, &al).unwrap();
        assert!(far.more && far.unread * read.len() as u64 <= UNREAD_MAX_BYTES + read.len() as u64, "{far:?}");
    }
}
