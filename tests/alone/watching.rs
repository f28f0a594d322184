//! A process of one stream hears of everything, whichever way it watches: each test with inotify,
//! dnotify and polling.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::cgi::{Live, cgi};
use super::support::PATIENCE;
use super::support::fastcgi::{Client, params, request};
use super::support::process::Process;
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
use super::support::sse::Stream;
use super::support::wait::wait_until;
use super::support::watch::{is_by_kernel, way};

/// A test for each way.
macro_rules! each_way {
    ($($(#[doc = $doc:literal])* fn $name:ident($watch:ident) $body:block)*) => {
        $($(#[doc = $doc])*
        mod $name {
            use super::*;

            fn test($watch: &str) $body

            #[test]
            fn inotify() {
                test("auto");
            }

            #[test]
            fn dnotify() {
                test("dnotify");
            }

            #[test]
            fn polling() {
                test("poll");
            }
        })*
    };
}

fn stream(rooms: &Rooms, watch: &str, path: &str) -> Live {
    let mut command = cgi(rooms.root(), "GET", path, "format=raw");
    command.env("HTTP_ACCEPT", "text/event-stream").env("CHATROOM_WATCH", way(watch));
    // What is not heard of fails, then, and does not hang.
    command.env("CHATROOM_LIFETIME", PATIENCE.as_secs().to_string());
    Live::start(command)
}

/// Reads on to an event of this name and data, and gives the names of those before.
fn until(live: &mut Live, name: &str, is: impl Fn(&str) -> bool) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        let (event, data) = live.next();
        if event == name && is(&data) {
            return before;
        }
        before.push(format!("{event} {data}"));
    }
}

fn message(live: &mut Live) -> String {
    let (event, data) = live.next();
    assert_eq!(event, "message", "{data}");
    data
}

/// What the descriptors of a process are.
fn descriptors(pid: u32) -> Vec<String> {
    let links =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

each_way! {
    fn a_stream_is_one_thread_and_watches_as_it_was_told(watch) {
        let rooms = Rooms::example();
        let mut live = stream(&rooms, watch, "/rooms/General");
        live.next();
        let open = descriptors(live.pid());
        let has = |what: &str| open.iter().any(|link| link.contains(what));
        let ways = (has("inotify"), has("signalfd"), open.contains(&rooms.room("General").to_string_lossy().into_owned()));
        let watch = way(watch);
        assert_eq!(ways, (watch == "auto", watch == "dnotify", watch == "dnotify"), "{open:?}");
        assert_eq!(fs::read_dir(format!("/proc/{}/task", live.pid())).unwrap().count(), 1);
        live.hang_up();
    }

    fn lines_come_once_and_in_order(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let mut live = stream(&rooms, watch, "/rooms/R");
        live.next();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let mut log = rooms.open("R");
                for n in 0..5000 {
                    // Some in two writes, some with a pause in which all is read.
                    let line = format!("line {n}\n");
                    let (one, two) = line.split_at(n % line.len());
                    log.write_all(one.as_bytes()).unwrap();
                    log.write_all(two.as_bytes()).unwrap();
                    if n % 1000 < 10 {
                        std::thread::yield_now();
                    }
                }
            });
            for n in 0..5000 {
                assert_eq!(message(&mut live), format!("line {n}"));
            }
        });
        // And one at a time.
        for n in 0..20 {
            let line = rooms.line("R", "al", &n.to_string());
            assert_eq!(message(&mut live), line);
        }
        live.hang_up();
    }

    fn a_log_that_becomes_another_is_told(watch) {
        let rooms = Rooms::empty();
        rooms.create("R").append("R", b"one\ntwo\n");
        let mut live = stream(&rooms, watch, "/rooms/R");
        live.next();
        fs::write(rooms.log_path("R"), "short\n").unwrap();
        until(&mut live, "reset", |data| data.contains("truncated"));
        assert_eq!(message(&mut live), "short");
        // Of the same length.
        fs::write(rooms.log_path("R"), "SHORT\n").unwrap();
        until(&mut live, "message", |data| data == "SHORT");
        let mut old = rooms.open("R");
        fs::rename(rooms.log_path("R"), rooms.room("R").join(".log.1")).unwrap();
        old.write_all(b"late\n").unwrap();
        rooms.append("R", b"fresh\n");
        let before = until(&mut live, "message", |data| data == "fresh");
        assert!(before.iter().any(|event| event.starts_with("reset")), "{before:?}");
        rooms.replace("R", b"edited\n");
        until(&mut live, "message", |data| data == "edited");
        fs::remove_file(rooms.log_path("R")).unwrap();
        until(&mut live, "reset", |data| data.contains("removed"));
        rooms.append("R", b"again\n");
        until(&mut live, "message", |data| data == "again");
        live.hang_up();
    }

    fn avatars_come_change_and_go(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let mut live = stream(&rooms, watch, "/rooms/R");
        live.next();
        let members = |live: &mut Live, is: &dyn Fn(&str) -> bool| drop(until(live, "members", is));
        for name in ["zoe", "al", "bo"] {
            rooms.avatar("R", name);
            members(&mut live, &|data| data.contains(name));
        }
        rooms.attribute("R", "zoe", "web_avatar", "1");
        members(&mut live, &|data| data.contains("true"));
        fs::remove_file(rooms.avatar_path("R", "zoe").join("user.web_avatar")).unwrap();
        members(&mut live, &|data| !data.contains("true"));
        fs::rename(rooms.avatar_path("R", "al"), rooms.avatar_path("R", "alf")).unwrap();
        members(&mut live, &|data| data.contains("alf") && !data.contains("\"al\""));
        if xattr::set(rooms.avatar_path("R", "alf"), "user.web_avatar", b"1").is_err() {
            // A file system without.
            rooms.attribute("R", "alf", "web_avatar", "1");
        }
        members(&mut live, &|data| data.contains("true"));
        rooms.remove_avatar("R", "bo");
        members(&mut live, &|data| !data.contains("bo"));
        rooms.avatar("R", "bo");
        members(&mut live, &|data| data.contains("bo"));
        live.hang_up();
    }

    fn rooms_come_and_go(watch) {
        let rooms = Rooms::empty();
        let mut live = stream(&rooms, watch, "/rooms");
        assert_eq!(live.next(), ("rooms".into(), "[]".into()));
        for name in ["B", "A"] {
            rooms.create(name);
            until(&mut live, "rooms", |data| data.contains(name));
        }
        rooms.remove("B");
        assert_eq!(live.next(), ("rooms".into(), r#"["A"]"#.into()));
        live.hang_up();
    }

    fn a_room_that_goes_ends_its_stream(watch) {
        let rooms = Rooms::empty();
        for round in ["one", "two"] {
            rooms.create("R");
            let mut live = stream(&rooms, watch, "/rooms/R");
            live.next();
            rooms.append("R", format!("{round}\n").as_bytes());
            assert_eq!(message(&mut live), round);
            rooms.remove("R");
            until(&mut live, "error", |data| data.contains("404"));
            live.end();
        }
    }

    fn a_room_that_is_moved_is_followed_by_name(watch) {
        let rooms = Rooms::empty();
        rooms.create("R").append("R", b"old\n").create("Next").append("Next", b"new\n");
        let mut live = stream(&rooms, watch, "/rooms/R");
        live.next();
        // Both at once, so that at no time there is none.
        exchange(&rooms.room("R"), &rooms.room("Next"));
        until(&mut live, "reset", |_| true);
        assert_eq!(message(&mut live), "new");
        // Nothing happens where it was before.
        for n in 0..5 {
            let line = rooms.line("R", "al", &n.to_string());
            assert_eq!(message(&mut live), line);
        }
        live.hang_up();
    }

    fn a_tail_goes_on_when_its_room_is_made_again(watch) {
        let rooms = Rooms::empty();
        rooms.create("R").append("R", b"one\n");
        let mut command = chatroom();
        command.args(["tail", "-f", "R", "--watch", &way(watch), "--root"]).arg(rooms.root());
        let mut tail = Process::spawn(&mut command);
        assert_eq!(tail.stdout_line().unwrap(), "one");
        for times in 1..=2 {
            rooms.append("R", b"two\n");
            assert_eq!(tail.stdout_line().unwrap(), "two");
            rooms.remove("R");
            let said = || tail.stderr().matches("the log was removed").count() == times;
            wait_until("the tail knows that its room is gone", PATIENCE, said);
            rooms.create("R").append("R", b"anew\n");
            assert_eq!(tail.stdout_line().unwrap(), "anew");
        }
    }
}

fn exchange(one: &Path, other: &Path) {
    let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
    nix::fcntl::renameat2(nix::fcntl::AT_FDCWD, one, nix::fcntl::AT_FDCWD, other, flags).unwrap();
}

/// That all of these tests ran where nothing but polling is had: `tests/long poll`.
#[test]
fn everything_watches_as_the_tests_were_told() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--watch", "auto"]);
    let by_default = Server::start(chatroom().arg("serve").arg(rooms.root()).args(["--listen", "127.0.0.1:0"]));
    let dir = tempfile::tempdir().unwrap();
    let fastcgi = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let mut asked = params("GET", "/rooms/General", "");
    asked.push(("HTTP_ACCEPT", "text/event-stream"));
    let mut client = Client::unix(fastcgi.socket());
    client.write(&request(1, true, &asked, b""));
    client.stdout_until("event: members");
    for server in [&server, &by_default] {
        Stream::open(&server.site(), "/rooms/General", &[]).next();
    }
    let mut process = stream(&rooms, "auto", "/rooms/General");
    process.next();
    for pid in [server.pid(), by_default.pid(), fastcgi.pid(), process.pid()] {
        assert_eq!(descriptors(pid).iter().any(|link| link.contains("inotify")), is_by_kernel());
    }
    process.hang_up();
}
