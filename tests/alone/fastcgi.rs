//! The FastCGI server against peers that behave, and peers that don't.

use std::path::Path;

use super::support::PATIENCE;
use super::support::fastcgi::{self, Client, Record, params};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::wait::wait_until;

const STREAM: (&str, &str) = ("HTTP_ACCEPT", "text/event-stream");

fn server(root: &Path, args: &[&str]) -> Server {
    Server::fastcgi_tcp(root, args)
}

fn open_stream(client: &mut Client, id: u16, keep: bool) -> String {
    let mut asked = params("GET", "/rooms/General", "format=raw");
    asked.push(STREAM);
    client.write(&fastcgi::request(id, keep, &asked, b""));
    let mut stdout = String::new();
    while !stdout.contains("event: members\n") {
        let record = client.record().expect("an answer");
        assert_eq!((record.kind, record.id), (fastcgi::STDOUT, id), "{record:?}");
        stdout += &String::from_utf8(record.content).unwrap();
    }
    stdout
}

#[test]
fn a_peer_of_another_make() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        let params = fastcgi_client::Params::default()
            .request_method("POST")
            .script_name("/chat")
            .content_type("text/plain")
            .content_length(5)
            .query_string("user=al");
        let params = params.custom("PATH_INFO", "/rooms/General");
        let client = fastcgi_client::Client::new_tokio(socket);
        client.execute_once(fastcgi_client::Request::new_tokio(params, &b"hello"[..])).await
    });
    let stdout = String::from_utf8(output.unwrap().stdout.unwrap()).unwrap();
    assert!(stdout.starts_with("Status: 201 Created\r\n") && stdout.contains(r#""text":"hello""#), "{stdout}");
}

#[test]
fn a_connection_is_kept_where_the_peer_wants_it_also_after_a_stream() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &["--lifetime", "0.05"]);
    let mut client = Client::tcp(server.addr());
    let list = client.exchange(true, &params("GET", "/rooms", ""), b"");
    assert!(list.stdout.ends_with(br#"["Empty","General","Lounge","Ops"]"#));
    open_stream(&mut client, 1, true);
    let rest = client.outcome(1);
    assert!(String::from_utf8(rest.stdout).unwrap().contains("event: timeout\n"));
    let list = client.exchange(false, &params("GET", "/rooms", ""), b"");
    assert_eq!((list.app_status, list.protocol_status), (0, 0));
    client.expect_close();
}

#[test]
fn a_request_may_have_any_number() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &[]);
    let mut shared = Client::tcp(server.addr());
    let mut own = Client::tcp(server.addr());
    open_stream(&mut shared, 1, false);
    open_stream(&mut own, 0x1234, false);
    let line = rooms.line("General", "al", "for both");
    for (client, id) in [(&mut shared, 1), (&mut own, 0x1234)] {
        loop {
            let record = client.record().unwrap();
            assert_eq!(record.id, id);
            if String::from_utf8_lossy(&record.content).contains(&line) {
                break;
            }
        }
    }
}

#[test]
fn a_client_that_goes_is_noticed_at_once() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &["--max-streams", "1"]);
    let free = |what: &str| {
        wait_until(what, PATIENCE, || {
            let mut client = Client::tcp(server.addr());
            let mut asked = params("GET", "/rooms/General", "");
            asked.push(STREAM);
            client.write(&fastcgi::request(1, false, &asked, b""));
            client.stdout_until("\r\n").starts_with("Status: 200")
        });
    };
    let mut hangs_up = Client::tcp(server.addr());
    open_stream(&mut hangs_up, 1, true);
    drop(hangs_up);
    free("the place of a stream whose connection closed");
    let mut aborts = Client::tcp(server.addr());
    wait_until("the place is free", PATIENCE, || {
        aborts = Client::tcp(server.addr());
        let mut asked = params("GET", "/rooms/General", "");
        asked.push(STREAM);
        aborts.write(&fastcgi::request(1, true, &asked, b""));
        aborts.stdout_until("\r\n").starts_with("Status: 200")
    });
    aborts.send(&Record::new(fastcgi::ABORT_REQUEST, 1, b""));
    // It is ended in order, and the connection goes on.
    aborts.outcome(1);
    assert!(aborts.exchange(true, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"));
    free("the place of a stream that was aborted");
}

#[test]
fn management_goes_on_beside_a_stream() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &[]);
    let mut client = Client::tcp(server.addr());
    open_stream(&mut client, 1, true);
    client.send(&Record::new(fastcgi::GET_VALUES, 0, &fastcgi::pairs(&[("FCGI_MPXS_CONNS", "")])));
    // A second request on the same connection is refused, and the stream goes on.
    client.write(&fastcgi::request(2, true, &params("GET", "/rooms", ""), b""));
    let (mut values, mut refused) = (false, false);
    while !(values && refused) {
        let record = client.record().expect("the connection stays");
        values |=
            record.kind == fastcgi::GET_VALUES_RESULT && record.content == fastcgi::pairs(&[("FCGI_MPXS_CONNS", "0")]);
        refused |= record.kind == fastcgi::END_REQUEST && record.id == 2 && record.content[4] == 1;
    }
    let line = rooms.line("General", "al", "still here");
    client.stdout_until(&line);
}

#[test]
fn a_location_may_have_rooms_of_its_own() {
    let (one, other) = (Rooms::example(), Rooms::empty());
    other.create("Elsewhere");
    let server = server(one.root(), &[]);
    let mut client = Client::tcp(server.addr());
    let mut asked = params("GET", "/rooms", "");
    asked.push(("CHATROOM_ROOT", other.root().to_str().unwrap()));
    assert!(client.exchange(true, &asked, b"").stdout.ends_with(br#"["Elsewhere"]"#));
    asked.push(("CHATROOM_PADDING", "on"));
    asked.push(STREAM);
    client.write(&fastcgi::request(1, true, &asked, b""));
    let padded = client.stdout_until("....\n\n");
    assert!(padded.len() > 8192, "{}", padded.len());
    let mut wrong = params("GET", "/rooms", "");
    wrong.push(("CHATROOM_PING", "never"));
    let answer = Client::tcp(server.addr()).exchange(false, &wrong, b"").stdout;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("Status: 500") && answer.contains("CHATROOM_PING"), "{answer}");
}

#[test]
fn without_path_info_the_scripts_name_is_the_path() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &[]);
    let asked = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/rooms")];
    let list = Client::tcp(server.addr()).exchange(false, &asked, b"");
    assert!(list.stdout.ends_with(br#"["Empty","General","Lounge","Ops"]"#));
}

#[test]
fn what_breaks_the_protocol_closes_that_connection_alone() {
    let rooms = Rooms::example();
    let server = server(rooms.root(), &[]);
    let mut good = Client::tcp(server.addr());
    open_stream(&mut good, 1, true);
    let begin = fastcgi::begin(1, 1, true).encode();
    let lying_pair = Record::new(fastcgi::PARAMS, 1, &[0xff, 0xff, 0xff, 0xff, 1, b'x']).encode();
    let end_of = |kind| Record::new(kind, 1, b"").encode();
    let malformed: [Vec<u8>; 7] = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 64],
        Record::new(fastcgi::BEGIN_REQUEST, 1, b"short").encode(),
        [&begin[..], &begin].concat(),
        [&begin[..], &Record::new(fastcgi::STDIN, 1, b"early").encode()].concat(),
        [&begin[..], &lying_pair, &end_of(fastcgi::PARAMS), &end_of(fastcgi::STDIN)].concat(),
        [
            &begin[..],
            &Record::new(fastcgi::PARAMS, 1, &[1; 60_000]).encode(),
            &Record::new(fastcgi::PARAMS, 1, &[1; 60_000]).encode(),
        ]
        .concat(),
    ];
    for bytes in malformed {
        let mut bad = Client::tcp(server.addr());
        bad.write(&bytes);
        bad.expect_close();
    }
    // Cut off anywhere, a request leaves nothing behind but a closed connection.
    let whole = fastcgi::request(1, true, &params("POST", "/rooms/General", ""), b"never said");
    for cut in 0..whole.len() - 1 {
        Client::tcp(server.addr()).write(&whole[..cut]);
    }
    // Nor is a message said of which only a part came.
    let mut cut_short = params("POST", "/rooms/General", "");
    cut_short.push(("CONTENT_LENGTH", "100"));
    let answer = Client::tcp(server.addr()).exchange(false, &cut_short, b"never said").stdout;
    assert!(answer.starts_with(b"Status: 400"), "{}", String::from_utf8_lossy(&answer));
    let line = rooms.line("General", "al", "all the same");
    good.stdout_until(&line);
    let mut client = Client::tcp(server.addr());
    assert!(client.exchange(false, &params("GET", "/healthz", ""), b"").stdout.ends_with(b"ok\n"));
    assert!(!String::from_utf8(rooms.log("General")).unwrap().contains("never said"));
}
