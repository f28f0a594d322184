//! CGI through real nginx and fcgiwrap: no event waits for the next one, and no process outlives
//! its client for long.

use std::fs;

use super::support::PATIENCE;
use super::support::fcgiwrap::Fcgiwrap;
use super::support::nginx::{self, Nginx};
use super::support::rooms::Rooms;
use super::support::server::binary;
use super::support::sse::Stream;
use super::support::wait::wait_until;
use super::support::watch::is_by_kernel;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// nginx and a stock fcgiwrap, with the shipped configuration after `edit`.
fn site(rooms: &Rooms, edits: &[(&str, &str)]) -> (Nginx, Fcgiwrap) {
    let fcgiwrap = Fcgiwrap::start(4);
    let conf = nginx::cgi_conf(binary(), rooms.root(), fcgiwrap.socket());
    let conf = edits.iter().fold(conf, |conf, (from, to)| nginx::edit(&conf, from, to));
    (Nginx::start(&conf), fcgiwrap)
}

/// 400 lines of varied lengths, each appended only when the one before has been delivered.
fn one_by_one(rooms: &Rooms, stream: &mut Stream) {
    for n in 0..400_usize {
        // Lengths that run through all phases of an 8 KiB buffer.
        let line = rooms.line("General", "al", &format!("{n} {}", "x".repeat(n * 397 % 8192)));
        let event = stream.next();
        assert_eq!((event.event.as_str(), &event.data), ("message", &line), "message {n}");
    }
}

#[test]
fn no_event_waits_for_the_next_one_where_fcgiwrap_keeps_back_what_it_gets() {
    let rooms = Rooms::example();
    let (nginx, _fcgiwrap) = site(&rooms, &[("fastcgi_param NO_BUFFERING 1;", "")]);
    let mut stream = Stream::open(&nginx.site(), "/chat-stream?room=General", EVENTS);
    assert_eq!(stream.next().event, "members");
    one_by_one(&rooms, &mut stream);
    rooms.avatar("General", "walker");
    assert!(stream.next().data.contains("walker"));
    assert!(stream.comments().iter().any(|comment| comment.len() > 8192));
}

#[test]
fn nothing_is_padded_where_fcgiwrap_flushes() {
    let rooms = Rooms::example();
    let (nginx, _fcgiwrap) = site(&rooms, &[]);
    let mut stream = Stream::open(&nginx.site(), "/rooms/General?format=raw", EVENTS);
    assert_eq!(stream.next().event, "members");
    let before = stream.raw().len();
    let line = rooms.line("General", "al", "a message of the usual length, for a measure of what it costs");
    assert_eq!(stream.next().data, line);
    assert!(stream.raw().len() - before < 300, "{} bytes", stream.raw().len() - before);
    one_by_one(&rooms, &mut stream);
    assert_eq!(stream.comments(), [""; 0]);
}

#[test]
fn a_process_is_gone_at_the_first_ping_after_its_client() {
    let rooms = Rooms::example();
    let ping = ("fastcgi_param NO_BUFFERING 1;", "fastcgi_param NO_BUFFERING 1; fastcgi_param CHATROOM_PING 0.2;");
    for padded in [ping, (ping.0, "fastcgi_param CHATROOM_PING 0.2;")] {
        let (nginx, fcgiwrap) = site(&rooms, &[padded]);
        let mut stream = Stream::open(&nginx.site(), "/rooms/General", EVENTS);
        assert_eq!(stream.next().event, "members");
        let programs = || programs_of(fcgiwrap.pid()).len();
        assert_eq!(programs(), 1);
        drop(stream);
        wait_until("the CGI process of a client that went is gone", PATIENCE, || programs() == 0);
    }
}

#[test]
fn streams_beyond_the_last_inotify_instance_are_as_good_as_those_before() {
    const STREAMS: usize = 200;
    const INSTANCES: usize = 8;
    let rooms = Rooms::example();
    let fcgiwrap = Fcgiwrap::start_with_instances(STREAMS, INSTANCES);
    let nginx = nginx::cgi(binary(), rooms.root(), fcgiwrap.socket());
    let mut streams: Vec<Stream> =
        (0..STREAMS).map(|_| Stream::open(&nginx.site(), "/rooms/General?format=raw", EVENTS)).collect();
    for stream in &mut streams {
        assert_eq!(stream.next().event, "members");
    }
    let programs = programs_of(fcgiwrap.pid());
    let with = |what: &str| programs.iter().filter(|pid| has_open(**pid, what)).count();
    let ways = if is_by_kernel() { (INSTANCES, STREAMS - INSTANCES) } else { (0, 0) };
    assert_eq!((programs.len(), (with("inotify"), with("signalfd"))), (STREAMS, ways));
    for n in 0..20 {
        let line = rooms.line("General", "al", &n.to_string());
        for stream in &mut streams {
            assert_eq!(stream.next().data, line);
        }
    }
    rooms.avatar("General", "walker");
    for stream in &mut streams {
        stream.until(|event| event.event == "members" && event.data.contains("walker"));
    }
    rooms.remove("General");
    for stream in &mut streams {
        assert_eq!(stream.rest().pop().expect("an end").event, "error");
    }
}

fn has_open(pid: i32, what: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|link| link.to_string_lossy().contains(what))
}

/// The processes of ours, by whatever name, that run in the process group of this fcgiwrap.
pub(super) fn programs_of(group: u32) -> Vec<i32> {
    let ours = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        let is_ours = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == binary());
        is_ours && rest.split(' ').nth(2) == Some(&group.to_string())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(ours).collect()
}
