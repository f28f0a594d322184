//! Avatars: the directories `.NAME` of a room that say who is here.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::{ACTIVITY_SETTLES, AWAY_AFTER};
use crate::room::members::{Member, Members};
use crate::room::name::UserName;
use crate::store::attributes::{self, IS_AVATAR, LAST_ACTIVITY, WEB_AVATAR};
use crate::store::root::{RoomDir, is_out_of_descriptors};

/// Who is in the room.
pub fn members(room: &RoomDir) -> io::Result<Members> {
    let mut members = Vec::new();
    for name in room.dotted_directories()? {
        let Ok(username) = UserName::parse(&name[1..]) else { continue };
        match member(room, &username) {
            Ok(found) => members.extend(found),
            Err(error) if is_out_of_descriptors(&error) => return Err(error),
            // Gone since it was listed, or no directory after all: not here.
            Err(_) => {}
        }
    }
    Ok(Members::new(members))
}

/// The member called `user`, where it is here.
pub fn member(room: &RoomDir, user: &UserName) -> io::Result<Option<Member>> {
    let is_web = match room.open_directory(&user.avatar_dir()) {
        Ok(Some(avatar)) => is_web(&avatar)?,
        Ok(None) => return Ok(None),
        // The directory is the presence, also where somebody keeps its inside to themselves.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
        Err(error) => return Err(error),
    };
    Ok(Some(Member { username: user.clone(), is_web }))
}

fn is_web(avatar: &File) -> io::Result<bool> {
    Ok(attributes::get(avatar, WEB_AVATAR)?.is_some())
}

/// Whether an avatar is here that is of the web, or of which nothing says what it is.
pub fn may_be_of_the_web(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    match room.open_directory(&user.avatar_dir())? {
        Some(avatar) => Ok(is_web(&avatar)? || attributes::get(&avatar, IS_AVATAR)?.is_none()),
        None => Ok(false),
    }
}

/// Makes a web avatar. Says whether it is new; an avatar that is here stays as it is.
pub fn join(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    if member(room, user)?.is_some() {
        touch(room, user)?;
        return Ok(false);
    }
    // Made under a name that is nobody's, so that nobody sees it without its attributes.
    let unfinished = format!("{}.new-{:016x}", user.avatar_dir(), fastrand::u64(..));
    room.make_directory(&unfinished)?;
    let finish = || {
        if let Some(avatar) = room.open_directory(&unfinished)? {
            attributes::set(&avatar, LAST_ACTIVITY, &epoch_seconds().to_string())?;
            attributes::set(&avatar, IS_AVATAR, "1")?;
            attributes::set(&avatar, WEB_AVATAR, "1")?;
        }
        room.put_in_place(&unfinished, &user.avatar_dir())
    };
    finish().map(|()| true).inspect_err(|_| drop(room.remove(&unfinished)))
}

/// Notes that a web avatar was heard of just now. Says whether there is one.
pub fn touch(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    match room.open_directory(&user.avatar_dir())? {
        Some(avatar) if is_web(&avatar)? => {
            attributes::set(&avatar, LAST_ACTIVITY, &epoch_seconds().to_string())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The same for one who is often heard of: not where that was noted less than [`ACTIVITY_SETTLES`] ago, for whoever
/// watches the room hears of each note.
pub fn touch_lightly(room: &RoomDir, user: &UserName) -> io::Result<()> {
    if let Some(avatar) = room.open_directory(&user.avatar_dir())?
        && is_web(&avatar)?
        && idle(&avatar)? > ACTIVITY_SETTLES
    {
        attributes::set(&avatar, LAST_ACTIVITY, &epoch_seconds().to_string())?;
    }
    Ok(())
}

/// Removes an avatar. Says whether it was here.
pub fn leave(room: &RoomDir, user: &UserName) -> io::Result<bool> {
    room.remove(&user.avatar_dir())
}

/// What came of a rename or a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is done.
    Done,
    /// There is no such avatar.
    NotHere,
    /// Another one has that name there.
    Taken,
}

/// Gives an avatar another name, another room, or both. Its attributes go with it.
pub fn transfer(from: &RoomDir, old: &UserName, to: &RoomDir, new: &UserName) -> io::Result<Moved> {
    if from.open_directory(&old.avatar_dir())?.is_none() {
        return Ok(Moved::NotHere);
    }
    match from.rename_directory(&old.avatar_dir(), to, &new.avatar_dir()) {
        Ok(true) => Ok(Moved::Done),
        Ok(false) => Ok(Moved::Taken),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Moved::NotHere),
        Err(error) => Err(error),
    }
}

/// Removes the avatars that were not heard of for [`AWAY_AFTER`], but for those that `keep` says are here, and names
/// them.
pub fn sweep(room: &RoomDir, keep: impl Fn(&Member) -> bool) -> io::Result<Vec<UserName>> {
    let mut away = Vec::new();
    for member in members(room)?.iter().filter(|member| !keep(member)) {
        let Some(avatar) = room.open_directory(&member.username.avatar_dir())? else { continue };
        if idle(&avatar)? > AWAY_AFTER && leave(room, &member.username)? {
            away.push(member.username.clone());
        }
    }
    Ok(away)
}

fn idle(avatar: &File) -> io::Result<Duration> {
    Ok(SystemTime::now().duration_since(last_heard_of(avatar)?).unwrap_or_default())
}

fn last_heard_of(avatar: &File) -> io::Result<SystemTime> {
    let noted = attributes::get(avatar, LAST_ACTIVITY)?.and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    Ok(match UNIX_EPOCH.checked_add(Duration::from_secs(noted)) {
        Some(time) if noted > 0 => time,
        _ => avatar.metadata().and_then(|meta| meta.modified()).unwrap_or(UNIX_EPOCH),
    })
}

fn epoch_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
