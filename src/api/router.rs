//! From a path to the resource that answers.

use http::header::{ALLOW, HeaderValue, LOCATION};
use http::{Method, StatusCode};

use crate::api::exchange::{Body, Request, Response};
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::api::{assets, dropin, members, metrics, overview, plain, room, rooms, search, unread, v1};
use crate::room::name::{RoomName, UserName};

/// Answers a request.
pub fn handle(site: &Site<'_>, request: &Request) -> Response {
    let mut response = route(site, request).unwrap_or_else(Problem::into_response);
    // HEAD is GET without the body; of a live stream nothing is left then.
    if request.method == Method::HEAD && matches!(response.body, Body::Stream(_)) {
        response.body = Body::Whole(Default::default());
    }
    response
}

fn route(site: &Site<'_>, request: &Request) -> Result<Response, Problem> {
    if let Some(program) = dropin::Program::of_path(&request.path) {
        return Ok(program.run(site, request));
    }
    let Some(path) = request.path.strip_prefix('/') else { return redirect(request) };
    let segments: Vec<&str> = path.split('/').collect();
    let changes = !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && request.is_cross_site() {
        return Err(Problem::cross_site());
    }
    if let Some(name) = path.strip_prefix("v1/stream/") {
        return Ok(v1::answer(site, request, name));
    }
    let get = |allowed: &'static str| match request.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Problem::method(allowed)),
    };
    let answer = match segments[..] {
        [""] => assets::page(request, None),
        ["assets", name] => assets::asset(request, None, name),
        ["assets", version, name] => assets::asset(request, Some(version), name),
        ["healthz"] => get("GET, HEAD").map(|()| Response::new(StatusCode::OK, "text/plain", "ok\n")),
        ["metrics"] => get("GET, HEAD").and_then(|()| metrics::answer(site)),
        ["rooms"] => get("GET, HEAD").and_then(|()| rooms::list(site, request)),
        ["unread"] => get("GET, HEAD").and_then(|()| unread::answer(site, request)),
        ["overview"] => get("GET, HEAD").and_then(|()| overview::answer(site, request)),
        ["plain"] => get("GET, HEAD").and_then(|()| plain::rooms(site)),
        ["plain", name] => plain::room(site, request, &RoomName::parse(name)?),
        ["rooms", name] => room::answer(site, request, &RoomName::parse(name)?),
        ["rooms", name, "search"] => {
            get("GET, HEAD").and_then(|()| search::answer(site, request, &RoomName::parse(name)?))
        }
        ["rooms", name, "members"] => get("GET, HEAD").and_then(|()| members::list(site, &RoomName::parse(name)?)),
        ["rooms", name, "members", user] => {
            members::answer(site, request, &RoomName::parse(name)?, &UserName::parse(user)?)
        }
        _ => Err(Problem::no_resource()),
    };
    match answer {
        Err(problem) if request.method == Method::OPTIONS => Ok(options(problem)),
        answer => answer,
    }
}

/// OPTIONS tells what a refusal would.
fn options(problem: Problem) -> Response {
    let refusal = problem.into_response();
    match refusal.headers.get(ALLOW) {
        Some(allowed) => Response::empty(StatusCode::NO_CONTENT).with(ALLOW, allowed.clone()),
        None => refusal,
    }
}

/// The mount itself lacks the slash that the page's relative addresses need. Two slashes before it would lead to
/// another host.
fn redirect(request: &Request) -> Result<Response, Problem> {
    let to = match request.mount.trim_start_matches('/') {
        "" => "/".to_owned(),
        mount => format!("/{mount}/"),
    };
    let to = HeaderValue::try_from(to).map_err(Problem::bad_request)?;
    Ok(Response::empty(StatusCode::PERMANENT_REDIRECT).with(LOCATION, to))
}
