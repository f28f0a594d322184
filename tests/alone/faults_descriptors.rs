//! Descriptors, inotify instances or watches are used up: what is asked for then waits or is answered with 503, streams
//! go on, and all is as before once there are some again.

use std::io::Read;
use std::net::TcpStream;

use super::support::PATIENCE;
use super::support::confined::{Confined, descriptors, has_open, limit};
use super::support::fastcgi::{self, Client, params};
use super::support::http::{Connection, Site};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::{Decoder, Stream};
use super::support::wait::wait_until;
use super::support::watch::is_by_kernel;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

const FORM: &str = "application/x-www-form-urlencoded";

/// Lets a server have so many descriptors more than it has now.
fn leave(server: &Server, more: usize) {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let taken: Vec<u64> = entries.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let most = (0..).filter(|number| !taken.contains(number)).nth(more).unwrap();
    limit(server.pid(), "nofile", most);
}

fn names(event: &super::support::sse::Event) -> Vec<String> {
    let avatars = event.json()["avatars"].clone();
    avatars.as_array().unwrap().iter().map(|avatar| avatar["username"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_server_without_descriptors_answers_503_and_recovers() {
    let rooms = Rooms::empty();
    rooms.create("R").avatar("R", "al").avatar("R", "bo");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    assert_eq!(names(&stream.next()), ["al", "bo"]);
    // From none to as many as most requests need, each on a connection that is there already.
    for more in 0..5 {
        let mut open = Connection::open(server.addr());
        assert_eq!(open.request("GET", "/healthz", &[], b"").status, 200);
        leave(&server, more);
        for (method, path) in [("GET", "/rooms/R"), ("POST", "/rooms/R?user=al"), ("PUT", "/rooms/R/members/cy")] {
            let answer = open.request(method, path, &[("Content-Type", "text/plain")], b"hello");
            match answer.status {
                503 => assert_eq!(answer.header("retry-after"), Some("10"), "{answer:?}"),
                200 | 201 if more > 0 => {}
                _ => panic!("{method} {path} with {more} descriptors: {answer:?}"),
            }
        }
        // What is there is not taken for gone, and what is said is said now; who comes, once there are descriptors.
        let (line, new) = (rooms.line("R", "al", &format!("with {more}")), format!("new{more}"));
        rooms.avatar("R", &new);
        let (mut told, mut here) = (false, false);
        while !(told && here) {
            let event = stream.next();
            if event.data == line {
                told = true;
                limit(server.pid(), "nofile", 1000);
            } else if event.event == "members" {
                assert!(names(&event).starts_with(&["al".into(), "bo".into()]), "{event:?}");
                here |= names(&event).contains(&new);
            }
        }
        limit(server.pid(), "nofile", 1000);
    }
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"as before").status, 201);
}

/// What each of the shell programs' names answers, and what is in it where it can.
const PROGRAMS: &[(&str, &str, &str, &str)] = &[
    ("GET", "/chat-list-rooms", "", "<div class=\"last-msg\">[2026-01-31 12:00:00] al: hello</div>"),
    ("GET", "/chat-get-messages?room=R", "", "hello"),
    ("GET", "/chat-list-avatars?room=R", "", "\"bo\""),
    ("GET", "/chat-count-avatars?room=R", "", "\"count\""),
    ("POST", "/chat-send-message", "room=R&user=al&msg=said", "Message sent"),
    ("GET", "/chat-create-room?name=R", "", "already exists"),
    ("POST", "/chat-create-avatar", "room=R&user=bo", "Avatar created"),
    ("POST", "/chat-rename-avatar", "room=R&old_user=nobody&new_user=some", "Old avatar not found"),
    ("POST", "/chat-delete-avatar", "room=R&user=nobody", "Avatar deleted"),
    ("POST", "/chat-move-avatar", "{\"room\":\"R\",\"username\":\"bo\"}", "\"success\":true"),
    ("GET", "/chat-delete-room?room=Nowhere", "", "Room not found"),
];

#[test]
fn a_shell_programs_name_answers_503_without_descriptors_and_never_what_is_not_so() {
    let rooms = Rooms::empty();
    rooms.create("First").create("R").avatar("R", "al").avatar("R", "bo");
    rooms.line("R", "al", "hello");
    let server = Server::serve(rooms.root(), &[]);
    let mut refused = 0;
    for more in 0..6 {
        let [mut open, mut streaming] = [(); 2].map(|()| Connection::open(server.addr()));
        for connection in [&mut open, &mut streaming] {
            assert_eq!(connection.request("GET", "/healthz", &[], b"").status, 200);
        }
        leave(&server, more);
        for (method, path, body, expected) in PROGRAMS {
            let answer = open.request(method, path, &[("Content-Type", FORM)], body.as_bytes());
            match answer.status {
                503 => assert_eq!(answer.header("retry-after"), Some("10"), "{answer:?}"),
                200 if more > 0 => assert!(answer.text().contains(expected), "{path} with {more}: {}", answer.text()),
                _ => panic!("{method} {path} with {more} descriptors: {answer:?}"),
            }
            refused += usize::from(answer.status == 503);
        }
        // What is refused was not written, also where the log is to have its first line.
        for (path, body) in
            [("/chat-send-message", &b"room=First&user=al&msg=said"[..]), ("/rooms/First?user=al", b"said")]
        {
            rooms.rewrite("First", b"");
            let answer = open.request("POST", path, &[("Content-Type", FORM)], body);
            assert_eq!(answer.status == 503, rooms.log("First").is_empty(), "{path} with {more}: {answer:?}");
        }
        // A browser comes back to what was a stream.
        streaming.send("GET", "/chat-stream?room=R", EVENTS, b"");
        let (status, _, mut body) = streaming.into_body("GET");
        let (mut decoder, mut events, mut buffer) = (Decoder::default(), Vec::new(), [0; 1024]);
        while events.is_empty()
            && let Ok(count @ 1..) = body.read(&mut buffer)
        {
            events.extend(decoder.feed(&buffer[..count]));
        }
        match (status, events.first()) {
            (503, None) if more > 0 => {}
            (200, Some(event)) if event.event == "error" => assert_eq!(event.json()["code"], 503),
            (200, Some(event)) if more > 0 => assert_eq!(names(event), ["al", "bo"]),
            _ => panic!("a stream with {more} descriptors: {status} {events:?}"),
        }
        limit(server.pid(), "nofile", 1000);
        // What was said is no line of the last ones any more.
        rooms.line("R", "al", "hello");
    }
    assert!(refused > PROGRAMS.len(), "some are refused also where there is one descriptor: {refused}");
    assert_eq!(rooms.avatars("R"), ["al", "bo"]);
}

#[test]
fn a_connection_that_finds_no_descriptor_waits_for_one() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    stream.next();
    leave(&server, 0);
    let mut waiting = Connection::open(server.addr());
    waiting.send("GET", "/healthz", &[], b"");
    wait_until("it can't accept", PATIENCE, || server.stderr().contains("can't accept connections"));
    let line = rooms.line("R", "al", "meanwhile");
    assert_eq!(stream.messages(1), [line]);
    // One that goes makes place for one that waits.
    drop(stream);
    assert_eq!(waiting.reply("GET").status, 200);
}

#[test]
fn a_full_unix_socket_is_waited_for_also_without_descriptors() {
    let rooms = Rooms::empty();
    rooms.create("R").create("Sound");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let ask = |path: &'static str, query| {
        let mut asked = params("GET", path, query);
        asked.push(("HTTP_ACCEPT", "text/event-stream"));
        let mut client = Client::unix(server.socket());
        client.write(&fastcgi::request(1, true, &asked, b""));
        client
    };
    let read_until = |client: &mut Client, decoder: &mut Decoder, wanted: &str| {
        let mut read = 0;
        loop {
            for event in decoder.feed(&client.record().expect("the stream goes on").content) {
                read += usize::from(event.event == "message");
                if event.data == wanted {
                    return read;
                }
            }
        }
    };
    let (mut sound, mut decoder) = (ask("/rooms/Sound", "format=raw"), Decoder::default());
    let first = sound.record().unwrap();
    decoder.feed(&first.content);
    let mut slow = ask("/rooms/R", "format=raw");
    let head = slow.record().unwrap();
    // The log is open then.
    rooms.append("R", b"the beginning\n");
    let mut slow_decoder = Decoder::default();
    slow_decoder.feed(&head.content);
    read_until(&mut slow, &mut slow_decoder, "the beginning");
    leave(&server, 0);
    // More than its socket takes: to wait for that needs a descriptor.
    rooms.append("R", format!("{}\n", "x".repeat(999)).repeat(3000).as_bytes()).append("R", b"the end\n");
    for n in 0..300 {
        let line = rooms.line("Sound", "al", &n.to_string());
        assert_eq!(read_until(&mut sound, &mut decoder, &line), 1, "others go on");
    }
    assert_eq!(read_until(&mut slow, &mut slow_decoder, "the end"), 3001);
}

/// How many directories the kernel watches, and how many are polled.
fn watches(site: &Site) -> (u32, u32) {
    let reply = site.get("/metrics");
    let of = |mode: &str| {
        let series = format!("chatroom_watches{{mode=\"{mode}\"}} ");
        reply.text().lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    (of("kernel"), of("poll"))
}

fn streams_go_on(confined: &Confined, streams: &mut [Stream]) {
    for (n, stream) in streams.iter_mut().enumerate() {
        let line = confined.rooms.line(&format!("R{n}"), "al", "hello");
        assert_eq!(stream.messages(1), [line]);
        confined.rooms.avatar(&format!("R{n}"), &format!("a{}", confined.rooms.avatars(&format!("R{n}")).len()));
        stream.next_named("members");
    }
}

fn used_up_and_there_again(instances: u32, most: u32, first: (u32, u32)) {
    let confined = Confined::with_inotify(instances, most, &[]);
    for n in 0..4 {
        confined.rooms.create(&format!("R{n}"));
    }
    let site = confined.server.site();
    let open = |n| Stream::open(&site, &format!("/rooms/R{n}?format=raw"), EVENTS);
    let mut streams: Vec<Stream> = (0..4).map(open).collect();
    streams.iter_mut().for_each(|stream| drop(stream.next()));
    assert_eq!(watches(&site), if is_by_kernel() { first } else { (0, 5) });
    streams_go_on(&confined, &mut streams);
    confined.set_inotify(100, 1000);
    if !is_by_kernel() {
        return;
    }
    wait_until("the kernel watches all again", PATIENCE, || watches(&site).1 == 0);
    assert!(has_open(confined.server.pid(), "inotify"));
    streams_go_on(&confined, &mut streams);
}

#[test]
fn without_inotify_instances_streams_go_on_until_there_are_some() {
    used_up_and_there_again(0, 1000, (0, 5));
}

#[test]
fn without_inotify_watches_streams_go_on_until_there_are_some() {
    used_up_and_there_again(100, 3, (3, 2));
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let (site, pid) = (server.site(), server.pid());
    let come_and_go = |times: usize| {
        for n in 0..times {
            let mut connection = Connection::open(server.addr());
            match n % 4 {
                0 => drop(TcpStream::connect(server.addr()).unwrap()),
                1 => connection.write(b"GET /rooms/General HTTP/1.1\r\nHost: x\r\n"),
                2 => connection.send("GET", "/rooms/General", &[], b""),
                _ => connection.send("GET", "/rooms/General", EVENTS, b""),
            }
        }
        let only_who_asks = "\nchatroom_connections{gateway=\"http\"} 1\n";
        wait_until("the connections are gone", PATIENCE, || site.get("/metrics").text().contains(only_who_asks));
    };
    let memory = || super::support::confined::kilobytes(pid, "RssAnon");
    come_and_go(400);
    let (descriptors_before, mut before) = (descriptors(pid), memory());
    // How many are there at once is chance, and the most that there were ever may stay. What leaks grows each time.
    let grown = [(); 4].map(|()| {
        come_and_go(1000);
        let now = memory();
        now.saturating_sub(std::mem::replace(&mut before, now))
    });
    wait_until("the descriptors are free again", PATIENCE, || descriptors(pid) <= descriptors_before + 1);
    assert!(grown.iter().any(|grown| *grown < 200), "{grown:?} KB are left of a thousand connections each");
}
