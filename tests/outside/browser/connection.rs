//! The connection: shared by all tabs, found again, and by other ways where streams don't get through.

use super::support::nginx::{self, Nginx};
use super::support::server::Server;
use super::*;

#[test]
fn ten_tabs_share_a_connection() {
    let _alone = alone();
    let rooms = Rooms::example();
    let names: Vec<String> = (0..10).map(|n| format!("Room{n}")).collect();
    names.iter().for_each(|name| drop(rooms.create(name).line(name, "mira", &format!("welcome to {name}"))));
    let mut server = Server::serve(rooms.root(), &[]);
    let address = server.addr();
    let browser = Browser::start();
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            browser.new_tab();
        }
        browser.goto(&server.site().url(&format!("/rooms/{name}")));
        browser.wait_for_text("#messages .text", &format!("welcome to {name}"));
    }
    // The list and the three rooms that were looked at last.
    let streams = server.site().get("/metrics");
    let streams = streams.text().lines().find_map(|line| line.strip_prefix("chatroom_streams ")).map(str::to_owned);
    assert_eq!(streams.as_deref(), Some("4"), "{}", server.site().get("/metrics").text());

    // Each tab hears of what is said in its room, and can speak in it.
    for round in 0..2 {
        names.iter().for_each(|name| drop(rooms.line(name, "mira", &format!("round {round}"))));
        for (at, name) in names.iter().enumerate() {
            browser.turn_to_tab(at);
            browser.wait_for_text("#messages .text", &format!("round {round}"));
            say(&browser, &format!("tab {at} round {round}"));
            shows_the_log(&browser, &rooms, name);
        }
        if round == 0 {
            server.kill9();
            server = Server::serve_on(address, rooms.root(), &[]);
        }
    }
    has_not_complained(&browser);
}

#[test]
fn where_streams_are_kept_back_the_page_asks_again_and_again() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    // What a careless administrator may do.
    let conf = nginx::proxy_conf(server.addr())
        .replace("proxy_read_timeout 90s;", "proxy_read_timeout 90s; proxy_ignore_headers X-Accel-Buffering;");
    let nginx = Nginx::start(&conf);
    let browser = Browser::start();
    browser.goto(&nginx.site().url("/rooms/General"));
    shows_the_log(&browser, &rooms, "General");
    // It takes the page ten seconds to see that nothing comes.
    browser.wait_for("document.body.dataset.connection === 'open'");
    for n in 0..3 {
        rooms.line("General", "mira", &format!("through {n}"));
        browser.wait_for_text("#messages .text", &format!("through {n}"));
    }
    say(&browser, "and back");
    shows_the_log(&browser, &rooms, "General");
}

#[test]
fn without_a_shared_worker_a_page_connects_by_itself_and_then_sleeps() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    // With everything in the page, its timers can be listed: each with its delay, until it has run or is cleared.
    browser.before_each_page(
        "delete window.SharedWorker;
         window.timers = new Map();
         window.frames_asked = 0;
         const [set, clear] = [setTimeout, clearTimeout];
         window.setTimeout = (act, delay = 0, ...rest) => {
           const id = set(() => { timers.delete(id); act(...rest); }, delay);
           timers.set(id, delay);
           return id;
         };
         window.clearTimeout = (id) => { timers.delete(id); clear(id); };
         window.setInterval = () => { throw new Error('an interval'); };
         window.requestAnimationFrame = () => { throw new Error('a frame'); };",
    );
    enter(&browser, &server.site(), "alice");
    say(&browser, "hello");
    rooms.line("General", "mira", "hello alice");
    shows_the_log(&browser, &rooms, "General");
    // Soon nothing is left that would run within ten seconds, and nothing that comes again by itself.
    super::support::wait::wait_until("only slow timers are left", super::support::PATIENCE, || {
        browser.js("return [...timers.values()].every(delay => delay >= 10000)") == true
    });
    has_not_complained(&browser);
}
