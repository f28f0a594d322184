//! In a real browser, through each way in: what people do, and what happens to them.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// What stands behind the page: where it is, and how it is killed and started again.
struct Behind<'a> {
    site: Site,
    restart: Box<Restart<'a>>,
}

/// Kills what serves, does what it is given, and starts it again.
type Restart<'a> = dyn FnMut(&dyn Fn()) + 'a;

/// A script that lists the texts of the messages on the page.
const TEXTS: &str = "[...document.querySelectorAll('.message')].map(m => m.querySelector('.text').textContent)";

/// Waits until the page shows all lines of the log, each once and in order, and nothing else.
fn shows_the_log(browser: &Browser, rooms: &Rooms) {
    let history = Server::serve(rooms.root(), &[]).site().get("/rooms/General?limit=1000").json();
    let texts: Vec<&str> =
        history["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    browser.wait_for(&format!("JSON.stringify({TEXTS}) === JSON.stringify({})", serde_json::json!(texts)));
}

fn enter(browser: &Browser, site: &Site, name: &str) {
    browser.goto(&site.url("/rooms/General"));
    browser.wait_for("document.body.dataset.connection === 'open'");
    browser.fill("#name", name);
    browser.type_into("#name", ENTER);
    browser.wait_for(&format!("!!document.querySelector('#members [data-user=\"{name}\"][data-web=\"true\"]')"));
}

fn say(browser: &Browser, text: &str) {
    browser.type_into("#say", text);
    browser.type_into("#say", ENTER);
}

/// All that people do, in a copy of the example.
fn scenario(rooms: &Rooms, mut behind: Behind<'_>) {
    let (alice, bob) = (Browser::start(), Browser::start());
    enter(&alice, &behind.site, "alice");
    enter(&bob, &behind.site, "bob");
    for browser in [&alice, &bob] {
        shows_the_log(browser, rooms);
        let listed = "[...document.querySelectorAll('#rooms [data-room]')].map(room => room.dataset.room).join()";
        assert_eq!(browser.js(&format!("return {listed}")), "Empty,General,Lounge,Ops");
        browser.wait_for("!!document.querySelector('#members [data-user=\"mira\"][data-web=\"false\"]')");
        browser.wait_for("!!document.querySelector('#members [data-user=\"alice\"]') && !!document.querySelector('#members [data-user=\"bob\"]')");
    }

    // A name is kept.
    alice.reload();
    alice.wait_for("document.body.dataset.connection === 'open' && document.querySelector('#name').value === 'alice'");
    shows_the_log(&alice, rooms);

    // Two people talk.
    say(&alice, "hello bob");
    bob.wait_for_text("#messages .message:last-of-type .text", "hello bob");
    alice.wait_for("document.querySelector('#say').value === ''");
    say(&bob, "hello alice");
    alice.wait_for_text("#messages .message:last-of-type .text", "hello alice");

    // A shell appends; what looks like markup is text.
    rooms.line("General", "cron", "<img src=x onerror=document.title='evil'><b>backup</b> done");
    rooms.append("General", b"output of no form\n");
    for browser in [&alice, &bob] {
        shows_the_log(browser, rooms);
        assert_eq!(browser.js("return document.querySelectorAll('#messages .text *').length"), 0);
    }

    // A shell's avatar comes and goes.
    rooms.avatar("General", "walker");
    bob.wait_for("!!document.querySelector('#members [data-user=\"walker\"][data-web=\"false\"]')");
    rooms.remove_avatar("General", "walker");
    bob.wait_for("!document.querySelector('#members [data-user=\"walker\"]')");

    // What serves is killed, lines come meanwhile, and it is started again.
    (behind.restart)(&|| {
        for n in 0..20 {
            rooms.line("General", "cron", &format!("while nobody served {n}"));
        }
    });
    rooms.line("General", "cron", "and after it");
    for browser in [&alice, &bob] {
        browser.wait_for("document.body.dataset.connection === 'open'");
        shows_the_log(browser, rooms);
    }
    say(&alice, "still here");
    bob.wait_for_text("#messages .message:last-of-type .text", "still here");

    // The log becomes another.
    rooms.rewrite("General", b"[2026-01-31 09:00:00] mira: a fresh start\n");
    for browser in [&alice, &bob] {
        shows_the_log(browser, rooms);
    }

    // A room that a shell makes is there, and one goes into it.
    fs::create_dir(rooms.room("Made")).unwrap();
    bob.wait_for("!!document.querySelector('#rooms [data-room=\"Made\"]')");
    bob.click("#rooms [data-room=\"Made\"]");
    bob.wait_for("document.body.dataset.room === 'Made' && !!document.querySelector('#members [data-user=\"bob\"]')");
    alice.wait_for("!document.querySelector('#members [data-user=\"bob\"]')");
    assert!(bob.url().ends_with("/rooms/Made"));
    say(&bob, "anybody?");
    bob.wait_for_text("#messages .message:last-of-type .text", "anybody?");

    for browser in [alice, bob] {
        let complaints: Vec<String> =
            browser.console().into_iter().filter(|entry| !is_a_lost_connection(entry)).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

/// What a browser says of a server that is not there for a while.
fn is_a_lost_connection(entry: &str) -> bool {
    ["net::ERR_", "status of 502", "status of 503", "status of 504"].iter().any(|lost| entry.contains(lost))
}

#[test]
fn over_http() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let site = server.site();
    let restart = Box::new(|meanwhile: &dyn Fn()| {
        server.kill9();
        meanwhile();
        server = Server::serve_on(address, rooms.root(), &[]);
    });
    scenario(&rooms, Behind { site, restart });
}

#[test]
fn over_http_behind_nginx() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let nginx = nginx::proxy(address);
    let restart = Box::new(|meanwhile: &dyn Fn()| {
        server.kill9();
        meanwhile();
        server = Server::serve_on(address, rooms.root(), &[]);
    });
    scenario(&rooms, Behind { site: nginx.site(), restart });
}

#[test]
fn over_fastcgi() {
    let _alone = alone();
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    let restart = Box::new(|meanwhile: &dyn Fn()| {
        server.kill9();
        meanwhile();
        server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    });
    scenario(&rooms, Behind { site: nginx.site(), restart });
}

#[test]
fn over_cgi() {
    let _alone = alone();
    let rooms = Rooms::example();
    let fcgiwrap = Fcgiwrap::start(12);
    let nginx = nginx::cgi(binary(), rooms.root(), fcgiwrap.socket());
    let restart = Box::new(|meanwhile: &dyn Fn()| {
        for pid in programs_of(fcgiwrap.pid()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        meanwhile();
    });
    scenario(&rooms, Behind { site: nginx.site(), restart });
}

#[test]
fn what_can_not_be_sent_stays_and_is_told_on_a_phone_too() {
    let _alone = alone();
    let rooms = Rooms::example();
    rooms.append("General", &[&b"x".repeat(100_000)[..], b"\n"].concat());
    let server = Server::serve(rooms.root(), &[]);
    let conf = nginx::proxy_conf(server.addr());
    let conf = conf.replace("/chat/", "/a/b/");
    let nginx = Nginx::start(&conf);
    let browser = Browser::start();
    browser.resize(400, 800);
    enter(&browser, &Site::new(nginx.addr(), "/a/b"), "alice");
    assert_eq!(browser.js("return document.documentElement.scrollWidth <= innerWidth"), true);
    browser.js("document.querySelector('#say').value = 'y'.repeat(70000); return 0");
    browser.type_into("#say", ENTER);
    browser.wait_for("document.querySelector('#notice').textContent.includes('65536') || document.querySelector('#notice').textContent.includes('too long')");
    assert_eq!(browser.js("return document.querySelector('#say').value.length"), 70_000);
}

/// The picture in the README: `cargo test --features outside --test outside -- --ignored picture`.
#[test]
#[ignore = "it writes into the source tree"]
fn picture() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.resize(1200, 760);
    enter(&browser, &server.site(), "ada");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::create_dir_all(&docs).unwrap();
    browser.screenshot(&docs.join("page.png"));
}
