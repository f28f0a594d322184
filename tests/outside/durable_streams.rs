//! The official suite of the Durable Streams protocol, `@durable-streams/server-conformance-tests`, through each way in.
//!
//! Method: the suite runs against the server, and what fails must be what `durable-streams/not-yet.txt` names, no more
//! and no less. Its version is pinned in `durable-streams/`; what runs it is a vitest that Debian's Node can run.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::support::fcgiwrap::Fcgiwrap;
use super::support::http::Site;
use super::support::nginx;
use super::support::process::tool;
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};

/// How many tests the suite has.
const ALL: usize = 338;

/// Long-polls that nothing ends are a third of the suite's time.
const SHORT: &str = "1";

/// Some of the suite's tests wait for fractions of a second: each run has the machine to itself, and where others share
/// it, a test may be tried three times.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs the suite against `site`; what fails must be named in `expected`.
fn run(site: &Site, expected: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/durable-streams");
    let vitest = "node_modules/vitest/vitest.mjs";
    assert!(suite.join(vitest).exists(), "the suite is not installed; tests/run installs it, by npm");
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    let output = tool("node")
        .current_dir(&suite)
        .args([vitest, "run", "--cache=false", "--testTimeout=30000", "--retry=2", "--reporter=json", "--outputFile"])
        .arg(&report)
        .env("CHATROOM_URL", site.url(""))
        .output()
        .expect("node can be run");
    let report = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}: no report: {output:?}"));
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report in JSON");
    let results = report["testResults"][0]["assertionResults"].as_array().expect("results");
    let mut failed = Vec::new();
    for result in results.iter().filter(|result| result["status"] != "passed") {
        let above = result["ancestorTitles"].as_array().expect("titles");
        let titles = above.iter().chain([&result["title"]]).map(|title| title.as_str().expect("a title"));
        failed.push((titles.collect::<Vec<_>>().join(" > "), &result["failureMessages"]));
    }
    let expected: Vec<&str> = expected.lines().collect();
    let news: Vec<_> = failed.iter().filter(|(name, _)| !expected.contains(&name.as_str())).collect();
    let passed: Vec<_> = expected.iter().filter(|name| !failed.iter().any(|(failed, _)| failed == *name)).collect();
    assert!(news.is_empty() && passed.is_empty(), "fail now: {news:#?}\nare to be taken from the list: {passed:#?}");
    assert_eq!((results.len(), failed.len()), (ALL, expected.len()));
}

const NOT_YET: &str = include_str!("durable-streams/not-yet.txt");

/// Subscriptions need a process that lives on, to tell of what comes.
const NOT_OVER_CGI: &str = include_str!("durable-streams/not-over-cgi.txt");

/// The suite's webhooks are on this machine.
const HERE: &str = "--allow-private-webhooks";

#[test]
fn the_suite_over_http() {
    let rooms = Rooms::empty();
    let server = Server::serve(rooms.root(), &["--long-poll", SHORT, HERE]);
    run(&server.site(), NOT_YET);
}

#[test]
fn the_suite_over_fastcgi_behind_nginx() {
    let rooms = Rooms::empty();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &["--long-poll", SHORT, HERE]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    run(&nginx.site(), NOT_YET);
}

#[test]
fn the_suite_over_cgi() {
    let rooms = Rooms::empty();
    let fcgiwrap = Fcgiwrap::start(64);
    let conf = nginx::cgi_conf(binary(), rooms.root(), fcgiwrap.socket());
    // A process whose reader has gone learns it at the next ping.
    let quick =
        format!("fastcgi_param CHATROOM_LONG_POLL {SHORT}; fastcgi_param CHATROOM_PING 1; fastcgi_param REMOTE_ADDR");
    let nginx = nginx::Nginx::start(&nginx::edit(&conf, "fastcgi_param REMOTE_ADDR", &quick));
    run(&nginx.site(), &[NOT_YET, NOT_OVER_CGI].concat());
}
