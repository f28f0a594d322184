//! Forks of streams that shells write to, beyond what the official suite asks.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use chatroom::room::sidecar::Sidecar;

use super::cgi::cgi;
use super::support::http::{Reply, Site, request};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::wait::wait_until;

const BYTES: (&str, &str) = ("Content-Type", "application/octet-stream");
const SYNCED: &[&str] = &["--ack", "synced"];
/// Far longer than anything takes here.
const DEADLINE: Duration = Duration::from_secs(60);

fn send(site: &Site, method: &str, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    site.request(method, &format!("/v1/stream/{name}"), headers, body)
}

/// A fork of `source`, with more headers.
fn fork(site: &Site, name: &str, source: &str, headers: &[(&str, &str)]) -> Reply {
    let from = format!("/v1/stream/{source}");
    send(site, "PUT", name, &[&[("Stream-Forked-From", &*from)], headers].concat(), b"")
}

fn next(reply: &Reply) -> String {
    reply.header("stream-next-offset").expect("a next offset").to_owned()
}

/// The status of a read from `offset`, and what it reads.
fn read(site: &Site, name: &str, offset: &str) -> (u16, Vec<u8>) {
    let reply = site.get(&format!("/v1/stream/{name}?offset={offset}"));
    (reply.status, reply.body)
}

/// What of a root nobody is to see: streams put aside, or not whole yet.
fn hidden(rooms: &Rooms) -> Vec<PathBuf> {
    let entries = rooms.root().read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}

#[test]
fn a_room_that_a_shell_writes_to_is_forked_at_a_whole_line() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"one\ntwo\nhalf");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let first = next(&site.get("/v1/stream/R"));
    rooms.append("R", b" done\nmore\n");
    let later = next(&site.get("/v1/stream/R"));

    let made = fork(&site, "F", "R", &[("Stream-Fork-Offset", &first)]);
    assert_eq!((made.status, made.header("content-type")), (201, Some("text/plain")));
    assert_eq!(next(&made), first, "a position of the source's is the fork's");
    assert_eq!(rooms.log("F"), b"one\ntwo\n");
    assert_eq!(fork(&site, "G", "R", &[("Stream-Fork-Offset", &first), ("Stream-Fork-Sub-Offset", "1")]).status, 201);
    assert_eq!(rooms.log("G"), b"one\ntwo\nhalf done\n", "of lines, lines are counted");
    assert_eq!(fork(&site, "H", "R", &[("Stream-Fork-Offset", &first), ("Stream-Fork-Sub-Offset", "3")]).status, 400);

    // A shell writes into both, and each is its own.
    rooms.append("F", b"fork\n");
    rooms.append("R", b"room\n");
    assert_eq!(read(&site, "F", &first), (200, b"fork\n".into()));
    assert_eq!(read(&site, "R", &first), (200, b"half done\nmore\nroom\n".into()));
    let own = next(&site.get("/v1/stream/F"));
    assert!(first < own, "{first} {own}");
    assert_eq!(read(&site, "R", &own).0, 410, "what the fork gives out is not the source's");
    assert_eq!(read(&site, "F", &later).0, 410, "what the source gave out later is not the fork's");
}

#[test]
fn a_source_that_is_edited_leaves_its_forks_as_they_are() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[BYTES], b"one\ntwo\n");
    let first = next(&site.get("/v1/stream/s"));
    assert_eq!(fork(&site, "f", "s", &[]).status, 201);
    rooms.rewrite("s", b"ONE\ntwo\nthree\n");
    assert_eq!(rooms.log("f"), b"one\ntwo\n");
    assert_eq!((read(&site, "s", &first).0, read(&site, "f", &first).0), (410, 200));
    assert_eq!(fork(&site, "g", "s", &[("Stream-Fork-Offset", &first)]).status, 400, "it holds there no longer");
    // The same where only the source was there, and where it is gone altogether.
    rooms.remove("s");
    assert_eq!(read(&site, "f", "-1"), (200, b"one\ntwo\n".into()));
    assert_eq!(fork(&site, "f", "s", &[]).status, 200, "it is what was asked for");
    assert_eq!(fork(&site, "g", "s", &[]).status, 404);
    assert_eq!(send(&site, "DELETE", "f", &[], b"").status, 204);
}

#[test]
fn a_fork_of_forks_knows_each_position() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let mut tips = vec![next(&send(&site, "PUT", "s0", &[BYTES], b"0"))];
    for n in 1..6 {
        assert_eq!(fork(&site, &format!("s{n}"), &format!("s{}", n - 1), &[BYTES]).status, 201);
        tips.push(next(&send(&site, "POST", &format!("s{n}"), &[BYTES], &[b'0' + n])));
    }
    assert!(tips.is_sorted());
    for (n, tip) in tips.iter().enumerate() {
        assert_eq!(read(&site, "s5", tip), (200, b"012345"[n + 1..].into()));
    }
    // Forked where the third ends: what comes after that is not inherited.
    assert_eq!(fork(&site, "t", "s5", &[("Stream-Fork-Offset", &tips[2])]).status, 201);
    assert_eq!(read(&site, "t", &tips[1]), (200, b"2".into()));
    assert_eq!(read(&site, "t", &tips[3]).0, 410);
    let sidecar = Sidecar::parse(&fs::read(rooms.room("t").join(".log.stream")).unwrap()).unwrap();
    assert_eq!(sidecar.fork.unwrap().inherited.len(), 3);
}

#[test]
fn a_deleted_source_is_aside_until_its_last_fork_is_gone() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"one\n");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    assert_eq!(fork(&site, "f", "R", &[]).status, 201);
    assert_eq!(fork(&site, "g", "f", &[]).status, 201);
    let delete = |name: &str| send(&site, "DELETE", name, &[], b"").status;
    let status = |name: &str| read(&site, name, "-1").0;
    assert_eq!((delete("R"), delete("f"), status("R"), status("f"), status("g")), (204, 204, 410, 410, 200));
    assert_eq!((delete("f"), fork(&site, "h", "f", &[]).status), (410, 409));
    assert_eq!(send(&site, "PUT", "R", &[], b"").status, 409);
    assert_eq!((site.get("/rooms").text(), hidden(&rooms).len()), (r#"["g"]"#, 2));
    assert_eq!((delete("g"), rooms.root().read_dir().unwrap().count()), (204, 0));
    assert_eq!((status("R"), status("f"), status("g")), (404, 404, 404));
    // A shell's word is the last: a fork that it removed keeps nothing.
    rooms.create("R");
    assert_eq!((fork(&site, "f", "R", &[]).status, delete("R"), status("R")), (201, 204, 410));
    rooms.remove("f");
    assert_eq!((status("R"), send(&site, "PUT", "R", &[], b"").status), (404, 201));
    assert_eq!(hidden(&rooms).len(), 0);
}

#[test]
fn an_expired_fork_keeps_no_source() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    send(&site, "PUT", "s", &[BYTES], b"one");
    assert_eq!(fork(&site, "f", "s", &[("Stream-Expires-At", "2026-01-31T08:00:00Z")]).status, 201);
    assert_eq!(send(&site, "DELETE", "s", &[], b"").status, 204);
    assert_eq!((read(&site, "s", "-1").0, read(&site, "f", "-1").0), (404, 404));
    assert_eq!(rooms.root().read_dir().unwrap().count(), 0);
}

/// What a process that was killed leaves behind, at each step of making a fork and of removing one.
#[test]
fn a_crash_at_every_step_and_then_a_new_start() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    for name in ["unnoted", "noted", "whole", "deleted"] {
        send(&site, "PUT", name, &[BYTES], b"one");
        assert_eq!(fork(&site, &format!("{name}-fork"), name, &[]).status, 201);
    }
    let room = |name: &str| rooms.room(name);
    // Before it was noted: it is aside, and maybe not whole.
    fs::rename(room("unnoted-fork"), room(".created-0123456789abcdef")).unwrap();
    fs::remove_dir_all(room("unnoted").join(".log.forks")).unwrap();
    fs::write(room(".created-0123456789abcdef").join(".log"), b"o").unwrap();
    // Before it was renamed.
    fs::rename(room("noted-fork"), room(".created-0000000000000000")).unwrap();
    // Removed, and its source, which is aside, does not know yet.
    send(&site, "DELETE", "deleted", &[], b"");
    fs::rename(room("deleted-fork"), room(".deleted-deleted-fork-0")).unwrap();
    drop(server);

    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    assert_eq!(read(&site, "whole-fork", "-1"), (200, b"one".into()));
    wait_until("what was left behind is gone", DEADLINE, || hidden(&rooms).is_empty());
    for name in ["unnoted", "noted"] {
        assert_eq!(read(&site, &format!("{name}-fork"), "-1").0, 404);
        send(&site, "DELETE", name, &[], b"");
        assert_eq!(read(&site, name, "-1").0, 404, "{name}: nothing keeps it");
    }
    send(&site, "DELETE", "whole", &[], b"");
    assert_eq!((read(&site, "whole", "-1").0, read(&site, "deleted", "-1").0), (410, 404));
}

#[test]
fn a_server_that_is_killed_leaves_a_whole_fork_or_none() {
    let rooms = Rooms::empty();
    let line = b"0123456789abcdef\n".repeat(1 << 20);
    rooms.create("R").append("R", &line);
    let mut forked = 0;
    for round in 0..10 {
        let mut server = Server::serve(rooms.root(), [SYNCED, &[]][round % 2]);
        let addr = server.addr();
        // Nothing is left of the round before once the server was asked something.
        server.site().get("/rooms");
        wait_until("what was left behind is gone", DEADLINE, || hidden(&rooms).is_empty());
        thread::scope(|threads| {
            threads.spawn(move || {
                let from = [("Stream-Forked-From", "/v1/stream/R")];
                // It dies at some time, and the reply with it.
                let _ = std::panic::catch_unwind(|| request(addr, "PUT", &format!("/v1/stream/f{round}"), &from, b""));
            });
            // Killed once the copy is so long, or seen to be there.
            let goal = round as u64 * 2_000_000;
            let aside = || hidden(&rooms).iter().find_map(|path| fs::metadata(path.join(".log")).ok());
            while !rooms.room(&format!("f{round}")).exists() && aside().is_none_or(|copy| copy.len() < goal) {
                thread::yield_now();
            }
            server.kill9();
        });
        let fork = rooms.room(&format!("f{round}"));
        if fork.exists() {
            forked += 1;
            assert!(rooms.log(&format!("f{round}")) == rooms.log("R"), "{round}: all of it");
            let sidecar = Sidecar::parse(&fs::read(fork.join(".log.stream")).unwrap()).unwrap();
            assert_eq!(sidecar.fork.unwrap().source, "R");
        }
    }
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    for round in 0..10 {
        let expected = if rooms.room(&format!("f{round}")).exists() { 200 } else { 201 };
        assert_eq!(fork(&site, &format!("f{round}"), "R", &[]).status, expected, "the retry");
        assert!(rooms.log(&format!("f{round}")) == line);
    }
    assert!(forked < 10, "one at least was killed on the way");
}

#[test]
fn a_cgi_process_below_a_mount_point_forks_too() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"one\n");
    let put = |from: &str| {
        let mut process = cgi(rooms.root(), "PUT", "/v1/stream/f", "");
        let output = process.env("HTTP_STREAM_FORKED_FROM", from).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(put("/elsewhere/R").contains("expected the path of a stream, /chat/v1/stream/NAME"));
    assert!(put("/chat/v1/stream/R").starts_with("Status: 201"));
    assert_eq!(rooms.log("f"), b"one\n");
}
