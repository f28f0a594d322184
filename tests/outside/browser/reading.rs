//! Reading: where one left off, far back, by date, by search, by link.

use super::support::server::Server;
use super::*;

const IN_SIGHT: &str = "(element => { const box = element.getBoundingClientRect();
  const around = document.querySelector('#messages').getBoundingClientRect();
  return box.top >= around.top && box.top < around.bottom; })";

#[test]
fn a_room_opens_where_one_left_off() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    let read = "!!JSON.parse(localStorage.getItem('chatroom / marks') ?? '{}').General";
    browser.wait_for(read);
    turn_to(&browser, "Ops");
    for n in 0..230 {
        rooms.line("General", "mira", &format!("unread {n}"));
    }
    browser.reload();
    browser.wait_for("document.body.dataset.room === 'Ops'");
    turn_to(&browser, "General");
    browser.wait_for(&format!("{IN_SIGHT}(document.querySelector('#messages .new'))"));
    assert_eq!(browser.js("return document.querySelector('.message:has(> .new) .text').textContent"), "unread 0");
    // What came before it is there, too, and the way to the end.
    browser.wait_for("document.querySelector('.message:has(> .new)').previousElementSibling !== null");
    browser.click("#latest");
    browser.wait_for_text("#messages .text", "unread 229");
    browser.wait_for("document.querySelector('#latest').hidden");

    // Read to the end, nothing is new.
    turn_to(&browser, "Ops");
    browser.reload();
    browser.wait_for("document.body.dataset.room === 'Ops' && document.querySelector('#messages .message')");
    turn_to(&browser, "General");
    browser.wait_for_text("#messages .text", "unread 229");
    assert_eq!(browser.js("return document.querySelectorAll('.new').length"), 0);
    has_not_complained(&browser);
}

#[test]
fn a_long_log_is_read_from_end_to_beginning_in_little_memory() {
    let _alone = alone();
    let rooms = Rooms::empty();
    rooms.create("General").rewrite("General", long_log(100_000).as_bytes());
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.goto(&server.site().url("/rooms/General"));
    browser.wait_for_text("#messages .text", "number 99999 of");

    // Up and up: pages come, and what is far below goes.
    let first = "Number(document.querySelector('.message[data-kind=message] .text').textContent.split(' ')[1])";
    let mut before = browser.js(&format!("return {first}")).as_u64().unwrap();
    for _ in 0..12 {
        browser.js("document.querySelector('#messages').scrollTop = 0");
        let now = browser.wait_for(&format!("({first} < {before} && {first}) || ({first} === 0 && 'zero')"));
        before = now.as_u64().unwrap_or(0);
    }
    assert!(before < 99_000, "{before}");
    let count = browser.js("return document.querySelectorAll('#messages .message').length").as_u64().unwrap();
    assert!((200..=500).contains(&count), "{count} elements");

    // While one reads there, nothing moves, and what is new is counted.
    browser.js("document.querySelector('#messages').scrollTop = 2000");
    let seen = "[...document.querySelectorAll('.message')].find(m => m.getBoundingClientRect().top > 100)";
    let place = format!("(seen => [seen.dataset.id, seen.getBoundingClientRect().top])({seen})");
    browser.js("window.settled = new Promise(requestAnimationFrame)");
    let here = browser.js(&format!("return {place}"));
    for n in 0..12 {
        rooms.line("General", "mira", &format!("meanwhile {n}"));
    }
    browser.wait_for_text("#latest", "12 new");
    assert_eq!(browser.js(&format!("return {place}")), here);

    // A day in the middle.
    browser.click("#go-to-date");
    browser.js("document.querySelector('#date-dialog input').value = '2025-02-10'");
    browser.click("#date-dialog .primary");
    browser.wait_for_text(".message.target .text", "number 57600 of");
    // Down from there, page by page, without a gap.
    for _ in 0..4 {
        browser.js("const m = document.querySelector('#messages'); m.scrollTop = m.scrollHeight");
        let last = "document.querySelector('.message:last-child .text').textContent.split(' ')[1]";
        let before = browser.js(&format!("return {last}"));
        browser
            .js("const m = document.querySelector('#messages'); m.scrollTop = m.scrollHeight - m.clientHeight - 100");
        browser.wait_for(&format!("{last} !== {before}"));
    }
    let gaps = "(numbers => numbers.filter((n, at) => at > 0 && n !== numbers[at - 1] + 1).length)(
      [...document.querySelectorAll('.message .text')].map(text => Number(text.textContent.split(' ')[1])))";
    assert_eq!(browser.js(&format!("return {gaps}")), 0);

    // The beginning, and the end again.
    browser.click("#go-to-date");
    browser.js("document.querySelector('#date-dialog input').value = '2024-12-01'");
    browser.click("#date-dialog .primary");
    browser.wait_for_text(".message.target .text", "number 0 of");
    browser.wait_for("document.querySelector('#messages').classList.contains('beginning')");
    browser.click("#latest");
    browser.wait_for_text(".message:last-child .text", "meanwhile 11");

    let heap = browser.js_heap();
    println!("{heap} bytes of heap");
    assert!(heap < 60_000_000, "{heap} bytes of heap");
    has_not_complained(&browser);
}

#[test]
fn a_search_leads_into_the_history_and_so_does_a_link() {
    let _alone = alone();
    let rooms = Rooms::empty();
    rooms.create("General").rewrite("General", long_log(1_000).as_bytes());
    rooms.line("General", "jonas", "The needle is in the <b>shed</b>, behind the ladder.");
    rooms.append("General", long_log(100_000).as_bytes());
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.goto(&server.site().url("/rooms/General"));
    browser.wait_for_text("#messages .text", "number 99999 of");

    browser.click("#search-opener");
    browser.fill("#search", "NEEDLE jonas");
    browser.type_into("#search", ENTER);
    browser.wait_for_text("#search-status", "1 message");
    assert_eq!(browser.texts("#results mark").join(" "), "jonas needle".replace("jonas ", ""));
    browser.click("#results a");
    browser.wait_for_text(".message.target .text", "The needle");
    let around = "[...document.querySelectorAll('.message .text')].map(text => text.textContent)";
    let around = browser.js(&format!("return {around}"));
    let at = around.as_array().unwrap().iter().position(|text| text.as_str().unwrap().contains("needle")).unwrap();
    assert_eq!(
        (&around[at - 1], &around[at + 1]),
        (&"number 999 of a long log".into(), &"number 0 of a long log".into())
    );

    // The address is a link to it.
    assert!(browser.url().contains("/rooms/General#0000000000000000_"), "{}", browser.url());
    browser.reload();
    browser.wait_for_text(".message.target .text", "The needle");

    browser.click("#search-opener");
    // What is not there, and one that is not there any more.
    browser.fill("#search", "haystack");
    browser.type_into("#search", ENTER);
    browser.wait_for_text("#search-status", "Nothing was found.");
    rooms.rewrite("General", b"[2026-01-31 08:00:00] mira: anew\n");
    browser.wait_for_text("#notice", "The log of this room was truncated.");
    browser.reload();
    browser.wait_for_text("#notice", "That message is not in the log any more.");
    browser.wait_for_text("#messages .text", "anew");
}

#[test]
fn what_is_said_looks_like_what_it_is() {
    let _alone = alone();
    let rooms = Rooms::empty();
    rooms.create("General");
    let log = "[2026-01-30 08:00:00] mira: See https://example.org/a_(b), *really*, and _soon_.\n\
               [2026-01-30 08:01:00] mira: run `ls *` then:\u{2028}```sh\u{2028}ls -l *x*\u{2028}```\n\
               [2026-01-30 08:30:00] mira: 👍 🎉\n\
               [2026-01-31 08:00:00] log: al joined the room.\n\
               [2026-01-31 08:00:01] log: al left the room.\n\
               [2026-01-31 08:00:02] log: bo joined the room.\n\
               total 12 *x*\n\
               [2026-01-31 08:00:03] bo: /me waves at @alice\n";
    rooms.rewrite("General", log.as_bytes());
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.goto(&server.site().url("/healthz"));
    browser.js("localStorage.setItem('chatroom / name', 'alice')");
    browser.goto(&server.site().url("/rooms/General"));
    shows_the_log(&browser, &rooms, "General");

    let count = |css: &str| browser.js(&format!("return document.querySelectorAll({}).length", json!(css))).as_u64();
    assert_eq!(browser.js("return document.querySelector('.text a').href"), "https://example.org/a_(b)");
    assert_eq!(count(".text a[rel~=noopener]"), Some(1));
    assert_eq!(browser.text(".text strong"), "really");
    assert_eq!(browser.text(".text em"), "soon");
    assert_eq!(browser.texts(".text code"), ["ls *", "ls -l *x*"]);
    assert_eq!((count(".text.emoji"), count(".text.action")), (Some(1), Some(1)));
    // The third day is today: the reader has come. The second one of an author follows at once; the third half an hour later.
    assert_eq!((count(".message.continued"), count(".day")), (Some(1), Some(3)));
    // Of one who came and went the last word is enough, and who speaks of the reader stands out.
    assert_eq!((count(".message.superseded"), count(".message.mention")), (Some(1), Some(1)));
    let font = "getComputedStyle(document.querySelector('[data-kind=line] .text')).fontFamily";
    assert!(browser.js(&format!("return {font}")).as_str().unwrap().contains("mono"));
    let full = browser.js("return document.querySelector('time').title");
    assert!(full.as_str().unwrap().contains("January 30, 2026"), "{full}");
}
