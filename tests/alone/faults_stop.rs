//! A server stops and is started anew, or reloads: no message is lost or repeated, and no request refused.

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;

use super::cases::killed::again_and_again;
use super::support::PATIENCE;
use super::support::fastcgi::{self, Client, params};
use super::support::http::{Connection, Site};
use super::support::process::{Process, clean, raise_descriptors, tool};
use super::support::rooms::Rooms;
use super::support::server::{Server, binary, chatroom, copy_binary};
use super::support::sse::Stream;
use super::support::tenacious::{self, Ends};
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

#[test]
fn a_reload_under_load_loses_and_repeats_nothing() {
    for workers in ["1", "2"] {
        let rooms = Rooms::empty();
        let mut server = Server::serve(rooms.root(), &["--workers", workers]);
        let (pid, site) = (server.pid(), server.site());
        again_and_again(&rooms, &site, 8, || server.reload());
        assert_eq!(server.pid(), pid);
    }
}

#[test]
fn a_stop_under_load_loses_and_repeats_nothing() {
    let rooms = Rooms::empty();
    let mut server = Server::serve(rooms.root(), &[]);
    let (address, site) = (server.addr(), server.site());
    again_and_again(&rooms, &site, 8, || {
        assert!(server.stop().success());
        server = Server::serve_on(address, rooms.root(), &[]);
    });
}

/// Posts from one new connection after the other while `change` is done: each must be answered with 201.
fn posting_meanwhile<T>(rooms: &Rooms, site: &Site, change: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let more = || {
        let before = rooms.log("R").len();
        wait_until("something more was said", PATIENCE, || rooms.log("R").len() > before);
    };
    thread::scope(|threads| {
        let post = || {
            while !over.load(Ordering::Relaxed) {
                assert!(tenacious::post(site, "/rooms/R?user=al", "hello"), "refused");
            }
        };
        let posters: Vec<_> = (0..2).map(|_| threads.spawn(post)).collect();
        let ends = Ends(&over);
        more();
        let changed = change();
        more();
        drop(ends);
        posters.into_iter().for_each(|poster| poster.join().unwrap());
        changed
    })
}

#[test]
fn no_request_is_refused_while_it_reloads() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let mut server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    posting_meanwhile(&rooms, &site, || (0..5).for_each(|_| server.reload()));
}

#[test]
fn what_is_under_way_is_answered_before_it_stops_or_reloads() {
    let body = b"the whole of it";
    for (signal, told) in [(Signal::SIGHUP, "reloading"), (Signal::SIGTERM, "stopping")] {
        let rooms = Rooms::example();
        let server = Server::serve(rooms.root(), &[]);
        // Who has only just connected has a request on its way.
        let mut fresh = Connection::open(server.addr());
        let two = "\nchatroom_connections{gateway=\"http\"} 2\n";
        wait_until("it is accepted", PATIENCE, || server.site().get("/metrics").text().contains(two));
        let mut post = Connection::open(server.addr());
        post.write(b"POST /rooms/General?user=al HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n");
        post.write(format!("Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", body.len()).as_bytes());
        assert_eq!(post.reply("POST").status, 100, "it reads the body");
        server.signal(signal);
        wait_until("it has heard", PATIENCE, || server.stderr().contains(told));
        post.write(body);
        assert_eq!(post.reply("POST").status, 201);
        assert_eq!(fresh.request("GET", "/healthz", &[], b"").status, 200);

        let server = Server::fastcgi_tcp(rooms.root(), &[]);
        let mut post = Client::tcp(server.addr());
        let mut asked = params("POST", "/rooms/General", "user=al");
        asked.push(("CONTENT_TYPE", "text/plain"));
        let whole = fastcgi::request(1, true, &asked, body);
        let (begun, rest) = whole.split_at(whole.len() - fastcgi::stream(fastcgi::STDIN, 1, body).len());
        post.write(begun);
        post.send(&fastcgi::Record::new(99, 0, b""));
        assert_eq!(post.record().unwrap().kind, fastcgi::UNKNOWN_TYPE, "it has read so far");
        server.signal(signal);
        wait_until("it has heard", PATIENCE, || server.stderr().contains(told));
        post.write(rest);
        assert!(post.outcome(1).stdout.starts_with(b"Status: 201"));
        assert_eq!(rooms.log("General").windows(body.len()).filter(|bytes| *bytes == body).count(), 2);
    }
}

/// The same socket for each of these, as systemd passes it.
fn on_passed_socket(listener: &TcpListener, root: &Path) -> Server {
    let script = format!("exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve \"$1\"", listener.as_raw_fd());
    Server::start(tool("bash").args(["-c", &script]).args([binary(), root]))
}

#[test]
fn a_new_process_takes_over_a_passed_socket_and_refuses_nobody() {
    let rooms = Rooms::empty();
    rooms.create("R").append("R", b"");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut old = on_passed_socket(&listener, rooms.root());
    assert_eq!(old.addr(), listener.local_addr().unwrap());
    let site = old.site();
    let mut stream = Stream::open(&site, "/rooms/R?format=raw", EVENTS);
    let mut last = stream.next().last_event_id;
    let _new = posting_meanwhile(&rooms, &site, || {
        let new = on_passed_socket(&listener, rooms.root());
        assert!(old.stop().success());
        new
    });
    rooms.append("R", b"the end\n");
    let mut read = Vec::new();
    for event in stream.rest() {
        last.clone_from(&event.last_event_id);
        read.extend((event.event == "message").then_some(event.data));
    }
    let rest = Stream::resume(&site, "/rooms/R?format=raw", &last).until(|event| event.data == "the end");
    read.extend(rest.into_iter().filter(|event| event.event == "message").map(|event| event.data));
    let log = String::from_utf8(rooms.log("R")).unwrap();
    assert!(log.lines().eq(read.iter().map(String::as_str)), "a reader read {read:?}, the log is {log:?}");
}

/// A program with this script. Another process writes it: what has a program open for writing while this one forks for
/// another test keeps it from being run.
fn written(program: &Path, script: &str) {
    let write = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
    assert!(tool("sh").args(["-c", write]).arg(program).arg(script).status().unwrap().success());
}

#[test]
fn a_binary_that_was_replaced_takes_over_and_one_that_cannot_run_does_not() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("chatroom");
    let put = |script: &str| {
        let new = dir.path().join("new");
        written(&new, script);
        fs::rename(new, &program).unwrap();
    };
    copy_binary(&program);
    let mut command = clean(&program);
    let mut server = Server::start(command.arg("serve").arg(rooms.root()).args(["--listen", "127.0.0.1:0"]));
    let address = server.addr();
    let mut stream = Stream::open(&server.site(), "/rooms/General", EVENTS);
    let place = stream.next().last_event_id;

    put("#!/bin/sh\nexit 3\n");
    server.signal(Signal::SIGHUP);
    wait_until("it says why it goes on", PATIENCE, || server.stderr().contains("can't reload"));
    rooms.line("General", "al", "still the old one");
    assert!(stream.next_named("message").data.contains("still the old one"));

    put(&format!("#!/bin/sh\n[ \"$1\" = --version ] || echo a new one >&2\nexec {} \"$@\"\n", binary().display()));
    server.reload();
    wait_until("the new one has said so", PATIENCE, || server.stderr().contains("a new one"));
    assert_eq!(stream.rest().pop().unwrap().event, "timeout");
    let mut stream = Stream::resume(&server.site(), "/rooms/General", &place);
    assert!(stream.next_named("message").data.contains("still the old one"));
    assert_eq!(server.addr(), address);
}

#[test]
fn hangups_that_come_together_end_nothing() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let (socket, pid) = (server.socket().to_owned(), server.pid());
    // One every millisecond or two, at any moment of a reload, also while the program changes.
    let script = format!("n=0; while [ $n -lt 200 ]; do kill -HUP {pid}; env true; n=$((n + 1)); done");
    let hangups = Process::spawn(tool("sh").args(["-c", &script]));
    while !hangups.is_gone() {
        let answer = Client::unix(&socket).exchange(false, &params("GET", "/healthz", ""), b"");
        assert!(answer.stdout.ends_with(b"ok\n"));
    }
    assert!(socket.exists());
    assert!(server.stop().success());
    assert!(!socket.exists(), "what it made is removed, also after a reload");
}

#[test]
fn many_readers_of_a_server_that_stops_do_not_come_back_at_once() {
    raise_descriptors();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let last_words = |server: &mut Server, count: usize| -> Vec<u64> {
        let open = |_| Stream::open(&server.site(), "/rooms/General", EVENTS);
        let mut streams: Vec<Stream> = (0..count).map(open).collect();
        streams.iter_mut().for_each(|stream| drop(stream.next()));
        server.reload();
        let last = |stream: &mut Stream| {
            assert_eq!(stream.rest().pop().unwrap().event, "timeout");
            stream.retry().unwrap()
        };
        streams.iter_mut().map(last).collect()
    };
    let few = last_words(&mut server, 20);
    assert!(few.iter().all(|retry| (1000..=2000).contains(retry)), "{few:?}");
    assert!(few.iter().collect::<HashSet<_>>().len() > 10, "{few:?}");
    // A thousand a second.
    let many = last_words(&mut server, 2500);
    assert!(many.iter().all(|retry| (1000..=3500).contains(retry)));
    for second in 0..2 {
        let back = many.iter().filter(|retry| **retry / 1000 == 1 + second).count();
        assert!((700..1300).contains(&back), "{back} of {} in second {second}", many.len());
    }
}

#[test]
fn a_socket_that_is_passed_wins_over_listen() {
    let rooms = Rooms::example();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = chatroom();
    command.arg("serve").arg(rooms.root()).args(["--listen", "127.0.0.1:0"]);
    let server = Server::start(command.stdin(OwnedFd::from(listener)));
    assert_eq!(server.addr(), address);
    assert_eq!(server.site().get("/healthz").status, 200);
}
