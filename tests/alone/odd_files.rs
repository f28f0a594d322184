//! A room's `.log` may be anything that a shell can make. Each has its answer, and none keeps another room waiting.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

#[test]
fn what_is_no_file_of_the_root_is_refused_at_once() {
    let rooms = Rooms::empty();
    let log = |room: &str| {
        fs::create_dir(rooms.room(room)).unwrap();
        rooms.log_path(room)
    };
    mkfifo(&log("Fifo"), Mode::S_IRWXU).unwrap();
    fs::create_dir(log("Directory")).unwrap();
    symlink("/etc/passwd", log("Outside")).unwrap();
    symlink(".log", log("Loop")).unwrap();
    let _socket = UnixListener::bind(log("Socket")).unwrap();
    symlink("/dev/zero", log("Device")).unwrap();
    rooms.create("Sound").append("Sound", b"");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    for room in ["Fifo", "Directory", "Outside", "Loop", "Socket", "Device"] {
        let path = format!("/rooms/{room}");
        let answers = [
            site.get(&path),
            site.get_as(&path, "text/plain"),
            site.post(&path, "text/plain", b"hello"),
            Stream::try_open(&site, &path, EVENTS).err().unwrap_or_else(|| panic!("a stream of {room}")),
        ];
        for answer in answers {
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (500, Some("application/problem+json")),
                "{room}"
            );
            assert!(!answer.text().contains("root:") && !answer.text().contains("/tmp"), "{answer:?}");
        }
        assert_eq!(site.post("/rooms/Sound", "text/plain", room.as_bytes()).status, 201);
    }
    assert_eq!(rooms.log("Sound").split(|byte| *byte == b'\n').count(), 7);
}

#[test]
fn a_fifo_where_something_is_to_be_written_keeps_nobody_waiting() {
    let rooms = Rooms::empty();
    rooms.create("Sound");
    let server = Server::serve(rooms.root(), &["--workers", "1"]);
    let site = server.site();
    let typed = ("Content-Type", "a/b");
    assert_eq!(site.request("PUT", "/v1/stream/S", &[typed], b"").status, 201);
    mkfifo(&rooms.room("S").join(".log.stream.new"), Mode::S_IRWXU).unwrap();
    assert_eq!(site.request("POST", "/v1/stream/S", &[typed, ("Stream-Seq", "a")], b"x").status, 500);
    assert_eq!(site.post("/rooms/Sound?user=al", "text/plain", b"hello").status, 201);
}

#[test]
fn a_log_of_ten_gigabytes_without_a_line_keeps_nobody_waiting() {
    let rooms = Rooms::empty();
    rooms.create("Sparse").append("Sparse", b"first\n").create("Sound").append("Sound", b"");
    let sparse = rooms.open("Sparse");
    sparse.set_len(10_000_000_000).unwrap();
    (&sparse).write_all(b"\n[2026-01-31 08:00:00] al: last\n").unwrap();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();

    let page = site.get("/rooms/Sparse?limit=1").json();
    assert_eq!(page["messages"][0]["text"], "last");
    let before = page["messages"][0]["id"].as_str().unwrap().to_owned();
    let older = site.get(&format!("/rooms/Sparse?limit=1&before={before}")).json();
    assert!(older["messages"][0]["cut"].as_u64().unwrap() >= 16_000_000, "the last part of the long line, as it is");

    let mut live = Stream::open(&site, "/rooms/Sparse?format=raw", EVENTS);
    live.next();
    // One who reads all of it from the start has its parts, and others have their turns.
    let _reads_all =
        Stream::open(&site, "/rooms/Sparse?format=raw&last_event_id=0000000000000000_0000000000000000", EVENTS);
    let mut since = Stream::open(&site, "/rooms/Sparse?format=raw&since=2026-01-31%2007:00:00", EVENTS);
    assert_eq!(since.messages(1), ["[2026-01-31 08:00:00] al: last"]);
    let mut sound = Stream::open(&site, "/rooms/Sound?format=raw", EVENTS);
    for n in 0..20 {
        let said = rooms.line("Sound", "al", &n.to_string());
        assert_eq!(sound.messages(1), [said]);
    }
    assert_eq!(site.post("/rooms/Sparse?user=al", "text/plain", b"after it").status, 201);
    assert!(live.messages(1)[0].ends_with("al: after it"));
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 100_000, "{peak} KB of memory for one line");
}

#[test]
fn bytes_of_any_kind_are_lines() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"nul\0nul\n\xff\xfe\xc0\nwindows\r\n\n\0\0\0\n");
    let server = Server::serve(rooms.root(), &[]);
    let texts = ["nul\0nul", "\u{fffd}\u{fffd}\u{fffd}", "windows", "", "\0\0\0"];
    let page = server.site().get("/rooms/R").json();
    let shown: Vec<_> = page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(shown, texts);
    // A torn last line stays as it is for as long as it likes, and is ended before something else is said.
    let file = fs::OpenOptions::new().write(true).open(rooms.log_path("R")).unwrap();
    file.write_all_at(b"torn", rooms.log("R").len() as u64).unwrap();
    assert_eq!(server.site().get("/rooms/R").json()["messages"].as_array().unwrap().len(), texts.len());
    assert_eq!(server.site().post("/rooms/R", "text/plain", b"whole").status, 201);
    let log = rooms.log("R");
    assert!(log.windows(6).any(|bytes| bytes == b"\ntorn\n"), "{}", String::from_utf8_lossy(&log));
}
