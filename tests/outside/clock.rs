//! The clock is set back and forward while a server runs, and goes over to and from summer time: `since` leaves nothing out,
//! and ids stay right.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};

use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
use super::support::sse::{Event, Stream};

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// A server whose clock the test sets.
struct Clocked {
    server: Server,
    offset: PathBuf,
    _dir: tempfile::TempDir,
}

impl Clocked {
    fn start(rooms: &Rooms, zone: &str, watch: &str) -> Clocked {
        let dir = tempfile::tempdir().unwrap();
        let offset = dir.path().join("offset");
        fs::write(&offset, "+0").unwrap();
        let mut command = chatroom();
        command.arg("serve").arg(rooms.root()).args(["--listen", "127.0.0.1:0", "--watch", watch]);
        command.env("TZ", zone).env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", &offset);
        // Only what a person sets: the clock that timers go by is another.
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        Clocked { server: Server::start(&mut command), offset, _dir: dir }
    }

    /// Sets the clock so many seconds from what it is.
    fn set_by(&self, seconds: i64) {
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{seconds:+}")).unwrap();
        fs::rename(new, &self.offset).unwrap();
    }

    fn set_to(&self, time: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.set_by(time.parse::<DateTime<Utc>>().unwrap().timestamp() - now as i64);
    }

    /// Says something, and a lot at the same time by somebody else, so that times are searched for; its id.
    fn say(&self, rooms: &Rooms, text: &str) -> String {
        let said = self.server.site().post("/rooms/R?user=al", "text/plain", text.as_bytes());
        assert_eq!(said.status, 201, "{said:?}");
        let log = String::from_utf8(rooms.log("R")).unwrap();
        let (time, _) = log.lines().next_back().unwrap().split_at("[2026-01-31 08:00:00] ".len());
        rooms.append("R", format!("{time}cron: {}\n", "x".repeat(900)).repeat(200).as_bytes());
        said.json()["id"].as_str().unwrap().to_owned()
    }

    /// What a stream shows from a time on, up to what was said last.
    fn since(&self, time: &str, last: &str) -> String {
        let time = time.replace('+', "%2B").replace(' ', "%20");
        let mut stream = Stream::open(&self.server.site(), &format!("/rooms/R?since={time}"), EVENTS);
        texts(&mut stream, last)
    }
}

fn texts(stream: &mut Stream, last: &str) -> String {
    let text = |event: &Event| {
        let message = event.json();
        (message["from"] == "al").then(|| message["text"].as_str().unwrap().to_owned())
    };
    let events = stream.until(|event| event.event == "message" && text(event).is_some_and(|text| text == last));
    events.iter().filter(|event| event.event == "message").filter_map(text).collect::<Vec<_>>().join(" ")
}

/// Where Debian has libfaketime.
fn library() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = libraries.map(|dir| dir.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.expect("faketime is not installed; tests/run installs it")
}

fn log_times(root: &Path) -> Vec<String> {
    let log = fs::read_to_string(root.join("R/.log")).unwrap();
    log.lines().filter(|line| line.contains("al: ")).map(|line| line[12..17].to_owned()).collect()
}

#[test]
fn a_clock_that_is_set_back_and_forward_an_hour() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("R");
        let clocked = Clocked::start(&rooms, "UTC", watch);
        let mut live = Stream::open(&clocked.server.site(), "/rooms/R", EVENTS);
        live.next();
        let now = Utc::now();
        let mut ids = Vec::new();
        for (offset, text) in [(0, "now"), (-3600, "back"), (3600, "ahead"), (0, "again")] {
            clocked.set_by(offset);
            ids.push(clocked.say(&rooms, text));
        }
        let hours: Vec<String> = [0, -1, 1, 0].map(|h| (now + TimeDelta::hours(h)).format("%H").to_string()).into();
        let written: Vec<String> = log_times(rooms.root()).iter().map(|time| time[..2].to_owned()).collect();
        // A minute may have gone by to another hour meanwhile.
        if Utc::now().format("%H").to_string() == hours[0] {
            assert_eq!(written, hours, "the server's clock was set");
        }
        assert_eq!(texts(&mut live, "again"), "now back ahead again");
        assert!(ids.is_sorted(), "{ids:?}");
        let rest = ["back ahead again", "ahead again", "again"];
        for (id, rest) in ids.iter().zip(rest) {
            assert_eq!(texts(&mut Stream::resume(&clocked.server.site(), "/rooms/R", id), "again"), rest);
        }
        let at = |minutes: i64| (now + TimeDelta::minutes(minutes)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        // All that was said at a time or later by the clock as it was then, and at most more.
        assert_eq!(clocked.since(&at(-90), "again"), "now back ahead again");
        assert_eq!(clocked.since(&at(-30), "again"), "now back ahead again");
        assert_eq!(clocked.since(&at(30), "again"), "ahead again");
    }
}

/// Central Europe's rule, without a database of zones.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

#[test]
fn the_end_of_summer_time() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let clocked = Clocked::start(&rooms, ZONE, "auto");
    for (time, text) in [
        ("2026-10-25T00:10:00Z", "first"),
        ("2026-10-25T00:50:00Z", "before"),
        ("2026-10-25T01:10:00Z", "after"),
        ("2026-10-25T02:10:00Z", "late"),
    ] {
        clocked.set_to(time);
        clocked.say(&rooms, text);
    }
    assert_eq!(log_times(rooms.root()), ["02:10", "02:50", "02:10", "03:10"]);
    // The hour comes twice: nothing that was said since is left out, whichever of them is meant.
    assert_eq!(clocked.since("2026-10-25T00:30:00Z", "late"), "before after late");
    assert_eq!(clocked.since("2026-10-25T01:00:00Z", "late"), "first before after late");
    assert_eq!(clocked.since("2026-10-25 02:05:00", "late"), "first before after late");
    assert_eq!(clocked.since("2026-10-25T01:30:00Z", "late"), "before after late");
    assert_eq!(clocked.since("2026-10-25T03:05:00+01:00", "late"), "late");
}

#[test]
fn the_beginning_of_summer_time() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let clocked = Clocked::start(&rooms, ZONE, "auto");
    for (time, text) in [("2026-03-29T00:50:00Z", "before"), ("2026-03-29T01:10:00Z", "after")] {
        clocked.set_to(time);
        clocked.say(&rooms, text);
    }
    assert_eq!(log_times(rooms.root()), ["01:50", "03:10"]);
    assert_eq!(clocked.since("2026-03-29T00:45:00Z", "after"), "before after");
    assert_eq!(clocked.since("2026-03-29T01:00:00Z", "after"), "after");
    // A time that the clocks left out.
    assert_eq!(clocked.since("2026-03-29 02:30:00", "after"), "after");
}
