//! `/unread`: how many messages each room has. Who remembers how many they have seen knows how many are unread.

use std::io;

use http::StatusCode;
use http::header::{HeaderValue, VARY};

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::streams;
use crate::store::count::Counts;
use crate::store::root::DataRoot;

/// The counts, as JSON or live.
pub fn answer(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    let varying = |response: Response| response.with(VARY, HeaderValue::from_static("Accept"));
    if request.accepts().any(|kind| kind == streams::EVENT_STREAM) {
        return Ok(varying(streams::counts(site, request)?));
    }
    let root = site.root.clone();
    let counted = move || match count(&root) {
        Ok(counts) => varying(Response::json(StatusCode::OK, &counts)),
        Err(error) => Problem::from(error).into_response(),
    };
    Ok(match site.registry {
        // A long log is read by a thread that nobody else waits for.
        Some(_) => Response::of_work(counted),
        None => counted(),
    })
}

fn count(root: &DataRoot) -> io::Result<Counts> {
    let mut counts = Counts::default();
    counts.list(root.rooms()?);
    while counts.go_on(root)? {}
    Ok(counts)
}
