//! What a stream says, when, and where it goes on: each with the kernel's watches and with polling.

use std::fs;
use std::io::Write;

use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::{Event, Stream};

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// A test for each way of noticing changes.
macro_rules! watched_and_polled {
    ($($(#[doc = $doc:literal])? fn $name:ident($watch:ident) $body:block)*) => {
        $($(#[doc = $doc])?
        mod $name {
            use super::*;

            fn test($watch: &str) $body

            #[test]
            fn watched() {
                test("auto");
            }

            #[test]
            fn polled() {
                test("poll");
            }
        })*
    };
}

fn serve(rooms: &Rooms, watch: &str, args: &[&str]) -> Server {
    Server::serve(rooms.root(), &[&["--watch", watch], args].concat())
}

fn open(server: &Server, path: &str) -> Stream {
    Stream::open(&server.site(), path, EVENTS)
}

fn text(event: &Event) -> String {
    event.json()["text"].as_str().unwrap_or_default().to_owned()
}

fn names(members: &Event) -> String {
    let json = members.json();
    let avatars = json["avatars"].as_array().unwrap();
    let shown = |avatar: &serde_json::Value| {
        format!("{}{}", if avatar["is_web"] == true { "@" } else { "" }, avatar["username"].as_str().unwrap())
    };
    avatars.iter().map(shown).collect::<Vec<_>>().join(" ")
}

watched_and_polled! {
    fn lines_come_once_they_are_whole(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms/R");
        assert_eq!(stream.next().event, "members");
        let mut shell = rooms.open("R");
        for part in ["[2026-01-31 08:00:00] al: in ", "three", " parts\n", "other output\ntorn"] {
            shell.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(text(&stream.next()), "in three parts");
        assert_eq!(text(&stream.next()), "other output");
        // Whoever speaks next ends the line that somebody left torn.
        let said = server.site().post("/rooms/R?user=bo", "text/plain", b"hello");
        assert_eq!(text(&stream.next()), "torn");
        let hello = stream.next();
        assert_eq!((text(&hello), hello.json()["from"].as_str()), ("hello".into(), Some("bo")));
        assert_eq!(hello.json(), said.json(), "what a POST answers is what everybody reads");
        assert_eq!(hello.last_event_id, said.json()["id"]);
    }

    fn a_reconnect_goes_on_where_it_was(watch) {
        let rooms = Rooms::example();
        let mut server = serve(&rooms, watch, &[]);
        let address = server.addr();
        // Nothing was said yet, but the place is known from the first event.
        let mut stream = open(&server, "/rooms/General");
        let first = stream.next();
        assert_eq!(first.event, "members");
        server.kill9();
        rooms.line("General", "al", "while you were away");
        let server = Server::serve_on(address, rooms.root(), &["--watch", watch]);
        let mut stream = Stream::resume(&server.site(), "/rooms/General", &first.last_event_id);
        assert_eq!(text(&stream.next_named("message")), "while you were away");
        // The header wins over the address, as when a browser reconnects.
        let path = format!("/rooms/General?last_event_id={}&since=2026-01-01%2000:00:00", stream.last_event_id());
        rooms.line("General", "al", "and now");
        assert_eq!(text(&open(&server, &path).next_named("message")), "and now");
        let mut again = Stream::resume(&server.site(), &path, &first.last_event_id);
        assert_eq!(text(&again.next_named("message")), "while you were away");
    }

    fn since_begins_at_a_time(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        for minute in 0..5000 {
            rooms.line_at("R", &format!("2026-01-{:02} {:02}:{:02}:00", 1 + minute / 1440, minute / 60 % 24, minute % 60), "al", &minute.to_string());
        }
        let server = serve(&rooms, watch, &[]);
        let first = |since: &str| text(&open(&server, &format!("/rooms/R?since={since}")).next_named("message"));
        assert_eq!(first("2026-01-02%2000:00:00"), "1440");
        assert_eq!(first("2026-01-01T23:59:30Z"), "1440");
        assert_eq!(first("2026-01-02T01:59:30%2B02:00"), "1440");
        assert_eq!(first("2000-01-01+00:00:00"), "0");
        let mut late = open(&server, "/rooms/R?since=2099-01-01%2000:00:00");
        assert_eq!(late.next().event, "members");
        rooms.line("R", "al", "from now on");
        assert_eq!(text(&late.next()), "from now on");
    }

    fn members_come_and_go(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms/R");
        assert_eq!(names(&stream.next()), "");
        rooms.avatar("R", "zoe");
        assert_eq!(names(&stream.next_named("members")), "zoe");
        // What tells the web from a shell is within the avatar's directory.
        rooms.attribute("R", "zoe", "web_avatar", "1");
        assert_eq!(names(&stream.next_named("members")), "@zoe");
        assert_eq!(server.site().request("PUT", "/rooms/R/members/al", &[], b"").status, 201);
        stream.until(|event| event.event == "members" && names(event) == "@al @zoe");
        assert_eq!(server.site().request("PATCH", "/rooms/R/members/al", &[], br#"{"name":"bo"}"#).status, 200);
        stream.until(|event| event.event == "members" && names(event) == "@bo @zoe");
        rooms.remove_avatar("R", "zoe");
        stream.until(|event| event.event == "members" && names(event) == "@bo");
        let log = String::from_utf8(rooms.log("R")).unwrap();
        let told: Vec<&str> = log.lines().map(|line| &line[22..]).collect();
        assert_eq!(told, ["log: al joined the room.", "log: al changed their name to bo."]);
    }

    fn rooms_come_and_go(watch) {
        let rooms = Rooms::empty();
        rooms.create("B");
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms");
        let list = stream.next();
        assert_eq!((list.event.as_str(), list.data.as_str(), list.id), ("rooms", r#"["B"]"#, None));
        fs::create_dir(rooms.room("A")).unwrap();
        assert_eq!(stream.next().data, r#"["A","B"]"#);
        fs::create_dir(rooms.room("no room.")).unwrap();
        rooms.remove("B");
        assert_eq!(stream.next().data, r#"["A"]"#);
        assert_eq!(server.site().request("PUT", "/rooms/C", &[], b"").status, 201);
        assert_eq!(stream.next().data, r#"["A","C"]"#);
    }

    fn a_log_that_becomes_another_is_told(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        rooms.line("R", "al", "one");
        rooms.line("R", "al", "two");
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms/R");
        let members = stream.next();
        fs::write(rooms.log_path("R"), "short\n").unwrap();
        let reset = stream.next_named("reset");
        assert_eq!(reset.data, r#"{"reason":"truncated"}"#);
        assert_eq!(text(&stream.next()), "short");

        // Rotated: what was written before comes first, then the new log from its beginning.
        let mut old = rooms.open("R");
        fs::rename(rooms.log_path("R"), rooms.room("R").join(".log.1")).unwrap();
        old.write_all(b"late\n").unwrap();
        rooms.append("R", b"fresh\n");
        let events = stream.until(|event| event.event == "message" && text(event) == "fresh");
        assert!(events.iter().any(|event| event.event == "reset"), "{events:?}");

        rooms.replace("R", b"edited\nlines\n");
        let reset = stream.until(|event| event.event == "message" && text(event) == "lines");
        assert!(reset.iter().any(|event| event.data == r#"{"reason":"replaced"}"#), "{reset:?}");

        // Longer than what was there, so that only the bytes tell.
        rooms.replace("R", format!("{}\nlines\n", "edited ".repeat(50)).as_bytes());
        stream.until(|event| event.event == "message" && text(event) == "lines");

        // A position of before is noticed however it comes, and the stream goes on with what is there.
        let mut stale = Stream::resume(&server.site(), "/rooms/R", &members.last_event_id);
        let events = stale.until(|event| event.event == "message" && text(event) == "lines");
        let shown: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(shown, ["members", "reset", "message", "message"]);
        assert_eq!(events[1].data, r#"{"reason":"edited"}"#);
        assert!(events[0].id.is_none(), "a lost place is not told before it is told to be lost");
        rooms.line("R", "al", "and on");
        assert_eq!(text(&stale.next()), "and on");
        assert_eq!(text(&stream.next()), "and on");
    }

    fn a_room_that_goes_ends_its_streams_and_may_come_back(watch) {
        let rooms = Rooms::empty();
        rooms.create("R").line("R", "al", "one");
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms/R");
        stream.next();
        rooms.remove("R");
        let end = stream.rest().pop().unwrap();
        assert_eq!((end.event.as_str(), end.data.as_str()), ("error", r#"{"code":404,"message":"Room not found"}"#));
        rooms.create("R").line("R", "al", "again");
        let mut stream = open(&server, "/rooms/R?since=2026-01-01%2000:00:00");
        assert_eq!(text(&stream.next_named("message")), "again");
        rooms.line("R", "al", "live");
        assert_eq!(text(&stream.next()), "live");
    }

    fn a_room_that_is_moved_is_followed_by_name(watch) {
        let rooms = Rooms::empty();
        rooms.create("R").line("R", "al", "old");
        fs::create_dir(rooms.room("Next")).unwrap();
        let server = serve(&rooms, watch, &[]);
        let mut stream = open(&server, "/rooms/R");
        stream.next();
        fs::write(rooms.log_path("Next"), "new\n").unwrap();
        // The name is another directory from one moment to the next.
        nix::fcntl::renameat(
            fs::File::open(rooms.root()).unwrap(), "R", fs::File::open(rooms.root()).unwrap(), "Gone",
        ).unwrap();
        fs::rename(rooms.room("Next"), rooms.room("R")).unwrap();
        let events = stream.until(|event| event.event == "error" || (event.event == "message" && text(event) == "new"));
        if events.last().unwrap().event == "error" {
            stream = open(&server, "/rooms/R");
            stream.next();
        }
        rooms.line("R", "al", "in the new one");
        assert_eq!(text(&stream.until(|event| event.event == "message").pop().unwrap()), "in the new one");
    }

    fn silence_is_broken_by_pings_only(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = serve(&rooms, watch, &["--ping", "0.05"]);
        let mut stream = open(&server, "/rooms/R");
        assert_eq!(stream.next().event, "members");
        let ping = stream.next();
        assert_eq!((ping.event.as_str(), ping.data.as_str(), ping.id), ("ping", "keepalive", None));
        assert_eq!(stream.next().event, "ping");
    }

    fn a_stream_that_has_lived_long_ends(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = serve(&rooms, watch, &["--lifetime", "0.05"]);
        let mut stream = open(&server, "/rooms/R");
        let shown: Vec<String> = stream.rest().into_iter().map(|event| event.event).collect();
        assert_eq!(shown, ["members", "timeout"]);
        assert!((1000..=2000).contains(&stream.retry().unwrap()));
    }

    fn the_last_stream_of_a_web_avatar_takes_it_along(watch) {
        let rooms = Rooms::empty();
        rooms.create("R");
        let server = serve(&rooms, watch, &["--grace", "0.05"]);
        let put = |name: &str| server.site().request("PUT", &format!("/rooms/R/members/{name}"), &[], b"").status;
        assert_eq!((put("al"), put("bo")), (201, 201));
        rooms.avatar("R", "sh");
        let mut stream = open(&server, "/rooms/R?user=bo");
        assert_eq!(names(&stream.next()), "@al @bo sh");
        let (one, two) = (open(&server, "/rooms/R?user=al"), open(&server, "/rooms/R?user=al"));
        let shell = open(&server, "/rooms/R?user=sh");
        drop((one, shell));
        rooms.line("R", "x", "between");
        let events = stream.until(|event| event.event == "message");
        assert_eq!(events.len(), 1, "one of two streams says nothing: {events:?}");
        drop(two);
        stream.until(|event| event.event == "members" && names(event) == "@bo sh");
        assert!(String::from_utf8(rooms.log("R")).unwrap().ends_with("log: al left the room.\n"));
    }

    fn a_busy_room_keeps_no_other_waiting(watch) {
        let rooms = Rooms::empty();
        rooms.create("Busy").create("Quiet");
        let server = serve(&rooms, watch, &["--ping", "0.5"]);
        let mut busy = open(&server, "/rooms/Busy");
        let mut quiet = open(&server, "/rooms/Quiet");
        busy.next();
        quiet.next();
        std::thread::scope(|threads| {
            // Dropped with whatever ends this test.
            let (_busy_until, done) = std::sync::mpsc::channel::<()>();
            let mut log = rooms.open("Busy");
            let writer = threads.spawn(move || {
                // A bound, for the sake of the disk.
                for _ in 0..100_000 {
                    if done.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty) {
                        break;
                    }
                    log.write_all(&b"more and more of it\n".repeat(1000)).unwrap();
                }
            });
            busy.next_named("message");
            for n in 0..20 {
                rooms.line("Quiet", "al", &n.to_string());
                assert_eq!(text(&quiet.next_named("message")), n.to_string());
            }
            rooms.avatar("Busy", "walker");
            rooms.avatar("Quiet", "walker");
            assert_eq!(names(&quiet.next_named("members")), "walker");
            busy.until(|event| event.event == "members" && names(event) == "walker");
            assert!(!writer.is_finished(), "who is there was told only once nothing more was said");
        });
    }
}

#[test]
fn avatars_that_were_not_heard_of_for_long_are_away_but_not_a_shells() {
    let rooms = Rooms::empty();
    rooms.create("R");
    for name in ["old", "zero", "young", "shell"] {
        rooms.avatar("R", name);
        if name != "shell" {
            rooms.attribute("R", name, "web_avatar", "1");
        }
    }
    rooms.attribute("R", "old", "last_activity", "1000000");
    rooms.attribute("R", "zero", "last_activity", "0");
    rooms.attribute("R", "shell", "last_activity", "1000000");
    let server = Server::serve(rooms.root(), &[]);
    let members = server.site().get("/rooms/R/members");
    assert!(!members.text().contains("old"), "{}", members.text());
    assert!(members.text().contains("zero") && members.text().contains("young") && members.text().contains("shell"));
    assert!(String::from_utf8(rooms.log("R")).unwrap().ends_with("log: old went AFK.\n"));
}

#[test]
fn a_line_that_looks_like_an_event_is_data() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"x\rdata: forged\r\rid: 1\revent: evil\r\n\xff\x00\n");
    let server = Server::serve(rooms.root(), &[]);
    let mut stream = open(&server, "/rooms/R?format=raw&last_event_id=0000000000000000_0000000000000000");
    let events = stream.until(|event| event.data.contains('\0'));
    let shown: Vec<(&str, &str)> = events.iter().map(|e| (e.event.as_str(), e.data.as_str())).collect();
    assert_eq!(shown[1..], [("message", "x\ndata: forged\n\nid: 1\nevent: evil"), ("message", "\u{fffd}\0")]);
}

#[test]
fn padding_follows_every_write_where_it_is_wanted_and_nowhere_else() {
    let rooms = Rooms::example();
    let padded = Server::serve(rooms.root(), &["--padding", "on"]);
    let bare = Server::serve(rooms.root(), &[]);
    let mut streams = [open(&padded, "/rooms/General"), open(&bare, "/rooms/General")];
    for stream in &mut streams {
        stream.next();
    }
    rooms.line("General", "al", "x");
    for stream in &mut streams {
        stream.next_named("message");
    }
    let padding = |stream: &mut Stream| stream.comments().iter().map(String::len).sum::<usize>();
    assert_eq!(padding(&mut streams[1]), 0);
    // The comment may still be on its way when its event is there, so the first one counts.
    assert!(padding(&mut streams[0]) > 8192);
}

#[test]
fn a_room_of_two_names_is_told_under_both() {
    let rooms = Rooms::empty();
    rooms.create("R");
    std::os::unix::fs::symlink("R", rooms.room("Alias")).unwrap();
    let server = Server::serve(rooms.root(), &[]);
    let (mut one, mut other) = (open(&server, "/rooms/R"), open(&server, "/rooms/Alias"));
    one.next();
    other.next();
    rooms.line("R", "al", "to both");
    assert_eq!(
        (text(&one.next_named("message")), text(&other.next_named("message"))),
        ("to both".into(), "to both".into())
    );
    drop(other);
    rooms.line("R", "al", "to one");
    assert_eq!(text(&one.next_named("message")), "to one");
}

#[test]
fn a_log_that_is_cut_off_while_it_is_read_stops_nothing() {
    let rooms = Rooms::empty();
    rooms.create("Torn").create("R");
    let server = Server::serve(rooms.root(), &[]);
    let mut torn = open(&server, "/rooms/Torn");
    let mut stream = open(&server, "/rooms/R");
    torn.next();
    stream.next();
    let long = [&b"x".repeat(900_000)[..], b"\n"].concat();
    for round in 0..100 {
        rooms.append("Torn", &b"short\n".repeat(200)).append("Torn", &long);
        rooms.rewrite("Torn", b"");
        rooms.line("R", "al", &round.to_string());
        assert_eq!(text(&stream.next()), round.to_string());
    }
    rooms.append("Torn", b"the last\n");
    torn.until(|event| event.event == "message" && text(event) == "the last");
}

#[test]
fn a_file_among_the_rooms_is_no_room_to_delete() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("kept"), "kept").unwrap();
    fs::write(rooms.room("notes"), "precious").unwrap();
    std::os::unix::fs::symlink(outside.path(), rooms.room("Link")).unwrap();
    let ask = |method: &str, path: &str| server.site().request(method, path, &[], b"").status;
    for path in ["/rooms/notes", "/rooms/Link"] {
        assert_eq!((ask("GET", path), ask("DELETE", path), ask("PUT", path)), (404, 404, 409), "{path}");
    }
    assert_eq!(fs::read_to_string(rooms.room("notes")).unwrap(), "precious");
    assert!(outside.path().join("kept").exists());
    // A room is deleted with all that is in it, whatever its name.
    rooms.create("R").avatar("R", "al");
    use std::os::unix::ffi::OsStrExt;
    fs::write(rooms.room("R").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    std::os::unix::fs::symlink(outside.path(), rooms.room("R").join("out")).unwrap();
    assert_eq!(ask("DELETE", "/rooms/R"), 204);
    let left: Vec<_> = fs::read_dir(rooms.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(outside.path().join("kept").exists());
}
