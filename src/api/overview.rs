//! `/overview`: of each room the last message, and how much of it somebody has not read.

use std::collections::{BTreeMap, HashMap};

use chrono::Local;
use http::StatusCode;
use serde::Serialize;

use crate::api::exchange::{Request, Response};
use crate::api::identity;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::limits::PAGE_MAX_BYTES;
use crate::room::cursor::Cursor;
use crate::room::message::Message;
use crate::room::name::{RoomName, UserName};
use crate::store::history::{each_line, start_of_last};
use crate::store::log::Log;
use crate::store::presence;
use crate::store::root::DataRoot;
use crate::store::unread::{Unread, unread};

/// How far back the last message is looked for, in lines: what happened to the room is none.
const LAST_LINES: usize = 50;

#[derive(Default, Serialize)]
struct Overview {
    last: Option<Message>,
    /// The reader's mark: the later of the one in their avatar and the one that the request says.
    read: Option<String>,
    #[serde(flatten)]
    unread: Unread,
}

/// Of all rooms, or of those in `rooms=A,B`. `user` is the reader; `read=A:ID,B:ID` are marks that their device has
/// kept. Where there is no mark, nothing counts as unread.
pub fn answer(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    let query = request.query();
    let user = identity::speaker(request, query.get("user"))?;
    let mut marks = HashMap::new();
    for mark in query.get("read").unwrap_or_default().split(',').filter(|mark| !mark.is_empty()) {
        let (room, id) = mark
            .split_once(':')
            .ok_or_else(|| Problem::bad_parameter("read", format_args!("{mark:?}: expected ROOM:ID")))?;
        marks.insert(RoomName::parse(room)?, Cursor::parse(id).map_err(|error| Problem::from(("read", error)))?);
    }
    let only = match query.get("rooms") {
        Some(names) => Some(names.split(',').map(RoomName::parse).collect::<Result<Vec<_>, _>>()?),
        None => None,
    };
    Ok(site.work(move |root| {
        let rooms = only.map_or_else(|| root.rooms(), Ok)?;
        let overview: BTreeMap<&str, Overview> = rooms
            .iter()
            .filter_map(|name| Some((name.as_str(), of(root, name, &user, marks.get(name)).ok()??)))
            .collect();
        Ok(Response::json(StatusCode::OK, &overview))
    }))
}

/// Of one room; `None` where there is none of that name.
fn of(root: &DataRoot, name: &RoomName, user: &UserName, kept: Option<&Cursor>) -> Result<Option<Overview>, Problem> {
    let Some(room) = root.room(name)? else { return Ok(None) };
    let noted = presence::doing(&room, user)?.and_then(|doing| Cursor::parse(&doing.read?).ok());
    let Some(log) = Log::open(&room)? else { return Ok(Some(Overview::default())) };
    let mut overview = Overview { last: last(&log)?, ..Overview::default() };
    let marks: Vec<&Cursor> = [noted.as_ref(), kept].into_iter().flatten().collect();
    let mut known = None;
    for mark in &marks {
        known = known.max(log.resolve(mark)?.ok());
    }
    overview.unread = match known {
        Some(offset) => {
            overview.read = Some(log.cursor(offset)?.to_string());
            unread(&log, offset, user)?
        }
        // The log is another one than the one that was read.
        None if !marks.is_empty() => unread(&log, 0, user)?,
        None => Unread::default(),
    };
    Ok(Some(overview))
}

fn last(log: &Log) -> Result<Option<Message>, Problem> {
    let end = log.whole_before(log.size()?)?;
    let mut last = None;
    each_line(log, start_of_last(log, end, LAST_LINES, PAGE_MAX_BYTES / 64)?, end, |line| {
        if !crate::room::line::is_system(line.bytes) {
            last = Some((line.id, line.bytes[..line.bytes.len().min(300)].to_vec()));
        }
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(last.map(|(id, line)| Message::new(id, &line, None, &Local)))
}
