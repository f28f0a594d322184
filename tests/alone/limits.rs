//! How many streams there may be, and what is counted.

use super::support::PATIENCE;
use super::support::fastcgi::{self, Client, params};
use super::support::http::{Reply, Site};
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
use super::support::sse::Stream;
use super::support::wait::wait_until;

const ACCEPT: (&str, &str) = ("Accept", "text/event-stream");

fn open(server: &Server, path: &str) -> Stream {
    Stream::open(&server.site(), path, &[ACCEPT])
}

fn refusal(server: &Server, path: &str, headers: &[(&str, &str)]) -> Option<Reply> {
    Stream::try_open(&server.site(), path, &[&[ACCEPT], headers].concat()).err()
}

#[test]
fn a_full_table_of_streams_refuses_more_until_one_ends() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--max-streams", "2"]);
    let mut one = open(&server, "/rooms/General");
    let _two = open(&server, "/rooms");
    let refused = refusal(&server, "/rooms/Ops", &[]).expect("a refusal");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    assert_eq!(server.site().get("/rooms/General").status, 200, "what is no stream is served");
    one.next();
    drop(one);
    wait_until("a stream's place is free again", PATIENCE, || refusal(&server, "/rooms/Ops", &[]).is_none());
}

#[test]
fn a_full_room_refuses_more_and_others_do_not() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--max-room-streams", "2"]);
    let _readers = [open(&server, "/rooms/General"), open(&server, "/rooms/General?format=raw")];
    let refused = refusal(&server, "/rooms/General", &[]).expect("a refusal");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    assert!(refused.text().contains("all 2 streams of this room"), "{refused:?}");
    let _others =
        [open(&server, "/rooms/Ops"), open(&server, "/rooms"), open(&server, "/rooms"), open(&server, "/rooms")];
    let dropin = server.site().get("/chat-stream?room=General");
    assert!(dropin.text().contains(r#"data: {"code":503,"message":"Too many streams"}"#), "{dropin:?}");
}

#[test]
fn a_client_has_its_share_and_a_proxy_of_this_machine_says_whose_it_is() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--max-client-streams", "1"]);
    let forwarded = |list| ("X-Forwarded-For", list);
    let _direct = open(&server, "/rooms/General");
    assert_eq!(refusal(&server, "/rooms/Ops", &[]).expect("a refusal").status, 503);
    // What the client itself says comes first in the list, and does not count.
    let _one = Stream::open(&server.site(), "/rooms/Ops", &[ACCEPT, forwarded("192.0.2.7, 192.0.2.1")]);
    assert_eq!(refusal(&server, "/rooms/Ops", &[forwarded("192.0.2.8, 192.0.2.1")]).expect("a refusal").status, 503);
    let _six = Stream::open(&server.site(), "/rooms/Ops", &[ACCEPT, forwarded("2001:db8::1")]);
    assert_eq!(refusal(&server, "/rooms/Ops", &[forwarded("2001:db8::2")]).expect("a refusal").status, 503);
    assert!(refusal(&server, "/rooms/Ops", &[forwarded("2001:db8:0:1::2")]).is_none());
    assert_eq!(refusal(&server, "/rooms/Ops", &[forwarded("nonsense")]).expect("a refusal").status, 503);

    let server = Server::fastcgi_tcp(rooms.root(), &["--max-client-streams", "1"]);
    let ask = |address: &str| {
        let mut asked = params("GET", "/rooms/General", "");
        asked.extend([("HTTP_ACCEPT", ACCEPT.1), ("REMOTE_ADDR", address)]);
        let mut client = Client::tcp(server.addr());
        client.write(&fastcgi::request(1, false, &asked, b""));
        let head = client.stdout_until("\r\n");
        (client, head)
    };
    let (_one, head) = ask("192.0.2.1");
    assert!(head.starts_with("Status: 200"), "{head}");
    let (_two, head) = ask("192.0.2.1");
    assert!(head.starts_with("Status: 503"), "{head}");
    let (_three, head) = ask("192.0.2.2");
    assert!(head.starts_with("Status: 200"), "{head}");
}

/// The value of a sample of `/metrics`.
fn sample(site: &Site, series: &str) -> f64 {
    let reply = site.get("/metrics");
    let line = reply.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned);
    line.unwrap_or_else(|| panic!("{series} is not in {}", reply.text())).parse().unwrap()
}

#[test]
fn what_happens_is_counted() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--max-room-streams", "2"]);
    let (site, mut readers) = (server.site(), [open(&server, "/rooms/Empty"), open(&server, "/rooms/Empty")]);
    readers.iter_mut().for_each(|reader| drop(reader.next()));
    assert_eq!(refusal(&server, "/rooms/Empty", &[]).expect("a refusal").status, 503);
    assert_eq!(site.post("/rooms/Empty?user=al", "text/plain", b"posted").status, 201);
    readers.iter_mut().for_each(|reader| drop(reader.messages(1)));
    rooms.append("Empty", b"one\ntwo\n");
    readers.iter_mut().for_each(|reader| drop(reader.messages(2)));

    let reply = site.get("/metrics");
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(reply.text().ends_with("# EOF\n"));
    let value = |series: &str| sample(&site, &format!("chatroom_{series}"));
    wait_until("what was written is counted", PATIENCE, || value("deliveries_total") == 6.0);
    for (series, expected) in [
        ("streams", 2.0),
        ("rooms_read", 1.0),
        ("streams_max", 50_000.0),
        ("messages_total", 3.0),
        ("coalesced_writes_total", 2.0),
        ("refused_streams_total{limit=\"room\"}", 1.0),
        ("append_seconds_count", 1.0),
        ("delivery_seconds_count", 2.0),
        ("stuck_readers_total", 0.0),
        ("catch_up_reads_total", 0.0),
    ] {
        assert_eq!(value(series), expected, "{series}");
    }
    // Which of them depends on what else runs on this machine: a user has 128 inotify instances.
    assert_eq!(value("watches{mode=\"kernel\"}") + value("watches{mode=\"poll\"}"), 2.0);
    assert!(value("connections{gateway=\"http\"}") >= 3.0, "two streams, and the one that asks");
    let sent: usize = readers.iter().map(|reader| reader.raw().len()).sum();
    assert!(value("stream_bytes_total") >= sent as f64);
    for named in ["Empty", "al"] {
        assert!(!reply.text().split(|c: char| !c.is_alphanumeric()).any(|word| word == named), "{named} is named");
    }

    let mut behind = open(&server, "/rooms/General?last_event_id=0000000000000000_0000000000000000");
    behind.messages(1);
    wait_until("a read for one reader is counted", PATIENCE, || value("catch_up_reads_total") > 0.0);
    drop((behind, readers));
    wait_until("streams that ended are not counted", PATIENCE, || value("streams") == 0.0);

    let polled = Server::serve(rooms.root(), &["--watch", "poll"]);
    let _reader = open(&polled, "/rooms/Empty");
    assert_eq!(sample(&polled.site(), "chatroom_watches{mode=\"poll\"}"), 2.0);
}

#[test]
fn status_is_for_a_person() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let _reader = open(&server, "/rooms/General");
    let output = chatroom().args(["status", "--url", &server.url()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("streams     1 of 50000, in 1 rooms\n"), "{text}");
    let nowhere = chatroom().args(["status", "--url", "http://127.0.0.1:1/"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8(nowhere.stderr).unwrap().starts_with("chatroom: http://127.0.0.1:1/metrics: "));
}
