//! In a real browser, through each way in: what people do, and what happens to them.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::cgi::programs_of;
use super::support::browser::{Browser, ENTER};
use super::support::fcgiwrap::Fcgiwrap;
use super::support::http::Site;
use super::support::nginx::{self, Nginx};
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};

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
const SHOWN: &str = "[...document.querySelectorAll('#messages .message')].map(message => [
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
        let last = Value::from(messages.last().cloned());
        let shown = browser.wait_for(&format!(
            "(shown => JSON.stringify(shown.at(-1) ?? null) === JSON.stringify({last}) && shown)({SHOWN})"
        ));
        // Somebody may come or go meanwhile, and then there is one more line.
        if rooms.log(room) == log {
            let shown = shown.as_array().cloned().unwrap_or_default();
            shown.iter().zip(&messages).for_each(|(shown, message)| assert_eq!(shown, message));
            return assert_eq!(shown.len(), messages.len());
        }
    }
}

fn shows_the_member(browser: &Browser, name: &str, web: bool) {
    browser.wait_for(&format!("!!document.querySelector('#members [data-user=\"{name}\"][data-web=\"{web}\"]')"));
}

fn shows_no_member(browser: &Browser, name: &str) {
    browser.wait_for(&format!("!document.querySelector('#members [data-user=\"{name}\"]')"));
}

/// Nothing in the text of a message is anything but text.
fn shows_no_markup(browser: &Browser) {
    assert_eq!(browser.js("return document.querySelectorAll('#messages .text *').length"), 0);
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
    browser.goto(&site.url("/rooms/General"));
    browser.wait_for("document.body.dataset.connection === 'open'");
    browser.fill("#name", name);
    browser.type_into("#name", ENTER);
    shows_the_member(browser, name, true);
}

fn say(browser: &Browser, text: &str) {
    browser.type_into("#say", text);
    browser.type_into("#say", ENTER);
    browser.wait_for_text("#messages .text", text);
}

/// Follows the link to a room.
fn turn_to(browser: &Browser, room: &str) {
    browser.wait_for(&format!("!!document.querySelector('#rooms [data-room=\"{room}\"]')"));
    browser.click(&format!("#rooms [data-room=\"{room}\"]"));
    browser
        .wait_for(&format!("document.body.dataset.room === '{room}' && document.body.dataset.connection === 'open'"));
    assert!(browser.url().ends_with(&format!("/rooms/{room}")));
}

/// Kills what serves the page, does what it is given, and starts it again.
type Restart<'a> = dyn FnMut(&dyn Fn()) + 'a;

/// All that people do, in a copy of the example.
fn scenario(rooms: &Rooms, site: &Site, restart: &mut Restart<'_>) {
    let (alice, bob) = (Browser::start(), Browser::start());
    let both = [&alice, &bob];
    enter(&alice, site, "alice");
    enter(&bob, site, "bob");
    for browser in both {
        shows_the_log(browser, rooms, "General");
        let listed = "[...document.querySelectorAll('#rooms [data-room]')].map(room => room.dataset.room).join()";
        assert_eq!(browser.js(&format!("return {listed}")), "Empty,General,Lounge,Ops");
        for (name, web) in [("alice", true), ("bob", true), ("mira", false), ("jonas", false)] {
            shows_the_member(browser, name, web);
        }
    }

    // A name is kept.
    alice.reload();
    alice.wait_for("document.body.dataset.connection === 'open' && document.querySelector('#name').value === 'alice'");
    shows_the_log(&alice, rooms, "General");

    // Two people talk.
    say(&alice, "hello bob");
    bob.wait_for_text("#messages .text", "hello bob");
    say(&bob, "hello alice");
    alice.wait_for_text("#messages .text", "hello alice");

    // A shell appends; what looks like markup is text.
    rooms.line("General", "cron", "<img src=x onerror=document.title='evil'><b>backup</b> done");
    rooms.append("General", b"output of no form &amp; <script>alert(1)</script>\n");
    for browser in both {
        shows_the_log(browser, rooms, "General");
        shows_no_markup(browser);
    }

    // A shell's avatar comes and goes.
    rooms.avatar("General", "walker");
    both.into_iter().for_each(|browser| shows_the_member(browser, "walker", false));
    rooms.remove_avatar("General", "walker");
    both.into_iter().for_each(|browser| shows_no_member(browser, "walker"));

    // What serves is killed, lines come meanwhile, and it is started again.
    restart(&|| {
        for n in 0..20 {
            rooms.line("General", "cron", &format!("while nobody served {n}"));
        }
    });
    rooms.line("General", "cron", "and after it");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));
    say(&alice, "still here");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));

    // The log becomes another.
    rooms.rewrite("General", b"[2026-01-31 09:00:00] mira: a fresh start\n");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));
    rooms.line("General", "cron", "and on it goes");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));

    // Another room, where programs write whatever they like.
    turn_to(&bob, "Ops");
    shows_the_member(&bob, "bob", true);
    shows_no_member(&alice, "bob");
    shows_the_log(&bob, rooms, "Ops");
    shows_no_markup(&bob);

    // A room that a shell makes is there, and one goes into it.
    fs::create_dir(rooms.room("Made")).unwrap();
    turn_to(&bob, "Made");
    shows_the_member(&bob, "bob", true);
    say(&bob, "anybody?");
    shows_the_log(&bob, rooms, "Made");

    both.into_iter().for_each(has_not_complained);
}

// ---- The ways in ----

#[test]
fn over_http() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let (address, site) = (server.addr(), server.site());
    scenario(&rooms, &site, &mut |meanwhile| {
        server.kill9();
        meanwhile();
        server = Server::serve_on(address, rooms.root(), &[]);
    });
}

#[test]
fn over_http_behind_nginx() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let nginx = nginx::proxy(address);
    scenario(&rooms, &nginx.site(), &mut |meanwhile| {
        server.kill9();
        meanwhile();
        server = Server::serve_on(address, rooms.root(), &[]);
    });
}

#[test]
fn over_fastcgi() {
    let _alone = alone();
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    scenario(&rooms, &nginx.site(), &mut |meanwhile| {
        server.kill9();
        meanwhile();
        server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    });
}

#[test]
fn over_cgi() {
    let _alone = alone();
    let rooms = Rooms::example();
    // Two pages with two streams each, and those left behind by a reload or another name, until their first ping.
    let fcgiwrap = Fcgiwrap::start(16);
    let nginx = nginx::cgi(binary(), rooms.root(), fcgiwrap.socket());
    scenario(&rooms, &nginx.site(), &mut |meanwhile| {
        let programs = programs_of(fcgiwrap.pid());
        assert!(programs.len() >= 4, "each page has two streams: {programs:?}");
        for pid in programs {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        meanwhile();
    });
}

// ---- Once only ----

#[test]
fn a_phone_under_a_nested_mount_takes_whatever_is_in_the_log() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let nginx = Nginx::start(&nginx::proxy_conf(server.addr()).replace("/chat/", "/a/b/"));
    let site = Site::new(nginx.addr(), "/a/b");
    let browser = Browser::start();
    browser.resize(360, 740);

    let long = "x".repeat(64);
    rooms.create(&long);
    rooms.avatar("General", &long);
    rooms.line("General", &long, &"y".repeat(100_000));
    rooms.line("General", "mallory", "<img src=x onerror=\"document.title='evil'\"><svg onload=alert(1)>");
    rooms.line("General", "mallory", "\u{1b}[31m\u{202e}desrever\0\u{7}");
    rooms.append("General", b"</p></article><style>*{display:none}</style>\xff\xfe\n");
    enter(&browser, &site, "alice");
    shows_the_log(&browser, &rooms, "General");
    shows_no_markup(&browser);
    fits(&browser);

    for panel in ["rooms-panel", "members-panel"] {
        let shown = format!("getComputedStyle(document.querySelector('#{panel}')).visibility === 'visible'");
        assert_eq!(browser.js(&format!("return {shown}")), false);
        browser.click(&format!(".opener[aria-controls={panel}]"));
        assert_eq!(browser.js(&format!("return {shown}")), true);
        fits(&browser);
        browser.js("document.querySelector('#messages').click()");
    }
    browser.click(".opener[aria-controls=rooms-panel]");
    turn_to(&browser, &long);
    fits(&browser);
    shows_the_longest_line(&browser, &rooms, &site);
    has_not_complained(&browser);
}

/// A line that is too long to be shown whole is cut, and says so.
fn shows_the_longest_line(browser: &Browser, rooms: &Rooms, site: &Site) {
    rooms.line("Lounge", "mallory", &"z".repeat(1_200_000));
    browser.goto(&site.url("/rooms/Lounge"));
    browser.wait_for_text("#messages .cut", "Cut here");
    let length = "document.querySelector('#messages .message:has(.cut) .text').textContent.length";
    let length = browser.js(&format!("return {length}")).as_u64().unwrap();
    assert!((1_000_000..1_200_000).contains(&length), "{length}");
    fits(browser);
}

/// Nothing is wider than its place.
fn fits(browser: &Browser) {
    assert_eq!(browser.js("return [innerWidth, document.documentElement.scrollWidth].join()"), "360,360");
    let wide = "[...document.querySelectorAll('main, #messages, .panel')]
      .filter(element => element.scrollWidth > element.clientWidth)
      .map(element => `${element.id} ${element.scrollWidth} > ${element.clientWidth}`)";
    assert_eq!(browser.js(&format!("return {wide}")), json!([]));
}

#[test]
fn what_can_not_be_sent_stays_and_is_told() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let nginx = nginx::proxy(server.addr());
    let browser = Browser::start();
    enter(&browser, &nginx.site(), "alice");
    let before = rooms.log("General");
    // The first is too long for chatroom, the second for nginx.
    for length in [70_000, 300_000] {
        browser.js("document.querySelector('#notice').textContent = ''");
        browser.js(&format!("document.querySelector('#say').value = 'y'.repeat({length})"));
        browser.type_into("#say", ENTER);
        browser.wait_for_text("#notice", "This was not sent. It is too long.");
        assert_eq!(browser.js("return document.querySelector('#say').value"), "y".repeat(length));
    }
    assert_eq!(rooms.log("General"), before);

    // Shorter, it can be sent, and the notice goes.
    browser.fill("#say", "");
    say(&browser, "in short: y");
    shows_the_log(&browser, &rooms, "General");
    browser.wait_for("document.querySelector('#notice').textContent === ''");
}

/// The picture in the README: `cargo test --features outside --test outside -- --ignored picture`. It wants Debian's
/// fonts-noto-core, fonts-noto-color-emoji and fonts-noto-cjk.
#[test]
#[ignore = "it writes into the source tree"]
fn picture() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.resize(1200, 760);
    // As one who has been here before, so that no change of names is in the picture.
    browser.goto(&server.site().url("/healthz"));
    browser.js("localStorage.setItem('chatroom / name', 'ada')");
    browser.goto(&server.site().url("/rooms/General"));
    shows_the_member(&browser, "ada", true);
    say(&browser, "Good morning! Is the long ladder back?");
    shows_the_log(&browser, &rooms, "General");
    browser.js("document.activeElement.blur()");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::create_dir_all(&docs).unwrap();
    browser.screenshot(&docs.join("page.png"));
}
