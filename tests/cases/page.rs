//! What the page needs beside the rooms: its files, search, times, what is unread, and rooms without JavaScript.

use super::{CASE, Case, FORM, HTML, JSON};

pub const READING: &[Case] = &[
    Case { name: "page", path: "/", has: "src=\"./assets/", ..CASE },
    Case { name: "page, preloading", path: "/", has: "/state.js\">", ..CASE },
    Case { name: "page of a room", path: "/rooms/General", headers: HTML, has: "src=\"../assets/", ..CASE },
    Case { name: "page of a room, plain", path: "/rooms/General", headers: HTML, has: "../plain/General\"", ..CASE },
    Case { name: "page of no room", path: "/rooms/Nowhere", headers: HTML, has: "<!doctype html>", ..CASE },
    Case { name: "script", path: "/assets/main.js", has: "import", ..CASE },
    Case { name: "script, of another version", path: "/assets/0123/main.js", has: "import", ..CASE },
    Case { name: "types", path: "/assets/chatroom.d.ts", has: "export class Room", ..CASE },
    Case { name: "style", path: "/assets/chat.css", has: "color", ..CASE },
    Case { name: "no such asset", path: "/assets/../Cargo.toml", status: 404, ..CASE },
    Case { name: "search", path: "/rooms/General/search?q=LADDER+long", has: "adder", ..CASE },
    Case { name: "search, nothing", path: "/rooms/General/search?q=haystack", has: r#""messages":[]"#, ..CASE },
    Case { name: "search, one at a time", path: "/rooms/General/search?q=a&limit=1", has: r#""next":"0000"#, ..CASE },
    Case { name: "search for nothing", path: "/rooms/General/search?q=+", status: 400, has: "`q`", ..CASE },
    Case { name: "search, no room", path: "/rooms/Nowhere/search?q=a", status: 404, has: "Nowhere", ..CASE },
    Case {
        name: "search, stale",
        path: "/rooms/General/search?q=a&until=0000000000000000_0000000000000007",
        status: 410,
        has: "edited",
        ..CASE
    },
    Case {
        name: "history since",
        path: "/rooms/General?since=2026-01-31%2008:22:40&limit=1",
        has: "2026-01-31T08:22:47",
        ..CASE
    },
    Case { name: "history since the future", path: "/rooms/General?since=2099-01-01T00:00:00Z", has: "[]", ..CASE },
    Case { name: "history since never", path: "/rooms/General?since=soon", status: 400, has: "`since`", ..CASE },
    Case {
        name: "history since and after",
        path: "/rooms/General?since=2026-01-31%2008:22:40&after=0000000000000000_0000000000000000",
        status: 400,
        has: "both",
        ..CASE
    },
    Case {
        name: "overview",
        path: "/overview?user=al",
        has: r#"{"Empty":{"last":null,"read":null,"unread":0,"#,
        ..CASE
    },
    Case {
        name: "overview since the beginning",
        path: "/overview?user=mira&rooms=General&read=General:0000000000000000_0000000000000000",
        has: r#""unread":18"#,
        ..CASE
    },
    Case { name: "overview, bad mark", path: "/overview?read=General", status: 400, has: "ROOM:ID", ..CASE },
    Case { name: "wait, too long", path: "/unread?wait=61", headers: super::EVENTS, status: 400, has: "60", ..CASE },
    Case { name: "plain rooms", path: "/plain", has: "<a href=\"plain/General\">General</a>", ..CASE },
    Case { name: "plain room", path: "/plain/Ops", has: "&lt;script&gt;", ..CASE },
    Case { name: "plain room, no room", path: "/plain/Nowhere", status: 404, has: "Nowhere", ..CASE },
    Case {
        name: "plain, wrong method",
        method: "PUT",
        path: "/plain/Ops",
        status: 405,
        has: "GET, HEAD, POST",
        ..CASE
    },
];

pub const CHANGING: &[Case] = &[
    Case { name: "make", method: "PUT", path: "/rooms/ROOM", status: 201, ..CASE },
    Case {
        name: "say once",
        method: "POST",
        path: "/rooms/ROOM",
        headers: JSON,
        body: br#"{"user":"al","text":"once\nonly","unless_after":"0000000000000000_0000000000000000"}"#,
        status: 201,
        has: r#""text":"once\nonly""#,
        ..CASE
    },
    Case {
        name: "say once, again",
        method: "POST",
        path: "/rooms/ROOM",
        headers: JSON,
        body: br#"{"user":"al","text":"once\nonly","unless_after":"0000000000000000_0000000000000000"}"#,
        status: 200,
        has: r#""text":"once\nonly""#,
        ..CASE
    },
    Case {
        name: "say once, by another",
        method: "POST",
        path: "/rooms/ROOM",
        headers: JSON,
        body: br#"{"user":"bo","text":"once\nonly","unless_after":"0000000000000000_0000000000000000"}"#,
        status: 201,
        has: r#""from":"bo""#,
        ..CASE
    },
    Case { name: "come", method: "PUT", path: "/rooms/ROOM/members/typist", status: 201, ..CASE },
    Case {
        name: "type",
        method: "PATCH",
        path: "/rooms/ROOM/members/typist",
        headers: JSON,
        body: br#"{"typing":true,"idle":false,"read":"0000000000000000_0000000000000000"}"#,
        has: "typist",
        ..CASE
    },
    Case {
        name: "read, no position",
        method: "PATCH",
        path: "/rooms/ROOM/members/typist",
        headers: JSON,
        body: br#"{"read":"../../x"}"#,
        status: 400,
        has: "not a position",
        ..CASE
    },
    Case {
        name: "mark nothing",
        method: "PATCH",
        path: "/rooms/ROOM/members/typist",
        headers: JSON,
        body: br#"{}"#,
        status: 400,
        has: "`typing`",
        ..CASE
    },
    Case { name: "go", method: "DELETE", path: "/rooms/ROOM/members/typist", status: 204, ..CASE },
    Case {
        name: "say by form",
        method: "POST",
        path: "/plain/ROOM",
        headers: FORM,
        body: b"user=al&text=by+hand",
        status: 303,
        ..CASE
    },
    Case {
        name: "say by form, from elsewhere",
        method: "POST",
        path: "/plain/ROOM",
        headers: &[("Sec-Fetch-Site", "cross-site"), ("Content-Type", "application/x-www-form-urlencoded")],
        body: b"user=al&text=by+hand",
        status: 403,
        ..CASE
    },
    Case { name: "unmake", method: "DELETE", path: "/rooms/ROOM", status: 204, ..CASE },
];
