//! The chat page and its files, embedded.

use http::header::{CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY};
use http::{Method, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;

const INDEX: &str = include_str!("page/index.html");

/// What stands in the page before each address of an asset: the way up to the mount.
const UP: &str = "{{up}}";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($kind:ident $name:literal)*) => {
        /// Name, media type and content of each.
        const ASSETS: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("page/", $name)))),*];
    };
}

assets! {
    CSS "chat.css"
    SVG "favicon.svg"
    JAVASCRIPT "api.js"
    JAVASCRIPT "badge.js"
    JAVASCRIPT "composer.js"
    JAVASCRIPT "lists.js"
    JAVASCRIPT "log.js"
    JAVASCRIPT "main.js"
    JAVASCRIPT "notice.js"
    JAVASCRIPT "panels.js"
    JAVASCRIPT "room.js"
    JAVASCRIPT "self.js"
    JAVASCRIPT "state.js"
    JAVASCRIPT "stream.js"
    JAVASCRIPT "time.js"
}

/// The page, at a path that is `depth` folders below the mount.
pub fn page(request: &Request, depth: usize) -> Result<Response, Problem> {
    let up = if depth == 0 { "./".to_owned() } else { "../".repeat(depth) };
    let mut response = cached(request, "text/html; charset=utf-8", &INDEX.replace(UP, &up))?;
    response.headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response.headers.insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// The file `name` of the page.
pub fn asset(request: &Request, name: &str) -> Result<Response, Problem> {
    let (_, kind, content) = ASSETS.iter().find(|(other, ..)| *other == name).ok_or_else(Problem::no_resource)?;
    cached(request, kind, content)
}

/// Sent once and then only asked after: browsers keep it as long as it stays the same.
fn cached(request: &Request, kind: &'static str, content: &str) -> Result<Response, Problem> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Problem::method("GET, HEAD"));
    }
    let tag = format!("\"{:016x}\"", xxh3_64(content.as_bytes()));
    let known = request.header(IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let response = if known {
        Response::empty(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(StatusCode::OK, kind, content.to_owned())
    };
    let tag = HeaderValue::try_from(tag).map_err(|_| Problem::no_resource())?;
    Ok(response.with(ETAG, tag))
}
