//! `chat-list-avatars`, `chat-count-avatars`, and those by which avatars come, go, move and are called otherwise.

use std::io;

use serde::Deserialize;
use serde_json::json;

use crate::api::dropin::answer::{self, CROSS_SITE, Refusal, posted, trimmed};
use crate::api::dropin::{ROOM_NOT_FOUND, find_room};
use crate::api::exchange::{Request, Response};
use crate::api::identity;
use crate::api::site::Site;
use crate::live::attendance;
use crate::room::members::Members;
use crate::room::name::{RoomName, SYSTEM, UserName};
use crate::store::avatars::{self, Moved};
use crate::store::root::RoomDir;
use crate::wire::form::Fields;

/// Who is in a room.
pub fn list(site: &Site<'_>, query: &Fields) -> Response {
    members(site, query).map_or_else(refused, |members| answer::json(&members))
}

/// How many are in a room.
pub fn count(site: &Site<'_>, query: &Fields) -> Response {
    let counted = |members: Members| answer::json(&json!({ "count": members.iter().count() }));
    members(site, query).map_or_else(refused, counted)
}

fn refused(refusal: Refusal) -> Response {
    refusal.into_response(|error| answer::json(&json!({ "error": error })))
}

fn members(site: &Site<'_>, query: &Fields) -> Result<Members, Refusal> {
    let name = trimmed(query, "room").ok_or("Room name required")?;
    let (name, room) = find_room(site, name)?;
    let swept = site.sweep(&name, &room).and_then(|()| avatars::members(&room));
    swept.map_err(Refusal::of(ROOM_NOT_FOUND))
}

/// Somebody comes.
pub fn create(site: &Site<'_>, request: &Request) -> Response {
    let create = || {
        let fields = changing(request)?;
        let (Some(room), Some(user)) = (trimmed(&fields, "room"), fields.get("user")) else {
            return Err("Room and user required".into());
        };
        RoomName::parse(room).map_err(|_| "Invalid room name")?;
        if user == SYSTEM {
            return Err("Invalid username. 'log' is a reserved name.".into());
        }
        let user = allowed(request, user)?;
        let (_, room) = find_room(site, room)?;
        attendance::join_once(&room, &user).map_err(Refusal::of("Failed to create avatar"))
    };
    told("✓ Avatar created", create())
}

/// Somebody is called otherwise.
pub fn rename(site: &Site<'_>, request: &Request) -> Response {
    let rename = || {
        let fields = changing(request)?;
        let (Some(room), Some(old), Some(new)) =
            (trimmed(&fields, "room"), fields.get("old_user"), fields.get("new_user"))
        else {
            return Err("Room, old username, and new username required".into());
        };
        RoomName::parse(room).map_err(|_| "Invalid room name")?;
        let (old, new) = (allowed(request, old)?, allowed(request, new)?);
        let (_, room) = find_room(site, room)?;
        match attendance::rename(&room, &old, &new) {
            Ok(Moved::Done) => Ok(()),
            Ok(Moved::NotHere) => Err("Old avatar not found".into()),
            Ok(Moved::Taken) => Err("New username already exists".into()),
            Err(error) => Err(Refusal::of("Failed to rename avatar")(error)),
        }
    };
    told("✓ Avatar renamed", rename())
}

/// Somebody goes, if they were here.
pub fn delete(site: &Site<'_>, request: &Request) -> Response {
    let delete = || {
        let fields = changing(request)?;
        let (Some(room), Some(user)) = (trimmed(&fields, "room"), fields.get("user")) else {
            return Err("Room and user required".into());
        };
        RoomName::parse(room).map_err(|_| "Invalid room name")?;
        let user = allowed(request, user)?;
        let (_, room) = find_room(site, room)?;
        take_away(&room, &user).map_err(Refusal::of("Failed to delete avatar"))
    };
    told("✓ Avatar deleted", delete())
}

/// That somebody left is told of web avatars, and of those that nothing says what they are.
fn take_away(room: &RoomDir, user: &UserName) -> io::Result<()> {
    if avatars::may_be_of_the_web(room, user)? {
        attendance::leave(room, user)?;
    } else {
        avatars::leave(room, user)?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Move {
    #[serde(default)]
    room: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    old_room: String,
}

/// Somebody goes from one room to another, which is made where there is none.
pub fn move_on(site: &Site<'_>, request: &Request) -> Response {
    let go = || {
        if request.is_cross_site() {
            return Err(CROSS_SITE.into());
        }
        let line = request.body().map_err(answer::bad_body)?.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let asked: Move = serde_json::from_slice(line).map_err(|_| "Missing required parameters")?;
        if asked.room.is_empty() || asked.username.is_empty() {
            return Err("Missing required parameters".into());
        }
        let user = allowed(request, &asked.username).map_err(|_| "Username contains invalid characters")?;
        let room = RoomName::parse(&asked.room).map_err(|_| "Invalid room name")?;
        let old_room = Some(&asked.old_room).filter(|name| !name.is_empty());
        let old_room = old_room.map(|name| RoomName::parse(name)).transpose().map_err(|_| "Invalid old room name")?;
        move_between(site, old_room.filter(|old| *old != room).as_ref(), &room, &user)
            .map_err(Refusal::of("Failed to move avatar"))
    };
    match go() {
        Ok(true) => answer::json_line(r#"{"success":true,"moved":true}"#),
        Ok(false) => answer::json_line(r#"{"success":true,"moved":false,"created":true}"#),
        Err(refusal) => refusal.into_response(|error| answer::json_line(json!({ "error": error }).to_string())),
    }
}

/// Says whether the avatar was somewhere before.
fn move_between(site: &Site<'_>, old: Option<&RoomName>, new: &RoomName, user: &UserName) -> io::Result<bool> {
    site.root.create_room(new)?;
    let Some(to) = site.root.room(new)? else { return Err(io::ErrorKind::NotFound.into()) };
    if let Some(from) = old.map(|old| site.root.room(old)).transpose()?.flatten() {
        match attendance::move_on(&from, &to, user)? {
            Moved::Done => return Ok(true),
            // Somebody of that name is there already: that is them, or who they say they are.
            Moved::Taken => return take_away(&from, user).map(|()| true),
            Moved::NotHere => {}
        }
    }
    Ok(!attendance::join(&to, user)?)
}

/// The fields of a request that changes something.
fn changing(request: &Request) -> Result<Fields, Refusal> {
    if request.is_cross_site() { Err(CROSS_SITE.into()) } else { Ok(posted(request).map_err(answer::bad_body)?) }
}

fn allowed(request: &Request, user: &str) -> Result<UserName, Refusal> {
    let user = UserName::parse(user).map_err(|_| "Invalid username")?;
    Ok(identity::may_act_for(request, &user).map(|()| user).map_err(|_| "Invalid username")?)
}

fn told(done: &str, outcome: Result<(), Refusal>) -> Response {
    outcome.map_or_else(|refusal| refusal.into_response(answer::error), |()| answer::success(done))
}
