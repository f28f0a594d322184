//! What members do, read from and written into their avatars: files `user.typing`, `user.read` and `user.idle`, so
//! that a script can see it with `ls`, and do it with `touch`.

use std::io;

use crate::limits::PRESENCE_MAX_MEMBERS;
use crate::room::members::Members;
use crate::room::name::UserName;
use crate::room::presence::{Doing, Presence};
use crate::store::attributes;
use crate::store::root::RoomDir;

/// Somebody writes something.
pub const TYPING: &str = "typing";
/// The id of the last message somebody has read.
pub const READ: &str = "read";
/// Somebody looks elsewhere.
pub const IDLE: &str = "idle";

/// What `members` of a room do. Of more than [`PRESENCE_MAX_MEMBERS`] it is not told: each would hear of each.
pub fn presence(room: &RoomDir, members: &Members) -> Presence {
    if members.iter().nth(PRESENCE_MAX_MEMBERS).is_some() {
        return Presence::default();
    }
    Presence::new(members.iter().filter_map(|member| {
        let doing = doing(room, &member.username).ok()??;
        Some((member.username.as_str().to_owned(), doing))
    }))
}

/// What one member does; `None` where they are not here.
pub fn doing(room: &RoomDir, user: &UserName) -> io::Result<Option<Doing>> {
    let Some(avatar) = room.open_directory(&user.avatar_dir())? else { return Ok(None) };
    let of = |name| attributes::get(&avatar, name);
    let read = of(READ)?.filter(|read| !read.is_empty());
    Ok(Some(Doing { typing: of(TYPING)?, read, idle: of(IDLE)? }))
}

/// Sets what a member does, or unsets it.
pub fn set(room: &RoomDir, user: &UserName, name: &str, value: Option<&str>) -> io::Result<()> {
    let Some(avatar) = room.open_directory(&user.avatar_dir())? else { return Ok(()) };
    match value {
        Some(value) => attributes::set_file(&avatar, name, value),
        None => {
            attributes::remove(&avatar, name);
            Ok(())
        }
    }
}
