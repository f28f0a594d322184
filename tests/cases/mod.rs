//! One table of cases for every way in. Those that only read are asked of the same rooms through
//! each way, and the answers must be equal to the byte; those that change something do so in a room
//! of their own, and the answers must be equal but for ids and times.

#![allow(dead_code, unreachable_pub, clippy::needless_update, reason = "two test binaries include it")]

mod dropin;
pub mod killed;
pub mod oracle;

use super::support::http::{Reply, Site};
use super::support::rooms::Rooms;
use super::support::sse::Stream;

/// A way in, and a name for it.
pub struct Way {
    pub name: &'static str,
    pub site: Site,
}

struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    status: u16,
    /// What the answer's body has in it.
    has: &'static str,
}

const CASE: Case = Case { name: "", method: "GET", path: "", headers: &[], body: b"", status: 200, has: "" };

const HTML: &[(&str, &str)] = &[("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
const TEXT: &[(&str, &str)] = &[("Accept", "text/plain")];
const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const FORM: &[(&str, &str)] = &[("Content-Type", "application/x-www-form-urlencoded")];
const PLAIN: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const TOO_LONG: &[u8] = &[b'x'; 64 * 1024 + 1];

const READING: &[Case] = &[
    Case { name: "page", path: "/", has: "src=\"./assets/main.js\"", ..CASE },
    Case { name: "page of a room", path: "/rooms/General", headers: HTML, has: "\"../assets/main.js\"", ..CASE },
    Case { name: "page of no room", path: "/rooms/Nowhere", headers: HTML, has: "<!doctype html>", ..CASE },
    Case { name: "script", path: "/assets/main.js", has: "import", ..CASE },
    Case { name: "style", path: "/assets/chat.css", has: "color", ..CASE },
    Case { name: "no such asset", path: "/assets/../Cargo.toml", status: 404, ..CASE },
    Case { name: "health", path: "/healthz", has: "ok\n", ..CASE },
    Case { name: "list", path: "/rooms", has: r#"["Empty","General","Lounge","Ops"]"#, ..CASE },
    Case { name: "counts", path: "/unread", has: r#"{"Empty":0,"General":"#, ..CASE },
    Case { name: "counts, wrong method", method: "POST", path: "/unread", status: 405, has: "GET, HEAD", ..CASE },
    Case { name: "history", path: "/rooms/General", has: r#""more":false"#, ..CASE },
    Case { name: "history, hostile", path: "/rooms/Ops?limit=1000", has: "<script>", ..CASE },
    Case { name: "history, last", path: "/rooms/General?limit=3", has: r#""more":true"#, ..CASE },
    Case { name: "history, none asked", path: "/rooms/General?limit=0", has: r#""messages":[]"#, ..CASE },
    Case { name: "history, empty", path: "/rooms/Empty", has: r#""messages":[]"#, ..CASE },
    Case {
        name: "history, after zero",
        path: "/rooms/General?after=0000000000000000_0000000000000000&limit=2",
        has: r#""more":true"#,
        ..CASE
    },
    Case { name: "stream", path: "/v1/stream/General", has: "mira", ..CASE },
    Case { name: "stream, from its end", path: "/v1/stream/General?offset=now", ..CASE },
    Case { name: "stream, bad offset", path: "/v1/stream/General?offset=1", status: 400, has: "position", ..CASE },
    Case { name: "stream, what it is", method: "HEAD", path: "/v1/stream/General", ..CASE },
    Case { name: "stream, none", path: "/v1/stream/a%2Fb", status: 404, has: "a%2Fb", ..CASE },
    Case { name: "stream, live", path: "/v1/stream/General?live=sse", status: 400, has: "`offset`", ..CASE },
    Case { name: "stream, else", path: "/v1/stream/General?offset=-1&live=x", status: 400, has: "`live`", ..CASE },
    Case { name: "stream, reserved", path: "/v1/stream/__ds/jwks.json", status: 404, has: "reserved", ..CASE },
    Case { name: "log", path: "/rooms/Ops", headers: TEXT, has: "cron", ..CASE },
    Case { name: "log, last lines", path: "/rooms/General?tail=2", headers: TEXT, has: "mira", ..CASE },
    Case {
        name: "members",
        path: "/rooms/General/members",
        has: r#"{"username": "Guest123", "is_web": true}"#,
        ..CASE
    },
    Case { name: "member", path: "/rooms/General/members/mira", has: r#"{"username":"mira","is_web":false}"#, ..CASE },
    Case { name: "nobody", path: "/rooms/General/members/nobody", status: 404, has: "nobody", ..CASE },
    Case {
        name: "drop-in avatars",
        path: "/chat-list-avatars?room=General",
        has: r#"{"avatars": [{"username": "Guest123", "is_web": true}, "#,
        ..CASE
    },
    Case {
        name: "drop-in avatars, no room",
        path: "/chat-list-avatars",
        has: "{\"error\": \"Room name required\"}\n",
        ..CASE
    },
    Case { name: "drop-in avatars, bad room", path: "/chat-list-avatars?room=..", has: "Invalid room name", ..CASE },
    Case {
        name: "drop-in stream, no such room",
        path: "/chat-stream?room=Nowhere",
        has: r#"data: {"code":404,"message":"Room not found"}"#,
        ..CASE
    },
    Case { name: "no such room", path: "/rooms/Nowhere", status: 404, has: r#""status":404"#, ..CASE },
    Case { name: "no such room, live", path: "/rooms/Nowhere", headers: EVENTS, status: 404, has: "Nowhere", ..CASE },
    Case { name: "impossible room", path: "/rooms/a.b", status: 400, has: "a.b", ..CASE },
    Case { name: "impossible room, escaped", path: "/rooms/a%20b", status: 400, has: "not a room name", ..CASE },
    Case { name: "impossible member", path: "/rooms/General/members/log", status: 400, has: "reserved", ..CASE },
    Case { name: "nothing there", path: "/nothing", status: 404, has: "see /rooms", ..CASE },
    Case { name: "bad limit", path: "/rooms/General?limit=many", status: 400, has: "`limit`", ..CASE },
    Case { name: "limit beyond the limit", path: "/rooms/General?limit=1001", status: 400, has: "1000", ..CASE },
    Case { name: "bad cursor", path: "/rooms/General?before=yesterday", status: 400, has: "`before`", ..CASE },
    Case {
        name: "stale cursor",
        path: "/rooms/General?after=0000000000000000_0000000000000007",
        status: 410,
        has: "edited",
        ..CASE
    },
    Case {
        name: "both cursors",
        path: "/rooms/General?before=0000000000000000_0000000000000000&after=0000000000000000_0000000000000000",
        status: 400,
        has: "both",
        ..CASE
    },
    Case { name: "bad since", path: "/rooms/General?since=noon", headers: EVENTS, status: 400, has: "`since`", ..CASE },
    Case {
        name: "bad format",
        path: "/rooms/General?format=xml",
        headers: EVENTS,
        status: 400,
        has: "`format`",
        ..CASE
    },
    Case {
        name: "bad id",
        path: "/rooms/General",
        headers: &[("Accept", "text/event-stream"), ("Last-Event-ID", "7")],
        status: 400,
        has: "Last-Event-ID",
        ..CASE
    },
    Case { name: "wrong method", method: "PATCH", path: "/rooms/General", status: 405, has: "GET, HEAD, POST", ..CASE },
    Case { name: "wrong method, list", method: "POST", path: "/rooms", status: 405, has: "GET, HEAD", ..CASE },
    Case { name: "wrong method, page", method: "DELETE", path: "/", status: 405, has: "GET, HEAD", ..CASE },
    Case {
        name: "wrong method, member",
        method: "POST",
        path: "/rooms/General/members/al",
        status: 405,
        has: "PATCH",
        ..CASE
    },
    Case { name: "options", method: "OPTIONS", path: "/rooms/General", status: 204, ..CASE },
    Case { name: "head", method: "HEAD", path: "/rooms/General", ..CASE },
    Case { name: "head of a stream", method: "HEAD", path: "/rooms/General", headers: EVENTS, ..CASE },
    Case {
        name: "cross-site",
        method: "POST",
        path: "/rooms/General",
        headers: &[("Sec-Fetch-Site", "cross-site")],
        body: b"x",
        status: 403,
        has: "another site",
        ..CASE
    },
    Case {
        name: "not in the room",
        method: "DELETE",
        path: "/rooms/General/members/nobody",
        status: 404,
        has: "nobody",
        ..CASE
    },
    Case {
        name: "a shell's avatar",
        method: "DELETE",
        path: "/rooms/General/members/mira",
        status: 403,
        has: "shell",
        ..CASE
    },
    Case {
        name: "too long",
        method: "POST",
        path: "/rooms/General",
        headers: PLAIN,
        body: TOO_LONG,
        status: 413,
        has: "65536",
        ..CASE
    },
    Case {
        name: "say nothing",
        method: "POST",
        path: "/rooms/General",
        headers: PLAIN,
        body: b" \n",
        status: 400,
        has: "empty",
        ..CASE
    },
    Case {
        name: "say as log",
        method: "POST",
        path: "/rooms/General",
        headers: JSON,
        body: br#"{"user":"log","text":"x"}"#,
        status: 400,
        has: "reserved",
        ..CASE
    },
    Case {
        name: "say broken JSON",
        method: "POST",
        path: "/rooms/General",
        headers: JSON,
        body: br#"{"text":"\ud800"}"#,
        status: 400,
        has: "JSON",
        ..CASE
    },
    Case {
        name: "say no UTF-8",
        method: "POST",
        path: "/rooms/General",
        headers: PLAIN,
        body: b"\xff",
        status: 400,
        has: "UTF-8",
        ..CASE
    },
    Case {
        name: "say nowhere",
        method: "POST",
        path: "/rooms/Nowhere",
        headers: PLAIN,
        body: b"x",
        status: 404,
        has: "Nowhere",
        ..CASE
    },
];

/// In order, each on what the ones before left; `ROOM` is another room for each way.
const CHANGING: &[Case] = &[
    Case { name: "create", method: "PUT", path: "/rooms/ROOM", status: 201, has: r#"{"room":"ROOM"}"#, ..CASE },
    Case { name: "create again", method: "PUT", path: "/rooms/ROOM", status: 200, ..CASE },
    Case {
        name: "say JSON",
        method: "POST",
        path: "/rooms/ROOM",
        headers: JSON,
        body: br#"{"user":"al","text":"one\r\ntwo"}"#,
        status: 201,
        has: r#""from":"al","text":"one\ntwo","kind":"message""#,
        ..CASE
    },
    Case {
        name: "say a form",
        method: "POST",
        path: "/rooms/ROOM",
        headers: FORM,
        body: b"user=al&msg=a+b%26c",
        status: 201,
        has: r#""text":"a b&c""#,
        ..CASE
    },
    Case {
        name: "say with curl -d",
        method: "POST",
        path: "/rooms/ROOM?user=al",
        headers: FORM,
        body: b"50% of a=b",
        status: 201,
        has: r#""from":"al","text":"50% of a=b""#,
        ..CASE
    },
    Case {
        name: "say a text",
        method: "POST",
        path: "/rooms/ROOM",
        headers: PLAIN,
        body: "héllo".as_bytes(),
        status: 201,
        has: r#""from":"Anonymous","text":"héllo""#,
        ..CASE
    },
    Case {
        name: "drop-in say",
        method: "POST",
        path: "/chat-send-message",
        headers: FORM,
        body: b"room=ROOM&user=bo&msg=hi",
        has: "<div class=\"demo-result success\">\n  <p>✓ Message sent</p>\n</div>\n",
        ..CASE
    },
    Case {
        name: "drop-in say, nothing",
        method: "POST",
        path: "/chat-send-message",
        headers: FORM,
        body: b"room=ROOM",
        has: "Room and message required",
        ..CASE
    },
    Case {
        name: "drop-in say, bad name",
        method: "POST",
        path: "/chat-send-message",
        headers: FORM,
        body: b"room=ROOM&user=a/b&msg=x",
        has: "Invalid username. Only alphanumeric",
        ..CASE
    },
    Case {
        name: "drop-in say, log",
        method: "POST",
        path: "/chat-send-message",
        headers: FORM,
        body: b"room=ROOM&user=log&msg=x",
        has: "reserved name",
        ..CASE
    },
    Case {
        name: "join",
        method: "PUT",
        path: "/rooms/ROOM/members/al",
        status: 201,
        has: r#"{"username":"al","is_web":true}"#,
        ..CASE
    },
    Case { name: "join again", method: "PUT", path: "/rooms/ROOM/members/al", status: 200, ..CASE },
    Case {
        name: "rename",
        method: "PATCH",
        path: "/rooms/ROOM/members/al",
        headers: JSON,
        body: br#"{"name":"alice"}"#,
        has: r#""username":"alice""#,
        ..CASE
    },
    Case {
        name: "rename to log",
        method: "PATCH",
        path: "/rooms/ROOM/members/alice",
        headers: JSON,
        body: br#"{"name":"log"}"#,
        status: 400,
        has: "reserved",
        ..CASE
    },
    Case { name: "join, another", method: "PUT", path: "/rooms/ROOM/members/bo", status: 201, ..CASE },
    Case {
        name: "rename to another",
        method: "PATCH",
        path: "/rooms/ROOM/members/bo",
        headers: JSON,
        body: br#"{"name":"alice"}"#,
        status: 409,
        ..CASE
    },
    Case {
        name: "move nowhere",
        method: "PATCH",
        path: "/rooms/ROOM/members/bo",
        headers: JSON,
        body: br#"{"room":"Nowhere"}"#,
        status: 404,
        ..CASE
    },
    Case { name: "leave", method: "DELETE", path: "/rooms/ROOM/members/bo", status: 204, ..CASE },
    Case {
        name: "members after",
        path: "/rooms/ROOM/members",
        has: r#"{"avatars": [{"username": "alice", "is_web": true}]}"#,
        ..CASE
    },
    Case { name: "history after", path: "/rooms/ROOM", has: "al changed their name to alice.", ..CASE },
    Case { name: "delete", method: "DELETE", path: "/rooms/ROOM", status: 204, ..CASE },
    Case { name: "delete again", method: "DELETE", path: "/rooms/ROOM", status: 404, ..CASE },
];

/// The header fields that are ours to choose and the same however an answer is carried.
const OURS: [&str; 8] = [
    "content-type",
    "cache-control",
    "allow",
    "etag",
    "vary",
    "content-security-policy",
    "x-content-type-options",
    "chatroom-next",
];

/// What is compared: status, our header fields, body.
type Answer = (u16, Vec<(String, String)>, String);

fn answer(reply: &Reply, body: String) -> Answer {
    let ours = |name: &&str| reply.header(name).map(|value| (name.to_string(), value.to_owned()));
    (reply.status, OURS.iter().filter_map(ours).collect(), body)
}

fn ask(way: &Way, case: &Case, room: &str) -> Reply {
    let body = match case.body.len() {
        0..=1000 => String::from_utf8_lossy(case.body).replace("ROOM", room).into_bytes(),
        _ => case.body.to_vec(),
    };
    let body = if case.body == b"\xff" { case.body.to_vec() } else { body };
    let reply = way.site.request(case.method, &case.path.replace("ROOM", room), case.headers, &body);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let shown: String = text.chars().take(500).collect();
    assert_eq!(reply.status, case.status, "{} through {}: {shown}", case.name, way.name);
    let has = case.has.replace("ROOM", room);
    assert!(
        text.contains(&has) || reply.header("allow") == Some(&has),
        "{} through {}: no {has:?} in {shown}",
        case.name,
        way.name
    );
    if case.method == "HEAD" {
        assert!(reply.body.is_empty(), "{} through {}", case.name, way.name);
    }
    if reply.status >= 400 {
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{} through {}", case.name, way.name);
    }
    assert!(!text.contains("/tmp"), "{} through {} shows a path: {shown}", case.name, way.name);
    reply
}

/// Runs the table through each of `ways`, which all serve `rooms`, a copy of the example.
pub fn run(rooms: &Rooms, ways: &[Way]) {
    read(ways, READING);
    read(ways, dropin::READING);
    let before = rooms.log("General");
    change(ways, CHANGING);
    change(ways, dropin::CHANGING);
    assert_eq!(rooms.log("General"), before, "a case that is refused writes nothing");
    streams(rooms, ways);
}

/// Runs the part of the table that is about the programs under their shell names.
pub fn run_shell_names(rooms: &Rooms, ways: &[Way]) {
    let before = rooms.log("General");
    read(ways, dropin::READING);
    change(ways, dropin::CHANGING);
    assert_eq!(rooms.log("General"), before, "a case that is refused writes nothing");
}

fn read(ways: &[Way], cases: &[Case]) {
    for case in cases {
        let mut answers = ways.iter().map(|way| {
            let reply = ask(way, case, "");
            let body = format!("{:?}", reply.body);
            (way.name, answer(&reply, body))
        });
        let (first, expected) = answers.next().expect("a way in");
        for (name, answer) in answers {
            assert_eq!(answer, expected, "{}: {name} and {first} differ", case.name);
        }
    }
}

fn change(ways: &[Way], cases: &[Case]) {
    for case in cases {
        let mut answers = ways.iter().enumerate().map(|(number, way)| {
            let room = format!("made{number}");
            let reply = ask(way, case, &room);
            (way.name, answer(&reply, without_ids_and_times(reply.text(), &room)))
        });
        let (first, expected) = answers.next().expect("a way in");
        for (name, answer) in answers {
            let (status, headers, body) = answer;
            assert_eq!((status, body), (expected.0, expected.2.clone()), "{}: {name} and {first} differ", case.name);
            let stable = |headers: &[(String, String)]| headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
            assert_eq!(stable(&headers), stable(&expected.1), "{}: {name} and {first} differ", case.name);
        }
    }
}

fn without_ids_and_times(text: &str, room: &str) -> String {
    let mut out = text.replace(room, "ROOM");
    for field in [r#""id":""#, r#""time":""#, r#""next":""#] {
        let mut rest = std::mem::take(&mut out);
        while let Some(at) = rest.find(field) {
            let value = at + field.len();
            let end = rest[value..].find('"').map_or(rest.len(), |end| value + end);
            out.push_str(&rest[..value]);
            rest.drain(..end);
        }
        out.push_str(&rest);
    }
    out
}

/// Streams say the same through each way: from a time, resumed by an id, raw, and live.
fn streams(rooms: &Rooms, ways: &[Way]) {
    let headers = EVENTS;
    let since = "/rooms/General?since=2026-01-31%2008:00:00";
    let raw = "/chat-stream?room=General&since=2026-01-31%2008:00:00";
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for way in ways {
        let mut events = Vec::new();
        let mut stream = Stream::open(&way.site, since, headers);
        let members = stream.next();
        assert_eq!(members.event, "members", "through {}", way.name);
        let first = stream.next_named("message");
        events.extend([format!("{members:?}"), format!("{first:?}")]);
        drop(stream);

        let mut resumed = Stream::resume(&way.site, since, &first.last_event_id);
        assert_eq!(resumed.next().event, "members");
        events.extend((0..3).map(|_| format!("{:?}", resumed.next())));

        let mut lines = Stream::open(&way.site, raw, &[]);
        assert_eq!(lines.next().event, "members");
        events.extend((0..3).map(|_| format!("{:?}", lines.next())));
        assert_eq!(lines.retry(), Some(5000), "through {}", way.name);

        let mut list = Stream::open(&way.site, "/rooms", headers);
        events.push(format!("{:?}", list.next()));
        let mut list = Stream::open(&way.site, "/chat-room-list-stream", &[]);
        let rooms = list.next();
        assert_eq!((rooms.event.as_str(), rooms.data.as_str()), ("rooms", r#"["Empty","General","Lounge","Ops"]"#));
        assert_eq!((list.retry(), list.comments().len()), (Some(5000), 1), "through {}", way.name);
        told.push((way.name, events));
    }
    for (name, events) in &told[1..] {
        assert_eq!(*events, told[0].1, "{name} and {} differ", told[0].0);
    }

    let mut open: Vec<Stream> = ways.iter().map(|way| Stream::open(&way.site, "/rooms/General", headers)).collect();
    open.iter_mut().for_each(|stream| assert_eq!(stream.next().event, "members"));
    let line = rooms.line("General", "al", "to all of you");
    let live: Vec<String> = open.iter_mut().map(|stream| format!("{:?}", stream.next_named("message"))).collect();
    assert!(live.iter().all(|event| *event == live[0] && event.contains("to all of you")), "{line}: {live:#?}");
    rooms.avatar("General", "walker");
    for (stream, way) in open.iter_mut().zip(ways) {
        let members = stream.next_named("members");
        assert!(
            members.data.contains(r#"{"username": "walker", "is_web": false}"#),
            "through {}: {members:?}",
            way.name
        );
    }
}
