//! What members do, told live, and answers that wait for one thing to happen.

use std::fs;

use super::support::http::Site;
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

fn mark(site: &Site, name: &str, marks: &str) {
    let path = format!("/rooms/General/members/{name}");
    assert_eq!(site.request("PATCH", &path, JSON, marks.as_bytes()).status, 200, "{marks}");
}

#[test]
fn what_members_do_is_told_once_it_is_anything() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::example();
        let server = Server::serve(rooms.root(), &["--watch", watch]);
        let site = server.site();
        let mut stream = Stream::open(&site, "/rooms/General", &[]);
        assert_eq!(stream.next().event, "members");
        // A script does something.
        rooms.attribute("General", "mira", "typing", "now");
        // It may be seen before its value is there.
        while stream.next_named("presence").data != r#"{"mira":{"typing":"now"}}"# {}
        let file = rooms.avatar_path("General", "mira").join("user.typing");
        fs::remove_file(file).unwrap();
        assert_eq!(stream.next_named("presence").data, "{}");
        // A page does; whoever comes later is told at once.
        assert_eq!(site.request("PUT", "/rooms/General/members/al", &[], b"").status, 201);
        mark(&site, "al", r#"{"read":"0000000000000000_0000000000000000","idle":true}"#);
        let al =
            |event: &str| event.contains(r#""read":"0000000000000000_0000000000000000""#) && event.contains("idle");
        while !al(&stream.next_named("presence").data) {}
        let mut later = Stream::open(&site, "/rooms/General", &[]);
        assert_eq!(later.next().event, "members");
        assert!(al(&later.next_named("presence").data));
        // What was read of one room is not read of another.
        let moved = site.request("PATCH", "/rooms/General/members/al", JSON, br#"{"room":"Lounge"}"#);
        assert_eq!(moved.status, 200);
        assert!(!rooms.avatar_path("Lounge", "al").join("user.read").exists());
        assert!(rooms.avatar_path("Lounge", "al").join("user.idle").exists());
    }
}

#[test]
fn in_a_large_room_it_is_not_told() {
    let rooms = Rooms::example();
    for n in 0..70 {
        rooms.avatar("General", &format!("one{n}"));
    }
    rooms.attribute("General", "mira", "typing", "now");
    let server = Server::serve(rooms.root(), &[]);
    let mut stream = Stream::open(&server.site(), "/rooms/General", &[]);
    assert_eq!(stream.next().event, "members");
    rooms.line("General", "al", "hello");
    assert_eq!(stream.next().event, "message");
}

#[test]
fn who_waits_gets_an_answer_that_ends_with_the_first_thing_that_happens() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let names = |stream: &mut Stream| stream.rest().into_iter().map(|event| event.event).collect::<Vec<_>>();

    let mut stream = Stream::open(&site, "/rooms/General?wait=60", &[]);
    let first = stream.next();
    rooms.line("General", "al", "one");
    assert_eq!(names(&mut stream), ["message", "timeout"]);
    // What is there already is answered at once.
    let mut stream = Stream::open(&site, &format!("/rooms/General?wait=60&last_event_id={}", first.last_event_id), &[]);
    assert_eq!(names(&mut stream), ["members", "message", "timeout"]);
    // Nothing is an answer, too.
    let mut stream = Stream::open(&site, "/rooms/General?wait=1", &[]);
    assert_eq!(names(&mut stream), ["members", "timeout"]);

    let mut stream = Stream::open(&site, "/unread?wait=60", &[]);
    assert_eq!(stream.next().event, "counts");
    rooms.line("Lounge", "al", "two");
    assert_eq!(names(&mut stream), ["counts", "timeout"]);
}
