//! The official suite of the Durable Streams protocol, `@durable-streams/server-conformance-tests`.
//!
//! Method: the suite runs against the server, and what fails must be what `durable-streams/not-yet.txt` names, no more
//! and no less. It wants Node 20, which Debian 12 has not, so it is asked for:
//! `(cd tests/outside/durable-streams && npm ci) && cargo test --features outside --test outside -- --ignored suite`.

use std::path::Path;

use super::support::process::tool;
use super::support::rooms::Rooms;
use super::support::server::Server;

/// How many tests the suite has.
const ALL: usize = 338;

#[test]
#[ignore = "it wants Node 20 and what npm installs"]
fn the_suite_passes_but_for_what_is_named() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/durable-streams");
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &[]);
    let report = rooms.root().join("report.json");
    let output = tool("node")
        .current_dir(&suite)
        .args(["node_modules/vitest/vitest.mjs", "run", "--reporter=json", "--outputFile"])
        .arg(&report)
        .env("CHATROOM_URL", server.url().trim_end_matches('/'))
        .output()
        .expect("node can be run");
    let report = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}: no report: {output:?}"));
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report in JSON");
    let results = report["testResults"][0]["assertionResults"].as_array().expect("results");
    let mut failed = Vec::new();
    for result in results.iter().filter(|result| result["status"] != "passed") {
        let above = result["ancestorTitles"].as_array().expect("titles");
        let titles = above.iter().chain([&result["title"]]).map(|title| title.as_str().expect("a title"));
        failed.push(titles.collect::<Vec<_>>().join(" > "));
    }
    failed.sort();
    let not_yet: Vec<&str> = include_str!("durable-streams/not-yet.txt").lines().collect();
    let news: Vec<_> = failed.iter().filter(|name| !not_yet.contains(&name.as_str())).collect();
    let passed: Vec<_> = not_yet.iter().filter(|name| !failed.iter().any(|failed| failed == *name)).collect();
    assert!(news.is_empty() && passed.is_empty(), "fail now: {news:#?}\nare to be taken from the list: {passed:#?}");
    assert_eq!((results.len(), failed.len()), (ALL, not_yet.len()));
}
