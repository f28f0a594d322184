//! Requests, lines and names that want to be something else: each has its stated end, and nothing outside of the root is
//! ever read or written.

use std::fs;

use serde_json::json;

use super::support::fastcgi::{self, Client, params};
use super::support::http::Reply;
use super::support::outside::{SECRET, Walled};
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
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
fn no_name_leads_a_command_out_of_the_root() {
    let walled = Walled::new();
    for name in ["..", "../Outside", "/etc", ".", ".al", "R/../../Outside", "R/.log", "\u{202e}R", "a\n", "", "*"] {
        let root = walled.root().to_str().unwrap();
        for arguments in [
            &["say", "--root", root, "--as", "mo", "--", name, "x"][..],
            &["say", "--root", root, &format!("--as={name}"), "--", "R", "x"],
            &["tail", "--root", root, "--", name],
            &["who", "--root", root, "--", name],
        ] {
            let output = chatroom().args(arguments).output().unwrap();
            let said = [&output.stdout[..], &output.stderr].concat();
            assert!(!output.status.success(), "{arguments:?}: {output:?}");
            assert!(!String::from_utf8_lossy(&said).contains(SECRET), "{arguments:?}: {output:?}");
        }
    }
    walled.assert_untouched();
    assert_eq!(fs::read(walled.root().join("R/.log")).unwrap(), b"");
    assert_eq!(walled.entries(), ["R"]);
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
    let plain = site.get("/plain/R");
    assert!(!plain.text().contains("<script") && !plain.text().contains("<img"), "{}", plain.text());
    assert!(plain.text().contains("&lt;img src=x onerror=alert(1)&gt;"), "{}", plain.text());
    let policy = plain.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("script"), "{policy}");
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
