//! The long-lived process: HTTP connections between requests and streams, stopping, sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use super::support::PATIENCE;
use super::support::fastcgi::{Client, params};
use super::support::http::Connection;
use super::support::rooms::Rooms;
use super::support::server::{Server, binary, chatroom};
use super::support::sse::Stream;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

#[test]
fn a_stop_ends_streams_and_tells_them() {
    for (signal, workers) in [(Signal::SIGTERM, "1"), (Signal::SIGINT, "2")] {
        let rooms = Rooms::example();
        let mut server = Server::serve(rooms.root(), &["--workers", workers]);
        let mut streams: Vec<Stream> =
            (0..10).map(|_| Stream::open(&server.site(), "/rooms/General", EVENTS)).collect();
        streams.iter_mut().for_each(|stream| drop(stream.next()));
        let mut idle = Connection::open(server.addr());
        assert_eq!(idle.request("GET", "/healthz", &[], b"").status, 200);
        server.signal(signal);
        for stream in &mut streams {
            let last = stream.rest().pop().expect("a last word");
            assert_eq!(last.event, "timeout");
        }
        idle.expect_close();
        assert!(server.stop().success());
    }
}

#[test]
fn a_stop_does_not_wait_for_who_does_not_read() {
    let rooms = Rooms::example();
    rooms.append("General", &b"x".repeat(100).into_iter().chain(*b"\n").collect::<Vec<_>>().repeat(200_000));
    let mut server = Server::serve(rooms.root(), &[]);
    let mut stuck = TcpStream::connect(server.addr()).unwrap();
    let path = "/rooms/General?last_event_id=0000000000000000_0000000000000000";
    write!(stuck, "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    stuck.read_exact(&mut [0; 100]).unwrap();
    assert!(server.stop().success());
}

#[test]
fn requests_that_were_sent_together_are_answered_in_turn_also_before_a_stream() {
    let rooms = Rooms::example();
    rooms.append("General", &b"x".repeat(1000).into_iter().chain(*b"\n").collect::<Vec<_>>().repeat(3000));
    let server = Server::serve(rooms.root(), &[]);
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let log = "GET /rooms/General HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n";
    let stream = "GET /rooms/General HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    socket.write_all(format!("{log}{stream}").as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 65536];
    while !String::from_utf8_lossy(&seen).contains("event: members") {
        let len = socket.read(&mut buffer).unwrap();
        assert_ne!(len, 0, "closed after {} bytes", seen.len());
        seen.extend_from_slice(&buffer[..len]);
    }
    let text = String::from_utf8(seen).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", rooms.log("General").len())), "{head}");
    let (body, stream) = rest.split_at(rooms.log("General").len());
    assert!(body.as_bytes() == rooms.log("General"));
    assert!(stream.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{stream}");
}

#[test]
fn what_is_no_http_is_refused_and_the_server_goes_on() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    for bytes in
        [&b"\0\0\0\0\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\nA: \x01\x02\r\n\r\n", &[b'x'; 100_000]]
    {
        let mut socket = TcpStream::connect(server.addr()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 5"));
    }
    assert_eq!(server.site().get("/healthz").status, 200);
}

#[test]
fn a_unix_socket_is_made_with_its_permissions_replaced_when_dead_and_removed() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &["--socket-mode", "600"]);
    let path = server.socket().to_owned();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let taken = chatroom()
        .args(["fastcgi", "--listen"])
        .arg(format!("unix:{}", path.display()))
        .arg(rooms.root())
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(1), "somebody listens there");
    server.kill9();
    assert!(path.exists());
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let answer = Client::unix(&path).exchange(false, &params("GET", "/healthz", ""), b"");
    assert!(answer.stdout.ends_with(b"ok\n"));
    assert!(server.stop().success());
    assert!(!path.exists());
}

#[test]
fn a_socket_may_be_passed_as_systemd_does() {
    let rooms = Rooms::example();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let kept = listener.as_raw_fd();
    nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let mut shell = super::support::process::tool("bash");
    let script = format!("exec 3<&{kept}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" fastcgi \"$1\"");
    let server = Server::start(shell.args(["-c", &script]).args([binary(), rooms.root()]));
    assert_eq!(server.addr(), listener.local_addr().unwrap());
    let answer = Client::tcp(server.addr()).exchange(false, &params("GET", "/healthz", ""), b"");
    assert!(answer.stdout.ends_with(b"ok\n"));
}

#[test]
fn settings_come_from_the_environment_too() {
    let rooms = Rooms::example();
    let server = Server::start(
        chatroom()
            .arg("serve")
            .env("CHATROOM_ROOT", rooms.root())
            .env("CHATROOM_LISTEN", "127.0.0.1:0")
            .env("CHATROOM_MAX_STREAMS", "0"),
    );
    assert_eq!(server.site().get("/rooms").status, 200);
    assert_eq!(server.site().get_as("/rooms", "text/event-stream").status, 503);
}

#[test]
fn messages_are_acknowledged_once_they_are_on_disk_where_that_is_wanted() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let threads = |server: &Server| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap()).collect::<Vec<_>>()
    };
    let commits = |server: &Server| threads(server).iter().any(|name| name == "commit\n");
    let written = Server::serve(rooms.root(), &[]);
    assert_eq!(written.site().post("/rooms/R", "text/plain", b"written").status, 201);
    assert!(!commits(&written), "nobody asked for it");

    let synced = Server::serve(rooms.root(), &["--ack", "synced", "--workers", "2"]);
    let site = synced.site();
    std::thread::scope(|threads| {
        for n in 0..16 {
            let site = &site;
            threads.spawn(move || {
                for m in 0..8 {
                    let answer = site.post("/rooms/R", "text/plain", format!("{n} {m}").as_bytes());
                    assert_eq!(answer.status, 201, "{answer:?}");
                }
            });
        }
    });
    assert!(commits(&synced));
    let sent = site.post("/chat-send-message", "application/x-www-form-urlencoded", b"room=R&msg=last");
    assert!(sent.text().contains("Message sent"), "{sent:?}");
    assert_eq!(rooms.log("R").split(|byte| *byte == b'\n').count(), 1 + 16 * 8 + 1 + 1);
}
