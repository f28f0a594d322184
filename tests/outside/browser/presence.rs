//! Who is here, who types, who has read what: as files that a script can see, and make.

use std::fs;

use super::support::PATIENCE;
use super::support::server::Server;
use super::support::wait::wait_until;
use super::*;

#[test]
fn typing_and_reading_are_files_that_both_sides_see_and_make() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let (alice, bob) = (Browser::start(), Browser::start());
    enter(&alice, &server.site(), "alice");
    enter(&bob, &server.site(), "bob");
    shows_the_member(&alice, "bob", true);

    // A page types, a script and the other page see it.
    let typing = rooms.avatar_path("General", "alice").join("user.typing");
    alice.type_into("#say", "hm");
    bob.wait_for("document.querySelector('#typing').textContent === 'alice is typing'");
    assert!(typing.exists());
    alice.type_into("#say", ENTER);
    bob.wait_for("document.querySelector('#typing').textContent === ''");
    assert!(!typing.exists());

    // A script types.
    rooms.attribute("General", "mira", "typing", "");
    for page in [&alice, &bob] {
        page.wait_for("document.querySelector('#typing').textContent === 'mira is typing'");
    }
    fs::remove_file(rooms.avatar_path("General", "mira").join("user.typing")).unwrap();
    alice.wait_for("document.querySelector('#typing').textContent === ''");

    // A script reads, and looks elsewhere.
    let id = alice.js("return document.querySelector('.message:last-child').dataset.id");
    rooms.attribute("General", "jonas", "read", id.as_str().unwrap());
    alice.wait_for_text("#read-by", "jonas");
    rooms.attribute("General", "mira", "idle", "1");
    alice.wait_for("document.querySelector('#members [data-user=mira]').dataset.idle === 'true'");
    // And a page: so far has alice read, for all to see. It is told within ten seconds.
    let read = rooms.avatar_path("General", "alice").join("user.read");
    wait_until("alice's mark is there", PATIENCE, || read.exists());
    assert!(fs::read_to_string(read).unwrap().as_str() <= id.as_str().unwrap());
    has_not_complained(&alice);
}

#[test]
fn several_tabs_are_one_member_and_the_last_one_leaves() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &["--grace", "1"]);
    let (alice, bob) = (Browser::start(), Browser::start());
    enter(&alice, &server.site(), "alice");
    enter(&bob, &server.site(), "bob");
    bob.new_tab();
    bob.goto(&server.site().url("/rooms/General"));
    shows_the_member(&bob, "bob", true);
    let joined = |name: &str| {
        let log = String::from_utf8(rooms.log("General")).unwrap();
        log.lines().filter(|line| line.contains(&format!("{name} joined"))).count()
    };
    assert_eq!(bob.texts("#members [data-user=bob]").len(), 1);

    // One name for all tabs.
    bob.type_into("#say", &format!("/nick robert{ENTER}"));
    shows_the_member(&alice, "robert", true);
    bob.turn_to_tab(0);
    bob.wait_for("document.querySelector('#name').value === 'robert'");
    shows_the_member(&bob, "robert", true);
    shows_no_member(&alice, "bob");

    // One tab less, and one is still here; none, and one is not.
    bob.close_tab();
    bob.wait_for("document.body.dataset.connection === 'open'");
    say(&bob, "still here");
    alice.wait_for_text("#messages .text", "still here");
    assert_eq!(joined("robert"), 0);
    shows_the_member(&alice, "robert", true);
    bob.goto("about:blank");
    shows_no_member(&alice, "robert");
    assert_eq!(rooms.avatars("General").iter().filter(|name| *name == "robert").count(), 0);
    has_not_complained(&alice);
}
