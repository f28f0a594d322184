//! The programs under their shell names: what they answer, to the letter.

use super::{CASE, Case, FORM};

const CROSS_SITE: &[(&str, &str)] =
    &[("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "cross-site")];

const fn get(path: &'static str, has: &'static str) -> Case {
    Case { name: path, path, has, ..CASE }
}

const fn post(path: &'static str, body: &'static [u8], has: &'static str) -> Case {
    Case { name: has, method: "POST", path, headers: FORM, body, has, ..CASE }
}

const fn foreign(path: &'static str, body: &'static [u8]) -> Case {
    let has = "<div class=\"demo-result error\">\n  <p>A page of another site may not do this</p>\n</div>\n";
    Case { name: path, method: "POST", path, headers: CROSS_SITE, body, has, ..CASE }
}

const fn foreign_get(path: &'static str) -> Case {
    Case { method: "GET", ..foreign(path, b"") }
}

/// More than is read of a body, and less than nginx is told to take.
const LONG_BODY: &[u8] = &[b'x'; 220 * 1024];

pub const READING: &[Case] = &[
    get(
        "/chat-list-rooms",
        "<ul class=\"room-list\">\n  <li class=\"room-item\" data-room=\"Empty\">\n    \
         <span class=\"room-icon\">#</span><strong>Empty</strong>\n    \
         <span class=\"unread-badge hidden\" data-room=\"Empty\">0</span>\n  </li>\n  \
         <li class=\"room-item\" data-room=\"General\">\n    \
         <span class=\"room-icon\">#</span><strong>General</strong>\n    \
         <span class=\"unread-badge hidden\" data-room=\"General\">0</span>\n    \
         <div class=\"last-msg\">[2026-01-31 08:23:11] mira: ",
    ),
    get("/chat-count-avatars?room=%20Lounge+", "{\"count\": 2}\n"),
    get("/chat-count-avatars?room=", "{\"error\": \"Room name required\"}\n"),
    get("/chat-count-avatars?room=a/b", "{\"error\": \"Invalid room name\"}\n"),
    get("/chat-count-avatars?room=Nowhere", "{\"error\": \"Room not found\"}\n"),
    get(
        "/chat-get-messages?room=General",
        "</span> then: Guest123 takes the spirit level<span class=\"timestamp\" \
         data-full-timestamp=\"2026-01-31 08:22:47\" title=\"2026-01-31 08:22:47\">08:22</span></div>\n",
    ),
    get(
        "/chat-get-messages?room=General",
        "style=\"font-family: Courier New, Courier, monospace;\"><span class=\"username\"",
    ),
    get("/chat-get-messages?room=Ops", "&lt;script&gt;"),
    get(
        "/chat-get-messages?room=Empty",
        "<div id=\"chat-messages\" class=\"chat-display\">\n<p class=\"empty-state-message\">No messages yet. \
         Be the first to say something!</p>\n</div>\n",
    ),
    get("/chat-get-messages", "<p style=\"color: #666; font-style: italic;\">Select a room to start chatting</p>"),
    get("/chat-get-messages?room=..", "<p class=\"demo-result error\">Invalid room name</p>"),
    get("/chat-get-messages?room=Nowhere", "<p class=\"demo-result error\">Room not found</p>"),
    get("/chat-create-room?name=+", "<div class=\"demo-result error\">\n  <p>Room name required</p>\n</div>\n"),
    get("/chat-create-room?name=../x", "<p>Invalid room name. No path traversal allowed.</p>"),
    get("/chat-delete-room", "<p>Room name required</p>"),
    get("/chat-delete-room?room=.git", "<p>Invalid room name</p>"),
    get("/chat-delete-room?room=Nowhere", "<p>Room not found</p>"),
    foreign("/chat-create-room?name=Foreign", b""),
    foreign("/chat-delete-room?room=General", b""),
    foreign("/chat-send-message", b"room=General&msg=x"),
    foreign("/chat-create-avatar", b"room=General&user=x"),
    foreign("/chat-rename-avatar", b"room=General&old_user=mira&new_user=x"),
    foreign("/chat-delete-avatar", b"room=General&user=mira"),
    foreign_get("/chat-create-room?name=Foreign"),
    foreign_get("/chat-delete-room?room=General"),
    foreign_get("/chat-send-message?room=General&msg=x"),
    foreign_get("/chat-create-avatar?room=General&user=x"),
    foreign_get("/chat-delete-avatar?room=General&user=mira"),
    Case {
        headers: CROSS_SITE,
        ..post(
            "/chat-move-avatar",
            br#"{"room":"Ops","username":"mira","oldRoom":"General"}"#,
            "{\"error\":\"A page of another site may not do this\"}\n",
        )
    },
    post("/chat-send-message", b"room=General", "<p>Room and message required</p>"),
    post("/chat-send-message", b"room=..&msg=x&user=!", "<p>Invalid room name</p>"),
    post(
        "/chat-send-message",
        b"room=Nowhere&msg=x&user=!",
        "<p>Invalid username. Only alphanumeric, underscore, and hyphen allowed.</p>",
    ),
    post("/chat-send-message", b"room=Nowhere&msg=x&user=log", "<p>Invalid username. 'log' is a reserved name.</p>"),
    post("/chat-send-message", b"room=Nowhere&msg=x", "<p>Room not found</p>"),
    post("/chat-send-message", LONG_BODY, "<p>Message too long: at most 65536 bytes</p>"),
    post("/chat-create-avatar", LONG_BODY, "<p>Request too long</p>"),
    get("/chat-unread-counts", "event: error\ndata: Username required\n\n"),
    get("/chat-unread-counts?username=a/b", "event: error\ndata: Invalid username\n\n"),
    get("/chat-stream?room=..", "event: error\ndata: {\"code\":400,\"message\":\"Invalid room name\"}\n\n"),
    get("/chat-stream?room=Nowhere", "event: error\ndata: {\"code\":404,\"message\":\"Room not found\"}\n\n"),
    Case { method: "OPTIONS", ..get("/chat-stream?room=General", "") },
    post("/chat-create-avatar", b"room=General", "<p>Room and user required</p>"),
    post("/chat-create-avatar", b"room=..&user=!", "<p>Invalid room name</p>"),
    post("/chat-create-avatar", b"room=Nowhere&user=!", "<p>Invalid username</p>"),
    post("/chat-create-avatar", b"room=Nowhere&user=log", "<p>Invalid username. 'log' is a reserved name.</p>"),
    post("/chat-create-avatar", b"room=Nowhere&user=al", "<p>Room not found</p>"),
    post("/chat-rename-avatar", b"room=General&old_user=a", "<p>Room, old username, and new username required</p>"),
    post("/chat-rename-avatar", b"room=General&old_user=mira&new_user=log", "<p>Invalid username</p>"),
    post("/chat-rename-avatar", b"room=General&old_user=nobody&new_user=al", "<p>Old avatar not found</p>"),
    post("/chat-rename-avatar", b"room=General&old_user=mira&new_user=jonas", "<p>New username already exists</p>"),
    post("/chat-delete-avatar", b"user=al", "<p>Room and user required</p>"),
    post("/chat-delete-avatar", b"room=General&user=a/b", "<p>Invalid username</p>"),
    post("/chat-move-avatar", b"", "{\"error\":\"Missing required parameters\"}\n"),
    post("/chat-move-avatar", br#"{"room":"General"}"#, "{\"error\":\"Missing required parameters\"}\n"),
    post(
        "/chat-move-avatar",
        br#"{"room":"x","username":"a/b"}"#,
        "{\"error\":\"Username contains invalid characters\"}\n",
    ),
    post("/chat-move-avatar", br#"{"room":"..","username":"al"}"#, "{\"error\":\"Invalid room name\"}\n"),
    post(
        "/chat-move-avatar",
        br#"{"room":"x","username":"al","oldRoom":".."}"#,
        "{\"error\":\"Invalid old room name\"}\n",
    ),
];

pub const CHANGING: &[Case] = &[
    get(
        "/chat-create-room?name=+ROOM+",
        "<div class=\"demo-result success\">\n  <p>✓ Room <strong>ROOM</strong> created!</p>\n  \
         <script>setTimeout(function() { joinRoom('ROOM'); }, 100);</script>\n</div>\n",
    ),
    get("/chat-create-room?name=ROOM", "<p>Room <strong>ROOM</strong> already exists. Joining...</p>\n  <script>"),
    post(
        "/chat-create-avatar",
        b"room=ROOM&user=al",
        "<div class=\"demo-result success\">\n  <p>✓ Avatar created</p>\n</div>\n",
    ),
    post("/chat-create-avatar", b"room=ROOM&user=al", "<p>✓ Avatar created</p>"),
    get("/chat-count-avatars?room=ROOM", "{\"count\": 1}\n"),
    get("/chat-list-avatars?room=ROOM", "{\"avatars\": [{\"username\": \"al\", \"is_web\": true}]}\n"),
    post("/chat-rename-avatar", b"room=ROOM&old_user=al&new_user=bo", "<p>✓ Avatar renamed</p>"),
    post(
        "/chat-move-avatar",
        br#"{"room":"ROOM","username":"bo","oldRoom":"ROOM"}"#,
        "{\"success\":true,\"moved\":true}\n",
    ),
    post(
        "/chat-move-avatar",
        br#"{"room":"ROOM-b","username":"bo","oldRoom":"ROOM"}"#,
        "{\"success\":true,\"moved\":true}\n",
    ),
    get("/chat-count-avatars?room=ROOM", "{\"count\": 0}\n"),
    post("/chat-create-avatar", b"room=ROOM&user=bo", "<p>✓ Avatar created</p>"),
    post(
        "/chat-move-avatar",
        br#"{"room":"ROOM","username":"bo","oldRoom":"ROOM-b"}"#,
        "{\"success\":true,\"moved\":true}\n",
    ),
    get("/chat-list-avatars?room=ROOM-b", "{\"avatars\": []}\n"),
    get("/chat-list-avatars?room=ROOM", "{\"avatars\": [{\"username\": \"bo\", \"is_web\": true}]}\n"),
    post(
        "/chat-move-avatar",
        br#"{"room":"ROOM-b","username":"new","oldRoom":""}"#,
        "{\"success\":true,\"moved\":false,\"created\":true}\n",
    ),
    post("/chat-delete-avatar", b"room=ROOM&user=bo", "<p>✓ Avatar deleted</p>"),
    post("/chat-delete-avatar", b"room=ROOM&user=bo", "<p>✓ Avatar deleted</p>"),
    // What happened is in the log, each once.
    get(
        "/chat-get-messages?room=ROOM",
        "<div id=\"chat-messages\" class=\"chat-display\">\n  \
         <div class=\"chat-msg-system\">al joined the room.</div>\n  \
         <div class=\"chat-msg-system\">al changed their name to bo.</div>\n  \
         <div class=\"chat-msg-system\">bo left the room.</div>\n  \
         <div class=\"chat-msg-system\">bo joined the room.</div>\n  \
         <div class=\"chat-msg-system\">bo left the room.</div>\n</div>\n",
    ),
    // Any of them may be asked with GET.
    get("/chat-create-avatar?room=ROOM&user=cy", "<p>✓ Avatar created</p>"),
    get("/chat-delete-avatar?room=ROOM&user=cy", "<p>✓ Avatar deleted</p>"),
    post("/chat-send-message?room=ROOM&user=al&msg=by+query", b"", "<p>✓ Message sent</p>"),
    post("/chat-send-message", b"room=nowhere&room=ROOM&user=al&msg=the+last+one+wins", "<p>✓ Message sent</p>"),
    post(
        "/chat-send-message",
        b"room=ROOM&user=al&msg=one%0A%5B2026-01-01+00%3A00%3A00%5D+bo%3A+forged",
        "<p>✓ Message sent</p>",
    ),
    get("/chat-delete-room?room=ROOM-b", "<p>✓ Room <strong>ROOM-b</strong> deleted</p>"),
    get("/chat-delete-room?room=ROOM", "<p>✓ Room <strong>ROOM</strong> deleted</p>"),
    get("/chat-delete-room?room=ROOM", "<p>Room not found</p>"),
];
