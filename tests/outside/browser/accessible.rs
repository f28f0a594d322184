//! For everyone: by axe, by keyboard, large, from right to left, and without JavaScript.

use std::fs;
use std::path::Path;

use super::support::browser::{CONTROL, ESCAPE, UP};
use super::support::server::Server;
use super::*;

/// Runs axe on what the page shows now.
pub(super) fn has_no_violations(browser: &Browser, what: &str) {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/node_modules/axe-core/axe.min.js");
    let axe =
        fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}: tests/run installs it", axe.display()));
    // By the driver, for the page's own policy would refuse it.
    if browser.js("return typeof axe") == "undefined" {
        browser.js(&axe);
    }
    browser.js("window.found = null; axe.run(document).then(found => { window.found = found; document.body.dataset.axe = 'done'; });
                delete document.body.dataset.axe");
    browser.wait_for("document.body.dataset.axe === 'done'");
    let violations = browser.js(
        "return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')}`)",
    );
    assert_eq!(violations, json!([]), "{what}");
    let passes = browser.js("return found.passes.length").as_u64().unwrap();
    assert!(passes > 10, "{what}: axe looked at {passes} rules only");
}

fn scheme(browser: &Browser, scheme: &str) {
    let features = json!({"features": [
        {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", &features);
}

#[test]
fn axe_finds_nothing() {
    let _alone = alone();
    let rooms = Rooms::example();
    rooms.line(
        "General",
        "mira",
        "hi @alice, see https://example.org and `code`:\u{2028}```\u{2028}a block\u{2028}```",
    );
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    turn_to(&browser, "Lounge");
    rooms.line("General", "mira", "unread");
    browser.wait_for("!!document.querySelector('#rooms .count')");
    turn_to(&browser, "General");
    for colours in ["light", "dark"] {
        scheme(&browser, colours);
        browser.resize(1280, 800);
        has_no_violations(&browser, &format!("wide, {colours}"));
        browser.click("#search-opener");
        browser.fill("#search", &format!("the{ENTER}"));
        browser.wait_for_text("#search-status", "message");
        has_no_violations(&browser, &format!("search, {colours}"));
        browser.click("#search-panel .close");
        for (opener, dialog) in [("#help", "#help-dialog"), ("#delete-room", "#delete-dialog")] {
            browser.click(opener);
            has_no_violations(&browser, &format!("{dialog}, {colours}"));
            browser.click(&format!("{dialog} .dismiss"));
        }
        browser.type_into("#say", "@");
        browser.wait_for("!!document.querySelector('#offers li')");
        has_no_violations(&browser, &format!("completion, {colours}"));
        browser.fill("#say", "");
        browser.resize(360, 740);
        has_no_violations(&browser, &format!("phone, {colours}"));
        browser.click(".opener[aria-controls=rooms-panel]");
        has_no_violations(&browser, &format!("phone, rooms, {colours}"));
        browser.type_into("body", ESCAPE);
    }
    browser.goto(&server.site().url("/plain/General"));
    has_no_violations(&browser, "without JavaScript");
}

#[test]
fn a_keyboard_is_enough() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    let focused = |css: &str| browser.wait_for(&format!("document.activeElement.matches({})", json!(css)));

    // To each control by Tab, and each shows that it is there.
    let mut seen = Vec::new();
    browser.reload();
    shows_the_member(&browser, "alice", true);
    for _ in 0..60 {
        browser.press_tab();
        let now = browser.js(
            "const e = document.activeElement; if (e === document.body) return null;
             const outline = getComputedStyle(e).outlineStyle; return [e.id || e.dataset.room || e.className, outline]",
        );
        if now.is_null() {
            break;
        }
        assert_ne!(now[1], "none", "{now} does not show its focus");
        seen.push(now[0].as_str().unwrap().to_owned());
    }
    for control in
        ["new-room", "General", "Ops", "name", "help", "go-to-date", "delete-room", "search-opener", "messages", "say"]
    {
        assert!(seen.iter().any(|one| one == control), "{control} is not among {seen:?}");
    }

    // Into the messages, from one to the next, and a link to one.
    browser.type_into("#messages", UP);
    focused(".message:last-of-type");
    browser.type_into(":focus", UP);
    let id = browser.js("return document.activeElement.dataset.id");
    browser.type_into(":focus", ENTER);
    browser.wait_for_address(id.as_str().unwrap());
    // Search, and back.
    browser.type_into("#say", &format!("{CONTROL}k"));
    focused("#search");
    browser.type_into("#search", ESCAPE);
    focused("#search-opener");
    // Another room.
    browser.type_into("#say", "\u{e00a}\u{e015}");
    browser.wait_for("document.body.dataset.room === 'Lounge'");
    has_not_complained(&browser);
}

#[test]
fn text_may_be_twice_as_large_and_go_the_other_way() {
    let _alone = alone();
    let rooms = Rooms::example();
    rooms.line("General", "mira", "שלום עולם");
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    enter(&browser, &server.site(), "alice");
    let direction =
        "getComputedStyle([...document.querySelectorAll('.text')].find(t => t.textContent.startsWith('ש'))).direction";
    assert_eq!(browser.js(&format!("return {direction}")), "rtl");
    for (width, dir) in [(1280, "ltr"), (640, "ltr"), (640, "rtl"), (360, "rtl")] {
        browser.resize(width, 800);
        browser
            .js(&format!("document.documentElement.dir = '{dir}'; document.documentElement.style.fontSize = '200%'"));
        let wide = "[document.documentElement, ...document.querySelectorAll('main, #messages, header, footer')]
          .filter(e => e.scrollWidth > e.clientWidth).map(e => `${e.tagName} ${e.scrollWidth} > ${e.clientWidth}`)";
        assert_eq!(browser.js(&format!("return {wide}")), json!([]), "{width} {dir}");
        // What one writes with is still in sight.
        assert_eq!(
            browser.js("return document.querySelector('#say').getBoundingClientRect().bottom <= innerHeight"),
            true,
            "{width} {dir}"
        );
    }
}

#[test]
fn without_javascript_there_is_a_log_and_a_form() {
    let _alone = alone();
    let rooms = Rooms::example();
    rooms.line("General", "mallory", "<script>document.title='evil'</script>");
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.cdp("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.goto(&server.site().url("/rooms/General"));
    browser.wait_for_address("/plain/General");
    assert!(browser.text("ol").contains("<script>document.title='evil'</script>"));
    browser.fill("[name=user]", "alice");
    browser.type_into("[name=text]", "by hand");
    browser.click("button");
    browser.wait_for_address("/plain/General?user=alice#end");
    assert!(browser.text("ol li:last-child").contains("by hand"));
    assert!(String::from_utf8(rooms.log("General")).unwrap().ends_with("] alice: by hand\n"));
    // The name stays, and so does the room after a reload.
    assert_eq!(browser.text("h1"), "General");
    browser.reload();
    let log = String::from_utf8(rooms.log("General")).unwrap();
    assert_eq!(log.matches("by hand").count(), 1);
}
