//! The chat page and its files, embedded.

use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, VARY,
};
use http::{Method, StatusCode};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::api::exchange::{Request, Response};
use crate::api::problem::Problem;
use crate::room::name::RoomName;

const INDEX: &str = include_str!("page/index.html");

/// What stands in the page for the way up to the mount.
const UP: &str = "{{up}}";
/// What stands in the page for the folder of its files.
const ASSETS_FOLDER: &str = "{{assets}}";

/// What stands in the page for the way on without JavaScript.
const PLAIN: &str = "{{plain}}";
/// What stands in the page for the modules that it needs.
const PRELOAD: &str = "{{preload}}";

/// How many messages the page asks for first: the same as in server.js.
const FIRST_PAGE: usize = 50;

/// The modules that a page begins with: what shows the first messages, then the rest, and what a shared worker runs,
/// or the page where a browser has no such workers.
const SCRIPTS: [&str; 3] = ["first.js", "main.js", "hub.js"];

pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const TYPESCRIPT: &str = "text/plain; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($kind:ident $name:literal)*) => {
        const ASSETS: &[Asset] = &[$(Asset {
            name: $name,
            kind: $kind,
            content: include_str!(concat!("page/", $name)),
        }),*];
    };
}

assets! {
    CSS "chat.css"
    CSS "messages.css"
    CSS "plain.css"
    SVG "favicon.svg"
    JAVASCRIPT "alerts.js"
    JAVASCRIPT "backoff.js"
    JAVASCRIPT "chatroom.js"
    JAVASCRIPT "completion.js"
    JAVASCRIPT "composer.js"
    JAVASCRIPT "dialogs.js"
    JAVASCRIPT "elements.js"
    JAVASCRIPT "events.js"
    JAVASCRIPT "fallback.js"
    JAVASCRIPT "first.js"
    JAVASCRIPT "hub.js"
    JAVASCRIPT "link.js"
    JAVASCRIPT "lists.js"
    JAVASCRIPT "log.js"
    JAVASCRIPT "main.js"
    JAVASCRIPT "message.js"
    JAVASCRIPT "notice.js"
    JAVASCRIPT "outbox.js"
    JAVASCRIPT "panels.js"
    JAVASCRIPT "programs.js"
    JAVASCRIPT "search.js"
    JAVASCRIPT "self.js"
    JAVASCRIPT "server.js"
    JAVASCRIPT "state.js"
    JAVASCRIPT "stream.js"
    JAVASCRIPT "text.js"
    JAVASCRIPT "time.js"
    JAVASCRIPT "visit.js"
    JAVASCRIPT "worker.js"
    TYPESCRIPT "chatroom.d.ts"
}

/// Each compressed, once somebody has asked for it.
static GZIPPED: [OnceLock<Vec<u8>>; ASSETS.len()] = [const { OnceLock::new() }; ASSETS.len()];

/// The page, at the mount or at the address of a room.
pub fn page(request: &Request, room: Option<&RoomName>) -> Result<Response, Problem> {
    let up = if room.is_some() { "../" } else { "./" };
    let plain = room.map_or("plain".to_owned(), |room| format!("plain/{room}"));
    // With its modules comes the first page of history, where first.js asks for it.
    let history = room.map(|room| {
        format!("  <link rel=\"preload\" as=\"fetch\" crossorigin href=\"{up}rooms/{room}?limit={FIRST_PAGE}\">\n")
    });
    let html = filled(up, &plain, &history.unwrap_or_default());
    let gzipped = takes_gzip(request).then(|| gzip(html.as_bytes()));
    let response = tagged(request, "text/html; charset=utf-8", html.as_bytes(), gzipped.as_deref())?;
    Ok(response
        .with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .with(REFERRER_POLICY, HeaderValue::from_static("same-origin"))
        .with(VARY, HeaderValue::from_static("Accept, Accept-Encoding")))
}

/// The page, with the way `up` to the mount, and from there to what is `plain`; and more to be preloaded.
pub(super) fn filled(up: &str, plain: &str, preload: &str) -> String {
    let folder = address(up, "");
    // All at once: none has to be read before the next is asked for.
    let modules: String =
        modules().iter().map(|name| format!("  <link rel=\"modulepreload\" href=\"{folder}{name}\">\n")).collect();
    let html = INDEX.replace(PRELOAD, &(preload.to_owned() + &modules)).replace(ASSETS_FOLDER, &folder);
    html.replace(PLAIN, plain).replace(UP, up)
}

/// The names and the contents of the page's files.
pub(super) fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    ASSETS.iter().map(|asset| (asset.name, asset.content))
}

/// All modules that the page loads, those that it needs first before the others: a browser opens six connections.
fn modules() -> &'static [&'static str] {
    static MODULES: OnceLock<Vec<&str>> = OnceLock::new();
    MODULES.get_or_init(|| {
        let mut modules = Vec::new();
        SCRIPTS.into_iter().for_each(|script| gather(script, &mut modules));
        modules
    })
}

/// Adds a module and all that it imports, unless they are there.
fn gather(name: &'static str, modules: &mut Vec<&'static str>) {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else { return };
    if modules.contains(&name) {
        return;
    }
    modules.push(name);
    let imported = asset.content.lines().filter_map(|line| line.split_once(" from './")?.1.strip_suffix("';"));
    imported.for_each(|imported| gather(imported, modules));
}

/// Where the file `name` of the page is, on the way `up` to the mount. The address changes with the files, so that
/// browsers need not ask whether they have.
pub fn address(up: &str, name: &str) -> String {
    format!("{up}assets/{}/{name}", version())
}

/// The file `name` of the page, of this `version` or of whatever version there is.
pub fn asset(request: &Request, version_asked: Option<&str>, name: &str) -> Result<Response, Problem> {
    let found = ASSETS.iter().zip(&GZIPPED).find(|(asset, _)| asset.name == name);
    let (asset, gzipped) = found.ok_or_else(Problem::no_resource)?;
    let gzipped = takes_gzip(request).then(|| gzipped.get_or_init(|| gzip(asset.content.as_bytes())).as_slice());
    let mut response = tagged(request, asset.kind, asset.content.as_bytes(), gzipped)?
        .with(VARY, HeaderValue::from_static("Accept-Encoding"));
    if version_asked == Some(version()) {
        response = response.with(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    Ok(response)
}

/// A hash of all files.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hash = Xxh3::new();
        ASSETS.iter().for_each(|asset| hash.update(asset.content.as_bytes()));
        format!("{:016x}", hash.digest())
    })
}

/// Sent once and then only asked after: browsers keep it as long as it stays the same.
fn tagged(request: &Request, kind: &'static str, content: &[u8], gzipped: Option<&[u8]>) -> Result<Response, Problem> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Problem::method("GET, HEAD"));
    }
    let form = if gzipped.is_some() { "-gz" } else { "" };
    let tag = format!("\"{:016x}{form}\"", xxh3_64(content));
    // A web server that compresses by itself makes a tag weak.
    let is_known = |known: &str| known.trim().trim_start_matches("W/") == tag;
    let mut response = if request.header(IF_NONE_MATCH).is_some_and(|known| known.split(',').any(is_known)) {
        Response::empty(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(StatusCode::OK, kind, gzipped.unwrap_or(content).to_owned())
    };
    if gzipped.is_some() && response.status == StatusCode::OK {
        response = response.with(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let tag = HeaderValue::try_from(tag).map_err(|_| Problem::no_resource())?;
    Ok(response.with(ETAG, tag))
}

fn takes_gzip(request: &Request) -> bool {
    let encodings = request.header(ACCEPT_ENCODING).unwrap_or("");
    encodings.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|part| part == "q=0")
    })
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Into memory: it can't fail.
    let _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_the_first_messages_comes_first_and_is_little() {
        let modules = modules();
        let first = modules.iter().position(|name| *name == "main.js").unwrap();
        assert_eq!(modules[0], "first.js");
        // With two style sheets and the messages: twice as many as there are connections, and one.
        assert!(first <= 10, "{} modules are needed first: {:?}", first, &modules[..first]);
        for needed in ["log.js", "state.js", "visit.js", "time.js"] {
            assert!(modules[..first].contains(&needed), "{needed} is not among them: {modules:?}");
        }
        assert!(modules.contains(&"hub.js") && !modules.contains(&"worker.js"), "{modules:?}");
    }

    #[test]
    fn all_of_it_is_small() {
        let all: usize = ASSETS.iter().map(|asset| gzip(asset.content.as_bytes()).len()).sum();
        let all = all + gzip(INDEX.as_bytes()).len();
        println!("{all} bytes compressed");
        assert!(all < 60_000, "{all} bytes compressed: expected less than 60 KB");
        assert!(all > 10_000, "{all} bytes compressed: is it all there?");
    }
}
