//! The page's store and the rest of it that needs no browser, by itself, in node.

use std::path::Path;

use super::support::process::tool;

#[test]
fn what_needs_no_browser() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = std::fs::read_dir(here.join("tests/page")).unwrap().map(|entry| entry.unwrap().path());
    let run = tool("node").arg("--test").args(tests).output().expect("node runs: tests/run installs it");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    let passed = told.lines().find_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix("pass "));
    assert!(passed.is_some_and(|count| count.parse::<u32>().unwrap() > 15), "{told}");
}
