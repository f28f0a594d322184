//! A page of another site makes a browser send requests, with all that the browser knows: it changes nothing, and reads
//! only what the shell programs' streams show to everybody.

use std::fs;
use std::path::Path;

use super::support::fastcgi::{Client, params};
use super::support::http::Site;
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What a page of another site makes a browser send, in a newer browser and in an older one.
const FOREIGN: [&[(&str, &str)]; 5] = [
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")],
    &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://other.good.example")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
    &[("Origin", "https://good.example.evil.example"), ("X-Forwarded-Host", "good.example")],
];

const OWN: [&[(&str, &str)]; 5] = [
    &[],
    &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://else.example")],
    &[("Sec-Fetch-Site", "none")],
    &[("Origin", "https://good.example")],
    &[("Host", "127.0.0.1:8081"), ("X-Forwarded-Host", "good.example"), ("Origin", "https://good.example")],
];

/// Each way to change something, and how a body says it.
const CHANGES: &[(&str, &str, &str, &str)] = &[
    ("POST", "/rooms/R?user=mo", "text/plain", "x"),
    ("POST", "/rooms/R", FORM, "user=mo&text=x"),
    ("POST", "/rooms/R", JSON, "{\"text\":\"x\"}"),
    ("PUT", "/rooms/New", "text/plain", ""),
    ("DELETE", "/rooms/R", "text/plain", ""),
    ("PUT", "/rooms/R/members/mo", "text/plain", ""),
    ("PATCH", "/rooms/R/members/al", JSON, "{\"name\":\"mo\"}"),
    ("DELETE", "/rooms/R/members/al", "text/plain", ""),
    ("PUT", "/v1/stream/New", "text/plain", "x"),
    ("POST", "/v1/stream/R?user=mo", "text/plain", "x"),
    ("DELETE", "/v1/stream/R", "text/plain", ""),
    ("POST", "/plain/R", FORM, "user=mo&text=x"),
    ("PATCH", "/rooms/R/members/al", JSON, "{\"typing\":true}"),
    (
        "PUT",
        "/v1/stream/__ds/subscriptions/s",
        JSON,
        r#"{"type":"webhook","webhook":{"url":"https://a.example"},"streams":["R"]}"#,
    ),
    ("POST", "/chat-send-message", FORM, "room=R&user=mo&msg=x"),
    ("GET", "/chat-send-message?room=R&user=mo&msg=x", FORM, ""),
    ("POST", "/chat-create-room?name=New", FORM, ""),
    ("POST", "/chat-delete-room?room=R", FORM, ""),
    ("POST", "/chat-create-avatar", FORM, "room=R&user=mo"),
    ("POST", "/chat-delete-avatar", FORM, "room=R&user=al"),
    ("POST", "/chat-rename-avatar", FORM, "room=R&old_user=al&new_user=mo"),
    ("POST", "/chat-move-avatar", "text/plain", "{\"room\":\"New\",\"username\":\"mo\"}"),
];

fn site_and_rooms() -> (Rooms, Server, Site) {
    let rooms = Rooms::empty();
    rooms.create("R").line("R", "al", "first");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    assert_eq!(site.request("PUT", "/rooms/R/members/al", &[], b"").status, 201);
    (rooms, server, site)
}

fn state(root: &Path) -> Vec<(String, Vec<u8>)> {
    super::support::outside::snapshot(root)
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let (rooms, _server, site) = site_and_rooms();
    let before = state(rooms.root());
    for from in FOREIGN {
        for (method, path, kind, body) in CHANGES {
            let given = [&[("Content-Type", *kind), ("Host", "good.example")], from].concat();
            let given: Vec<_> = if from.iter().any(|(name, _)| *name == "X-Forwarded-Host") {
                given.into_iter().map(|(n, v)| if n == "Host" { (n, "127.0.0.1:8081") } else { (n, v) }).collect()
            } else {
                given
            };
            let reply = site.request(method, path, &given, body.as_bytes());
            let told = reply.status == 403 || reply.text().contains("A page of another site may not do this");
            assert!(told, "{from:?} {method} {path}: {reply:?}");
        }
        let stream = [EVENTS, &[("Host", "good.example")], from].concat();
        assert_eq!(site.request("GET", "/rooms/R?user=mo", &stream, b"").status, 403, "{from:?}");
        // The programs' streams may be read.
        let mut live = Stream::open(&site, "/chat-stream?room=R&user=mo", &stream[1..]);
        assert!(!live.next_named("members").data.contains("mo"));
    }
    assert_eq!(state(rooms.root()), before);
}

#[test]
fn nobody_comes_or_goes_by_a_stream_of_another_site() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &["--grace", "0.05"]);
    let site = server.site();
    for user in ["al", "bo"] {
        assert_eq!(site.request("PUT", &format!("/rooms/R/members/{user}"), &[], b"").status, 201);
    }
    let mut live = Stream::open(&site, "/rooms/R", EVENTS);
    for (from, user) in [("cross-site", "al"), ("same-origin", "bo")] {
        let fetched = [("Sec-Fetch-Site", from)];
        Stream::open(&site, &format!("/chat-stream?room=R&user={user}"), &fetched).next_named("members");
    }
    // The stream of al's ended before that of bo's, who leaves by that.
    let left = live.until(|event| event.event == "members" && !event.data.contains("\"bo\"")).pop().unwrap();
    assert!(left.data.contains("\"al\""), "{}", left.data);
}

#[test]
fn ones_own_page_and_what_is_no_browser_change_what_they_like() {
    for from in OWN {
        let (_rooms, _server, site) = site_and_rooms();
        for (method, path, kind, body) in
            CHANGES.iter().filter(|(method, path, ..)| *method != "DELETE" && !path.contains("delete"))
        {
            let mut given = vec![("Content-Type", *kind)];
            given.extend(from);
            if !from.iter().any(|(name, _)| *name == "Host") {
                given.push(("Host", "good.example"));
            }
            let reply = site.request(method, path, &given, body.as_bytes());
            assert_ne!(reply.status, 403, "{from:?} {method} {path}: {reply:?}");
            assert!(!reply.text().contains("another site"), "{from:?} {method} {path}: {reply:?}");
        }
    }
}

#[test]
fn a_page_of_another_site_changes_nothing_through_a_web_server() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::fastcgi_tcp(rooms.root(), &[]);
    let mut client = Client::tcp(server.addr());
    let mut post = |more: &[(&'static str, &'static str)]| {
        let mut asked = params("POST", "/rooms/R", "user=mo");
        asked.extend([("CONTENT_TYPE", "text/plain"), ("CONTENT_LENGTH", "1"), ("HTTP_HOST", "good.example")]);
        asked.extend(more);
        let mut command = super::cgi::cgi(rooms.root(), "POST", "/rooms/R", "user=mo");
        command
            .envs(asked.iter().filter(|(name, _)| !name.starts_with("SCRIPT") && !name.starts_with("PATH")).copied());
        command.stdin(fs::File::open(rooms.log_path("One")).unwrap());
        let by_process = command.output().unwrap().stdout;
        let by_server = client.exchange(true, &asked, b"x").stdout;
        [by_process, by_server].map(|out| String::from_utf8_lossy(&out)[8..11].parse::<u16>().unwrap())
    };
    rooms.create("One").append("One", b"x");
    assert_eq!(post(&[("HTTP_ORIGIN", "https://evil.example")]), [403; 2]);
    assert_eq!(post(&[("HTTP_SEC_FETCH_SITE", "cross-site")]), [403; 2]);
    // Not a name that a web server gives a field: no second one beside the first, in whatever order they come.
    for _ in 0..8 {
        assert_eq!(post(&[("HTTP_Origin", "https://good.example"), ("HTTP_ORIGIN", "https://evil.example")]), [403; 2]);
    }
    assert_eq!(rooms.log("R"), b"");
    assert_eq!(post(&[("HTTP_ORIGIN", "https://good.example")]), [201; 2]);
}

#[test]
fn only_the_programs_streams_may_be_read_from_other_sites() {
    let (_rooms, _server, site) = site_and_rooms();
    let origin = ("Origin", "https://evil.example");
    let asks = [origin, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")];
    for path in [
        "/",
        "/rooms",
        "/rooms/R",
        "/rooms/R/members",
        "/unread",
        "/metrics",
        "/v1/stream/R",
        "/chat-get-messages?room=R",
        "/chat-send-message",
        "/chat-list-rooms",
        "/chat-list-avatars?room=R",
    ] {
        for reply in [site.request("GET", path, &[origin], b""), site.request("OPTIONS", path, &asks, b"")] {
            assert_eq!(reply.header("access-control-allow-origin"), None, "{path}: {reply:?}");
        }
    }
    let stream = Stream::open(&site, "/rooms/R", &[origin]);
    assert_eq!(stream.header("access-control-allow-origin"), None);
    let stream = Stream::open(&site, "/chat-stream?room=R", &[origin]);
    assert_eq!(stream.header("access-control-allow-origin"), Some("*"));
}
