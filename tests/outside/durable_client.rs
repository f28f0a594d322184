//! The official TypeScript client of Durable Streams: it writes, follows a room that a shell appends to, and resumes
//! after a restart of the server.

use std::path::Path;
use std::process::Command;

use super::support::PATIENCE;
use super::support::process::{Process, tool};
use super::support::rooms::Rooms;
use super::support::server::Server;

fn client(args: &[&str]) -> Command {
    let mut node = tool("node");
    node.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/durable-streams"));
    node.arg("client.js").args(args);
    node
}

/// What the client prints, until it is all of `expected`.
fn expect(client: &mut Process, expected: &str) {
    let mut text = String::new();
    while text.len() < expected.len() {
        let line = client.stdout_line().unwrap_or_else(|| panic!("the client ended: {}", client.stderr()));
        text += &serde_json::from_str::<String>(&line).expect("a text as JSON");
    }
    assert_eq!(text, expected);
}

#[test]
fn the_official_client_follows_a_room_and_resumes_after_a_restart() {
    for live in ["sse", "long-poll"] {
        let rooms = Rooms::empty();
        rooms.create("R");
        let before = rooms.line("R", "al", "before") + "\n";
        let mut server = Server::serve(rooms.root(), &[]);
        let mut client = Process::spawn(&mut client(&["follow", &server.site().url("/v1/stream/R"), live]));
        expect(&mut client, &before);
        for _ in 0..3 {
            let line = rooms.line("R", "al", "as it runs") + "\n";
            expect(&mut client, &line);
        }
        let address = server.addr();
        server.kill9();
        let meanwhile = rooms.line("R", "al", "while nobody served") + "\n";
        let _server = Server::serve_on(address, rooms.root(), &[]);
        expect(&mut client, &meanwhile);
        let after = rooms.line("R", "al", "after it") + "\n";
        expect(&mut client, &after);
    }
}

#[test]
fn what_the_official_client_writes_is_followed_to_its_end() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let url = server.site().url("/v1/stream/written");
    let written = client(&["write", &url, "one\n", "two\n", "three\n"]).output().expect("node can be run");
    assert!(written.status.success(), "{written:?}");
    assert_eq!(rooms.log("written"), b"one\ntwo\nthree\n");
    for live in ["sse", "long-poll"] {
        let mut client = Process::spawn(&mut client(&["follow", &url, live]));
        expect(&mut client, "one\ntwo\nthree\n");
        assert!(client.wait(PATIENCE).success(), "it was closed by its writer: {}", client.stderr());
    }
}
