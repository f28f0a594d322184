//! `chat-list-rooms`, `chat-create-room`, `chat-delete-room`.

use std::fmt::Write;
use std::io;

use crate::api::dropin::answer::{self, CROSS_SITE, escape, trimmed};
use crate::api::exchange::{Request, Response};
use crate::api::site::Site;
use crate::room::name::RoomName;
use crate::store::history::last_line;
use crate::store::log::Log;
use crate::store::root::HeldRoot;

/// All rooms, with the last line of each.
pub fn list(site: &Site<'_>) -> Response {
    let mut body = "<ul class=\"room-list\">\n".to_owned();
    let root = site.root.held();
    for room in site.root.rooms().unwrap_or_default() {
        let _ = write!(
            body,
            "  <li class=\"room-item\" data-room=\"{room}\">\n    \
             <span class=\"room-icon\">#</span><strong>{room}</strong>\n    \
             <span class=\"unread-badge hidden\" data-room=\"{room}\">0</span>\n"
        );
        if let Ok(Some(line)) = root.as_ref().map_or(Ok(None), |root| last_line_of(root, &room)) {
            body.push_str("    <div class=\"last-msg\">");
            escape(&mut body, &String::from_utf8_lossy(&line));
            body.push_str("</div>\n");
        }
        body.push_str("  </li>\n");
    }
    body.push_str("</ul>\n");
    answer::html(body)
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
        Err(_) => answer::error("Failed to create room"),
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
        Ok(false) => answer::error("Room not found"),
        Err(_) => answer::error("Failed to delete room"),
    }
}
