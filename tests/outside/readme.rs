//! The README tells the truth: its `console` lines are run as they stand there.

use std::process::Command;

use super::support::rooms::Rooms;
use super::support::server::Server;

const README: &str = include_str!("../../README.md");

/// Whether `actual` is `expected`, in which `…` stands for anything within a line.
fn fits(actual: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = actual.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    match last {
        Some(part) => actual.ends_with(part),
        None => rest.is_empty(),
    }
}

#[test]
fn its_curl_lines_say_what_it_says() {
    assert!(
        fits("a1b2c", "a…b…c") && fits("ab", "ab") && fits("abc", "a…") && !fits("abc", "ab") && !fits("ab", "a…c")
    );
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let block = README.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a console block");
    let mut commands = 0;
    for entry in format!("\n{block}").split("\n$ ").skip(1) {
        let (command, expected) = entry.split_once('\n').unwrap_or((entry, ""));
        assert!(command.contains("http://127.0.0.1:8080/"), "{command}");
        let run = command.replace("http://127.0.0.1:8080/", &server.url());
        let output = Command::new("sh").args(["-c", &run]).output().expect("a shell");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        let (actual, expected): (Vec<&str>, Vec<&str>) =
            (stdout.trim_end().lines().collect(), expected.trim_end().lines().collect());
        let same = actual.len() == expected.len() && actual.iter().zip(&expected).all(|(a, e)| fits(a, e));
        assert!(same, "$ {command}\n{stdout}\ninstead of\n{}", expected.join("\n"));
        commands += 1;
    }
    assert!(commands >= 10, "only {commands} commands were found");
}

#[test]
fn what_it_names_is_there() {
    for name in
        ["nginx/proxy.conf", "nginx/fastcgi.conf", "nginx/cgi.conf", "docs/page.png", "src/limits.rs", "tests/run"]
    {
        assert!(README.contains(name), "{name}");
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name}");
    }
    for name in README.split('`').filter(|word| word.starts_with("tests/") && word.ends_with(".rs")) {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name}");
    }
}
