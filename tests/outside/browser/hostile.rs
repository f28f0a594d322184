//! Whatever is in the log, the page stays up, and shows it as text.

use super::support::nginx::{self, Nginx};
use super::support::server::Server;
use super::*;

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

/// A web server in between that answers as it likes: with a page of its own, with errors, with nothing of sense.
#[test]
fn whatever_is_answered_there_is_a_sentence() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let proxied = "proxy_pass http://chatroom; rewrite ^/chat(/.*)$ $1 break;";
    let odd = format!(
        "location = /chat/rooms/Lounge {{ if ($http_accept !~ text/html) {{ return 200 '<html>Sign in, please</html>'; }} {proxied} }}
         location = /chat/rooms/Ops {{ if ($http_accept !~ text/html) {{ return 500 'oh'; }} {proxied} }}
         location = /chat/rooms/General {{ if ($request_method = POST) {{ return 403; }} {proxied} proxy_buffering off; }}
         location /chat/ {{"
    );
    let nginx = Nginx::start(&nginx::proxy_conf(server.addr()).replacen("location /chat/ {", &odd, 1));
    let browser = Browser::start();
    let open = |room: &str| browser.goto(&nginx.site().url(&format!("/rooms/{room}")));
    open("Lounge");
    browser.wait_for_text(
        "#notice",
        "The room could not be read. What answered is not chatroom, or chatroom is not running.",
    );
    open("Ops");
    browser.wait_for_text("#notice", "The room could not be read. The server answered with an error (500).");
    open("Nowhere");
    browser.wait_for_text("#notice", "There is no room Nowhere. It opens here as soon as there is one.");
    browser.wait_for("document.querySelector('#connection').textContent !== ''");
    rooms.create("Nowhere").line("Nowhere", "mira", "here it is");
    browser.wait_for_text("#messages .text", "here it is");
    open("General");
    browser.wait_for_text("#messages .text", "You found it?");
    browser.type_into("#say", &format!("may I?{ENTER}"));
    browser.wait_for_text(".pending .state", "This was not sent. The server does not allow it.");
    browser.type_into("#say", &format!("/nick log{ENTER}"));
    browser.wait_for_text("#notice", "“log” is not free");
    browser.fill("#say", &format!("/nick mira{ENTER}"));
    browser.wait_for_text("#notice", "Someone in this room is called mira already.");
}
