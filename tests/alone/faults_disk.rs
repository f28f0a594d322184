//! The disk is full, read-only, limited or broken: what can't be written is refused with a problem document, nothing
//! half-written stays, and reading goes on.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::support::confined::{Confined, limit};
use super::support::http::{Reply, Site};
use super::support::process::tool;
use super::support::rooms::Rooms;
use super::support::server::{binary, chatroom};
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const FORM: &str = "application/x-www-form-urlencoded";

fn assert_problem(reply: &Reply, status: u16) {
    let shown = (reply.status, reply.header("content-type"));
    let text: String = reply.text().chars().take(200).collect();
    assert_eq!(shown, (status, Some("application/problem+json")), "{text}");
    assert_eq!(reply.json()["status"], status);
    assert!(!reply.text().contains('/') || !reply.text().contains("tmp"), "{reply:?}");
}

/// All that is written, as each way in to do so is refused.
fn refuses_everything(site: &Site, status: u16) {
    assert_problem(&site.post("/rooms/R?user=al", "text/plain", b"refused"), status);
    assert_problem(&site.request("PUT", "/rooms/New", &[], b""), status);
    assert_problem(&site.request("PUT", "/rooms/R/members/bo", &[], b""), status);
    assert_problem(&site.post("/v1/stream/R?user=al", "text/plain", b"refused"), status);
    assert_problem(&site.request("PUT", "/v1/stream/new", &[("Content-Type", "text/plain")], b"refused"), status);
    assert_problem(&site.post("/v1/stream/bytes", "text/plain", b"refused"), status);
    // These answer as the shell programs do: always with 200.
    for (program, body) in [
        ("/chat-send-message", "room=R&username=al&msg=refused"),
        ("/chat-create-room", "name=New"),
        ("/chat-create-avatar", "room=R&username=bo"),
    ] {
        let answer = site.post(program, FORM, body.as_bytes());
        assert!(answer.status == 200 && answer.text().contains("error"), "{program}: {answer:?}");
    }
}

/// What was there before is all that is there.
fn nothing_was_written(rooms: &Rooms, log: &[u8]) {
    assert_eq!(String::from_utf8_lossy(&rooms.log("R")), String::from_utf8_lossy(log));
    assert_eq!(rooms.log("bytes"), page());
    assert_eq!(rooms.avatars("R"), ["al"]);
    let mut names: Vec<_> = std::fs::read_dir(rooms.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != "ballast.");
    names.sort();
    assert_eq!(names, ["R", "bytes"]);
}

/// Everything that can be said, as it is before and after.
fn takes_everything(site: &Site) {
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"taken").status, 201);
    assert_eq!(site.post("/v1/stream/bytes", "text/plain", b", more").status, 204);
    assert_eq!(site.request("PUT", "/rooms/R/members/bo", &[], b"").status, 201);
    assert_eq!(site.request("PUT", "/rooms/New", &[], b"").status, 201);
}

/// So much that not a byte more has its place in the last page.
fn page() -> Vec<u8> {
    b"stream".repeat(4096)[..4096].to_vec()
}

fn begin(confined: &Confined) -> (Site, Stream, Vec<u8>) {
    let site = confined.server.site();
    assert_eq!(site.request("PUT", "/rooms/R", &[], b"").status, 201);
    assert_eq!(site.request("PUT", "/rooms/R/members/al", &[], b"").status, 201);
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"before").status, 201);
    let created = site.request("PUT", "/v1/stream/bytes", &[("Content-Type", "text/plain")], &page());
    assert_eq!(created.status, 201);
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    stream.next();
    (site, stream, confined.rooms.log("R"))
}

fn reading_goes_on(site: &Site) {
    assert!(site.get("/rooms/R").text().contains("before"));
    let mut stream = Stream::open(site, "/rooms/R?last_event_id=0000000000000000_0000000000000000", EVENTS);
    assert!(stream.next_named("message").data.contains("al joined"));
    assert_eq!(site.get("/v1/stream/bytes").body, page());
}

#[test]
fn a_full_disk() {
    let confined = Confined::with_disk(128, &[]);
    let (site, mut stream, log) = begin(&confined);
    for _ in 0..2 {
        confined.fill_but(0);
        // What is long finds a part of its place at most, what is short none.
        let long = "x".repeat(60_000);
        assert_problem(&site.post("/rooms/R?user=al", "text/plain", long.as_bytes()), 507);
        while site.post("/rooms/R?user=al", "text/plain", b"y").status == 201 {}
        let log = confined.rooms.log("R");
        assert!(log.ends_with(b"\n") && !log.windows(2).any(|two| two == b"xx"));
        refuses_everything(&site, 507);
        assert_eq!(confined.rooms.log("R"), log);
        reading_goes_on(&site);
        confined.free();
    }
    assert!(confined.rooms.log("R").starts_with(&log));
    takes_everything(&site);
    let said = stream.until(|event| event.data.ends_with("bo joined the room."));
    assert!(said.iter().any(|event| event.data.ends_with("al: taken")) && !said.iter().any(|e| e.event == "reset"));
}

#[test]
fn a_disk_that_is_full_while_a_line_is_written() {
    let confined = Confined::with_disk(256, &[]);
    let (site, mut stream, _) = begin(&confined);
    // In each round there is one page more, so that a message of several is written in part.
    let long = "x".repeat(30_000);
    for pages in 0..5 {
        confined.fill_but(pages);
        let log = confined.rooms.log("R");
        let modified = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        modified.add_watch(&confined.rooms.log_path("R"), AddWatchFlags::IN_MODIFY).unwrap();
        assert_problem(&site.post("/rooms/R?user=al", "text/plain", long.as_bytes()), 507);
        assert!(confined.rooms.log("R") == log, "after {pages} pages");
        // Nothing had to be taken back, with which something of somebody else's could have gone.
        assert_eq!(modified.read_events().unwrap_err(), Errno::EAGAIN, "after {pages} pages");
        confined.free();
        assert_eq!(site.post("/rooms/R?user=al", "text/plain", pages.to_string().as_bytes()).status, 201);
        assert!(stream.next_named("message").data.ends_with(&format!("al: {pages}")));
    }
}

#[test]
fn a_disk_that_is_read_only_for_a_while() {
    let confined = Confined::with_disk(1024, &[]);
    let (site, mut stream, log) = begin(&confined);
    confined.run("mount -o remount,ro \"$ROOT\"");
    refuses_everything(&site, 500);
    reading_goes_on(&site);
    nothing_was_written(&confined.rooms, &log);
    confined.run("mount -o remount,rw \"$ROOT\"");
    takes_everything(&site);
    assert!(stream.next_named("message").data.ends_with("al: taken"));
}

#[test]
fn a_file_that_may_not_grow() {
    let confined = Confined::with_disk(1024, &[]);
    let (site, mut stream, log) = begin(&confined);
    // The kernel sends SIGXFSZ, too, which ends a process that does nothing about it.
    limit(confined.server.pid(), "fsize", 10);
    assert_problem(&site.post("/rooms/R?user=al", "text/plain", b"refused"), 507);
    limit(confined.server.pid(), "fsize", log.len() as u64 + 30);
    let refused = site.post("/rooms/R?user=al", "text/plain", b"a part of it would find its place");
    assert_problem(&refused, 507);
    nothing_was_written(&confined.rooms, &log);
    reading_goes_on(&site);
    limit(confined.server.pid(), "fsize", 1_000_000);
    takes_everything(&site);
    assert!(stream.next_named("message").data.ends_with("al: taken"));
}

#[test]
fn a_shell_that_may_write_no_more_is_told() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"before\n");
    let say = |program: &mut std::process::Command| {
        program.args(["say", "R", "hello", "--root"]).arg(rooms.root()).output().unwrap()
    };
    let mut limited = tool("prlimit");
    let refused = say(limited.arg("--fsize=10:").arg(binary()));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("chatroom: "), "{refused:?}");
    assert_eq!(rooms.log("R"), b"before\n");
    assert!(say(&mut chatroom()).status.success());
}

#[test]
fn a_device_that_fails() {
    // What has nothing at an address fails with EIO there, to be read and to be written: as a broken disk does.
    let script =
        "mkdir \"$ROOT/R\" \"$ROOT/Sound\" && : >\"$ROOT/R/.log\" && mount --bind /proc/$$/mem \"$ROOT/R/.log\"";
    let confined = Confined::in_mounts(script, &[]);
    let site = confined.server.site();
    assert_problem(&site.post("/rooms/R?user=al", "text/plain", b"refused"), 500);
    assert_problem(&site.post("/v1/stream/R?user=al", "text/plain", b"refused"), 500);
    assert!(confined.server.stderr().is_empty() || !confined.server.stderr().contains("panic"));
    assert_eq!(site.post("/rooms/Sound?user=al", "text/plain", b"taken").status, 201);
    confined.run("umount \"$ROOT/R/.log\"");
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"taken").status, 201);
}
