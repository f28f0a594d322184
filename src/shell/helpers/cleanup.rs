//! `chat-cleanup-inactive-avatars ROOMDIR`: web avatars that were not heard of for long are away.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use crate::live::attendance;
use crate::room::name::RoomName;
use crate::shell::place::Failure;
use crate::store::root::DataRoot;

/// Removes them, and says so in the room's log. Says nothing itself, also where there is no such room.
pub fn inactive_avatars(arguments: &[OsString], _: &mut dyn Write) -> Result<(), Failure> {
    let [room, ..] = arguments else { return Err("expected the path of a room's directory; nothing is done".into()) };
    let Ok(room) = Path::new(room).canonicalize() else { return Ok(()) };
    let name = room.file_name().and_then(|name| name.to_str()).map(RoomName::parse);
    if let (Some(Ok(name)), Some(root)) = (name, room.parent())
        && let Some(room) = DataRoot::open(root)?.room(&name)?
    {
        attendance::clean_up(&room)?;
    }
    Ok(())
}
