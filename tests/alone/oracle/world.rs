//! A room, those who write into it, the engine that serves it, and those who read it; a seed chooses what happens.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use chatroom::api::exchange::{Body, Request};
use chatroom::api::router;
use chatroom::api::site::Site;
use chatroom::config::{Ack, Config};
use chatroom::live::admission::{Admission, Bounds};
use chatroom::live::feed::{Changes, Feed, Topic};
use chatroom::live::stream::Start;
use chatroom::room::cursor::Cursor;
use chatroom::room::line::{MessageText, compose};
use chatroom::room::name::{RoomName, UserName};
use chatroom::store::append::append;
use chatroom::store::root::DataRoot;
use chatroom::store::watch::{Place, Watch};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use http::{HeaderMap, Method};
use tempfile::TempDir;

use super::super::support::seeded::Seeded;
use super::reader::{Client, Seen, offset, text_of, without_time};

const STEPS: u64 = 300;
const READERS: usize = 5;

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It only grows.
    Grows,
    /// It is rotated, truncated, edited, removed and made again, too.
    Changes,
}

/// What happened.
pub(super) struct Tally {
    pub(super) lines: usize,
    pub(super) connections: usize,
}

/// It all.
pub(super) struct World {
    seeded: Seeded,
    fate: Fate,
    root: Arc<DataRoot>,
    room: RoomName,
    topic: Topic,
    /// The server, while it lives, and what it has not looked at yet.
    feed: Option<(Feed, Option<Changes>)>,
    readers: Vec<Client>,
    /// What was read of the history, with the reader that goes on from there.
    histories: Vec<(Vec<Seen>, usize)>,
    /// The rest of lines that are written in several pieces.
    halves: Vec<Vec<u8>>,
    /// Positions that somebody was told.
    known: Vec<Cursor>,
    written: u64,
    connections: usize,
    dir: TempDir,
}

/// The kernel tells nothing here: the world does.
struct Deaf;

impl Watch for Deaf {
    fn watch(&self, _: &Place) {}
    fn unwatch(&self, _: &Place) {}
    fn renew(&self, _: &Place) -> bool {
        false
    }
}

impl World {
    pub(super) fn new(seed: u64, fate: Fate) -> World {
        let dir = TempDir::new().expect("a temporary directory");
        fs::create_dir(dir.path().join("R")).expect("a room");
        let mut seeded = Seeded(seed);
        let readers = (0..READERS).map(|_| Client::new(&mut seeded)).collect();
        let room = RoomName::parse("R").expect("a name");
        World {
            seeded,
            fate,
            root: Arc::new(DataRoot::open(dir.path()).expect("a root")),
            topic: Topic::Room(room.clone()),
            room,
            feed: None,
            readers,
            histories: Vec::new(),
            halves: Vec::new(),
            known: vec![Cursor::ZERO],
            written: 0,
            connections: 0,
            dir,
        }
    }

    /// Lets it all happen, and compares.
    pub(super) fn run(mut self) -> Tally {
        for _ in 0..STEPS {
            match self.seeded.below(100) {
                0..30 => self.write(),
                30..55 => self.look(),
                55..85 => self.read(),
                85..92 => self.connect(),
                92..95 => self.cut_off(),
                95 => self.read_history(),
                96..98 if self.fate == Fate::Changes => self.change(),
                98 => self.crash(),
                _ => self.sleep(),
            }
        }
        self.settle();
        self.compare()
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("R/.log")
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.seeded.below(one_in) == 0
    }

    fn now(&self) -> NaiveDateTime {
        let beginning = NaiveDate::from_ymd_opt(2026, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).expect("a time");
        beginning + TimeDelta::seconds(self.written as i64 * 20)
    }

    fn line(&mut self) -> Vec<u8> {
        self.written += 1;
        // From nothing to more than is read at once.
        let filler = match self.seeded.below(40) {
            0 if self.chance(3) => 70_000,
            1..4 => self.seeded.below(3000),
            _ => self.seeded.below(120),
        };
        // A CR is no end of a line, wherever what was written in pieces is cut.
        let blank = if self.written.is_multiple_of(5) { '\r' } else { ' ' };
        let text = format!("{}{blank}{}", self.written, "x".repeat(filler as usize));
        match self.seeded.below(4) {
            0 => format!("{text}\n").into_bytes(),
            _ => compose(
                self.now(),
                &UserName::parse("al").expect("a name"),
                &MessageText::clean(&text).expect("a text"),
            ),
        }
    }

    fn shell(&self) -> Option<File> {
        OpenOptions::new().append(true).create(true).open(self.log()).ok()
    }

    fn write(&mut self) {
        let line = self.line();
        match self.seeded.below(10) {
            // A post, which heals what is torn, and whose position is told.
            0..4 => {
                if let Ok(Some(room)) = self.root.room(&self.room) {
                    let id = append(&room, &line).expect("it can be appended").id;
                    // It is a line of its own, whatever was there, and its position is where it ends.
                    let (end, tail) = self.last(line.len() + 1);
                    let before = tail.strip_suffix(&line[..]).expect("it was said");
                    assert!(matches!(before, b"" | b"\n"), "it goes on what others began");
                    assert_eq!(id.offset(), end);
                    self.known.push(id);
                }
            }
            // A shell.
            4..7 => self.append(&line),
            // A shell that takes three writes for a line; others write between them.
            7..9 => {
                let at = self.seeded.below(line.len() as u64) as usize;
                self.append(&line[..at]);
                self.halves.push(line[at..].to_vec());
            }
            // One that forgets to end its line.
            _ => self.append(&line[..line.len() - 1]),
        }
        if !self.halves.is_empty() && self.chance(2) {
            let half = self.halves.remove(0);
            let at = self.seeded.below(half.len() as u64 + 1) as usize;
            self.append(&half[..at]);
            if at < half.len() {
                self.halves.push(half[at..].to_vec());
            }
        }
    }

    fn append(&self, bytes: &[u8]) {
        if let Some(mut log) = self.shell() {
            log.write_all(bytes).expect("it is written");
        }
    }

    /// How long the log is, and its last bytes, so many where there are.
    fn last(&self, len: usize) -> (u64, Vec<u8>) {
        let log = File::open(self.log()).expect("a log");
        let end = log.metadata().expect("its length").len();
        let len = end.min(len as u64);
        let mut last = vec![0; len as usize];
        log.read_exact_at(&mut last, end - len).expect("it can be read");
        (end, last)
    }

    /// The server looks at some of what may have changed: a hint may be late, and may be for nothing.
    fn look(&mut self) {
        let changes = match self.seeded.below(3) {
            0 => Changes::ALL,
            _ => Changes { log: true, ..Changes::default() },
        };
        if let Some((feed, unread)) = &mut self.feed {
            let all = unread.take().map_or(changes, |unread| unread.and(changes));
            *unread = feed.refresh(all).expect("it can be read");
        }
    }

    fn read(&mut self) {
        let Some((feed, _)) = &self.feed else { return };
        let (view, which) = (feed.view(), self.seeded.below(READERS as u64) as usize);
        let deliver = [1, 10, 200, 5000, 1_000_000][self.seeded.below(5) as usize];
        let reader = &mut self.readers[which];
        if reader.asleep > 0 {
            reader.asleep -= 1;
            return;
        }
        reader.step(&view, deliver);
        if let Some(at) = &reader.at {
            self.known.push(Cursor::parse(at).expect("an id of ours"));
        }
    }

    fn sleep(&mut self) {
        let which = self.seeded.below(READERS as u64) as usize;
        self.readers[which].asleep = self.seeded.below(60);
    }

    fn connect(&mut self) {
        let which = self.seeded.below(READERS as u64) as usize;
        if !self.readers[which].is_connected() {
            self.connect_reader(which);
        }
    }

    fn connect_reader(&mut self, which: usize) {
        if !self.serve() {
            return;
        }
        let known = self.known[self.seeded.below(self.known.len() as u64) as usize];
        let earlier = self.now() - TimeDelta::seconds(self.seeded.below(self.written * 20 + 60) as i64);
        let start = match self.seeded.below(4) {
            0 => Start::Now,
            1 => Start::Since(earlier),
            _ => Start::After(known),
        };
        let Some((feed, _)) = &self.feed else { return };
        // As the hub does it: a position that was given out must be within what the feed has read.
        feed.catch_up(Changes { log: true, ..Changes::default() }).expect("it can be read");
        let expected = match start {
            Start::Since(time) if self.readers[which].at.is_none() => self.since(time),
            _ => None,
        };
        let reader = &mut self.readers[which];
        reader.connect(&self.root, feed, &self.topic, start, &mut self.seeded);
        if reader.at.is_none() {
            (reader.from, reader.was_reset) = (None, false);
            // The first event tells where it begins.
            while reader.from.is_none() && reader.step(&feed.view(), 1_000_000) {}
            if let (Some(expected), Fate::Grows) = (expected, self.fate) {
                assert_eq!(reader.from, Some(expected), "since {:?}", start);
            }
        }
        self.connections += 1;
    }

    /// Where the first line at or after a time begins, the slow way.
    fn since(&self, time: NaiveDateTime) -> Option<u64> {
        let time = time.format("[%Y-%m-%d %H:%M:%S]").to_string();
        let (log, mut at) = (fs::read(self.log()).unwrap_or_default(), 0);
        for line in log.split_inclusive(|byte| *byte == b'\n') {
            let (stamp, rest) = line.split_at_checked(21).unwrap_or((line, b""));
            let ends = matches!(rest.first(), Some(b' ' | b'\n'));
            let is_stamp = stamp.starts_with(b"[2026-") && stamp.ends_with(b"]") && ends;
            if line.ends_with(b"\n") && is_stamp && stamp >= time.as_bytes() {
                return Some(at);
            }
            at += if line.ends_with(b"\n") { line.len() as u64 } else { 0 };
        }
        Some(at)
    }

    /// Says whether there is a server, which there is where the room is there.
    fn serve(&mut self) -> bool {
        let gone = self.feed.take_if(|(feed, _)| feed.view().tip.gone);
        if let Some((feed, _)) = gone {
            // Who reads it learns that from it.
            for reader in &mut self.readers {
                while reader.step(&feed.view(), 1_000_000) {}
                assert!(!reader.is_connected(), "a room that is gone is the end");
            }
        }
        if self.feed.is_none() {
            let watcher: Arc<dyn Watch> = Arc::new(Deaf);
            let feed = Feed::open(&self.root, &self.topic, &watcher, &Arc::default()).expect("it can be read");
            self.feed = feed.map(|feed| (feed, None));
        }
        self.feed.is_some()
    }

    fn cut_off(&mut self) {
        let which = self.seeded.below(READERS as u64) as usize;
        self.readers[which].cut_off();
    }

    fn crash(&mut self) {
        self.feed = None;
        self.readers.iter_mut().for_each(Client::cut_off);
    }

    /// Pages back from the end to the beginning; a reader goes on from where they end.
    fn read_history(&mut self) {
        let (limit, mut query, mut pages, mut next) = (1 + self.seeded.below(40), String::new(), Vec::new(), None);
        loop {
            let Some(page) = self.get(&format!("limit={limit}{query}")) else { return };
            let messages = page["messages"].as_array().expect("messages");
            next.get_or_insert_with(|| page["next"].as_str().expect("a position").to_owned());
            let Some(first) = messages.first() else { break };
            query = format!("&before={}", first["id"].as_str().expect("an id"));
            pages.push(messages.iter().map(seen).collect::<Vec<_>>());
            if page["more"] == false {
                break;
            }
        }
        let history: Vec<Seen> = pages.into_iter().rev().flatten().collect();
        let next = Cursor::parse(&next.expect("a page")).expect("a position");
        self.known.push(next);
        if self.fate == Fate::Grows {
            assert_eq!(self.forward(limit), history);
        }
        let mut reader = Client::new(&mut self.seeded);
        (reader.at, reader.from) = (Some(next.to_string()), Some(next.offset()));
        let which = self.readers.len();
        self.readers.push(reader);
        self.connect_reader(which);
        self.histories.push((history, which));
    }

    /// The history by pages after the one before, from the beginning.
    fn forward(&self, limit: u64) -> Vec<Seen> {
        let (mut lines, mut at) = (Vec::new(), Cursor::ZERO.to_string());
        loop {
            let page = self.get(&format!("limit={limit}&after={at}")).expect("the room is there");
            page["next"].as_str().expect("a position").clone_into(&mut at);
            lines.extend(page["messages"].as_array().expect("messages").iter().map(seen));
            if page["more"] == false {
                return lines;
            }
        }
    }

    /// A page of history; `None` where the room is gone.
    fn get(&self, query: &str) -> Option<serde_json::Value> {
        let site = Site {
            root: self.root.clone(),
            pace: Config::default().pace(false),
            registry: None,
            ack: Ack::Written,
            admission: Admission::new(Bounds::default()),
        };
        let request = Request {
            method: Method::GET,
            mount: String::new(),
            path: "/rooms/R".into(),
            query: query.into(),
            headers: HeaderMap::new(),
            body: Ok(Default::default()),
            client: None,
            authenticated: None,
            waited: None,
        };
        let response = router::handle(&site, &request);
        let Body::Whole(body) = response.body else { panic!("a page is whole") };
        // 410 where the log became another between two pages.
        response.status.is_success().then(|| serde_json::from_slice(&body).expect("JSON"))
    }

    /// The log becomes another.
    fn change(&mut self) {
        let log = self.log();
        let text = fs::read(&log).unwrap_or_default();
        // What else is half written goes on in whatever is the log then.
        let _ = match self.seeded.below(7) {
            0 => fs::rename(&log, self.dir.path().join("R/.log.1")),
            1 => fs::write(&log, b""),
            2 => fs::write(&log, &text[..text.len() / 2]),
            // `sed -i '1d'`
            3 => {
                let rest = text.iter().position(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                let new = self.dir.path().join("R/.new");
                fs::write(&new, &text[rest..]).and_then(|()| fs::rename(&new, &log))
            }
            4 => fs::remove_file(&log),
            5 => fs::remove_dir_all(self.dir.path().join("R")),
            _ => fs::create_dir_all(self.dir.path().join("R")),
        };
        if self.seeded.below(3) == 0 {
            let _ = fs::create_dir_all(self.dir.path().join("R"));
        }
    }

    /// Everybody writes to the end, the server looks, and everybody reads to the end.
    fn settle(&mut self) {
        fs::create_dir_all(self.dir.path().join("R")).expect("a room");
        for half in std::mem::take(&mut self.halves) {
            self.append(&half);
        }
        for _ in 0..3 {
            let line = self.line();
            self.append(&[b"\n", &line[..]].concat());
        }
        for which in 0..self.readers.len() {
            self.readers[which].asleep = 0;
            while !self.readers[which].is_connected() {
                self.connect_reader(which);
            }
        }
        loop {
            let mut moved = false;
            if let Some((feed, unread)) = &mut self.feed {
                *unread = feed.refresh(Changes::ALL).expect("it can be read");
                moved |= unread.is_some();
            }
            for which in 0..self.readers.len() {
                let Some((feed, _)) = &self.feed else { panic!("there is a room, so it is served") };
                moved |= self.readers[which].step(&feed.view(), 1_000_000);
                if !self.readers[which].is_connected() {
                    // The room was another then; this one is there.
                    moved = true;
                    self.connect_reader(which);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn compare(&self) -> Tally {
        let file = self.file();
        let mut lines = 0;
        for (which, reader) in self.readers.iter().enumerate() {
            let from = reader.from.expect("it was told where it is");
            let expected: Vec<&Seen> = file.iter().filter(|(end, _)| *end > from).collect();
            assert!(
                reader.seen.iter().eq(expected.iter().copied()),
                "reader {which} from {from}: {}",
                differ(reader, &expected)
            );
            assert!(self.fate == Fate::Changes || !reader.was_reset, "reader {which} was reset for nothing");
            if reader.was_reset {
                let all = file.len().min(200);
                assert!(reader.seen.len() >= all, "reader {which} was shown {} of {all}", reader.seen.len());
            }
            lines += reader.seen.len();
        }
        if self.fate == Fate::Grows {
            for (history, which) in &self.histories {
                let together: Vec<&Seen> = history.iter().chain(&self.readers[*which].seen).collect();
                assert!(together.into_iter().eq(&file), "a history and reader {which} are not the file");
            }
        }
        Tally { lines, connections: self.connections }
    }

    /// The lines of the file, the plain way.
    fn file(&self) -> Vec<Seen> {
        let (mut lines, mut at) = (Vec::new(), 0);
        for line in fs::read(self.log()).expect("a log").split_inclusive(|byte| *byte == b'\n') {
            at += line.len() as u64;
            if let Some(whole) = line.strip_suffix(b"\n") {
                lines.push((at, without_time(&String::from_utf8_lossy(whole))));
            }
        }
        lines
    }
}

fn seen(message: &serde_json::Value) -> Seen {
    (offset(message["id"].as_str().expect("an id")), text_of(message))
}

fn differ(reader: &Client, expected: &[&Seen]) -> String {
    let at = reader.seen.iter().zip(expected).position(|(seen, expected)| seen != *expected);
    let short = |seen: Option<&Seen>| seen.map(|(end, text)| (*end, text.chars().take(60).collect::<String>()));
    let which = at.unwrap_or(reader.seen.len().min(expected.len()));
    format!(
        "{} lines, not {}; at {which}: {:?}, not {:?}",
        reader.seen.len(),
        expected.len(),
        short(reader.seen.get(which)),
        short(expected.get(which).copied())
    )
}
