//! `/rooms`: which rooms there are.

use http::StatusCode;
use http::header::{HeaderValue, VARY};

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::streams;
use crate::room::name::RoomName;

/// The list, as JSON or live.
pub fn list(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    let response = if request.accepts().any(|kind| kind == streams::EVENT_STREAM) {
        streams::rooms(site, request)?
    } else {
        let rooms = site.root.rooms()?;
        let names: Vec<&str> = rooms.iter().map(RoomName::as_str).collect();
        Response::json(StatusCode::OK, &names)
    };
    Ok(response.with(VARY, HeaderValue::from_static("Accept")))
}
