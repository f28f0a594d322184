//! `chat-list-rooms`, `chat-create-room`, `chat-delete-room`.

use std::fmt::Write;
use std::io;

use crate::api::dropin::ROOM_NOT_FOUND;
use crate::api::dropin::answer::{self, CROSS_SITE, Refusal, escape, trimmed};
use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::room::name::RoomName;
use crate::store::history::last_line;
use crate::store::log::Log;
use crate::store::root::{HeldRoot, is_out_of_descriptors};

/// All rooms, with the last line of each.
pub fn list(site: &Site<'_>) -> Response {
    items(site).map_or_else(|error| Problem::from(error).into_response(), answer::html)
}

/// Fails only for want of descriptors: else what can't be read is not shown.
fn items(site: &Site<'_>) -> io::Result<String> {
    let mut body = "<ul class=\"room-list\">\n".to_owned();
    let root = known(site.root.held())?;
    for room in known(site.root.rooms())?.unwrap_or_default() {
        let _ = write!(
            body,
            "  <li class=\"room-item\" data-room=\"{room}\">\n    \
             <span class=\"room-icon\">#</span><strong>{room}</strong>\n    \
             <span class=\"unread-badge hidden\" data-room=\"{room}\">0</span>\n"
        );
        let line = root.as_ref().map_or(Ok(None), |root| last_line_of(root, &room));
        if let Some(Some(line)) = known(line)? {
            body.push_str("    <div class=\"last-msg\">");
            escape(&mut body, &String::from_utf8_lossy(&line));
            body.push_str("</div>\n");
        }
        body.push_str("  </li>\n");
    }
    body.push_str("</ul>\n");
    Ok(body)
}

/// What was found, where it could be found.
fn known<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if is_out_of_descriptors(&error) => Err(error),
        found => Ok(found.ok()),
    }
}

fn last_line_of(root: &HeldRoot, room: &RoomName) -> io::Result<Option<Vec<u8>>> {
    let Some(room) = root.room(room)? else { return Ok(None) };
    Log::open(&room)?.map_or(Ok(None), |log| last_line(&log))
}

/// Makes a room, which the page then joins.
pub fn create(site: &Site<'_>, request: &Request) -> Response {
    if request.is_cross_site() {
        return answer::error(CROSS_SITE);
    }
    let query = request.query();
    let Some(name) = trimmed(&query, "name") else { return answer::error("Room name required") };
    let Ok(name) = RoomName::parse(name) else {
        return answer::error("Invalid room name. No path traversal allowed.");
    };
    // A room's name has nothing that means something in a script.
    let join = format!("setTimeout(function() {{ joinRoom('{name}'); }}, 100);");
    match site.root.create_room(&name) {
        Ok(true) => answer::success_with(&format!("✓ Room <strong>{name}</strong> created!"), &join),
        Ok(false) => answer::success_with(&format!("Room <strong>{name}</strong> already exists. Joining..."), &join),
        Err(error) => Refusal::of("Failed to create room")(error).into_response(answer::error),
    }
}

/// Deletes a room and all that is in it.
pub fn delete(site: &Site<'_>, request: &Request) -> Response {
    if request.is_cross_site() {
        return answer::error(CROSS_SITE);
    }
    let query = request.query();
    let Some(name) = trimmed(&query, "room") else { return answer::error("Room name required") };
    let Ok(name) = RoomName::parse(name) else { return answer::error("Invalid room name") };
    match site.root.delete_room(&name) {
        Ok(true) => answer::success(&format!("✓ Room <strong>{name}</strong> deleted")),
        Ok(false) => answer::error(ROOM_NOT_FOUND),
        Err(error) => Refusal::of("Failed to delete room")(error).into_response(answer::error),
    }
}
