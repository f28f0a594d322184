//! The programs under their shell names, called from a shell: links to the binary, arguments and environment in,
//! bytes and exit codes out.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::cgi::Live;
use super::support::process::clean;
use super::support::rooms::Rooms;
use super::support::server::chatroom;

const NAMES: [&str; 22] = [
    "chat-cleanup-inactive-avatars",
    "chat-count-avatars",
    "chat-create-avatar",
    "chat-create-room",
    "chat-delete-avatar",
    "chat-delete-room",
    "chat-get-messages",
    "chat-list-avatars",
    "chat-list-rooms",
    "chat-log-if-unique",
    "chat-move-avatar",
    "chat-rename-avatar",
    "chat-room-list-stream",
    "chat-send-message",
    "chat-stream",
    "chat-unread-counts",
    "sse-error",
    "sse-event",
    "sse-event-id",
    "sse-padding",
    "sse-retry",
    "sse-start",
];

/// A folder with a link for each name, made by `chatroom dropin`.
struct Programs(TempDir);

impl Programs {
    fn installed() -> Programs {
        let programs = Programs(TempDir::new().unwrap());
        assert!(programs.dropin(&[]).status.success());
        programs
    }

    fn dropin(&self, args: &[&str]) -> Output {
        chatroom().arg("dropin").arg(self.0.path()).args(args).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A program, on these rooms.
    fn on(&self, rooms: &Rooms, name: &str, query: &str) -> Command {
        let mut command = clean(self.path(name));
        command.env("CHATROOM_ROOT", rooms.root()).env("QUERY_STRING", query);
        command
    }

    fn helper(&self, name: &str, args: &[&str]) -> Output {
        clean(self.path(name)).args(args).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn posted(mut command: Command, body: &[u8]) -> String {
    let mut child = command.env("REQUEST_METHOD", "POST").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, body) = (child.stdin.take().unwrap(), body.to_vec());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    answer
}

#[test]
fn dropin_makes_links_and_takes_its_own_away() {
    let programs = Programs::installed();
    assert_eq!(programs.names(), NAMES);
    assert_eq!(text(&programs.dropin(&[])), "", "they are there already");
    fs::remove_file(programs.path("sse-start")).unwrap();
    fs::write(programs.path("mine"), "#!/bin/sh\n").unwrap();
    assert!(programs.dropin(&["--remove"]).status.success());
    assert_eq!(programs.names(), ["mine"]);
    let nowhere = chatroom().args(["dropin", "/nowhere"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn dropin_keeps_what_was_there_before() {
    let programs = Programs(TempDir::new().unwrap());
    let script = "#!/bin/sh\necho mine\n";
    for name in ["chat-stream", "chat-send-message"] {
        fs::write(programs.path(name), script).unwrap();
        fs::set_permissions(programs.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let refused = programs.dropin(&[]);
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("and 1 more") && said.contains("--replace"), "{said}");
    assert_eq!(programs.names(), ["chat-send-message", "chat-stream"], "nothing is done");
    assert!(programs.dropin(&["--replace"]).status.success());
    assert!(fs::symlink_metadata(programs.path("chat-stream")).unwrap().is_symlink());
    assert!(programs.dropin(&["--remove"]).status.success());
    assert_eq!(programs.names(), ["chat-send-message", "chat-stream"]);
    assert_eq!(text(&programs.helper("chat-stream", &[])), "mine\n");
}

#[test]
fn page_writes_the_page_and_its_files_and_only_over_its_own() {
    let dir = TempDir::new().unwrap();
    let site = dir.path().join("new/chat");
    let page = |args: &[&str]| chatroom().arg("page").arg(&site).args(args).output().unwrap();
    let index = || fs::read_to_string(site.join("index.html")).unwrap();
    assert!(text(&page(&[])).contains("index.html, with programs at ../cgi/"));
    assert!(index().contains(r#"<meta name="chatroom-programs" content="../cgi/">"#));
    let entry = index().lines().find_map(|line| {
        line.split_once("<script type=\"module\" src=\"./")?.1.strip_suffix("\"></script>").map(str::to_owned)
    });
    assert!(fs::read_to_string(site.join(entry.unwrap())).unwrap().contains("./programs.js"));
    let mut names: Vec<_> = fs::read_dir(&site).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["assets", "index.html"], "nothing is left of the writing");

    // Again, and elsewhere; other files stay.
    fs::write(site.join("assets/mine.css"), "mine").unwrap();
    assert!(page(&["--programs", "/other'cgi"]).status.success());
    assert!(index().contains(r#"content="/other&#39;cgi/">"#));
    assert_eq!(fs::read(site.join("assets/mine.css")).unwrap(), b"mine");

    let another = page(&["--programs", "https://b.example/cgi/"]);
    assert!(another.status.code() == Some(2), "{another:?}");
    assert!(String::from_utf8_lossy(&another.stderr).contains("expected the path of a folder on the page's own site"));

    // Somebody else's page is not touched.
    fs::write(site.join("index.html"), "<h1>mine</h1>").unwrap();
    fs::remove_dir_all(site.join("assets")).unwrap();
    let refused = page(&[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("index.html: is there already"), "{said}");
    assert_eq!((index(), site.join("assets").exists()), ("<h1>mine</h1>".to_owned(), false));
    fs::write(dir.path().join("file"), "").unwrap();
    let nowhere = chatroom().arg("page").arg(dir.path().join("file")).output().unwrap();
    assert!(nowhere.status.code() == Some(1) && String::from_utf8_lossy(&nowhere.stderr).contains("nothing is done"));
}

#[test]
fn programs_answer_in_a_shell() {
    let (programs, rooms) = (Programs::installed(), Rooms::example());
    let list = text(&programs.on(&rooms, "chat-list-rooms", "").output().unwrap());
    assert!(list.starts_with("Status: 200 OK\r\nContent-Type: text/html\r\n"), "{list}");
    assert!(
        list.contains("\r\n\r\n<ul class=\"room-list\">\n  <li class=\"room-item\" data-room=\"Empty\">\n"),
        "{list}"
    );
    let count = text(&programs.on(&rooms, "chat-count-avatars", "room=Lounge").output().unwrap());
    assert!(count.starts_with("Status: 200 OK\r\nContent-Type: application/json\r\n"), "{count}");
    assert!(count.ends_with("\r\n\r\n{\"count\": 2}\n"), "{count}");
    // A body without a length is all that is piped in; an empty one leaves the query.
    let sent = posted(programs.on(&rooms, "chat-send-message", ""), b"room=Empty&user=al&msg=piped+in");
    assert!(sent.ends_with("<p>✓ Message sent</p>\n</div>\n"), "{sent}");
    let sent = posted(programs.on(&rooms, "chat-send-message", "room=Empty&user=al&msg=by+query"), b"");
    assert!(sent.ends_with("<p>✓ Message sent</p>\n</div>\n"), "{sent}");
    let mut with_length = programs.on(&rooms, "chat-send-message", "");
    with_length.env("CONTENT_LENGTH", "31");
    assert!(posted(with_length, b"room=Empty&user=al&msg=with len&msg=not this").contains("Message sent"));
    let log = String::from_utf8(rooms.log("Empty")).unwrap();
    let said: Vec<&str> = log.lines().map(|line| &line[22..]).collect();
    assert_eq!(said, ["al: piped in", "al: by query", "al: with len"]);
    let too_long = posted(programs.on(&rooms, "chat-send-message", ""), &vec![b'x'; 300_000]);
    assert!(too_long.contains("Message too long"), "{too_long}");
}

#[test]
fn each_program_does_its_part_in_a_shell() {
    let (programs, rooms) = (Programs::installed(), Rooms::empty());
    for (name, query, says) in [
        ("chat-create-room", "name=R", "✓ Room <strong>R</strong> created!"),
        ("chat-create-avatar", "room=R&user=al", "✓ Avatar created"),
        ("chat-rename-avatar", "room=R&old_user=al&new_user=bo", "✓ Avatar renamed"),
        ("chat-list-avatars", "room=R", r#"{"avatars": [{"username": "bo", "is_web": true}]}"#),
        ("chat-delete-avatar", "room=R&user=bo", "✓ Avatar deleted"),
        ("chat-get-messages", "room=R", "<div class=\"chat-msg-system\">bo left the room.</div>"),
    ] {
        let output = programs.on(&rooms, name, query).output().unwrap();
        assert!(output.status.success() && text(&output).contains(says), "{name}: {output:?}");
    }
    let moved = posted(programs.on(&rooms, "chat-move-avatar", ""), br#"{"room":"S","username":"cy","oldRoom":"R"}"#);
    assert!(moved.ends_with("{\"success\":true,\"moved\":false,\"created\":true}\n"), "{moved}");
    assert_eq!((rooms.avatars("R"), rooms.avatars("S")), (vec![], vec!["cy".to_owned()]));
    let deleted = programs.on(&rooms, "chat-delete-room", "room=R").output().unwrap();
    assert!(text(&deleted).contains("✓ Room <strong>R</strong> deleted") && !rooms.room("R").exists());
}

#[test]
fn streams_write_to_a_pipe_at_once_and_exit_1_where_there_is_none() {
    let (programs, rooms) = (Programs::installed(), Rooms::example());
    let mut live = Live::start(programs.on(&rooms, "chat-stream", "room=Ops"));
    assert_eq!(live.next().0, "members");
    let line = rooms.line("Ops", "cron", "done");
    assert_eq!(live.next(), ("message".into(), line));
    live.hang_up();
    let mut live = Live::start(programs.on(&rooms, "chat-stream", ""));
    assert!(live.next().1.contains("mira"), "General is the room where none is named");
    live.hang_up();
    let mut live = Live::start(programs.on(&rooms, "chat-room-list-stream", ""));
    assert_eq!(live.next(), ("rooms".into(), r#"["Empty","General","Lounge","Ops"]"#.into()));
    rooms.create("New");
    assert_eq!(live.next(), ("rooms".into(), r#"["Empty","General","Lounge","New","Ops"]"#.into()));
    live.hang_up();
    for (name, query, data) in [
        ("chat-stream", "room=..", r#"{"code":400,"message":"Invalid room name"}"#),
        ("chat-stream", "room=Nowhere", r#"{"code":404,"message":"Room not found"}"#),
        ("chat-unread-counts", "", "Username required"),
        ("chat-unread-counts", "username=log", "Invalid username"),
    ] {
        let output = programs.on(&rooms, name, query).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name} {query}");
        assert!(text(&output).ends_with(&format!("event: error\ndata: {data}\n\n")), "{name} {query}");
    }
}

#[test]
fn counts_are_of_messages_at_once_and_on_change() {
    for watch in ["auto", "dnotify", "poll"] {
        let (programs, rooms) = (Programs::installed(), Rooms::empty());
        rooms.create("A").create("B");
        rooms.line("A", "al", "one");
        rooms.line("A", "log", "al joined the room.");
        rooms.append("A", b"of no form\n");
        let mut command = programs.on(&rooms, "chat-unread-counts", "username=al");
        command.env("CHATROOM_WATCH", super::support::watch::way(watch));
        let mut live = Live::start(command);
        let mut counts = |expected: &str| assert_eq!(live.next(), ("counts".into(), expected.into()), "{watch}");
        counts(r#"{"A":2,"B":0}"#);
        rooms.line("B", "bo", "two");
        counts(r#"{"A":2,"B":1}"#);
        rooms.line("B", "log", "bo left the room.");
        rooms.create("C");
        counts(r#"{"A":2,"B":1,"C":0}"#);
        rooms.line("C", "bo", "three");
        counts(r#"{"A":2,"B":1,"C":1}"#);
        rooms.replace("A", b"a\nb\nc\n");
        counts(r#"{"A":3,"B":1,"C":1}"#);
        // Its log goes a moment before it does.
        rooms.remove("B");
        while live.next().1 != r#"{"A":3,"C":1}"# {}
        live.hang_up();
    }
}

#[test]
fn a_site_has_its_own_rooms() {
    let programs = Programs::installed();
    let sites = TempDir::new().unwrap();
    let run = |name: &str, query: &str, site: &str| {
        let mut command = clean(programs.path(name));
        command.env("WIZARDRY_SITES_DIR", sites.path()).env("WIZARDRY_SITE_NAME", site).env("QUERY_STRING", query);
        command.output().unwrap()
    };
    assert!(text(&run("chat-list-rooms", "", "a.b")).ends_with("<ul class=\"room-list\">\n</ul>\n"));
    assert!(sites.path().join(".sitedata/a.b/chatrooms").is_dir());
    assert!(text(&run("chat-create-room", "name=Mine", "a.b")).contains("created!"));
    assert!(text(&run("chat-create-room", "name=Theirs", "")).contains("created!"));
    assert!(sites.path().join(".sitedata/default/chatrooms/Theirs").is_dir());
    assert!(text(&run("chat-get-messages", "room=Mine", "a.b")).contains("No messages yet"));
    for other in ["default", "", "b"] {
        assert!(text(&run("chat-get-messages", "room=Mine", other)).contains("Room not found"), "{other}");
        assert!(!text(&run("chat-list-rooms", "", other)).contains("Mine"), "{other}");
        assert_eq!(run("chat-stream", "room=Mine", other).status.code(), Some(1), "{other}");
    }
    for name in [".", "..", "a/b", "../default", "a b", "a\\b", "ä"] {
        let refused = run("chat-list-rooms", "", name);
        assert_eq!(refused.status.code(), Some(2), "{name}");
        assert!(!text(&refused).contains(sites.path().to_str().unwrap()), "{name}");
    }
    let at_home = clean(programs.path("chat-list-rooms")).env("HOME", sites.path()).output().unwrap();
    assert!(at_home.status.success() && sites.path().join("sites/.sitedata/default/chatrooms").is_dir());
}

#[test]
fn a_line_is_logged_unless_it_is_the_last() {
    let programs = Programs::installed();
    let log = programs.path("mine.log");
    let add = |line: &str| programs.helper("chat-log-if-unique", &[log.to_str().unwrap(), line]).status.code();
    assert_eq!(add("[2026-01-31 08:00:00] log: al joined the room."), Some(0));
    assert_eq!(add("[2026-01-31 09:00:00] log: al joined the room."), Some(0));
    fs::write(&log, [&fs::read(&log).unwrap()[..], b"\n  \n"].concat()).unwrap();
    assert_eq!(add("[2026-01-31 10:00:00] log: al joined the room."), Some(0));
    assert_eq!(fs::read_to_string(&log).unwrap(), "[2026-01-31 08:00:00] log: al joined the room.\n\n  \n");
    assert_eq!(add("[2026-01-31 10:00:00] log: al left the room."), Some(0));
    fs::write(&log, "torn").unwrap();
    assert_eq!((add("torn"), add("two\nlines")), (Some(0), Some(0)));
    assert_eq!(fs::read_to_string(&log).unwrap(), "torn\ntwo\u{2028}lines\n");
    let before = fs::read(&log).unwrap();
    for args in [&[][..], &[log.to_str().unwrap()], &[log.to_str().unwrap(), ""], &["", "x"], &["/nowhere/x", "x"]] {
        let output = programs.helper("chat-log-if-unique", args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{args:?}");
    }
    assert_eq!(fs::read(&log).unwrap(), before);
}

#[test]
fn who_was_idle_for_long_is_cleaned_up_where_that_is_asked_for() {
    let (programs, rooms) = (Programs::installed(), Rooms::empty());
    rooms.create("R");
    for (name, attributes) in [
        ("web", &[("web_avatar", "1"), ("is_avatar", "1"), ("last_activity", "1000")][..]),
        ("fresh", &[("web_avatar", "1"), ("last_activity", "9999999999")]),
        ("plain", &[("last_activity", "1000")]),
        ("shells", &[("is_avatar", "1"), ("last_activity", "1000")]),
        ("new", &[]),
    ] {
        rooms.avatar("R", name);
        for (attribute, value) in attributes {
            rooms.attribute("R", name, attribute, value);
        }
    }
    // By the way, only what a web page made goes.
    assert!(text(&programs.on(&rooms, "chat-count-avatars", "room=R").output().unwrap()).ends_with("{\"count\": 4}\n"));
    assert_eq!(rooms.avatars("R"), ["fresh", "new", "plain", "shells"]);
    let output = programs.helper("chat-cleanup-inactive-avatars", &[rooms.room("R").to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(rooms.avatars("R"), ["fresh", "new", "shells"]);
    let log = String::from_utf8(rooms.log("R")).unwrap();
    let said: Vec<&str> = log.lines().map(|line| &line[22..]).collect();
    assert_eq!(said, ["log: web went AFK.", "log: plain went AFK."]);
    let nowhere = programs.helper("chat-cleanup-inactive-avatars", &["/nowhere/R"]);
    assert!(nowhere.status.success() && nowhere.stderr.is_empty(), "{nowhere:?}");
}

#[test]
fn scripts_write_streams_of_their_own() {
    let programs = Programs::installed();
    let said = |name: &str, args: &[&str]| {
        let output = programs.helper(name, args);
        assert!(output.status.success(), "{name} {args:?}: {output:?}");
        text(&output)
    };
    let blanks = |count: usize| format!(": padding={}\n", " ".repeat(count));
    let padding = blanks(2000);
    let start = said("sse-start", &[]);
    assert!(start.starts_with("Status: 200 OK\r\nContent-Type: text/event-stream\r\n"), "{start}");
    assert!(start.contains("\r\nX-Accel-Buffering: no\r\n") && start.ends_with("\n\nretry: 5000\n\n"), "{start}");
    assert!(start.len() > 4000);
    assert_eq!(said("sse-event", &["hello"]), format!("event: message\ndata: hello\n{padding}\n"));
    assert_eq!(said("sse-event", &["note", "a", "b"]), format!("event: note\ndata: a b\n{padding}\n"));
    assert_eq!(
        said("sse-event", &["note", "a\nb\r\nc"]),
        format!("event: note\ndata: a\ndata: b\ndata: c\n{padding}\n")
    );
    assert_eq!(
        said("sse-event-id", &["no\r\nte", "7\ndata: x", "a\rid: 8"]),
        format!("id: 7data: x\nevent: note\ndata: a\ndata: id: 8\n{padding}\n")
    );
    assert_eq!(said("sse-padding", &[]), format!("{padding}\n"));
    assert_eq!(said("sse-padding", &["5"]), format!("{}\n", blanks(5000)));
    assert_eq!(
        (said("sse-retry", &[]), said("sse-retry", &["10"])),
        ("retry: 3000\n\n".into(), "retry: 10\n\n".into())
    );
    let error = |code: u16, message: &str| {
        format!("event: error\ndata: {{\"code\":{code},\"message\":\"{message}\"}}\n{padding}\n")
    };
    assert_eq!(said("sse-error", &[]), error(500, "Internal Server Error"));
    assert_eq!(said("sse-error", &["404", "no \"such\"\nthing"]), error(404, r#"no \"such\"\nthing"#));
    for (name, args) in [
        ("sse-event", &[][..]),
        ("sse-event-id", &["note", "7"]),
        ("sse-padding", &["many"]),
        ("sse-padding", &["1000000000"]),
        ("sse-retry", &["-1"]),
        ("sse-error", &["x"]),
    ] {
        let output = programs.helper(name, args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{name} {args:?}");
    }
}

#[test]
fn nobody_on_the_web_calls_what_is_for_scripts() {
    let (programs, rooms) = (Programs::installed(), Rooms::example());
    let log = rooms.log_path("General");
    let asked = |script: &Path, name: &str| {
        let mut command = clean(programs.path(name));
        command.args([log.to_str().unwrap(), "by the web"]).env("GATEWAY_INTERFACE", "CGI/1.1");
        command.env("SCRIPT_FILENAME", script).output().unwrap()
    };
    let before = rooms.log("General");
    let refused = asked(&programs.path("chat-log-if-unique"), "chat-log-if-unique");
    assert!(text(&refused).starts_with("Status: 404 Not Found\r\n"), "{refused:?}");
    assert_eq!((refused.status.code(), rooms.log("General")), (Some(1), before));
    // A script that answers a request calls them as it likes.
    assert!(asked(Path::new("/srv/cgi/mine"), "chat-log-if-unique").status.success());
    assert!(rooms.log("General").ends_with(b"\nby the web\n"));
}

#[test]
fn a_loop_ends_when_nobody_reads_it() {
    let programs = Programs::installed();
    let script = "while sse-event tick 1; do :; done; echo over >&2";
    let path = format!("{}:{}", programs.0.path().display(), std::env::var("PATH").unwrap());
    let mut child = clean("sh")
        .args(["-c", script])
        .env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert!(said.ends_with("over\n"), "{said}");
}
