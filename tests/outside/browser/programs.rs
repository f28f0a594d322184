//! The page where only CGI programs are: written by `chatroom page`, served as files, through a stock fcgiwrap.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::support::browser::SHIFT;
use super::support::fcgiwrap::Fcgiwrap;
use super::support::nginx::{self, Nginx};
use super::support::server::{Server, binary, chatroom};
use super::*;
use crate::dropin::Folders;

/// The page's files, and what serves them and the programs.
struct Place {
    folders: Folders,
    nginx: Nginx,
    fcgiwrap: Fcgiwrap,
    _files: TempDir,
}

impl Place {
    fn new() -> Place {
        Place::of(Folders::new(Rooms::example()))
    }

    fn of(folders: Folders) -> Place {
        Place::with(folders, "")
    }

    /// With more in the web server's configuration.
    fn with(folders: Folders, more: &str) -> Place {
        let files = TempDir::with_prefix("page-").unwrap();
        let written = chatroom().arg("page").arg(files.path().join("chat")).output().unwrap();
        assert!(written.status.success(), "{written:?}");
        let root = format!("root {};", files.path().display());
        let more = format!("listen 127.0.0.1:8080; {more}");
        let (nginx, fcgiwrap) = folders.cgi(32, &[("root /srv/site;", &root), ("listen 127.0.0.1:8080;", &more)]);
        Place { folders, nginx, fcgiwrap, _files: files }
    }

    fn rooms(&self) -> &Rooms {
        &self.folders.rooms
    }

    fn goto(&self, browser: &Browser, room: &str) {
        browser.goto(&Site::new(self.nginx.addr(), "/chat").url(&format!("/?room={room}")));
        browser.wait_for("document.body.dataset.connection === 'open'");
    }

    fn enter(&self, browser: &Browser, name: &str) {
        self.goto(browser, "General");
        browser.fill("#say", &format!("/nick {name}"));
        browser.type_into("#say", ENTER);
        shows_the_member(browser, name, true);
    }

    /// Kills what serves the streams; lines come meanwhile.
    fn interrupt(&self) {
        let programs = programs_of(self.fcgiwrap.pid());
        assert!(programs.len() >= 2, "each page has two streams: {programs:?}");
        for pid in programs {
            // One whose client is gone may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for n in 0..20 {
            self.rooms().line("General", "cron", &format!("while nobody served {n}"));
        }
    }
}

fn follow(browser: &Browser, room: &str) {
    browser.wait_for(&format!("!!document.querySelector('#rooms [data-room=\"{room}\"]')"));
    browser.click(&format!("#rooms [data-room=\"{room}\"]"));
    is_in(browser, room);
}

fn is_in(browser: &Browser, room: &str) {
    browser
        .wait_for(&format!("document.body.dataset.room === '{room}' && document.body.dataset.connection === 'open'"));
    browser.wait_for_address(&format!("/chat/?room={room}"));
}

/// But for having asked, once, whether chatroom itself is there.
fn has_only_asked_for_chatroom(browser: &Browser) {
    let complaints: Vec<String> = browser.console().into_iter().filter(|entry| !is_a_lost_connection(entry)).collect();
    assert!(
        complaints.iter().all(|entry| entry.contains("/chat/rooms - ") && entry.contains("404")),
        "{complaints:#?}"
    );
}

#[test]
fn people_talk_through_programs_alone() {
    let _alone = alone();
    let place = Place::new();
    let rooms = place.rooms();
    let (alice, bob) = (Browser::start(), Browser::start());
    let both = [&alice, &bob];
    place.enter(&alice, "alice");
    place.enter(&bob, "bob");
    for browser in both {
        shows_the_log(browser, rooms, "General");
        shows_the_example(browser);
        // What the programs can't do is not there to be asked for.
        let offered =
            "['#go-to-date', '#search-opener'].filter(each => document.querySelector(each).checkVisibility())";
        assert_eq!(browser.js(&format!("return {offered}")), json!([]));
    }
    super::accessible::has_no_violations(&alice, "through programs");
    alice.type_into("#say", &format!("hello bob{SHIFT}{ENTER}{SHIFT}two lines{ENTER}"));
    alice.wait_for_text("#messages .message:not(.pending) .text", "hello bob\ntwo lines");
    say(&bob, "*hello* alice");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));

    // A shell appends, whatever it likes.
    rooms.line("General", "cron", "<img src=x onerror=document.title='evil'><b>backup</b> done");
    rooms.append("General", b"output of no form &amp; </div><script>alert(1)</script> \"'\xff\xfe\n\n");
    rooms.append(
        "General",
        "[2026-02-30 08:00:00] al: no such day\r\n[2026-01-31 08:00:00] al:x\u{2028}\u{202e}y\n".as_bytes(),
    );
    rooms.line("General", "cron", "the end of it");
    for browser in both {
        shows_the_log(browser, rooms, "General");
        shows_no_markup(browser);
    }
    // And the same as history, by another program.
    alice.reload();
    alice.wait_for("document.body.dataset.connection === 'open' && document.querySelector('#name').value === 'alice'");
    shows_the_log(&alice, rooms, "General");
    shows_no_markup(&alice);

    rooms.avatar("General", "walker");
    both.into_iter().for_each(|browser| shows_the_member(browser, "walker", false));
    rooms.remove_avatar("General", "walker");
    both.into_iter().for_each(|browser| shows_no_member(browser, "walker"));

    place.interrupt();
    rooms.line("General", "cron", "and after it");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));
    say(&alice, "still here");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));
    rooms.rewrite("General", b"[2026-01-31 09:00:00] mira: a fresh start\n");
    rooms.line("General", "cron", "and on it goes");
    both.into_iter().for_each(|browser| shows_the_log(browser, rooms, "General"));
    both.into_iter().for_each(has_only_asked_for_chatroom);
}

#[test]
fn rooms_are_made_turned_to_and_deleted_through_programs() {
    let _alone = alone();
    let place = Place::new();
    let rooms = place.rooms();
    let (alice, bob) = (Browser::start(), Browser::start());
    place.enter(&alice, "alice");
    place.enter(&bob, "bob");
    // A room that has been seen says what is new in it.
    follow(&bob, "Lounge");
    shows_the_member(&bob, "bob", true);
    shows_no_member(&alice, "bob");
    say(&alice, "where is everybody?");
    say(&alice, "@bob come back");
    bob.wait_for("document.querySelector('#rooms [data-room=General] .count.mentions')?.textContent.startsWith('1 ')");
    assert!(
        bob.js("return document.title").as_str().unwrap().starts_with("(1) "),
        "{}",
        bob.js("return document.title")
    );
    bob.back();
    is_in(&bob, "General");
    shows_the_log(&bob, rooms, "General");
    bob.wait_for("!document.querySelector('#rooms .count')");

    bob.fill("#say", &format!("/join Made{ENTER}"));
    is_in(&bob, "Made");
    shows_the_member(&bob, "bob", true);
    say(&bob, "anybody?");
    shows_the_log(&bob, rooms, "Made");
    follow(&alice, "Made");
    say(&alice, "yes");
    shows_the_log(&bob, rooms, "Made");
    assert!(alice.js("return document.title").as_str().unwrap().contains("Made"));

    // Names that are taken, and what else the programs refuse, are told in a sentence.
    alice.fill("#say", &format!("/nick bob{ENTER}"));
    alice.wait_for_text("#notice", "Someone in this room is called bob already.");
    alice.fill("#say", "");
    alice.click("#delete-room");
    alice.type_into("#delete-dialog input", &format!("Made{ENTER}"));
    alice.wait_for_text("#notice", "The room Made is deleted.");
    assert!(!rooms.room("Made").exists());
    bob.wait_for_text("#notice", "The room Made is gone.");
    [&alice, &bob].into_iter().for_each(has_only_asked_for_chatroom);
}

#[test]
fn what_is_further_up_is_not_offered() {
    let _alone = alone();
    let place = Place::new();
    let rooms = place.rooms();
    rooms.create("Long").append("Long", long_log(300).as_bytes());
    let first = messages_of(&rooms.log("Long"))[0][0].as_str().unwrap().to_owned();
    let browser = Browser::start();
    place.goto(&browser, &format!("Long#0000000000000000_{first}"));
    browser.wait_for_text("#notice", "That is further up than can be shown here.");
    let begins = |text: &str| {
        browser.js("document.querySelector('#messages').scrollTop = 0");
        browser.wait_for(&format!(
            "(document.querySelector('#messages').scrollTop = 0,
              document.querySelector('#messages.beginning .text')?.textContent === '{text}')"
        ));
    };
    // As far as the programs show it, without a gap.
    begins("number 101 of a long log");
    // What came since is kept as usual; above it there is nothing more to be had.
    browser.js("document.querySelector('#latest').click()");
    (0..400).for_each(|n| drop(rooms.line("Long", "mira", &format!("and on {n}"))));
    browser.wait_for_text("#messages .text", "and on 399");
    begins("and on 150");
    has_only_asked_for_chatroom(&browser);
}

/// Puts a script in the place of a program; `$REAL` is the real one.
fn replace(folders: &Folders, real: &TempDir, name: &str, script: &str) {
    let program = folders.programs().join(name);
    fs::remove_file(&program).unwrap();
    symlink(binary(), real.path().join(name)).unwrap();
    fs::write(&program, format!("#!/bin/sh\nREAL={}\n{script}\n", real.path().join(name).display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_was_said_is_not_said_again_where_its_answer_was_lost() {
    let _alone = alone();
    let folders = Folders::new(Rooms::example());
    let real = TempDir::with_prefix("real-").unwrap();
    let fail = "$REAL >$REAL.answer; if [ -e $REAL.failed ]; then cat $REAL.answer; exit; fi
                : >$REAL.failed; printf 'Status: 504\\r\\n\\r\\n'";
    replace(&folders, &real, "chat-send-message", fail);
    let place = Place::of(folders);
    let alice = Browser::start();
    place.enter(&alice, "alice");
    alice.type_into("#say", &format!("once{ENTER}"));
    // It comes back by the stream; then it is seen to be there, and the next one goes.
    alice.type_into("#say", &format!("and then{ENTER}"));
    alice.wait_for_text("#messages .message:not(.pending) .text", "and then");
    alice.wait_for("!document.querySelector('.pending')");
    shows_the_log(&alice, place.rooms(), "General");
    let log = String::from_utf8(place.rooms().log("General")).unwrap();
    assert!(real.path().join("chat-send-message.failed").exists());
    assert_eq!(log.matches("alice: once\n").count(), 1, "{log}");
    has_only_asked_for_chatroom(&alice);
}

#[test]
fn where_chatroom_itself_answers_the_page_asks_no_program() {
    let _alone = alone();
    let folders = Folders::new(Rooms::example());
    let server = Server::serve(folders.rooms.root(), &[]);
    let own = format!(
        "location ~ ^/chat/(rooms|unread|overview) {{
            rewrite ^/chat(/.*)$ $1 break; proxy_pass http://{}; proxy_buffering off; proxy_read_timeout 90s; }}",
        server.addr()
    );
    let place = Place::with(folders, &own);
    let browser = Browser::start();
    browser.goto(&Site::new(place.nginx.addr(), "/chat").url("/"));
    browser.wait_for("document.body.dataset.connection === 'open' && document.body.dataset.room !== ''");
    assert_eq!(
        browser.js(
            "return ['programs' in document.body.dataset, document.querySelector('#search-opener').checkVisibility()]"
        ),
        json!([false, true])
    );
    assert!(browser.url().contains("/chat/rooms/"), "{}", browser.url());
    say(&browser, "hello");
    assert_eq!(programs_of(place.fcgiwrap.pid()), Vec::<i32>::new());
    has_not_complained(&browser);
}

#[test]
fn what_comes_later_is_waited_for() {
    let _alone = alone();
    let folders = Folders::new(Rooms::example());
    let programs = folders.programs();
    let away = programs.with_extension("away");
    fs::rename(&programs, &away).unwrap();
    let place = Place::of(folders);
    let browser = Browser::start();
    browser.goto(&Site::new(place.nginx.addr(), "/chat").url("/?room=Lounge"));
    browser.wait_for_text("#connection", "Not connected");
    fs::rename(&away, &programs).unwrap();
    is_in(&browser, "Lounge");
    shows_the_log(&browser, place.rooms(), "Lounge");
}

/// Programs of the same names that know no positions, as others have written them: ours with their ids taken away.
#[test]
fn programs_without_positions_lose_and_double_nothing() {
    let _alone = alone();
    let folders = Folders::new(Rooms::example());
    let real = TempDir::with_prefix("real-").unwrap();
    for (name, strip) in [("chat-stream", "/^id: /d"), ("chat-get-messages", "s/ data-[im][^ >]*//g")] {
        let script = format!(
            "QUERY_STRING=$(printf %s \"$QUERY_STRING\" | sed 's/last_event_id=//; s/ids=1//')\n$REAL | sed -u '{strip}'"
        );
        replace(&folders, &real, name, &script);
    }
    let place = Place::of(folders);
    let rooms = place.rooms();
    let (alice, bob) = (Browser::start(), Browser::start());
    place.enter(&alice, "alice");
    place.goto(&bob, "General");
    rooms.line("General", "mira", "the same");
    rooms.line("General", "mira", "the same");
    place.interrupt();
    say(&alice, "still here");
    rooms.line("General", "mira", "the last");
    let shown = "[...document.querySelectorAll('#messages .message .text')].map(text => text.textContent)";
    for browser in [&alice, &bob] {
        browser.wait_for_text("#messages .text", "the last");
        let texts: Vec<String> = serde_json::from_value(browser.js(&format!("return {shown}"))).unwrap();
        let expected = messages_of(&rooms.log("General"));
        let expected: Vec<&str> = expected.iter().map(|message| message[3].as_str().unwrap()).collect();
        let tail = &expected[expected.len() - texts.len().min(expected.len())..];
        assert_eq!(
            (texts.len() >= 30, &texts[..]),
            (true, &tail.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()[..])
        );
        has_only_asked_for_chatroom(browser);
    }
}

#[test]
fn chatrooms_own_page_asks_for_no_program() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let dir = TempDir::with_prefix("log-").unwrap();
    let log = dir.path().join("access.log");
    let conf =
        nginx::edit(&nginx::proxy_conf(server.addr()), "access_log off;", &format!("access_log {};", log.display()));
    let nginx = Nginx::start(&conf);
    let browser = Browser::start();
    enter(&browser, &nginx.site(), "alice");
    say(&browser, "hello");
    turn_to(&browser, "Lounge");
    shows_the_log(&browser, &rooms, "Lounge");
    let asked = fs::read_to_string(&log).unwrap();
    assert!(asked.contains("/main.js ") && asked.contains("/worker.js "), "{asked}");
    for unasked in ["programs", "/chat-", "GET /chat/rooms "] {
        assert!(!asked.contains(unasked), "{unasked} in\n{asked}");
    }
    has_not_complained(&browser);
}
