//! What is measured: each body does its work once a call.

use std::fs;
use std::hint::black_box;

use chatroom::live::encoding::{Encoding, Format, Framing};
use chatroom::room::line::Line;
use chatroom::room::name::RoomName;
use chatroom::store::log::{Log, Stretch};
use chatroom::store::root::DataRoot;
use chatroom::wire::fastcgi::record::{self, Decoder};
use chatroom::wire::fastcgi::session::Session;
use chatroom::wire::{lines, sse};
use tempfile::TempDir;

use crate::fanout::FanOut;

/// Something measured.
pub struct Body {
    /// Its name.
    pub name: &'static str,
    /// How many things one call does.
    pub units: u64,
    /// What such a thing is.
    pub unit: &'static str,
    /// Makes it ready to be called.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

const LINE: &[u8] = b"[2026-01-31 08:00:00] alice: good morning, and then as much again as a line of a hundred bytes \
takes..";
const LINES: u64 = 100;
const READERS: u64 = 1000;

/// All of them.
pub const BODIES: [Body; 12] = [
    Body { name: "encode_raw", units: LINES, unit: "line", prepare: || encode(Format::Raw, Framing::Plain) },
    Body { name: "encode_json", units: LINES, unit: "line", prepare: || encode(Format::Json, Framing::Plain) },
    Body { name: "encode_raw_fastcgi", units: LINES, unit: "line", prepare: || encode(Format::Raw, Framing::FastCgi) },
    Body { name: "stretch_lines", units: LINES, unit: "line", prepare: stretch_lines },
    Body { name: "cut_lines", units: LINES, unit: "line", prepare: cut_lines },
    Body { name: "whole_lines", units: 1, unit: "call", prepare: whole_lines },
    Body { name: "parse_line", units: 1, unit: "line", prepare: parse_line },
    Body { name: "sse_event", units: 1, unit: "event", prepare: sse_event },
    Body { name: "fastcgi_records_out", units: 1, unit: "record", prepare: records_out },
    Body { name: "fastcgi_records_in", units: 3, unit: "record", prepare: records_in },
    Body { name: "fastcgi_request", units: 1, unit: "request", prepare: request },
    Body { name: "fan_out", units: READERS, unit: "delivery", prepare: fan_out },
];

fn a_hundred_lines() -> Vec<u8> {
    [LINE, b"\n"].concat().repeat(LINES as usize)
}

fn stretch() -> Stretch {
    let dir = TempDir::new().expect("a temporary directory");
    let room = RoomName::parse("Ops").expect("a name");
    fs::create_dir(dir.path().join("Ops")).expect("a room");
    fs::write(dir.path().join("Ops/.log"), a_hundred_lines()).expect("a log");
    let root = DataRoot::open(dir.path()).expect("a data root");
    let room = root.room(&room).expect("a room").expect("a room");
    let log = Log::open(&room).expect("a log").expect("a log");
    log.stretch(0).expect("a stretch").expect("a stretch")
}

fn encode(format: Format, framing: Framing) -> Box<dyn FnMut()> {
    let (stretch, encoding) = (stretch(), Encoding { format, framing });
    Box::new(move || drop(black_box(encoding.of(black_box(&stretch)))))
}

fn stretch_lines() -> Box<dyn FnMut()> {
    let stretch = stretch();
    Box::new(move || {
        stretch.lines().for_each(|line| {
            black_box(line.id);
        })
    })
}

fn cut_lines() -> Box<dyn FnMut()> {
    let bytes = a_hundred_lines();
    Box::new(move || {
        lines::each(black_box(&bytes)).for_each(|line| {
            black_box(line);
        })
    })
}

fn whole_lines() -> Box<dyn FnMut()> {
    let bytes = [a_hundred_lines(), b"and a line that goes on".to_vec()].concat();
    Box::new(move || {
        black_box(lines::whole(black_box(&bytes)));
    })
}

fn parse_line() -> Box<dyn FnMut()> {
    Box::new(|| {
        black_box(Line::parse(black_box(LINE)));
    })
}

fn sse_event() -> Box<dyn FnMut()> {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        sse::event(&mut out, Some(&7), "message", black_box(LINE));
        black_box(&out);
    })
}

fn records_out() -> Box<dyn FnMut()> {
    let (content, mut out) = (a_hundred_lines(), Vec::new());
    Box::new(move || {
        out.clear();
        record::stdout(&mut out, 1, black_box(&content));
        black_box(&out);
    })
}

fn records_in() -> Box<dyn FnMut()> {
    let mut records = Vec::new();
    (0..3).for_each(|_| record::stdout(&mut records, 1, LINE));
    let mut decoder = Decoder::default();
    Box::new(move || {
        decoder.feed(black_box(&records));
        while let Ok(Some(record)) = decoder.next_record() {
            black_box(record);
        }
    })
}

/// A request as nginx sends it, with the parameters of `nginx/fastcgi.conf`.
fn request() -> Box<dyn FnMut()> {
    let params = [
        ("CHATROOM_ROOT", "/srv/chatrooms"),
        ("SCRIPT_NAME", "/chat"),
        ("PATH_INFO", "/rooms/Ops"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("QUERY_STRING", "format=raw"),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "nginx/1.22.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_HOST", "localhost:8080"),
        ("HTTP_ACCEPT", "text/event-stream"),
    ];
    let mut pairs = Vec::new();
    params.iter().for_each(|(name, value)| chatroom::wire::fastcgi::params::push(&mut pairs, name, value));
    let record = |kind: u8, content: &[u8]| {
        [&[1, kind, 0, 1, (content.len() >> 8) as u8, content.len() as u8, 0, 0], content].concat()
    };
    let bytes = [record(1, &[0, 1, 1, 0, 0, 0, 0, 0]), record(4, &pairs), record(4, b""), record(5, b"")].concat();
    Box::new(move || {
        let mut session = Session::default();
        session.feed(black_box(&bytes));
        let _ = black_box(session.next_event());
    })
}

fn fan_out() -> Box<dyn FnMut()> {
    let mut fan_out = FanOut::new(READERS as usize).expect("a server in this process");
    Box::new(move || fan_out.message(LINE).expect("everybody gets it"))
}
