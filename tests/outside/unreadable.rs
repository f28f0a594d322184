//! A log that can't be read for a while, as on a disk that breaks: who asks for it is told so, whoever listens already
//! goes on by itself once it can be read again, with each line once, and nobody else feels it.

use std::fs;
use std::process::{Output, Stdio};
use std::thread;

use nix::sys::signal::Signal;

use super::support::PATIENCE;
use super::support::http::{Connection, Reply, Site};
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};
use super::support::sse::Stream;
use super::support::unreadable::{Unreadable, failing};
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];
const FORM: &str = "application/x-www-form-urlencoded";

fn assert_problem(what: &str, reply: &Reply, rooms: &Rooms) {
    let shown = (reply.status, reply.header("content-type"));
    assert_eq!(shown, (500, Some("application/problem+json")), "{what}: {reply:?}");
    assert_eq!(reply.json()["status"], 500);
    let root = rooms.root().file_name().unwrap().to_str().unwrap();
    assert!(!reply.text().contains(root) && !reply.text().contains(".log"), "{what}: {reply:?}");
}

/// Rooms with a line each, that of R with a stamp on it that `after` may name.
fn begin() -> (Rooms, Server, Site) {
    let rooms = Rooms::empty();
    rooms.create("R").create("Sound").avatar("R", "al");
    rooms.line("R", "al", "before");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    (rooms, server, site)
}

/// What the hub says when it could not read something.
fn wait_for_failure(server: &Server, what: &str) {
    wait_until(what, PATIENCE, || server.stderr().contains(what));
}

#[test]
fn who_asks_for_what_cannot_be_read_is_told_so() {
    let (rooms, server, site) = begin();
    let page = site.get("/rooms/R").json();
    let last = page["next"].as_str().unwrap();
    let mut sound = Stream::open(&site, "/rooms/Sound?format=raw", EVENTS);
    sound.next();
    let log = rooms.log("R");
    let asks: Vec<(&str, String, &str)> = vec![
        ("GET", "/rooms/R".into(), "application/json"),
        ("GET", format!("/rooms/R?after={last}"), "application/json"),
        ("GET", format!("/rooms/R?before={last}"), "application/json"),
        ("GET", "/rooms/R?since=2026-01-01T00:00:00Z".into(), "application/json"),
        ("GET", "/rooms/R".into(), "text/plain"),
        ("GET", "/rooms/R".into(), "text/event-stream"),
        ("GET", "/rooms/R/search?q=before".into(), "application/json"),
        ("POST", "/rooms/R?user=al".into(), "*/*"),
        ("GET", "/v1/stream/R?offset=-1".into(), "*/*"),
        ("GET", "/v1/stream/R?offset=-1&live=sse".into(), "*/*"),
        ("GET", format!("/v1/stream/R?offset={last}&live=long-poll"), "*/*"),
        ("POST", "/v1/stream/R?user=al".into(), "*/*"),
    ];
    let ask = |(method, path, accept): &(&str, String, &str)| {
        let body: &[u8] = if *method == "POST" { b"said" } else { b"" };
        site.request(method, path, &[("Accept", accept), ("Content-Type", "text/plain")], body)
    };
    let broken = Unreadable::begin(server.pid(), &rooms.log_path("R"));
    for (n, asked) in asks.iter().enumerate() {
        let failures = broken.failures();
        assert_problem(&format!("{asked:?}"), &ask(asked), &rooms);
        wait_until("the read failed", PATIENCE, || broken.failures() > failures);
        let line = rooms.line("Sound", "al", &n.to_string());
        assert_eq!(sound.messages(1), [line], "others go on");
    }
    // What is about all rooms is told without it.
    assert_eq!(site.get("/unread").json()["Sound"], asks.len());
    let overview = site.get("/overview?user=al").json();
    assert!(overview["Sound"]["last"].is_object() && overview.get("R").is_none(), "{overview}");
    // These answer as the shell programs do: always with 200.
    let said = site.post("/chat-send-message", FORM, b"room=R&user=al&msg=said");
    assert!(said.status == 200 && said.text().contains("error"), "{said:?}");
    let shown = site.get("/chat-get-messages?room=R");
    assert!(shown.status == 200 && shown.text().contains("error"), "{shown:?}");
    let listed = site.get("/chat-list-rooms");
    assert!(listed.text().contains("data-room=\"R\"") && listed.text().contains("al: 11"), "{listed:?}");
    assert_eq!(site.post("/rooms/Sound?user=al", "text/plain", b"taken").status, 201);
    broken.end();
    assert!(rooms.log("R") == log, "nothing was written");
    assert_eq!(site.get("/rooms/R").json(), page);
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"taken").status, 201);
    assert_eq!(site.get("/unread").json()["R"], 2);
}

#[test]
fn a_stream_at_the_tip_goes_on_by_itself() {
    let (rooms, server, site) = begin();
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    assert_eq!(stream.next().event, "members");
    let mut bytes = Stream::open(&site, "/v1/stream/R?offset=now&live=sse", &[]);
    bytes.next_named("control");
    let next = site.get("/rooms/R").json()["next"].as_str().unwrap().to_owned();
    let mut poll = Connection::open(server.addr());
    poll.send("GET", &format!("/v1/stream/R?offset={next}&live=long-poll"), &[], b"");
    wait_until("the long-poll waits", PATIENCE, || {
        site.get("/metrics").text().contains("\nchatroom_connections{gateway=\"http\"} 4\n")
    });
    let broken = Unreadable::begin(server.pid(), &rooms.log_path("R"));
    let said: Vec<String> = (0..3).map(|n| rooms.line("R", "al", &n.to_string())).collect();
    wait_for_failure(&server, "can't be read, and is tried again");
    // Who is there can be read meanwhile.
    rooms.avatar("R", "bo");
    let event = stream.next();
    assert_eq!(event.event, "members", "no line was read: {event:?}");
    broken.end();
    assert_eq!(stream.messages(3), said);
    let answer = poll.reply("GET");
    assert!(answer.status == 200 && answer.text().starts_with(&said[0]), "{answer:?}");
    let later = rooms.line("R", "al", "later");
    assert_eq!(stream.messages(1).pop().unwrap(), later);
    let event = bytes.until(|event| event.data.contains(&later));
    let told: String =
        event.iter().filter(|event| event.event != "control").map(|event| event.data.clone() + "\n").collect();
    assert_eq!(told.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(), [&said[..], &[later]].concat());
}

#[test]
fn a_stream_that_is_behind_goes_on_by_itself() {
    const LINES: usize = 10_000;
    let (rooms, server, site) = begin();
    let mut stopped = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    let mut steady = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    let line = |n: usize| format!("{n} {}", "x".repeat(1000));
    for batch in 0..LINES / 100 {
        let lines: String = (0..100).map(|n| line(100 * batch + n) + "\n").collect();
        rooms.append("R", lines.as_bytes());
        assert_eq!(steady.messages(100).pop().unwrap(), line(100 * batch + 99));
    }
    let broken = Unreadable::begin(server.pid(), &rooms.log_path("R"));
    let reader = thread::spawn(move || {
        let read = stopped.messages(LINES);
        (stopped, read)
    });
    wait_for_failure(&server, "a stream waits: its log can't be read");
    // Whoever is at the tip needs no file.
    let mut sound = Stream::open(&site, "/rooms/Sound?format=raw", EVENTS);
    sound.next();
    let other = rooms.line("Sound", "al", "hello");
    assert_eq!(sound.messages(1), [other]);
    broken.end();
    let (mut stopped, read) = reader.join().unwrap();
    for (n, read) in read.into_iter().enumerate() {
        assert!(read == line(n), "message {n}: {}", &read[..read.len().min(100)]);
    }
    let last = rooms.line("R", "al", "last");
    assert_eq!((stopped.messages(1), steady.messages(1)), (vec![last.clone()], vec![last]));
}

#[test]
fn a_log_that_becomes_another_meanwhile_is_noticed_then() {
    let (rooms, server, site) = begin();
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    stream.next();
    let broken = Unreadable::begin(server.pid(), &rooms.log_path("R"));
    // It sees nothing of what is between. What it had is there by another name, by which it can be read.
    server.signal(Signal::SIGSTOP);
    let text = [&rooms.log("R")[..], b"another\n"].concat();
    fs::rename(rooms.log_path("R"), rooms.room("R").join("old")).unwrap();
    rooms.append("R", &text);
    server.signal(Signal::SIGCONT);
    wait_for_failure(&server, "can't be read, and is tried again");
    broken.end();
    let reset = stream.next_named("reset");
    assert_eq!(reset.json()["reason"], "replaced");
    assert_eq!(stream.messages(2).pop().unwrap(), "another");
}

#[test]
fn a_stream_that_becomes_another_meanwhile_is_not_read_on() {
    let (rooms, server, site) = begin();
    let text = [("Content-Type", "text/plain")];
    assert_eq!(site.request("PUT", "/v1/stream/s", &text, b"one").status, 201);
    let became_another = |name: &str, change: &dyn Fn(), now: &[u8]| {
        let mut stream = Stream::open(&site, &format!("/v1/stream/{name}?offset=-1&live=sse"), &[]);
        let control = stream.until(|event| event.event == "control").pop().unwrap();
        let broken = Unreadable::begin(server.pid(), &rooms.log_path(name));
        let failed = server.stderr().len();
        // It sees nothing of what is between.
        server.signal(Signal::SIGSTOP);
        change();
        server.signal(Signal::SIGCONT);
        wait_until("it was not read", PATIENCE, || server.stderr()[failed..].contains("is tried again"));
        broken.end();
        assert_eq!(stream.rest(), [], "it ends, for its position is another stream's");
        let position = control.json()["streamNextOffset"].as_str().unwrap().to_owned();
        assert_eq!(site.get(&format!("/v1/stream/{name}?offset={position}")).status, 410);
        assert_eq!(site.get(&format!("/v1/stream/{name}?offset=-1")).body, now);
    };
    let created_anew = || {
        let other = Server::serve(rooms.root(), &[]);
        assert_eq!(other.site().request("DELETE", "/v1/stream/s", &[], b"").status, 204);
        assert_eq!(other.site().request("PUT", "/v1/stream/s", &text, b"another one").status, 201);
    };
    became_another("s", &created_anew, b"another one");
    let truncated = || {
        rooms.rewrite("R", b"anew\n");
    };
    became_another("R", &truncated, b"anew\n");
}

/// One request to a CGI process that can't read the log, or a command of a shell.
fn run(rooms: &Rooms, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = failing(&rooms.log_path("R"));
    command.args(["-o", "/dev/null"]).arg(binary()).args(args).envs(variables.iter().copied());
    command.stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn a_process_of_one_request_says_so_too() {
    let (rooms, _server, _) = begin();
    let root = rooms.root().to_str().unwrap();
    for accept in ["application/json", "text/plain", "text/event-stream"] {
        let variables = [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("CHATROOM_ROOT", root),
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/rooms/R"),
            ("HTTP_ACCEPT", accept),
        ];
        let answer = run(&rooms, &[], &variables);
        let text = String::from_utf8_lossy(&answer.stdout);
        assert!(text.starts_with("Status: 500 ") && text.contains("application/problem+json"), "{accept}: {answer:?}");
        assert!(!text.contains(root), "{text}");
    }
    for args in [["tail", "R", "--root", root], ["say", "R", "hello", "--root"].map(|arg| arg)] {
        let args: Vec<&str> = if args[0] == "say" { [&args[..], &[root]].concat() } else { args.to_vec() };
        let shown = run(&rooms, &args, &[]);
        assert_eq!(shown.status.code(), Some(1), "{shown:?}");
        assert!(String::from_utf8_lossy(&shown.stderr).starts_with("chatroom: "), "{shown:?}");
    }
}

#[test]
fn a_stream_of_a_process_of_its_own_goes_on_by_itself() {
    let (rooms, _server, _) = begin();
    let mut command = super::support::process::clean(binary());
    for (name, value) in [("GATEWAY_INTERFACE", "CGI/1.1"), ("REQUEST_METHOD", "GET"), ("PATH_INFO", "/rooms/R")] {
        command.env(name, value);
    }
    command
        .env("CHATROOM_ROOT", rooms.root())
        .env("QUERY_STRING", "format=raw")
        .env("HTTP_ACCEPT", "text/event-stream");
    let mut process = super::support::process::Process::spawn(&mut command);
    let data = |process: &mut super::support::process::Process| {
        std::iter::from_fn(|| process.stdout_line()).find_map(|line| line.strip_prefix("data: ").map(str::to_owned))
    };
    assert!(data(&mut process).unwrap().contains("al"));
    let broken = Unreadable::begin(process.pid(), &rooms.log_path("R"));
    let said: Vec<String> = (0..3).map(|n| rooms.line("R", "al", &n.to_string())).collect();
    wait_until("it can't be read", PATIENCE, || process.stderr().contains("can't be read, and is tried again"));
    broken.end();
    for said in said {
        assert_eq!(data(&mut process).unwrap(), said);
    }
}
