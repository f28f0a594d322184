//! `/rooms/ROOM/search?q=WORDS`: what was said, by what it says, the newest first.

use std::sync::Arc;

use chrono::Local;
use http::StatusCode;
use serde_json::json;

use crate::api::exchange::{Request, Response};
use crate::api::history;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::limits::{PAGE_DEFAULT_LINES, PAGE_MAX_LINES, SEARCH_MAX_BYTES};
use crate::room::message::Message;
use crate::room::name::RoomName;
use crate::store::log::Log;
use crate::store::root::DataRoot;
use crate::store::search::{Wanted, last_wanted};

/// The last messages that have all words of `q`, the oldest of them first; those up to the position `until`, where the
/// request says. `next` is where to go on searching, `null` once all was searched.
pub fn answer(site: &Site<'_>, request: &Request, name: &RoomName) -> Result<Response, Problem> {
    let query = request.query();
    let wanted = Wanted::parse(query.get("q").unwrap_or_default())
        .ok_or_else(|| Problem::bad_parameter("q", "it is missing or blank: expected words to search for"))?;
    let limit = history::number(&query, "limit", PAGE_MAX_LINES)?.unwrap_or(PAGE_DEFAULT_LINES).max(1);
    let log = Log::open(&site.room(name)?)?;
    let until = history::position(&query, "until", log.as_ref())?;
    let search = Search { wanted, limit, log, until, room: name.clone() };
    Ok(site.work(move |_| search.run()))
}

struct Search {
    wanted: Wanted,
    limit: usize,
    log: Option<Log>,
    until: Option<u64>,
    room: RoomName,
}

impl Search {
    fn run(self) -> Result<Response, Problem> {
        let (mut messages, mut next) = (Vec::new(), None);
        if let Some(log) = self.log {
            let end = match self.until {
                Some(until) => until,
                None => log.whole_before(log.size()?)?,
            };
            let found = last_wanted(&log, end, &self.wanted, self.limit, SEARCH_MAX_BYTES, |line| {
                Message::new(line.id, line.bytes, line.cut, &Local)
            })?;
            messages = found.lines;
            if found.from > 0 {
                next = Some(log.cursor(found.from)?.to_string());
            }
        }
        let found = json!({ "room": self.room.as_str(), "messages": messages, "next": next });
        Ok(Response::json(StatusCode::OK, &found))
    }
}

impl Site<'_> {
    /// An answer that takes longer than others should wait for: a server leaves it to another thread.
    pub fn work(&self, work: impl FnOnce(&DataRoot) -> Result<Response, Problem> + Send + 'static) -> Response {
        let root = Arc::clone(&self.root);
        let work = move || work(&root).unwrap_or_else(Problem::into_response);
        if self.registry.is_some() { Response::of_work(work) } else { work() }
    }
}
