//! The binary as a CGI program, without a web server: environment in, bytes out, and away when
//! nobody reads.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::PATIENCE;
use super::support::process::clean;
use super::support::rooms::Rooms;
use super::support::server::{binary, chatroom};
use super::support::sse::Decoder;
use super::support::wait::wait_until;
use super::support::watch::way;

pub(super) fn cgi(root: &Path, method: &str, path: &str, query: &str) -> Command {
    let mut command = chatroom();
    as_cgi(&mut command, root, method, query).env("SCRIPT_NAME", "/chat").env("PATH_INFO", path);
    command
}

fn as_cgi<'a>(command: &'a mut Command, root: &Path, method: &str, query: &str) -> &'a mut Command {
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("CHATROOM_ROOT", root)
        .env("REQUEST_METHOD", method)
        .env("QUERY_STRING", query)
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A CGI process that streams, and its output.
pub(super) struct Live {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    decoder: Decoder,
}

impl Live {
    pub(super) fn start(mut command: Command) -> Live {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut live = Live { out: BufReader::new(child.stdout.take().unwrap()), child, decoder: Decoder::default() };
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            live.out.read_line(&mut line).unwrap();
        }
        live
    }

    /// The next event: what it is called, and its data.
    pub(super) fn next(&mut self) -> (String, String) {
        loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "the stream ended");
            if let Some(event) = self.decoder.feed(line.as_bytes()).pop() {
                return (event.event, event.data);
            }
        }
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, by itself.
    pub(super) fn end(mut self) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Hangs up, and waits for the process to go.
    pub(super) fn hang_up(self) {
        let Live { mut child, out, .. } = self;
        drop(out);
        wait_until("the process of a client that hung up is gone", PATIENCE, || child.try_wait().unwrap().is_some());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn an_answer_has_a_status_and_a_type() {
    let rooms = Rooms::example();
    let list = output(cgi(rooms.root(), "GET", "/rooms", ""));
    assert!(list.starts_with("Status: 200 OK\r\nContent-Type: application/json\r\n"), "{list}");
    assert!(list.ends_with("\r\n\r\n[\"Empty\",\"General\",\"Lounge\",\"Ops\"]"), "{list}");
    let missing = output(cgi(rooms.root(), "GET", "/rooms/Nowhere", ""));
    assert!(missing.starts_with("Status: 404 Not Found\r\nContent-Type: application/problem+json\r\n"), "{missing}");
    let bare = output(cgi(rooms.root(), "GET", "", ""));
    assert!(bare.starts_with("Status: 308") && bare.contains("Location: /chat/\r\n"), "{bare}");
}

#[test]
fn a_body_is_read_to_its_length() {
    let rooms = Rooms::example();
    let mut child = cgi(rooms.root(), "POST", "/rooms/Empty", "user=al")
        .env("CONTENT_LENGTH", "5")
        .env("CONTENT_TYPE", "text/plain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Standard input may stay open: the length says where the body ends.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello and more").unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("Status: 201 Created\r\n"), "{answer}");
    assert!(String::from_utf8(rooms.log("Empty")).unwrap().ends_with("] al: hello\n"));
    drop(stdin);
    child.wait().unwrap();
    let too_long = output({
        let mut command = cgi(rooms.root(), "POST", "/rooms/Empty", "");
        command.env("CONTENT_LENGTH", "10000000");
        command
    });
    assert!(too_long.starts_with("Status: 413"), "{too_long}");
}

#[test]
fn a_wrong_setting_is_named() {
    let rooms = Rooms::example();
    for (name, value, exit) in [
        ("CHATROOM_ROOT", "", 0),
        ("CHATROOM_ROOT", "/nowhere", 0),
        ("CHATROOM_PING", "often", 2),
        ("CHATROOM_ACK", "soon", 2),
        ("WIZARDRY_SITE_NAME", "..", 2),
    ] {
        let output = cgi(rooms.root(), "GET", "/rooms", "").env(name, value).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.starts_with("Status: 500") && answer.contains(name), "{name}={value}: {answer}");
        assert_eq!(output.status.code(), Some(exit), "{name}={value}");
    }
}

#[test]
fn a_stream_lives_as_long_as_its_reader() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::example();
        let mut command = cgi(rooms.root(), "GET", "/rooms/General", "format=raw");
        command.env("HTTP_ACCEPT", "text/event-stream").env("CHATROOM_WATCH", way(watch));
        let mut live = Live::start(command);
        assert_eq!(live.next().0, "members");
        let line = rooms.line("General", "al", "one");
        assert_eq!(live.next(), ("message".into(), line));
        rooms.avatar("General", "walker");
        let (event, data) = live.next();
        assert!(event == "members" && data.contains("walker"), "{event} {data}");
        live.hang_up();
    }
}

#[test]
fn a_stream_pings_and_ends() {
    let rooms = Rooms::example();
    let mut command = cgi(rooms.root(), "GET", "/rooms", "");
    command.env("HTTP_ACCEPT", "text/event-stream").env("CHATROOM_PING", "0.01").env("CHATROOM_LIFETIME", "0.5");
    let mut live = Live::start(command);
    assert_eq!(live.next().0, "rooms");
    assert_eq!(live.next(), ("ping".into(), "keepalive".into()));
    while live.next().0 != "timeout" {}
    let mut rest = String::new();
    live.out.read_to_string(&mut rest).unwrap();
    assert!(live.child.wait().unwrap().success());
}

#[test]
fn a_shell_programs_name_is_enough() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("chat-list-avatars");
    std::os::unix::fs::symlink(binary(), &link).unwrap();
    let mut by_name = clean(&link);
    by_name.env("CHATROOM_ROOT", rooms.root()).env("QUERY_STRING", "room=General");
    let answer = output(by_name);
    assert!(answer.contains("{\"avatars\": [{\"username\": \"Guest123\", \"is_web\": true}"), "{answer}");
    let mut by_file = chatroom();
    as_cgi(&mut by_file, rooms.root(), "GET", "room=General&since=2026-01-31%2008:00:00")
        .env("SCRIPT_FILENAME", "/site/cgi/chat-stream");
    let mut live = Live::start(by_file);
    assert_eq!(live.next().0, "members");
    assert!(live.next().1.starts_with("[2026-01-31 08:00:00] mira: "));
    live.hang_up();
}
