//! The oracle against the real thing: people, shells and programs write into one room at the same time, in all the ways
//! that lines come to be; readers of every kind read it meanwhile. What each of them has is the file.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;

use super::super::support::process::tool;
use super::super::support::rooms::Rooms;
use super::super::support::seeded::Seeded;
use super::super::support::server::chatroom;
use super::super::support::sse::Stream;
use super::Way;

const THE_END: &str = "this is the end";
const LINES: usize = 40;
const ZERO: &str = "0000000000000000_0000000000000000";

/// How many workers a fcgiwrap needs for what reads and writes at the same time.
pub const AT_A_TIME: usize = 16;

/// A line as a reader saw it: where it ends, and its bytes.
type Seen = (u64, String);

/// Lets all of it happen once, in a room of its own.
pub fn once(rooms: &Rooms, way: &Way, seed: u64) {
    let room = format!("oracle{seed}");
    rooms.create(&room).append(&room, b"[2026-01-31 08:00:00] al: before\n");
    let mut seeded = Seeded(seed);
    let mut chance = || Seeded(seeded.below(u64::MAX));
    // Who stops reading does so until all has been written.
    let written = Barrier::new(2);
    let (posted, read) = thread::scope(|threads| {
        let (room, written) = (room.as_str(), &written);
        let seeds = [chance(), chance(), chance(), chance()];
        let [tip, cut, stopped, page] = seeds;
        let readers = [
            threads.spawn(move || follow(way, room, tip, 0, None)),
            threads.spawn(move || follow(way, room, cut, 7, None)),
            threads.spawn(move || follow(way, room, stopped, 0, Some(written))),
            threads.spawn(move || pages(way, room, page)),
            threads.spawn(move || long_polls(way, room)),
        ];
        let post = [("one", chance()), ("other", chance())];
        let post = post.map(|(who, seed)| threads.spawn(move || self::post(way, room, who, seed)));
        let pieces = chance();
        let others = [
            threads.spawn(move || in_pieces(rooms, room, pieces)),
            threads.spawn(move || by_shell(rooms, room)),
            threads.spawn(move || by_command(rooms, room)),
        ];
        others.into_iter().for_each(|writer| writer.join().expect("a writer"));
        let posted: Vec<Seen> = post.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
        rooms.append(room, format!("\n{THE_END}\n").as_bytes());
        written.wait();
        (posted, readers.map(|reader| reader.join().expect("a reader")))
    });
    let file = lines(&rooms.log(&room));
    for (which, read) in read.iter().enumerate() {
        assert_eq!(read, &file, "seed {seed} through {}: reader {which}", way.name);
    }
    // What was acknowledged is there, where it was said to be.
    for (end, text) in &posted {
        let line =
            file.iter().find(|(at, _)| at == end).unwrap_or_else(|| panic!("seed {seed}: nothing ends at {end}"));
        assert!(line.1.ends_with(text), "seed {seed}: {text:?} was acknowledged as {line:?}");
        let times = file.iter().filter(|(_, line)| line.ends_with(text)).count();
        assert_eq!(times, 1, "seed {seed}: {text:?} was said once");
    }
}

/// The lines of a log, the plain way.
fn lines(log: &[u8]) -> Vec<Seen> {
    let mut at = 0;
    let lines = log.split_inclusive(|byte| *byte == b'\n').map(|line| {
        at += line.len() as u64;
        (at, String::from_utf8_lossy(line).trim_end_matches('\n').to_owned())
    });
    lines.collect()
}

fn offset(id: &str) -> u64 {
    id.split('_').nth(1).and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{id:?} is no id"))
}

fn text(seeded: &mut Seeded, who: &str, n: usize) -> String {
    format!("{who} {n} {}", "x".repeat(seeded.below(300) as usize))
}

/// Posts, and says what was acknowledged.
fn post(way: &Way, room: &str, who: &str, mut seeded: Seeded) -> Vec<Seen> {
    let posts = (0..LINES).map(|n| {
        let text = text(&mut seeded, who, n);
        let reply = way.site.post(&format!("/rooms/{room}?user=al"), "text/plain", text.as_bytes());
        assert_eq!(reply.status, 201, "{reply:?}");
        (offset(reply.json()["id"].as_str().expect("an id")), text)
    });
    posts.collect()
}

/// Writes lines in up to three pieces each, and sometimes forgets to end one.
fn in_pieces(rooms: &Rooms, room: &str, mut seeded: Seeded) {
    let mut log = OpenOptions::new().append(true).open(rooms.log_path(room)).expect("a log");
    for n in 0..LINES {
        let line = text(&mut seeded, "pieces", n);
        let (one, rest) = line.split_at(seeded.below(line.len() as u64) as usize);
        let (two, three) = rest.split_at(seeded.below(rest.len() as u64 + 1) as usize);
        let end = if seeded.below(5) == 0 { "" } else { "\n" };
        for piece in [one, two, three, end] {
            log.write_all(piece.as_bytes()).expect("it is written");
            thread::yield_now();
        }
    }
}

fn by_shell(rooms: &Rooms, room: &str) {
    let script = format!("for n in $(seq {LINES}); do echo \"[2026-01-31 08:00:00] sh: $n\" >> \"$0\"; done");
    let done = tool("sh").args(["-c", &script]).arg(rooms.log_path(room)).status().expect("a shell");
    assert!(done.success());
}

fn by_command(rooms: &Rooms, room: &str) {
    let mut say = chatroom();
    say.args(["say", room, "-", "--as", "cmd", "--root"]).arg(rooms.root()).stdin(Stdio::piped());
    let mut say = say.spawn().expect("the binary");
    let mut lines = say.stdin.take().expect("it is piped");
    (0..LINES).for_each(|n| writeln!(lines, "said {n}").expect("it reads"));
    drop(lines);
    assert!(say.wait().expect("it ends").success());
}

/// Follows a room from its beginning to the end; is cut off after up to `cut` messages each time, or stops reading
/// `until` all has been written.
fn follow(way: &Way, room: &str, mut seeded: Seeded, cut: u64, until: Option<&Barrier>) -> Vec<Seen> {
    let path = format!("/rooms/{room}?format=raw");
    let (mut read, mut at): (Vec<Seen>, _) = (Vec::new(), ZERO.to_owned());
    let mut until = until;
    while read.last().is_none_or(|(_, line)| line != THE_END) {
        let mut stream = Stream::resume(&way.site, &path, &at);
        let mut left = if cut > 0 { 1 + seeded.below(cut) } else { u64::MAX };
        while left > 0 && read.last().is_none_or(|(_, line)| line != THE_END) {
            let event = stream.next();
            match &event.event[..] {
                "message" => {
                    read.push((offset(&event.last_event_id), event.data));
                    at.clone_from(&event.last_event_id);
                    left -= 1;
                }
                "members" | "ping" => {}
                other => panic!("{other} after {} lines", read.len()),
            }
            if let Some(written) = until.take() {
                written.wait();
            }
        }
    }
    read
}

/// Reads pages of history forward until the end is among them.
fn pages(way: &Way, room: &str, mut seeded: Seeded) -> Vec<Seen> {
    let (mut read, mut at): (Vec<Seen>, _) = (Vec::new(), ZERO.to_owned());
    while read.last().is_none_or(|(_, line)| line != THE_END) {
        let limit = 1 + seeded.below(30);
        let page = way.site.get(&format!("/rooms/{room}?limit={limit}&after={at}")).json();
        for message in page["messages"].as_array().expect("messages") {
            let end = offset(message["id"].as_str().expect("an id"));
            let [time, from, text] = ["time", "from", "text"].map(|field| message[field].as_str());
            let from = from.map(|from| format!("{from}: ")).unwrap_or_default();
            // As its line has it, in the tests' time zone.
            let time = time.map(|time| format!("[{}] ", time[..19].replace('T', " "))).unwrap_or_default();
            read.push((end, format!("{time}{from}{}", text.expect("a text"))));
        }
        page["next"].as_str().expect("a position").clone_into(&mut at);
    }
    read
}

/// Reads the room as a stream of bytes, by long-polls, until the end is among them.
fn long_polls(way: &Way, room: &str) -> Vec<Seen> {
    let (mut bytes, mut at) = (Vec::new(), "-1".to_owned());
    while !bytes.ends_with(format!("\n{THE_END}\n").as_bytes()) {
        let live = if at == "-1" { "" } else { "&live=long-poll" };
        let reply = way.site.get(&format!("/v1/stream/{room}?offset={at}{live}"));
        assert!(matches!(reply.status, 200 | 204), "{reply:?}");
        reply.header("stream-next-offset").expect("a position").clone_into(&mut at);
        bytes.extend(reply.body);
    }
    lines(&bytes)
}
