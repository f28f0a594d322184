//! What the page looks like, and how fast it is there. By hand, for they write into the source tree or measure:
//!
//! `cargo test --release --features outside --test outside -- --ignored --nocapture browser::pictures`
//!
//! The pictures want Debian's fonts-noto-core, fonts-noto-color-emoji and fonts-noto-cjk; they go to `docs/page.png`,
//! which README shows, and to `target/pictures/`, to be looked at.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::server::Server;
use super::*;

/// Somebody who has been here before, so that no change of names is in the picture.
fn visit(site: &Site, width: u32, height: u32, scheme: &str) -> Browser {
    let browser = Browser::start();
    browser.resize(width, height);
    let features = json!({"features": [
        {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", &features);
    browser.goto(&site.url("/healthz"));
    browser.js("localStorage.setItem('chatroom / name', 'ada')");
    browser.goto(&site.url("/rooms/General"));
    shows_the_member(&browser, "ada", true);
    browser
}

/// A morning in the tool library.
fn morning(rooms: &Rooms) {
    let now = chrono::Local::now();
    let say = |minutes: i64, name: &str, text: &str| {
        let time = (now - chrono::TimeDelta::minutes(minutes)).format("%Y-%m-%d %H:%M:%S").to_string();
        rooms.line_at("General", &time, name, &text.replace('\n', "\u{2028}"));
    };
    say(31, "priya", "Good morning! Is the long ladder back?");
    say(29, "jonas", "Since last night. I checked the *rungs* and the _feet_, all fine.");
    say(
        29,
        "jonas",
        "The list says so, too:\n```sh\n$ grep ladder chatrooms/General/.log | tail -n 1\n[08:12:40] jonas: long ladder in, shelf A\n```",
    );
    say(27, "mira", "👍");
    say(22, "mira", "@ada, could you look after the counter from ten? The key is where https://example.org/keys says.");
    say(4, "priya", "/me carries the ladder home");
    for (room, name, text) in
        [("Lounge", "jonas", "There is cake."), ("Ops", "backup", "@ada done in 3m12s, 2.1 GiB sent")]
    {
        let time = now.format("%Y-%m-%d %H:%M:%S").to_string();
        rooms.line_at(room, &time, name, text);
    }
    rooms.attribute("General", "mira", "typing", "");
    rooms.attribute("General", "priya", "idle", "");
}

#[test]
#[ignore = "it writes into the source tree"]
fn pictures() {
    let _alone = alone();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside: PathBuf = here.join("target/pictures");
    fs::create_dir_all(&beside).unwrap();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    // The marks of somebody who was in every room yesterday.
    let visited = |width, height, scheme| {
        let browser = visit(&site, width, height, scheme);
        let mark = |room: &str| {
            browser.goto(&site.url(&format!("/rooms/{room}")));
            browser.wait_for(&format!("!!JSON.parse(localStorage.getItem('chatroom / marks') ?? '{{}}').{room}"));
        };
        ["Lounge", "Ops", "General"].into_iter().for_each(mark);
        browser
    };
    let all = [
        ("light", visited(1200, 800, "light")),
        ("dark", visited(1200, 800, "dark")),
        ("phone", visited(390, 844, "light")),
        ("phone-dark", visited(390, 844, "dark")),
        ("wide", visited(1920, 1000, "light")),
    ];
    morning(&rooms);
    for (name, browser) in &all {
        browser.wait_for_text("#messages .text", "carries the ladder home");
        browser.wait_for("document.querySelector('#rooms [data-room=Ops] .mentions') !== null");
        browser.wait_for("document.querySelector('#typing').textContent !== ''");
        browser.js("document.activeElement.blur()");
        browser.screenshot(&beside.join(format!("{name}.png")));
    }
    fs::copy(beside.join("light.png"), here.join("docs/page.png")).unwrap();

    let [(_, light), (_, dark), (_, phone), ..] = &all;
    light.type_into("#say", "Sure, @j");
    light.wait_for("!!document.querySelector('#offers li')");
    light.screenshot(&beside.join("completion.png"));
    light.fill("#say", "");
    dark.click("#search-opener");
    dark.fill("#search", &format!("ladder{ENTER}"));
    dark.wait_for_text("#search-status", "message");
    dark.screenshot(&beside.join("search-dark.png"));
    light.click("#help");
    light.screenshot(&beside.join("help.png"));
    light.click("#help-dialog .dismiss");
    light.click("#delete-room");
    light.screenshot(&beside.join("delete.png"));
    light.click("#delete-dialog .dismiss");
    phone.click(".opener[aria-controls=rooms-panel]");
    phone.screenshot(&beside.join("phone-rooms.png"));
    turn_to(light, "Ops");
    light.wait_for_text("#messages .text", "2.1 GiB sent");
    light.screenshot(&beside.join("shells.png"));
    light.goto(&site.url("/plain/General"));
    light.screenshot(&beside.join("plain.png"));
}

/// Prints how long it takes until something is to be seen, until messages are, and until all of the page is there; on a
/// machine as it is, and on a slow phone on a slow line, for the first time and again.
#[test]
#[ignore = "it measures"]
fn measures() {
    let _alone = alone();
    let rooms = Rooms::empty();
    rooms.create("General").rewrite("General", long_log(100_000).as_bytes());
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.cdp("Network.enable", &json!({}));
    for (name, rate, latency, throughput) in [
        ("as it is", 1, 0, -1.0),
        ("slow phone", 4, 150, 1_600_000.0 / 8.0),
        ("slow phone, again", 4, 150, 1_600_000.0 / 8.0),
    ] {
        browser.cdp("Emulation.setCPUThrottlingRate", &json!({"rate": rate}));
        let line = json!({"offline": false, "latency": latency, "downloadThroughput": throughput, "uploadThroughput": throughput});
        browser.cdp("Network.emulateNetworkConditions", &line);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            // The way to be is that of Lighthouse: a processor of a quarter, 1.6 Mbit/s, 150 ms.
            if name != "slow phone, again" {
                browser.cdp("Network.clearBrowserCache", &json!({}));
            }
            browser.goto("about:blank");
            browser.goto(&server.site().url("/rooms/General"));
            browser.wait_for_text("#messages .text", "number 99999");
            browser.wait_for("document.body.dataset.connection === 'open'");
            let times = browser.js("return [performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
                         ...['messages', 'ready'].map(what => performance.getEntriesByName('chatroom: ' + what)[0].startTime)].map(Math.round)");
            rounds.push([0, 1, 2].map(|at| times[at].as_u64().unwrap()));
        }
        let median = |at: usize| {
            let mut values: Vec<u64> = rounds.iter().map(|times| times[at]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        println!(
            "{name}: first paint after {} ms, first messages after {} ms, all after {} ms (medians of five)",
            median(0),
            median(1),
            median(2)
        );
    }
    println!("heap with 100,000 lines of history: {} bytes", browser.js_heap());
}
