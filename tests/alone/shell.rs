//! The commands for shells, on files and on a server's address; and what they say when they can't.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};

use super::support::PATIENCE;
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
use super::support::wait::wait_until;

/// Runs a command on the files of `rooms`, and on a server of the same.
fn both(rooms: &Rooms, test: impl Fn(&dyn Fn(&[&str]) -> Command)) {
    let server = Server::serve(rooms.root(), &[]);
    let url = server.url();
    let on = |place: [&str; 2]| {
        let place = place.map(str::to_owned);
        move |args: &[&str]| {
            let mut command = chatroom();
            command.args(args).args(&place);
            command
        }
    };
    test(&on(["--root", rooms.root().to_str().unwrap()]));
    test(&on(["--url", &url]));
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

struct Lines(BufReader<std::process::ChildStdout>);

impl Lines {
    fn next(&mut self) -> Option<std::io::Result<String>> {
        self.0.by_ref().lines().next()
    }

    fn into_inner(self) -> BufReader<std::process::ChildStdout> {
        self.0
    }
}

#[test]
fn rooms_and_members_are_listed() {
    both(&Rooms::example(), |command| {
        let listed = said(&command(&["rooms"]).output().unwrap());
        assert_eq!(listed, (Some(0), "Empty\nGeneral\nLounge\nOps\n".into(), String::new()));
        let here = said(&command(&["who", "General"]).output().unwrap());
        assert_eq!(here, (Some(0), "@Guest123\njonas\nmira\npriya\n".into(), String::new()));
    });
}

#[test]
fn what_is_said_is_in_the_log() {
    let rooms = Rooms::example();
    both(&rooms, |command| {
        rooms.rewrite("Empty", b"");
        assert!(command(&["say", "Empty", "hello there"]).status().unwrap().success());
        assert!(command(&["say", "Empty", "as al", "--as", "al"]).status().unwrap().success());
        let mut piped = command(&["say", "Empty", "-", "--as", "job"]).stdin(Stdio::piped()).spawn().unwrap();
        piped.stdin.take().unwrap().write_all(b"line one\n\nline two").unwrap();
        assert!(piped.wait().unwrap().success());
        let log = String::from_utf8(rooms.log("Empty")).unwrap();
        let lines: Vec<&str> = log.lines().map(|line| &line[22..]).collect();
        assert_eq!(lines, ["Anonymous: hello there", "al: as al", "job: line one", "job: line two"]);
    });
}

#[test]
fn a_tail_shows_the_last_lines_as_they_are() {
    let rooms = Rooms::example();
    let log = rooms.log("Ops");
    both(&rooms, |command| {
        let shown = command(&["tail", "-n", "1000", "Ops"]).output().unwrap();
        assert_eq!(shown.stdout, log);
        let last = command(&["tail", "-n", "2", "General"]).output().unwrap();
        assert_eq!(last.stdout.iter().filter(|b| **b == b'\n').count(), 2);
        assert!(rooms.log("General").ends_with(&last.stdout));
        rooms.rewrite("Empty", &b"x".repeat(1023).into_iter().chain(*b"\n").collect::<Vec<_>>().repeat(10_000));
        assert_eq!(command(&["tail", "-n", "9999", "Empty"]).output().unwrap().stdout.len(), 9999 * 1024);
        assert!(command(&["tail", "-n", "0", "General"]).output().unwrap().stdout.is_empty());
    });
}

#[test]
fn a_tail_follows_until_nobody_reads() {
    let rooms = Rooms::example();
    both(&rooms, |command| {
        let mut tail = command(&["tail", "-f", "-n", "1", "General"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = Lines(BufReader::new(tail.stdout.take().unwrap()));
        let last = String::from_utf8_lossy(&rooms.log("General")).lines().last().unwrap().to_owned();
        assert_eq!(lines.next().unwrap().unwrap(), last);
        let line = rooms.line("General", "al", "and on");
        assert_eq!(lines.next().unwrap().unwrap(), line);
        rooms.append("General", b"caf\xe9\nafter it\n");
        let mut out = lines.into_inner();
        let mut bytes = Vec::new();
        out.read_until(b'\n', &mut bytes).unwrap();
        out.read_until(b'\n', &mut bytes).unwrap();
        assert_eq!(bytes, b"caf\xe9\nafter it\n");
        drop(out);
        wait_until("the tail ends", PATIENCE, || {
            rooms.line("General", "al", "to nobody");
            tail.try_wait().unwrap().is_some()
        });
        assert!(tail.wait().unwrap().success(), "a broken pipe is no failure");
    });
}

#[test]
fn a_tail_of_a_server_comes_back_after_it() {
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let mut tail = chatroom()
        .args(["tail", "-f", "-n", "1", "General", "--url", &server.url()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().is_ok(), "the last line, and with it the place to go on from");
    let first = rooms.line("General", "al", "before");
    assert_eq!(lines.next().unwrap().unwrap(), first);
    server.kill9();
    let missed = rooms.line("General", "al", "meanwhile");
    let _server = Server::serve_on(address, rooms.root(), &[]);
    assert_eq!(lines.next().unwrap().unwrap(), missed);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn what_can_not_be_done_is_said_in_a_sentence() {
    let rooms = Rooms::example();
    both(&rooms, |command| {
        let (code, out, error) = said(&command(&["tail", "Nowhere"]).output().unwrap());
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(error.starts_with("chatroom: ") && error.contains("there is no room Nowhere"), "{error}");
        let (code, _, error) = said(&command(&["say", "General", " "]).output().unwrap());
        assert!(code == Some(1) && error.contains("empty"), "{error}");
        let (code, _, error) = said(&command(&["say", "General", "x", "--as", "log"]).output().unwrap());
        assert!(code == Some(2) && error.contains("reserved"), "{error}");
    });
    for (args, code, has) in [
        (&["serve", "/nowhere"][..], 1, "/nowhere: the folder of rooms can't be opened"),
        (&["fastcgi", "/", "--listen", "unix:/nowhere/x"], 1, "unix:/nowhere/x: can't listen"),
        (&["fastcgi", "/"], 1, "there is no socket to serve"),
        (&["serve", "--listen", "here"], 2, "ADDR:PORT"),
        (&["serve", "--ping", "0"], 2, "seconds above 0"),
        (&["rooms", "--url", "ftp://x"], 1, "http://"),
        (&["tail", "a/b"], 2, "not a room name"),
        (&["dance"], 2, "dance"),
    ] {
        let (status, _, error) = said(&chatroom().args(args).output().unwrap());
        assert_eq!(status, Some(code), "{args:?}: {error}");
        assert!(error.contains(has), "{args:?}: {error}");
    }
}

#[test]
fn help_teaches() {
    let (code, help, _) = said(&chatroom().arg("--help").output().unwrap());
    assert_eq!(code, Some(0));
    for word in ["serve", "fastcgi", "say", "tail", "rooms", "who", "CHATROOM_ROOT", "Exit status", ".log"] {
        assert!(help.contains(word), "{word}");
    }
    let (_, help, _) = said(&chatroom().args(["serve", "--help"]).output().unwrap());
    for word in ["CHATROOM_PING", "CHATROOM_WATCH", "CHATROOM_LIFETIME", "127.0.0.1:8080"] {
        assert!(help.contains(word), "{word}");
    }
}
