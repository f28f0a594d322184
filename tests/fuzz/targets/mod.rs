//! What must hold for any bytes, one function a parser.

mod fastcgi;
mod json;
mod lines;
mod request;
mod sse;

/// A function that panics where a promise does not hold, and words that its inputs are made of.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub call: fn(&[u8]),
    pub words: &'static [&'static [u8]],
}

/// Each of them.
pub const ALL: &[Target] = &[
    target("line", lines::line, lines::WORDS),
    target("cursor", lines::cursor, lines::WORDS),
    target("names", lines::names, lines::WORDS),
    target("stream_name", lines::stream_name, lines::WORDS),
    target("sse", sse::encoder, sse::WORDS),
    target("events", sse::reader, sse::WORDS),
    target("fastcgi", fastcgi::session, fastcgi::WORDS),
    target("fastcgi_request", fastcgi::request, fastcgi::WORDS),
    target("params", fastcgi::params, fastcgi::WORDS),
    target("variables", request::variables, request::WORDS),
    target("form", request::form, request::WORDS),
    target("start", request::start, request::WORDS),
    target("sidecar", json::sidecar, json::WORDS),
    target("ndjson", json::ndjson, json::WORDS),
    target("html", lines::html, lines::WORDS),
];

const fn target(name: &'static str, call: fn(&[u8]), words: &'static [&'static [u8]]) -> Target {
    Target { name, call, words }
}

/// The target of this name.
pub fn of(name: &str) -> Target {
    *ALL.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target {name}"))
}

/// The input in two: up to its first NUL, and what is behind it.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, b""),
    }
}

/// The bytes in pieces whose lengths `cuts` says, in turns.
fn pieces<'a>(bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((1 + usize::from(*cut)).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}
