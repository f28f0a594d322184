//! Two people talk, a shell appends, and what serves them is killed and started again: through each way in.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::fcgiwrap::Fcgiwrap;
use super::support::nginx;
use super::support::server::{Server, binary};
use super::*;

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
        shows_the_example(browser);
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
