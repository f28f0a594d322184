//! Who comes and who goes: avatars, and the lines in the log that tell of it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Local;

use crate::room::line::{self, Line, Speaker, SystemEvent};
use crate::room::members::Member;
use crate::room::name::{RoomName, UserName};
use crate::store::append::append;
use crate::store::avatars::{self, Moved};
use crate::store::history::last_line;
use crate::store::log::Log;
use crate::store::presence;
use crate::store::root::{DataRoot, RoomDir};

/// Somebody comes into a room. Says whether they were not there.
pub fn join(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    let new = avatars::join(room, user)?;
    if new {
        tell(room, &SystemEvent::Joined(user))?;
    }
    Ok(new)
}

/// The same; what the log's last line says already is not said again.
pub fn join_once(room: &RoomDir, user: &UserName) -> io::Result<()> {
    let event = SystemEvent::Joined(user);
    if avatars::join(room, user)? && !is_last_told(room, &event)? {
        tell(room, &event)?;
    }
    Ok(())
}

fn is_last_told(room: &RoomDir, event: &SystemEvent<'_>) -> io::Result<bool> {
    let Some(log) = Log::open(room)? else { return Ok(false) };
    let last = last_line(&log)?.unwrap_or_default();
    let last = Line::parse(&last);
    Ok(last.speaker == Speaker::System && last.text == event.to_string().as_bytes())
}

/// Somebody leaves a room. Says whether they were there.
pub fn leave(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    let was_here = avatars::leave(room, user)?;
    if was_here {
        tell(room, &SystemEvent::Left(user))?;
    }
    Ok(was_here)
}

/// Somebody wants to be called otherwise.
pub fn rename(room: &RoomDir, old: &UserName, new: &UserName) -> io::Result<Moved> {
    let moved = avatars::transfer(room, old, room, new)?;
    if moved == Moved::Done {
        tell(room, &SystemEvent::Renamed(old, new))?;
    }
    Ok(moved)
}

/// Somebody goes from one room to another.
pub fn move_on(from: &RoomDir, to: &RoomDir, user: &UserName) -> io::Result<Moved> {
    let moved = avatars::transfer(from, user, to, user)?;
    if moved == Moved::Done {
        // What they have read and what they write is of the other room.
        for mark in [presence::READ, presence::TYPING] {
            presence::set(to, user, mark, None)?;
        }
        tell(from, &SystemEvent::Left(user))?;
        tell(to, &SystemEvent::Joined(user))?;
    }
    Ok(moved)
}

/// Removes web avatars that were not heard of for long, but for those that `keep` says are here.
pub fn sweep(room: &RoomDir, keep: impl Fn(&UserName) -> bool) -> io::Result<()> {
    let away = avatars::sweep(room, |member| !member.is_web || keep(&member.username))?;
    away.iter().try_for_each(|away| tell(room, &SystemEvent::Away(away)))
}

/// The same, whoever is here, and of avatars of which nothing says what they are, too. For a person who asks for it.
pub fn clean_up(room: &RoomDir) -> io::Result<()> {
    let stays = |member: &Member| !avatars::may_be_of_the_web(room, &member.username).unwrap_or(false);
    let away = avatars::sweep(room, stays)?;
    away.iter().try_for_each(|away| tell(room, &SystemEvent::Away(away)))
}

fn tell(room: &RoomDir, event: &SystemEvent<'_>) -> io::Result<()> {
    append(room, &line::compose_system(Local::now().naive_local(), event)).map(drop)
}

type Who = (Arc<DataRoot>, RoomName, UserName);

/// Which web avatars have live streams in this process.
#[derive(Debug, Default)]
pub struct Attendance {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    streams: HashMap<Who, usize>,
    /// Who has none any more, since which departure.
    departed: HashMap<Who, Departure>,
    departures: u64,
}

/// The end of somebody's last stream. A later one is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure(u64);

impl Attendance {
    /// A stream of `user` begins.
    pub fn arrive(&self, root: &Arc<DataRoot>, room: &RoomName, user: &UserName) {
        let who = (root.clone(), room.clone(), user.clone());
        let mut inner = self.lock();
        inner.departed.remove(&who);
        *inner.streams.entry(who).or_default() += 1;
    }

    /// A stream of `user` has ended; the departure, where it was the last.
    pub fn depart(&self, root: &Arc<DataRoot>, room: &RoomName, user: &UserName) -> Option<Departure> {
        let who = (root.clone(), room.clone(), user.clone());
        let mut inner = self.lock();
        let count = inner.streams.get_mut(&who)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        inner.streams.remove(&who);
        inner.departures += 1;
        let departure = Departure(inner.departures);
        inner.departed.insert(who, departure);
        Some(departure)
    }

    /// Whether `user` has had no stream since this departure. Says so once.
    pub fn is_final(&self, root: &Arc<DataRoot>, room: &RoomName, user: &UserName, departure: Departure) -> bool {
        let who = (root.clone(), room.clone(), user.clone());
        let mut inner = self.lock();
        let is_final = inner.departed.get(&who) == Some(&departure);
        if is_final {
            inner.departed.remove(&who);
        }
        is_final
    }

    /// Whether `user` has a stream.
    pub fn is_here(&self, root: &Arc<DataRoot>, room: &RoomName, user: &UserName) -> bool {
        self.lock().streams.contains_key(&(root.clone(), room.clone(), user.clone()))
    }

    /// All who have one.
    pub fn all(&self) -> Vec<(Arc<DataRoot>, RoomName, UserName)> {
        self.lock().streams.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
