//! In a real browser, through each way in: what people do, and what happens to them.

mod accessible;
mod away;
mod connection;
mod hostile;
mod module;
mod pictures;
mod presence;
mod programs;
mod reading;
mod room_list;
mod talking;
mod writing;

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::cgi::programs_of;
use super::support;
use super::support::browser::{Browser, ENTER};
use super::support::http::Site;
use super::support::rooms::Rooms;

/// One test at a time: two browsers are enough for two cores.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---- What the page should show ----

/// The messages of a log, read here without any of chatroom's code: where each ends in the file, its kind, who said it
/// and what.
fn messages_of(log: &[u8]) -> Vec<Value> {
    let mut end = 0;
    let lines = log.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let message = |line: &[u8]| {
        end += line.len();
        let line = String::from_utf8_lossy(line).replace('\u{2028}', "\n");
        let line = line.strip_suffix("\r\n").unwrap_or(&line[..line.len() - 1]);
        let (kind, from, text) = match parts(line) {
            Some(("log", text)) => ("system", None, text),
            Some((name, text)) => ("message", Some(name), text),
            None => ("line", None, line),
        };
        json!([format!("{end:016}"), kind, from, text])
    };
    lines.map(message).collect()
}

/// The name and the text of a line of the usual form.
fn parts(line: &str) -> Option<(&str, &str)> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
    NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").ok()?;
    let (name, text) = rest.split_once(':')?;
    Some((name, text.strip_prefix(' ').unwrap_or(text)))
}

/// The same of what the page shows, as a script.
const SHOWN: &str = "[...document.querySelectorAll('#messages .message:not(.pending)')].map(message => [
  message.dataset.id.slice(17, 33),
  message.dataset.kind,
  message.querySelector('.from')?.textContent ?? null,
  message.querySelector('.text').textContent,
])";

/// Waits for the last line of the log; with it the page must show every line, each once and in order, and no other.
fn shows_the_log(browser: &Browser, rooms: &Rooms, room: &str) {
    loop {
        let log = rooms.log(room);
        let messages = messages_of(&log);
        // Not as the last one: somebody may come or go meanwhile, and then there is one more line.
        let last = Value::from(messages.last().cloned());
        let shown = browser.wait_for(&format!(
            "((shown, last) => (last === 'null' || shown.some(one => JSON.stringify(one) === last)) && shown)({SHOWN}, JSON.stringify({last}))"
        ));
        if rooms.log(room) == log {
            let shown = shown.as_array().cloned().unwrap_or_default();
            // A page shows the last fifty until one goes up.
            let messages = &messages[messages.len() - shown.len().min(messages.len())..];
            shown.iter().zip(messages).for_each(|(shown, message)| assert_eq!(shown, message));
            return assert_eq!((shown.len(), shown.len() >= messages.len().min(50)), (messages.len(), true));
        }
    }
}

/// The rooms of the example, and in General alice and bob with those whom shells brought there.
fn shows_the_example(browser: &Browser) {
    let listed = "[...document.querySelectorAll('#rooms [data-room]')].map(room => room.dataset.room).join()";
    assert_eq!(browser.js(&format!("return {listed}")), "Empty,General,Lounge,Ops");
    for (name, web) in [("alice", true), ("bob", true), ("mira", false), ("jonas", false)] {
        shows_the_member(browser, name, web);
    }
}

fn shows_the_member(browser: &Browser, name: &str, web: bool) {
    browser.wait_for(&format!("!!document.querySelector('#members [data-user=\"{name}\"][data-web=\"{web}\"]')"));
}

fn shows_no_member(browser: &Browser, name: &str) {
    browser.wait_for(&format!("!document.querySelector('#members [data-user=\"{name}\"]')"));
}

/// Nothing in the text of a message is anything but text, and what chatroom makes of it.
fn shows_no_markup(browser: &Browser) {
    let strange = "[...document.querySelectorAll('#messages .text *')].filter(element =>
      !['A', 'CODE', 'PRE', 'STRONG', 'EM', 'SPAN'].includes(element.tagName)
      || (element.tagName === 'A' && !/^https?:$/.test(element.protocol))
      || [...element.attributes].some(({ name }) => name.startsWith('on') || name === 'style')).length";
    assert_eq!(browser.js(&format!("return {strange}")), 0);
}

/// No script or style was refused, no request failed, nothing was thrown.
fn has_not_complained(browser: &Browser) {
    let complaints: Vec<String> = browser.console().into_iter().filter(|entry| !is_a_lost_connection(entry)).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// What a browser says of a server that is not there for a while.
fn is_a_lost_connection(entry: &str) -> bool {
    ["net::ERR_", "status of 502", "status of 503", "status of 504"].iter().any(|lost| entry.contains(lost))
}

// ---- What people do ----

/// Opens the room, and chooses a name.
fn enter(browser: &Browser, site: &Site, name: &str) {
    enter_room(browser, site, "General", name);
}

fn enter_room(browser: &Browser, site: &Site, room: &str, name: &str) {
    browser.goto(&site.url(&format!("/rooms/{room}")));
    browser.wait_for("document.body.dataset.connection === 'open'");
    browser.fill("#say", &format!("/nick {name}"));
    browser.type_into("#say", ENTER);
    shows_the_member(browser, name, true);
}

fn say(browser: &Browser, text: &str) {
    browser.type_into("#say", text);
    browser.type_into("#say", ENTER);
    browser.wait_for_text("#messages .message:not(.pending) .text", text);
}

/// Follows the link to a room.
fn turn_to(browser: &Browser, room: &str) {
    browser.wait_for(&format!("!!document.querySelector('#rooms [data-room=\"{room}\"]')"));
    browser.click(&format!("#rooms [data-room=\"{room}\"]"));
    browser
        .wait_for(&format!("document.body.dataset.room === '{room}' && document.body.dataset.connection === 'open'"));
    assert!(browser.url().ends_with(&format!("/rooms/{room}")));
}

/// A log of so many lines, a minute from one to the next, from 2025-01-01 on.
fn long_log(lines: u32) -> String {
    let start = chrono::NaiveDate::from_ymd_opt(2025, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
    let names = ["mira", "jonas", "priya"];
    (0..lines)
        .map(|n| {
            let time = start + chrono::TimeDelta::minutes(n.into());
            format!("[{time}] {}: number {n} of a long log\n", names[n as usize / 3 % 3])
        })
        .collect()
}
