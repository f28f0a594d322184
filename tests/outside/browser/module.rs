//! chatroom.js as the module of somebody else's page, as chatroom.d.ts describes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::PATIENCE;
use super::support::process::tool;
use super::support::server::Server;
use super::support::wait::wait_until;
use super::*;

/// tests/outside/module/robot.ts as JavaScript, once its types are found right.
fn robot() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside");
    let compiler = here.join("node_modules/typescript/bin/tsc");
    assert!(compiler.exists(), "{}: tests/run installs it", compiler.display());
    let out = tempfile::tempdir().unwrap();
    let run = |command: &mut Command| command.output().expect("node runs: tests/run installs it");
    let told = run(tool("node").arg(&compiler).arg("-p").arg(here.join("module")).arg("--outDir").arg(out.path()));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    fs::read_to_string(out.path().join("robot.js")).unwrap()
}

#[test]
fn a_typed_page_uses_all_of_it() {
    let _alone = alone();
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let browser = Browser::start();
    browser.goto(&server.site().url("/healthz"));
    // A module without a file has no folder either.
    let robot = robot().replace("'/assets/", &format!("'{}", server.site().url("/assets/")));
    browser.js(&format!(
        "import(URL.createObjectURL(new Blob([{}], {{ type: 'text/javascript' }})))
           .catch(error => document.body.append(`failed: ${{error.stack}}`))",
        json!(robot)
    ));
    browser.wait_for("/open|failed/.test(document.body.textContent)");
    let shown = || browser.js("return document.body.textContent").as_str().unwrap().to_owned();
    let heard = |what: &str| wait_until(what, PATIENCE, || shown().contains(what));
    heard("open: General as robot, there: true");
    wait_until("it types", PATIENCE, || rooms.avatar_path("General", "robot").join("user.typing").exists());

    rooms.line("General", "mira", "robot, say beep");
    heard("robot: beep");
    heard("found: robot, say beep");
    heard("once: true");
    assert!(String::from_utf8(rooms.log("General")).unwrap().ends_with("] robot: beep\n"));
    rooms.rewrite("General", b"[2026-01-31 08:00:00] mira: robot, go\n");
    heard("reset: truncated");
    heard("nowhere: 404");
    heard("closed");
    wait_until("it has left", PATIENCE, || !rooms.avatars("General").contains(&"robot".to_owned()));
    let shown = shown();
    assert!(!shown.contains("failed"), "{shown}");
    assert!(server.site().get("/assets/chatroom.d.ts").text().contains("export class Room"));
}
