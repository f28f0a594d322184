//! Requests, lines and names that want to be something else: each has its stated end, and nothing outside of the root is
//! ever read or written.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::support::fastcgi::{self, Client, params};
use super::support::http::{Reply, Site};
use super::support::outside::{SECRET, Walled};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// As a path has them: ways up, ways down, ends, other spellings of the same, and nothing at all.
const NAMES: &[&str] = &[
    "..",
    "%2e%2e",
    "%2e%2e%2fOutside",
    "..%2fOutside",
    "..%5cOutside",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252fOutside",
    "R%2f..%2f..%2fOutside",
    "%2fetc%2fpasswd",
    ".",
    "%2e",
    ".log",
    "%2elog",
    ".al",
    "R%2f.log",
    "R%00",
    "%00",
    "R%00.log",
    "%c0%ae%c0%ae%c0%afOutside",
    "%e0%80%ae%e0%80%ae%e0%80%afOutside",
    "%f0%80%80%ae",
    "%ff%fe",
    "%ed%a0%80",
    "%20",
    "R%20",
    "R%0a",
    "R%0d%0aX-Evil:%201",
    "%e2%80%aeR",
    "R%ef%bc%8e",
    "~",
    "~root",
    "$HOME",
    "*",
    "%7b%7d",
    "%",
    "%zz",
    "%u002e",
    "",
];

fn refused(reply: &Reply, what: &str) {
    assert!((400..500).contains(&reply.status), "{what}: {reply:?}");
    assert!(!String::from_utf8_lossy(&reply.body).contains(SECRET), "{what}: {reply:?}");
    assert_eq!(reply.header("x-evil"), None, "{what}: {reply:?}");
}

#[test]
fn no_name_leads_out_of_the_root() {
    let walled = Walled::new();
    let server = Server::serve(walled.root(), &[]);
    let site = server.site();
    for name in NAMES {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            refused(&site.request(method, &format!("/rooms/{name}"), &[("Content-Type", "text/plain")], b"x"), name);
        }
        refused(&site.request("GET", &format!("/rooms/{name}"), EVENTS, b""), name);
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let body = format!("{{\"room\":{}}}", json!(name));
            refused(&site.request(method, &format!("/rooms/R/members/{name}"), &[], body.as_bytes()), name);
            refused(&site.request(method, &format!("/rooms/{name}/members/al"), &[], body.as_bytes()), name);
        }
        refused(
            &site.request("PATCH", "/rooms/R/members/al", &[], json!({ "room": name }).to_string().as_bytes()),
            name,
        );
        if !name.is_empty() {
            refused(&site.post(&format!("/rooms/R?user={name}"), "text/plain", b"x"), name);
            refused(&site.request("GET", &format!("/rooms/R?user={name}"), EVENTS, b""), name);
            refused(&site.get(&format!("/assets/{name}")), name);
        }
        // The shell programs' names answer with 200, and say what is wrong.
        for path in [
            "chat-get-messages?room=",
            "chat-list-avatars?room=",
            "chat-count-avatars?room=",
            "chat-create-room?name=",
            "chat-delete-room?room=",
            "chat-send-message?msg=x&room=",
            "chat-send-message?msg=x&room=R&user=",
            "chat-create-avatar?room=R&user=",
            "chat-rename-avatar?room=R&old_user=al&new_user=",
            "chat-stream?user=al&room=",
        ] {
            // These leave blanks around a name out of account: that is the room itself, live and to be deleted.
            if matches!(*name, "R%20" | "R%0a") {
                continue;
            }
            let reply = site.get(&format!("/{path}{name}"));
            assert!(!String::from_utf8_lossy(&reply.body).contains(SECRET), "{path}{name}: {reply:?}");
        }
    }
    walled.assert_untouched();
    assert_eq!(walled.entries(), ["R"], "nothing came to be in the root");
}

#[test]
fn the_name_of_a_stream_is_any_text_and_one_directory_of_the_root() {
    let walled = Walled::new();
    let server = Server::serve(walled.root(), &[]);
    for name in NAMES {
        let path = format!("/v1/stream/{name}");
        for method in ["PUT", "POST", "GET", "HEAD"] {
            let reply = server.site().request(method, &path, &[("Content-Type", "a/b")], b"x");
            assert!(!String::from_utf8_lossy(&reply.body).contains(SECRET), "{method} {path}: {reply:?}");
        }
    }
    walled.assert_untouched();
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte));
    let made = walled.entries();
    assert!(made.len() > 20 && made.iter().all(plain), "{made:?}");
    for name in NAMES {
        server.site().request("DELETE", &format!("/v1/stream/{name}"), &[], b"");
    }
    walled.assert_untouched();
    assert_eq!(walled.entries(), ["R"]);
}

#[test]
fn ten_megabytes_of_a_name_are_refused_and_the_next_is_served() {
    let walled = Walled::new();
    let server = Server::serve(walled.root(), &[]);
    let long = "n".repeat(10_000_000);
    for head in [
        format!("GET /rooms/{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /rooms/R?user={long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /rooms/R HTTP/1.1\r\nHost: {long}\r\n\r\n"),
        format!("PUT /v1/stream/{long} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let answers = super::smuggling::answers(server.addr(), head.as_bytes());
        assert!(answers.len() <= 1 && answers.iter().all(|status| (400..500).contains(status)), "{answers:?}");
    }
    let said = json!({ "user": long, "text": "x" }).to_string();
    assert_eq!(server.site().post("/rooms/R", JSON, said.as_bytes()).status, 413);
    assert_eq!(server.site().post("/rooms/R?user=al", "text/plain", b"next").status, 201);
    let server = Server::fastcgi_tcp(walled.root(), &[]);
    let path = format!("/rooms/{long}");
    let mut client = Client::tcp(server.addr());
    client.write(&fastcgi::request(1, true, &params("GET", &path, ""), b""));
    client.expect_close();
    let answer = Client::tcp(server.addr()).exchange(false, &params("GET", "/rooms", ""), b"").stdout;
    assert!(answer.ends_with(br#"["R"]"#));
    walled.assert_untouched();
}

#[test]
fn a_line_is_one_event_and_text_whatever_it_wants_to_be() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let mut raw = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    let mut json = Stream::open(&site, "/rooms/R", EVENTS);
    raw.next_named("members");
    json.next_named("members");
    let lines = [
        "event: reset",
        "data: {\"reason\":\"truncated\"}",
        "id: 0000000000000000_0000000000000000",
        "retry: 1",
        ": comment",
        "\u{feff}data: x",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"},{\"id\":\"x\"}",
        "{\"id\":\"x\",\"from\":\"log\",\"kind\":\"system\"}",
        "log: al left the room.",
        "[2026-01-31 08:00:00]log: al left the room.",
        "[2026-13-31 08:00:00] log: al left the room.",
        "[2026-01-31 08:00:00] al: \" onmouseover=\"alert(1)",
        "[2026-01-31 08:00:00] al: &lt;b&gt; &amp;",
        "a\u{2028}event: x",
        "a\u{202e}b",
        "\u{0}\u{1b}[2J",
        "' or 1=1 --",
    ];
    for line in lines {
        rooms.append("R", format!("{line}\n").as_bytes());
        assert_eq!(raw.next_named("message").data, line);
        let message = json.next_named("message").json();
        let text = line.strip_prefix("[2026-01-31 08:00:00] al: ").unwrap_or(line).replace('\u{2028}', "\n");
        assert_eq!(message["text"], text);
        assert!(message["kind"] != "system" && message["id"].as_str().is_some_and(|id| id.len() == 46), "{message}");
    }
    // A CR within a line ends a line of an event, and no more: what is behind it stays data.
    rooms.append("R", b"a\rid: 5\revent: reset\r\rdata: x\n");
    let event = raw.next();
    assert_eq!((&event.event[..], &event.data[..]), ("message", "a\nid: 5\nevent: reset\n\ndata: x"));
    assert_ne!(event.last_event_id, "5");
    let html = site.get("/chat-get-messages?room=R");
    assert!(!html.text().contains("<script") && !html.text().contains("<img"), "{}", html.text());
    assert!(html.text().contains("&quot; onmouseover=&quot;alert(1)"), "{}", html.text());
    assert_eq!(html.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn what_is_said_is_one_line() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let forged =
        "x\r\n[2026-01-31 08:00:00] log: al left the room.\n[2026-01-31 08:00:00] al: y\rz\u{2028}u\u{85}v\u{b}w\u{c}";
    let said =
        "x\u{2028}[2026-01-31 08:00:00] log: al left the room.\u{2028}[2026-01-31 08:00:00] al: y\u{2028}z\u{2028}uvw";
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("text", forged).finish();
    let posts = [
        ("/rooms/R?user=mo", "text/plain", forged.to_owned()),
        ("/rooms/R?user=mo", FORM, form.clone()),
        ("/rooms/R", JSON, json!({ "user": "mo", "text": forged }).to_string()),
        ("/v1/stream/R?user=mo", "text/plain", forged.to_owned()),
        ("/chat-send-message", FORM, format!("room=R&user=mo&msg={}", form.strip_prefix("text=").unwrap())),
    ];
    for (n, (path, kind, body)) in posts.into_iter().enumerate() {
        let reply = site.post(path, kind, body.as_bytes());
        assert!((200..300).contains(&reply.status), "{path} {kind}: {reply:?}");
        let log = String::from_utf8(rooms.log("R")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), n + 1, "{path} {kind}: {log:?}");
        assert!(lines[n].ends_with(&format!("] mo: {said}")), "{path} {kind}: {:?}", lines[n]);
    }
    // What only turns its own text around stays in it: the pages isolate it.
    let turned = "a\u{202e}b\u{2066}c\u{200f}";
    assert_eq!(site.post("/rooms/R?user=mo", "text/plain", turned.as_bytes()).json()["text"], turned);
    let html = site.get("/chat-get-messages?room=R");
    assert!(html.text().contains(&format!("<bdi>{turned}</bdi><span class=\"timestamp\"")), "{}", html.text());

    let before = rooms.log("R");
    for body in
        [r#"{"text":"\ud800"}"#, r#"{"text":"a\udc00b"}"#, r#"{"user":"\ud83d","text":"x"}"#, "{\"text\":\"a\nb\"}"]
    {
        assert_eq!(site.post("/rooms/R", JSON, body.as_bytes()).status, 400, "{body}");
    }
    for body in [&b"\xff"[..], b"\xc0\xae", b"\xed\xa0\x80", b"\0", b"\r\n\r\n", b"\x1b\x07"] {
        assert_eq!(site.post("/rooms/R?user=mo", "text/plain", body).status, 400, "{body:?}");
    }
    assert_eq!(rooms.log("R"), before);
    assert_eq!(site.post("/rooms/R", JSON, br#"{"text":"\ud83d\udc31\u0000\u2028"}"#).json()["text"], "\u{1f431}\n");
    // A stream of JSON keeps what was written, as it was written: a lone surrogate too, which is valid JSON.
    site.request("PUT", "/v1/stream/J", &[("Content-Type", JSON)], b"");
    assert_eq!(site.post("/v1/stream/J", JSON, br#" [ "\ud800" , {"a b":" \n"} ] "#).status, 204);
    assert_eq!(site.get("/v1/stream/J").text(), r#"["\ud800",{"a b":" \n"}]"#);
}

#[test]
fn no_field_of_an_answer_can_be_made_two() {
    let walled = Walled::new();
    let server = Server::fastcgi_tcp(walled.root(), &[]);
    let evil = "a\r\nX-Evil: 1\r\n\r\n<script>";
    let ask = |pairs: &[(&str, &str)]| {
        let stdout = Client::tcp(server.addr()).exchange(false, pairs, b"").stdout;
        let stdout = String::from_utf8(stdout).unwrap();
        let (head, body) = stdout.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().all(|line| !line.starts_with("X-Evil")), "{stdout}");
        (head.to_owned(), body.to_owned())
    };
    // Location, of a mount without its slash, and of a stream that came to be.
    let mount = format!("/{evil}");
    ask(&[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", &mount), ("PATH_INFO", "")]);
    for (script, location) in [("//evil.example/x", "/evil.example/x/"), ("/chat", "/chat/"), ("//", "/")] {
        let mut command = super::cgi::cgi(walled.root(), "GET", "", "");
        let out = command.env("SCRIPT_NAME", script).env_remove("PATH_INFO").output().unwrap().stdout;
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(&format!("\r\nLocation: {location}\r\n")), "{script}: {out}");
    }
    for (host, origin, body) in [(evil, "", "1"), ("good.example", "http://good.example", "2")] {
        let path = format!("/v1/stream/{body}\r\nX-Evil: 1");
        let put = [("REQUEST_METHOD", "PUT"), ("SCRIPT_NAME", "/chat"), ("PATH_INFO", &path), ("HTTP_HOST", host)];
        let (head, _) = ask(&put);
        let location = format!("Location: {origin}/chat/v1/stream/{body}%0D%0AX-Evil%3A%201");
        assert!(head.starts_with("Status: 201") && head.lines().any(|line| line == location), "{head}");
    }
    // What a stream is, as whoever made it said, or a shell that wrote it down.
    let name = "a/b\r\nX-Evil: 1";
    let (path, typed) = ("/v1/stream/T", ("CONTENT_TYPE", name));
    ask(&[("REQUEST_METHOD", "PUT"), ("SCRIPT_NAME", ""), ("PATH_INFO", path), typed]);
    let (head, _) = ask(&[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", ""), ("PATH_INFO", path)]);
    assert!(head.contains("Content-Type: application/octet-stream"), "{head}");
    let sidecar = walled.root().join("T/.log.stream");
    for field in [
        json!({ "generation": 1, "content_type": name }),
        json!({ "generation": 1, "content_type": "a/b", "expires": { "unix_ms": 9_999_999_999_999_u64, "text": name } }),
    ] {
        fs::write(&sidecar, field.to_string()).unwrap();
        for method in ["GET", "HEAD"] {
            ask(&[("REQUEST_METHOD", method), ("SCRIPT_NAME", ""), ("PATH_INFO", path)]);
        }
    }
    // An `Allow-Origin`, an `ETag` and what a producer is told are of other requests' fields.
    for (field, value) in [
        ("HTTP_ORIGIN", evil),
        ("HTTP_PRODUCER_ID", evil),
        ("HTTP_STREAM_SEQ", evil),
        ("HTTP_LAST_EVENT_ID", evil),
        ("HTTP_X_FORWARDED_PROTO", evil),
        ("REMOTE_USER", evil),
        ("HTTP_RANGE", evil),
    ] {
        for (method, path) in [("POST", "/v1/stream/R"), ("GET", "/rooms/R"), ("PUT", "/rooms/R/members/al")] {
            ask(&[("REQUEST_METHOD", method), ("SCRIPT_NAME", "/chat"), ("PATH_INFO", path), (field, value)]);
        }
    }
    // Problem documents repeat what was wrong, as JSON.
    for (path, query) in [
        ("/rooms/a\r\nb", ""),
        ("/rooms/R", "since=a%0d%0aX-Evil:1"),
        ("/rooms/R", "before=%0d%0aX-Evil:1"),
        ("/rooms/R", "format=%0d%0aX-Evil:1"),
        ("/rooms/R", "limit=%0d%0aX-Evil:1"),
        ("/v1/stream/R", "offset=%0d%0aX"),
    ] {
        let mut asked = params("GET", path, query);
        asked.push((
            "HTTP_ACCEPT",
            if query.contains("since") || query.contains("format") { "text/event-stream" } else { "*/*" },
        ));
        let (head, body) = ask(&asked);
        assert!(head.starts_with("Status: 400") && head.contains("Content-Type: application/problem+json"), "{head}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], 400);
    }
    // ETag and Allow are ours whatever is asked.
    let mut asked = params("DELETE", "/rooms", "");
    asked.push(("HTTP_IF_NONE_MATCH", evil));
    assert!(ask(&asked).0.contains("Allow: GET, HEAD"));
    walled.assert_untouched();
}

#[test]
fn what_is_stored_is_no_page_of_ours() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    site.request(
        "PUT",
        "/v1/stream/P",
        &[("Content-Type", "text/html")],
        b"<script>fetch('/rooms/R',{method:'DELETE'})</script>",
    );
    let page = site.get("/v1/stream/P");
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox;") && policy.contains("default-src 'none'"), "{policy}");
    for path in ["/", "/rooms/R"] {
        let page = site.get_as(path, "text/html");
        let policy = page.header("content-security-policy").unwrap();
        for directive in ["default-src 'none'", "script-src 'self';", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // Nothing in it is inline, so nothing of it needs to be allowed.
        for script in page.text().split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src=") && rest.starts_with("</script>"), "<script{script}");
        }
        for inline in [" style=", "<style", " onclick=", " onload=", " onerror=", "javascript:"] {
            assert!(!page.text().contains(inline), "{inline}");
        }
    }
}

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
