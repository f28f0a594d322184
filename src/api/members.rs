//! `/rooms/ROOM/members`: who is here, coming, going, being called otherwise.

use http::{Method, StatusCode};
use serde::Deserialize;

use crate::api::exchange::{Request, Response};
use crate::api::identity;
use crate::api::marks::Marks;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::live::attendance;
use crate::room::members::Member;
use crate::room::name::{RoomName, UserName};
use crate::store::avatars::{self, Moved};
use crate::store::root::RoomDir;
use crate::wire::json;

const METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE";

/// Who is here.
pub fn list(site: &Site<'_>, name: &RoomName) -> Result<Response, Problem> {
    let room = site.room(name)?;
    site.sweep(name, &room)?;
    Ok(Response::new(StatusCode::OK, "application/json", json::spaced(&avatars::members(&room)?)))
}

/// One member.
pub fn answer(site: &Site<'_>, request: &Request, name: &RoomName, user: &UserName) -> Result<Response, Problem> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        identity::may_act_for(request, user)?;
    }
    let room = site.room(name)?;
    match request.method {
        Method::GET | Method::HEAD => show(StatusCode::OK, &here(&room, user)?),
        Method::PUT => {
            let new = attendance::join(&room, user)?;
            show(if new { StatusCode::CREATED } else { StatusCode::OK }, &here(&room, user)?)
        }
        Method::DELETE => {
            of_the_web(&here(&room, user)?)?;
            attendance::leave(&room, user)?;
            Ok(Response::empty(StatusCode::NO_CONTENT))
        }
        Method::PATCH => change(site, request, &room, user),
        _ => Err(Problem::method(METHODS)),
    }
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    room: Option<String>,
    #[serde(flatten)]
    marks: Marks,
}

fn change(site: &Site<'_>, request: &Request, room: &RoomDir, user: &UserName) -> Result<Response, Problem> {
    let change: Change = serde_json::from_slice(request.body()?).map_err(|error| {
        Problem::bad_request(format_args!(
            "the body is not JSON of the form {{\"name\"}}, {{\"room\"}} or {{\"typing\"}}: {error}"
        ))
    })?;
    of_the_web(&here(room, user)?)?;
    let (moved, member) = match (change.name, change.room) {
        (Some(new), None) => {
            let new = UserName::parse(&new)?;
            identity::may_act_for(request, &new)?;
            let moved = if new == *user { Moved::Done } else { attendance::rename(room, user, &new)? };
            (moved, avatars::member(room, &new)?)
        }
        (None, Some(other)) => {
            let other = site.room(&RoomName::parse(&other)?)?;
            (attendance::move_on(room, &other, user)?, avatars::member(&other, user)?)
        }
        (None, None) if change.marks.any() => {
            change.marks.note(room, user)?;
            (Moved::Done, avatars::member(room, user)?)
        }
        _ => {
            let detail = "expected one of `name`, `room`, or some of `typing`, `idle` and `read` in the body";
            return Err(Problem::bad_request(detail));
        }
    };
    match (moved, member) {
        (Moved::Done, Some(member)) => show(StatusCode::OK, &member),
        (Moved::Taken, _) => {
            Err(Problem::new(StatusCode::CONFLICT, "somebody of that name is there already; nothing was changed"))
        }
        _ => Err(Problem::no_member(user)),
    }
}

fn here(room: &RoomDir, user: &UserName) -> Result<Member, Problem> {
    avatars::member(room, user)?.ok_or_else(|| Problem::no_member(user))
}

/// Avatars that a shell made are the shell's to move and remove.
fn of_the_web(member: &Member) -> Result<(), Problem> {
    if member.is_web {
        return Ok(());
    }
    let detail = format_args!("a shell made the avatar of {}: only a shell takes it away", member.username).to_string();
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

fn show(status: StatusCode, member: &Member) -> Result<Response, Problem> {
    Ok(Response::json(status, member))
}
