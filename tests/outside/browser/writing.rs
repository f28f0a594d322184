//! Writing: what is said is there at once, once, and never lost.

use super::support::browser::{DOWN, SHIFT, TAB, UP};
use super::support::nginx;
use super::support::server::Server;
use super::*;

/// A message as a line of the log, how often.
fn said(rooms: &Rooms, text: &str) -> usize {
    let log = String::from_utf8(rooms.log("General")).unwrap();
    log.lines().filter(|line| line.ends_with(&format!(": {text}"))).count()
}

#[test]
fn keys_drafts_and_what_was_said_before() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    let value = || browser.js("return document.querySelector('#say').value");

    // Shift+Enter makes a line, Enter sends.
    browser.type_into("#say", &format!("one{SHIFT}{ENTER}{SHIFT}two"));
    assert_eq!(value(), "one\ntwo");
    browser.type_into("#say", ENTER);
    browser.wait_for_text("#messages .message:not(.pending) .text", "one\ntwo");
    assert_eq!((value(), said(&rooms, "one\u{2028}two")), ("".into(), 1));

    // Up brings it back, and down takes it away.
    say(&browser, "three");
    browser.type_into("#say", UP);
    assert_eq!(value(), "three");
    browser.type_into("#say", UP);
    assert_eq!(value(), "one\ntwo");
    browser.type_into("#say", &format!("{DOWN}{DOWN}"));
    assert_eq!(value(), "");

    // A draft is the room's, and survives.
    browser.type_into("#say", "not yet");
    turn_to(&browser, "Ops");
    assert_eq!(value(), "");
    browser.type_into("#say", "nor this");
    browser.reload();
    browser.wait_for("document.querySelector('#say').value === 'nor this'");
    turn_to(&browser, "General");
    assert_eq!(value(), "not yet");
    browser.fill("#say", "");

    // Names, rooms, emoji and commands are completed.
    browser.type_into("#say", "@mi");
    browser.wait_for_text("#offers [aria-selected=true]", "mira");
    browser.type_into("#say", TAB);
    browser.type_into("#say", "#lou");
    browser.wait_for_text("#offers [aria-selected=true]", "Lounge");
    browser.type_into("#say", ENTER);
    browser.type_into("#say", ":tad");
    browser.wait_for_text("#offers [aria-selected=true]", "tada");
    browser.type_into("#say", ENTER);
    assert_eq!(value(), "@mira #Lounge 🎉 ");
    browser.type_into("#say", ENTER);
    browser.wait_for_text("#messages .message:not(.pending) .text", "@mira #Lounge 🎉");
    browser.type_into("#say", "/n");
    browser.wait_for_text("#offers [aria-selected=true]", "/nick");
    browser.type_into("#say", TAB);
    assert_eq!(value(), "/nick ");
    browser.fill("#say", "");

    // Commands.
    say(&browser, "/me waves");
    browser.wait_for_text("#messages .text.action", "waves");
    browser.type_into("#say", &format!("/wave{ENTER}"));
    browser.wait_for_text("#notice", "There is no command /wave.");
    browser.fill("#say", &format!("/help{ENTER}"));
    browser.wait_for("document.querySelector('#help-dialog').open");
    browser.click("#help-dialog .dismiss");
    browser.type_into("#say", &format!("/join Fresh{ENTER}"));
    browser.wait_for("document.body.dataset.room === 'Fresh' && document.body.dataset.connection === 'open'");
    assert!(rooms.room("Fresh").is_dir());
    browser.type_into("#say", &format!("/leave{ENTER}"));
    browser.wait_for("document.body.dataset.room === ''");
    browser.wait_for_address("/");
    turn_to(&browser, "General");
    shows_the_log(&browser, &rooms, "General");
    has_not_complained(&browser);
}

#[test]
fn what_is_said_while_nobody_answers_is_said_once_later() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    server.kill9();
    browser.wait_for("document.body.dataset.connection !== 'open'");
    for text in ["first", "second", "first"] {
        browser.type_into("#say", text);
        browser.type_into("#say", ENTER);
    }
    browser.wait_for("document.querySelectorAll('.pending').length === 3");
    browser.wait_for_text(".pending .state", "Waiting for the connection");
    let _server = Server::serve_on(address, rooms.root(), &[]);
    browser.wait_for("document.querySelectorAll('.pending').length === 0");
    shows_the_log(&browser, &rooms, "General");
    assert_eq!((said(&rooms, "first"), said(&rooms, "second")), (2, 1));
    let ours =
        "[...document.querySelectorAll('.message')].filter(m => m.querySelector('.from')?.textContent === 'alice')
      .map(m => m.querySelector('.text').textContent).join()";
    assert_eq!(browser.js(&format!("return {ours}")), "first,second,first");
}

#[test]
fn what_may_have_been_said_is_not_said_twice() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    // The way back breaks after the message has come through: the answers to the first two posts are lost.
    browser.before_each_page(
        "const real = fetch; let lost = 0;
         window.fetch = async (address, request) => {
           const answer = await real(address, request);
           if (request?.method === 'POST' && lost++ < 2) throw new TypeError('lost');
           return answer;
         };",
    );
    enter(&browser, &server.site(), "alice");
    say(&browser, "only once");
    browser.wait_for("document.querySelectorAll('.pending').length === 0");
    say(&browser, "and then this");
    shows_the_log(&browser, &rooms, "General");
    assert_eq!((said(&rooms, "only once"), said(&rooms, "and then this")), (1, 1));
    // Said again on purpose, it is there again.
    say(&browser, "only once");
    browser.wait_for("[...document.querySelectorAll('.message:not(.pending) .text')].filter(t => t.textContent === 'only once').length === 2");
    assert_eq!(said(&rooms, "only once"), 2);
}

#[test]
fn what_can_not_be_sent_is_told_and_can_be_sent_again() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let nginx = nginx::proxy(server.addr());
    let browser = Browser::start();
    enter(&browser, &nginx.site(), "alice");
    let before = rooms.log("General");
    // The first is too long for chatroom, the second for nginx.
    for length in [70_000, 300_000] {
        browser.js(&format!("document.querySelector('#say').value = 'y'.repeat({length})"));
        browser.type_into("#say", ENTER);
        browser.wait_for_text(".pending[data-state=failed] .state", "This was not sent. It is too long.");
        browser.click(".pending .state [data-does=edit]");
        browser.wait_for("document.querySelectorAll('.pending').length === 0");
        assert_eq!(browser.js("return document.querySelector('#say').value"), "y".repeat(length));
        browser.js("document.querySelector('#say').value = ''");
    }
    assert_eq!(rooms.log("General"), before);

    // Where the room is not there, and then is.
    rooms.remove("General");
    browser.wait_for_text("#notice", "The room General is gone.");
    browser.type_into("#say", &format!("for later{ENTER}"));
    browser.wait_for_text(".pending[data-state=failed] .state", "This room does not exist.");
    rooms.create("General");
    browser.wait_for("document.body.dataset.connection === 'open'");
    browser.click(".pending .state [data-does=again]");
    browser.wait_for_text("#messages .message:not(.pending) .text", "for later");
    assert_eq!(said(&rooms, "for later"), 1);
}
