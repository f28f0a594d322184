//! What serves is killed at moments that nobody chose, while people post and read: no message that was acknowledged is
//! missing, none is in the log twice, and readers resume exactly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::support::PATIENCE;
use super::super::support::http::Site;
use super::super::support::rooms::Rooms;
use super::super::support::seeded::Seeded;
use super::super::support::tenacious::{self, Ends};
use super::super::support::wait::wait_until;

const THE_END: &str = "this is the end";

/// Calls `kill` so many times, with some posts before each; it is to bring back what it killed.
pub fn again_and_again(rooms: &Rooms, site: &Site, times: u32, mut kill: impl FnMut()) {
    rooms.create("R").append("R", b"");
    let (over, mut seeded) = (AtomicBool::new(false), Seeded(u64::from(times)));
    let post = |writer: usize| {
        let mut posted = Vec::new();
        for n in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let text = format!("{writer}.{n}");
            let acknowledged = tenacious::post(site, "/rooms/R?user=al", &text);
            posted.push((text, acknowledged));
        }
        posted
    };
    let (posted, read) = thread::scope(|threads| {
        let writers: Vec<_> = (0..3).map(|writer| threads.spawn(move || post(writer))).collect();
        let follow = || tenacious::follow(site, "/rooms/R?format=raw", THE_END);
        let readers: Vec<_> = (0..2).map(|_| threads.spawn(follow)).collect();
        let ends = Ends(&over);
        for _ in 0..times {
            let (before, more) = (rooms.log("R").len(), 1 + seeded.below(1000) as usize);
            wait_until("something was said", PATIENCE, || rooms.log("R").len() >= before + more);
            kill();
        }
        drop(ends);
        let posted: HashMap<String, bool> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        rooms.append("R", format!("{THE_END}\n").as_bytes());
        (posted, readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>())
    });
    let log = String::from_utf8(rooms.log("R")).unwrap();
    let mut said: HashMap<&str, u32> = HashMap::new();
    for line in log.lines().filter(|line| *line != THE_END) {
        // Whole: a time, a name, and a text as it was posted.
        let text = line.get("[2026-01-31 08:00:00]".len()..).and_then(|rest| rest.strip_prefix(" al: "));
        let text = text.filter(|text| posted.contains_key(*text)).unwrap_or_else(|| panic!("{line:?} was not said"));
        *said.entry(text).or_default() += 1;
    }
    assert!(said.values().all(|count| *count == 1), "in the log twice: {said:?}");
    let acknowledged = || posted.iter().filter(|(_, acknowledged)| **acknowledged).map(|(text, _)| text.as_str());
    let missing: Vec<_> = acknowledged().filter(|text| !said.contains_key(text)).collect();
    assert!(missing.is_empty(), "acknowledged and missing: {missing:?}");
    assert!(acknowledged().count() > times as usize, "hardly anything was acknowledged of {posted:?}");
    // A post whose connection was lost may be written after the end, too.
    let end = log.find(THE_END).unwrap() + THE_END.len();
    for lines in &read {
        assert!(lines.iter().map(String::as_str).eq(log[..end].lines()), "a reader read {lines:?}, the log is {log:?}");
    }
}
