//! `chat-list-rooms`, `chat-create-room`, `chat-delete-room`.

use std::fmt::Write;
use std::io;

use crate::api::dropin::answer::{self, CROSS_SITE, escaped, trimmed};
use crate::api::exchange::{Request, Response};
use crate::api::site::Site;
use crate::limits::PAGE_MAX_BYTES;
use crate::room::name::RoomName;
use crate::store::history::start_of_last;
use crate::store::log::Log;

/// All rooms, with the last line of each.
pub fn list(site: &Site<'_>) -> Response {
    let mut body = "<ul class=\"room-list\">\n".to_owned();
    for room in site.root.rooms().unwrap_or_default() {
        let _ = write!(
            body,
            "  <li class=\"room-item\" data-room=\"{room}\">\n    \
             <span class=\"room-icon\">#</span><strong>{room}</strong>\n    \
             <span class=\"unread-badge hidden\" data-room=\"{room}\">0</span>\n"
        );
        if let Ok(Some(line)) = last_line(site, &room) {
            let _ = writeln!(body, "    <div class=\"last-msg\">{}</div>", escaped(&line));
        }
        body.push_str("  </li>\n");
    }
    body.push_str("</ul>\n");
    answer::html(body)
}

fn last_line(site: &Site<'_>, room: &RoomName) -> io::Result<Option<String>> {
    let Some(room) = site.root.room(room)? else { return Ok(None) };
    let Some(log) = Log::open(&room)? else { return Ok(None) };
    let start = start_of_last(&log, log.whole_before(log.size()?)?, 1, PAGE_MAX_BYTES)?;
    let stretch = log.stretch(start)?;
    let last = stretch.as_ref().and_then(|stretch| stretch.lines().last());
    Ok(last.map(|line| String::from_utf8_lossy(line.bytes).into_owned()))
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
