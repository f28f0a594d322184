//! A page that nobody looks at, that was asleep, or whose line is dead: what others see of it, and how it comes back.

use super::support::PATIENCE;
use super::support::line::Line;
use super::support::server::Server;
use super::support::sse::Stream;
use super::support::wait::wait_until;
use super::*;

/// Everything runs in the page itself, as where a browser has no shared workers.
const ALONE: &str = "delete window.SharedWorker;";

#[test]
fn a_dead_line_is_noticed_and_what_was_missed_comes_once() {
    let _alone = alone();
    let rooms = Rooms::example();
    // Twice the time between two pings and ten seconds: then a silent server is taken for gone.
    let server = Server::serve(rooms.root(), &["--ping", "1"]);
    let line = Line::to(server.addr());
    let browser = Browser::start();
    browser.cdp("Network.enable", &json!({}));
    enter(&browser, &Site::new(line.addr(), ""), "alice");
    say(&browser, "before");
    // The page's stream is older than this one, and has had its first ping before this one's second.
    let mut stream = Stream::open(&server.site(), "/rooms/General", &[]);
    (0..2).for_each(|_| drop(stream.next_named("ping")));
    let network = |offline: bool| {
        let conditions = json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        browser.cdp("Network.emulateNetworkConditions", &conditions);
    };

    line.cut();
    rooms.line("General", "mira", "into the void");
    browser.wait_for("document.body.dataset.connection === 'connecting'");
    browser.wait_for_text("#connection", "Reconnecting");
    // Nor does a stream answer, so the page tries whether something else does.
    wait_until("it asks otherwise", PATIENCE, || line.lost().contains("wait=25"));
    // The browser knows that it has no network, and then that it has one.
    network(true);
    browser.wait_for_text("#connection", "Offline");
    browser.type_into("#say", &format!("from afar{ENTER}"));
    browser.wait_for_text(".pending .state", "Waiting for the connection");
    rooms.line("General", "mira", "and again");
    line.mend();
    network(false);
    browser.wait_for("document.body.dataset.connection === 'open'");
    browser.wait_for("document.querySelectorAll('.pending').length === 0");
    shows_the_log(&browser, &rooms, "General");
    let log = String::from_utf8(rooms.log("General")).unwrap();
    assert_eq!(log.matches("from afar").count(), 1);

    // By streams, as before: it was the line that kept them back.
    assert!(!line.carried().contains("wait=25"), "{}", line.carried());
}

#[test]
fn a_page_that_slept_comes_back_by_itself() {
    let _alone = alone();
    let rooms = Rooms::example();
    let mut server = Server::serve(rooms.root(), &[]);
    let (address, site) = (server.addr(), server.site());
    let browser = Browser::start();
    browser.before_each_page(ALONE);
    enter(&browser, &site, "alice");
    say(&browser, "good night");

    // Meanwhile the connection dies, and whoever is away for long is not here any more.
    browser.cdp("Page.setWebLifecycleState", &json!({"state": "frozen"}));
    server.kill9();
    (0..300).for_each(|n| drop(rooms.line("General", "mira", &format!("at night {n}"))));
    rooms.remove_avatar("General", "alice");
    let _server = Server::serve_on(address, rooms.root(), &[]);
    browser.cdp("Page.setWebLifecycleState", &json!({"state": "active"}));

    shows_the_log(&browser, &rooms, "General");
    shows_the_member(&browser, "alice", true);
    assert!(rooms.avatars("General").contains(&"alice".to_owned()));
    say(&browser, "good morning");
    has_not_complained(&browser);
}

#[test]
fn who_looks_elsewhere_for_long_is_idle_and_then_is_not() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let (alice, bob) = (Browser::start(), Browser::start());
    // Five minutes pass when the test says so.
    alice.before_each_page(&format!(
        "{ALONE} window.late = new Map();
         const set = setTimeout, clear = clearTimeout;
         window.setTimeout = (act, delay, ...rest) => {{
           if (delay !== 300_000) return set(act, delay, ...rest);
           late.set(-1 - late.size, act);
           document.documentElement.dataset.late = late.size;
           return -late.size;
         }};
         window.clearTimeout = (id) => late.delete(id) || clear(id);"
    ));
    enter(&alice, &server.site(), "alice");
    enter(&bob, &server.site(), "bob");
    shows_the_member(&bob, "alice", true);
    let idle = rooms.avatar_path("General", "alice").join("user.idle");
    let is_idle = |idle: bool| {
        bob.wait_for(&format!("document.querySelector('#members [data-user=alice]').dataset.idle === '{idle}'"));
    };
    is_idle(false);

    let minimised = |minimised: bool| {
        let window = alice.cdp("Browser.getWindowForTarget", &json!({}));
        let state = if minimised { "minimized" } else { "normal" };
        let bounds = json!({"windowId": window["windowId"], "bounds": {"windowState": state}});
        alice.cdp("Browser.setWindowBounds", &bounds);
    };
    minimised(true);
    alice.wait_for("document.visibilityState === 'hidden' && document.documentElement.dataset.late > 0");
    assert!(!idle.exists());
    alice.js("late.forEach(act => act())");
    is_idle(true);
    assert!(idle.exists());

    minimised(false);
    is_idle(false);
    wait_until("the file is gone", PATIENCE, || !idle.exists());
    has_not_complained(&alice);
}
