//! The list of rooms: what is unread, what was said last, making one, deleting one, going from one to another.

use super::support::server::Server;
use super::*;

#[test]
fn unread_messages_are_counted_for_each_person() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    turn_to(&browser, "Lounge");
    browser.wait_for("!!JSON.parse(localStorage.getItem('chatroom / marks')).Lounge");
    turn_to(&browser, "Ops");
    let count = |room: &str, css: &str, count: &str| {
        browser.wait_for(&format!(
            "document.querySelector('#rooms [data-room=\"{room}\"] {css}')?.firstChild.textContent === '{count}'"
        ));
    };
    assert_eq!(browser.texts("#rooms .count").len(), 0);

    browser.js("window.general = document.querySelector('#rooms [data-room=General]')");
    rooms.line("General", "mira", "one");
    rooms.line("General", "mira", "two");
    rooms.append("General", b"[2026-01-31 12:00:00] log: bo joined the room.\n");
    rooms.line("Lounge", "mira", "hi @alice, look");
    count("General", ".count", "2");
    count("Lounge", ".count.mentions", "1");
    browser.wait_for_text("#rooms [data-room=General] .last", "mira: two");
    browser.wait_for_text("#rooms [data-room=Lounge] .last", "mira: hi @alice, look");
    // It is the same link that says so: nobody's click falls between two.
    assert_eq!(browser.js("return general.isConnected && general.textContent.includes('mira: two')"), true);
    browser.wait_for("document.title === '(1) Ops · chatroom'");
    browser.wait_for("document.querySelector('link[rel=icon]').href.startsWith('data:image/svg')");

    // A page that is loaded anew counts the same; what is read is not counted.
    browser.reload();
    count("General", ".count", "2");
    turn_to(&browser, "Lounge");
    browser.wait_for("!document.querySelector('#rooms [data-room=Lounge] .count')");
    browser.wait_for("document.title === '(2) Lounge · chatroom'");
    turn_to(&browser, "General");
    browser.wait_for("document.title === 'General · chatroom'");
    browser.wait_for("!document.querySelector('link[rel=icon]').href.startsWith('data:')");
    has_not_complained(&browser);
}

#[test]
fn rooms_are_made_and_deleted_and_the_way_back_is_kept() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    for n in 0..80 {
        rooms.line("General", "mira", &format!("line {n}"));
    }
    enter(&browser, &server.site(), "alice");

    browser.click("#new-room");
    browser.type_into("#room-dialog input", &format!("no good{ENTER}"));
    browser.wait_for_text("#room-dialog .error", "1 to 64 letters");
    browser.fill("#room-dialog input", &format!("Fresh{ENTER}"));
    browser.wait_for("document.body.dataset.room === 'Fresh' && document.body.dataset.connection === 'open'");
    assert!(rooms.room("Fresh").is_dir());
    browser.wait_for("document.activeElement.id === 'say'");

    // Back and forth: the place in the log and the draft are as they were left.
    turn_to(&browser, "General");
    browser.type_into("#say", "a draft");
    browser.js("document.querySelector('#messages').scrollTop = 700");
    let seen = "[...document.querySelectorAll('.message')].find(m => m.getBoundingClientRect().top > 100).dataset.id";
    let here = browser.js(&format!("return {seen}"));
    turn_to(&browser, "Fresh");
    assert_eq!(browser.js("return document.title"), "Fresh · chatroom");
    browser.back();
    browser.wait_for("document.body.dataset.room === 'General'");
    browser.wait_for(&format!("{seen} === {here}"));
    assert_eq!(browser.js("return document.querySelector('#say').value"), "a draft");
    assert!(browser.url().ends_with("/rooms/General"));

    // To delete takes its name.
    turn_to(&browser, "Fresh");
    browser.click("#delete-room");
    browser.click("#delete-dialog .danger");
    browser.wait_for_text("#delete-dialog .error", "write its name: Fresh");
    browser.type_into("#delete-dialog input", &format!("Fresh{ENTER}"));
    browser.wait_for_text("#notice", "The room Fresh is deleted.");
    browser.wait_for("!document.querySelector('#rooms [data-room=Fresh]')");
    assert!(!rooms.room("Fresh").exists());
}

#[test]
fn who_asked_for_it_is_notified_of_what_is_said_to_them_elsewhere_and_hears_it() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.before_each_page(
        "window.shown = [];
         const Real = Notification;
         window.Notification = class extends Real {
           constructor(title, options) { super(title, options); shown.push(`${title}: ${options.body}`);
             document.body.dataset.shown = shown.length; }
         };
         window.heard = [];
         const play = OscillatorNode.prototype.start;
         OscillatorNode.prototype.start = function (at) {
           heard.push(this.frequency.value);
           document.body.dataset.heard = heard.length;
           play.call(this, at);
         };",
    );
    browser.cdp("Browser.grantPermissions", &json!({"permissions": ["notifications"]}));
    enter(&browser, &server.site(), "alice");
    turn_to(&browser, "Lounge");
    browser.wait_for("!!JSON.parse(localStorage.getItem('chatroom / marks')).Lounge");
    turn_to(&browser, "General");
    // Nobody has asked for it yet.
    rooms.line("Lounge", "mira", "@alice one");
    browser.wait_for_text("#rooms [data-room=Lounge] .mentions", "1");
    browser.click("#help");
    browser.click("#notifications");
    browser.wait_for("document.querySelector('#notifications').checked");
    // Who wants a sound hears at once what it is.
    assert_eq!(browser.js("return heard"), json!([]));
    browser.click("#sound");
    browser.wait_for("document.body.dataset.heard === '2'");
    browser.click("#help-dialog .dismiss");
    // Not what is on screen, and not what is for nobody.
    rooms.line("General", "mira", "@alice two");
    rooms.line("Lounge", "mira", "three");
    browser.wait_for_text("#rooms [data-room=Lounge] .last", "three");
    rooms.line("Lounge", "mira", "alice: four");
    browser.wait_for("document.body.dataset.shown === '1'");
    assert_eq!(browser.js("return shown"), json!(["mira in Lounge: alice: four"]));
    browser.wait_for("document.body.dataset.heard === '4'");
    // Both are kept.
    browser.reload();
    browser.wait_for("document.body.dataset.connection === 'open'");
    assert_eq!(
        browser.js("return ['notifications', 'sound'].map(what => document.querySelector('#' + what).checked)"),
        json!([true, true])
    );
    assert_eq!(browser.js("return [shown.length, heard.length]"), json!([0, 0]));
    has_not_complained(&browser);
}
