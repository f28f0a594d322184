//! What a web server says of a request, its query and its form.

use std::collections::HashMap;

use bytes::Bytes;
use chatroom::api::exchange::Request;
use chatroom::api::streams;
use chatroom::config::Config;
use chatroom::gateway::variables::{Mount, Variables};
use chatroom::live::stream::Start;
use chatroom::wire::form::Fields;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

use super::halves;

pub const WORDS: &[&[u8]] = &[
    b"HTTP_",
    b"HTTP_CONTENT_TYPE=",
    b"CONTENT_TYPE=a/b\n",
    b"CONTENT_LENGTH=",
    b"REQUEST_METHOD=POST\n",
    b"PATH_INFO=/rooms/General\n",
    b"SCRIPT_NAME=/chat/\n",
    b"REMOTE_USER=",
    b"CHATROOM_PING=",
    b"since=2026-01-31%2008:00:00&",
    b"2026-01-31T08:00:00+01:00",
    b"last_event_id=",
    b"%2",
    b"+",
    b"&",
    b"=",
];

type Pair = (Vec<u8>, Vec<u8>);

fn parsed(input: &[u8]) -> (Vec<Pair>, &[u8]) {
    let (lines, body) = halves(input);
    let pairs = lines.split(|byte| *byte == b'\n').map(|line| match line.iter().position(|byte| *byte == b'=') {
        Some(at) => (line[..at].to_vec(), line[at + 1..].to_vec()),
        None => (line.to_vec(), Vec::new()),
    });
    (pairs.collect(), body)
}

/// Variables of CGI or FastCGI: they are always some request, and always the same.
pub fn variables(input: &[u8]) {
    let (pairs, body) = parsed(input);
    let build = || {
        let variables = Variables::new(pairs.iter().cloned().collect());
        let bare = |script: &str| Mount { mount: script.to_owned(), path: String::new() };
        let request = variables.request(Ok(Bytes::copy_from_slice(body)), variables.program(), bare);
        (variables, request)
    };
    let (variables, request) = build();
    assert!(!request.mount.ends_with('/'));
    assert!(request.body.is_err() || body.len() as u64 >= variables.content_length(), "a body that was cut short");
    let of = |name: &str| pairs.iter().rev().find(|(n, _)| n == name.as_bytes()).map(|(_, value)| value);
    for (name, value) in &request.headers {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?}");
        let variable = name.as_str().to_ascii_uppercase().replace('-', "_");
        let said = [of(&format!("HTTP_{variable}")), of(&variable).filter(|_| name == CONTENT_TYPE)];
        // A type that is no text is passed on as one.
        let is = |said: &[u8]| said == value.as_bytes() || String::from_utf8_lossy(said).as_bytes() == value.as_bytes();
        assert!(said.into_iter().flatten().any(|said| is(said)), "nobody said {name}: {value:?}");
    }
    let sure = of("REMOTE_USER").map(|user| String::from_utf8_lossy(user)).filter(|user| !user.is_empty());
    assert_eq!(request.authenticated.as_deref(), sure.as_deref(), "nobody but REMOTE_USER is who the front end means");
    // What is not understood is an error, or nothing.
    let _ = variables.config(&Config::default());
    let (_, again) = build();
    assert_eq!(request.headers, again.headers, "the order of variables means nothing");
}

/// Fields of a form, against the URL standard's own words.
pub fn form(input: &[u8]) {
    let fields = Fields::parse(input);
    let mut expected = HashMap::new();
    for pair in input.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
        expected.insert(decoded(name), decoded(value));
    }
    for (name, value) in &expected {
        assert!(fields.has(name));
        assert_eq!(fields.get(name), Some(&value[..]).filter(|value| !value.is_empty()), "{name:?}");
    }
    assert!(!fields.has("\u{fffd}a name that is not there"));
}

fn decoded(text: &[u8]) -> String {
    let hex = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let (byte, length) = match (text[at], hex(at + 1), hex(at + 2)) {
            (b'+', ..) => (b' ', 1),
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
            (byte, ..) => (byte, 1),
        };
        out.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where a stream is to begin: a query and a `Last-Event-ID`.
pub fn start(input: &[u8]) {
    let (query, id) = halves(input);
    let query = String::from_utf8_lossy(query).into_owned();
    let mut headers = HeaderMap::new();
    headers.extend(id.try_into().ok().map(|id| (http::HeaderName::from_static("last-event-id"), id)));
    let request = Request {
        method: Method::GET,
        mount: String::new(),
        path: "/rooms/General".into(),
        query,
        headers,
        body: Ok(Bytes::new()),
        client: None,
        authenticated: None,
        waited: None,
    };
    let asks = request.header("last-event-id").is_some_and(|id| !id.is_empty());
    let asks = asks || request.query().get("last_event_id").is_some();
    match streams::start(&request, &request.query()) {
        Ok(start) => assert_eq!(matches!(start, Start::After(_)), asks, "{start:?}"),
        Err(problem) => assert_eq!(problem.status(), 400),
    }
}
