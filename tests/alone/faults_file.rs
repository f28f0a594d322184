//! What happens to a log while it is read: rotated, edited, unreadable, without an end. Each has its outcome, and none keeps
//! another room waiting.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;

use super::support::PATIENCE;
use super::support::confined::kilobytes;
use super::support::process::{clean, tool};
use super::support::rooms::Rooms;
use super::support::server::{Server, copy_binary};
use super::support::sse::{Event, Stream};
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

fn open(server: &Server, path: &str) -> Stream {
    let mut stream = Stream::open(&server.site(), path, EVENTS);
    stream.next();
    stream
}

fn shown(events: &[Event]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (event.event.as_str(), event.data.as_str())).collect()
}

/// Runs a script in the folder of a room, as its owner would.
fn shell(rooms: &Rooms, room: &str, script: &str) {
    let status = tool("sh").args(["-ec", script]).current_dir(rooms.room(room)).status().unwrap();
    assert!(status.success(), "{script}");
}

#[test]
fn a_log_that_is_copied_and_truncated_goes_on() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("R").append("R", b"before it was read\n");
        let server = Server::serve(rooms.root(), &["--watch", watch]);
        let mut stream = open(&server, "/rooms/R?format=raw");
        for round in 0..3 {
            let last = format!("last of {round}");
            rooms.append("R", format!("{last}\n").as_bytes());
            assert_eq!(stream.messages(1), [last]);
            shell(&rooms, "R", "cp .log .log.1; : >.log; echo short >>.log");
            let reset = stream.until(|event| event.data == "short");
            assert_eq!(shown(&reset), [("reset", r#"{"reason":"truncated"}"#), ("message", "short")]);
        }
        let at = stream.last_event_id().to_owned();
        rooms.append("R", b"next\n");
        assert_eq!(Stream::resume(&server.site(), "/rooms/R?format=raw", &at).messages(1), ["next"]);
    }
}

#[test]
fn a_log_that_sed_edits_is_shown_anew() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("R").append("R", b"one\ntwo\n");
        let server = Server::serve(rooms.root(), &["--watch", watch]);
        let mut stream = open(&server, "/rooms/R?format=raw");
        let before = stream.last_event_id().to_owned();
        shell(&rooms, "R", "sed -i s/one/eins/ .log");
        let anew = stream.until(|event| event.data == "two");
        let reset = ("reset", r#"{"reason":"replaced"}"#);
        assert_eq!(shown(&anew), [reset, ("message", "eins"), ("message", "two")]);
        // Who was away hears of it, too.
        let mut stream = Stream::resume(&server.site(), "/rooms/R?format=raw", &before);
        assert!(stream.until(|event| event.data == "two").iter().any(|event| event.event == "reset"));
        rooms.append("R", b"three\n");
        assert_eq!(stream.messages(1), ["three"]);
    }
}

/// A server that is nobody in particular, so that permissions mean something to it, and its copy of the program.
fn nobodys(rooms: &Rooms, dir: &Path) -> Server {
    let open_to_all = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open_to_all(rooms.root());
    open_to_all(dir);
    let program = dir.join("chatroom");
    copy_binary(&program);
    let mut command: Command = if Uid::effective().is_root() {
        let mut command = tool("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    } else {
        clean(&program)
    };
    Server::start(command.arg("serve").arg(rooms.root()).args(["--listen", "127.0.0.1:0"]))
}

#[test]
fn a_log_that_may_not_be_read_is_refused_until_it_may() {
    let (rooms, dir) = (Rooms::empty(), tempfile::tempdir().unwrap());
    rooms.create("R").create("Sound").append("R", b"one\n");
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&rooms.log_path("Sound"), 0o666);
    let server = nobodys(&rooms, dir.path());
    let site = server.site();
    let mut stream = open(&server, "/rooms/R?format=raw");

    // As root writes, who may whatever the mode is.
    let mut log = rooms.open("R");
    mode(&rooms.log_path("R"), 0o000);
    for answer in [site.get("/rooms/R"), site.post("/rooms/R", "text/plain", b"x"), site.get("/v1/stream/R")] {
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("application/problem+json")));
    }
    // A stream that has it open reads on; none of this concerns another room.
    log.write_all(b"two\n").unwrap();
    assert_eq!(stream.messages(1), ["two"]);
    assert_eq!(site.post("/rooms/Sound", "text/plain", b"taken").status, 201);

    // Another one in its place can't be opened: the stream waits for that.
    let new = rooms.room("R").join("new");
    fs::write(&new, "three\n").unwrap();
    mode(&new, 0o000);
    fs::rename(&new, rooms.log_path("R")).unwrap();
    wait_until("it says so", PATIENCE, || server.stderr().contains("can't be read"));
    let mut sound = open(&server, "/rooms/Sound?format=raw");
    let line = rooms.line("Sound", "al", "hello");
    assert_eq!(sound.messages(1), [line]);
    mode(&rooms.log_path("R"), 0o644);
    let anew = stream.until(|event| event.data == "three");
    assert_eq!(shown(&anew)[0], ("reset", r#"{"reason":"replaced"}"#));
    assert_eq!(site.get("/rooms/R").status, 200);
    // It may be read now, and not be written.
    assert_eq!(site.post("/rooms/R", "text/plain", b"x").status, 500);
    assert_eq!(rooms.log("R"), b"three\n");
}

#[test]
fn a_room_that_may_not_be_entered_concerns_no_other() {
    let (rooms, dir) = (Rooms::empty(), tempfile::tempdir().unwrap());
    rooms.create("R").create("Sound");
    fs::set_permissions(rooms.log_path("Sound"), fs::Permissions::from_mode(0o666)).unwrap();
    let server = nobodys(&rooms, dir.path());
    let site = server.site();
    let mut sound = open(&server, "/rooms/Sound?format=raw");
    fs::set_permissions(rooms.room("R"), fs::Permissions::from_mode(0o000)).unwrap();
    for answer in [site.get("/rooms/R"), site.post("/rooms/R", "text/plain", b"x"), site.get("/rooms/R/members")] {
        assert_eq!(answer.status, 500);
    }
    assert!(Stream::try_open(&site, "/rooms/R", EVENTS).is_err());
    assert_eq!(site.get("/rooms").text(), r#"["R","Sound"]"#);
    let line = rooms.line("Sound", "al", "hello");
    assert_eq!(sound.messages(1), [line]);
    fs::set_permissions(rooms.room("R"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(site.get("/rooms/R").status, 200);
    open(&server, "/rooms/R");
}

#[test]
fn a_line_of_a_hundred_megabytes_grows_while_others_speak() {
    let rooms = Rooms::empty();
    rooms.create("Long").create("Sound");
    let server = Server::serve(rooms.root(), &[]);
    let (mut long, mut sound) = (open(&server, "/rooms/Long?format=raw"), open(&server, "/rooms/Sound?format=raw"));
    let mut log = rooms.open("Long");
    let piece = vec![b'x'; 1_000_000];
    for n in 0..100 {
        log.write_all(&piece).unwrap();
        let line = rooms.line("Sound", "al", &n.to_string());
        assert_eq!(sound.messages(1), [line]);
    }
    log.write_all(b"\nshort\n").unwrap();
    // It is taken for several, of 16 MiB each, of which the beginning is shown.
    let lines = long.until(|event| event.data == "short");
    assert!(lines.len() >= 7 && lines.iter().all(|line| line.data.len() <= 1 << 20), "{}", lines.len());
    let page = server.site().get("/rooms/Long?limit=1");
    assert_eq!(page.json()["messages"][0]["text"], "short");
    let peak = kilobytes(server.pid(), "VmHWM");
    assert!(peak < 100_000, "{peak} KB of memory for one line");
}

#[test]
fn a_last_line_without_its_end_is_waited_for() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("R").create("Sound");
        let server = Server::serve(rooms.root(), &["--watch", watch]);
        let (mut stream, mut sound) = (open(&server, "/rooms/R?format=raw"), open(&server, "/rooms/Sound?format=raw"));
        let mut log = rooms.open("R");
        for byte in b"torn\r" {
            // The kernel tells of each, and nothing is shown of it.
            log.write_all(&[*byte]).unwrap();
            let line = rooms.line("Sound", "al", "hello");
            assert_eq!(sound.messages(1), [line]);
            assert_eq!(server.site().get("/rooms/R").json()["messages"], serde_json::json!([]));
        }
        log.write_all(b"\nnul\0\xff\n").unwrap();
        let lines = stream.until(|event| event.data.starts_with("nul"));
        assert_eq!(shown(&lines), [("message", "torn"), ("message", "nul\0\u{fffd}")]);
    }
}
