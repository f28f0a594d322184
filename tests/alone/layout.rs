//! The arrows of the code point down, and the pure parts stay pure.
//!
//! Method: read every `use crate::…` and every path `crate::…` of `src/`, and compare the module
//! with the order in which a request becomes bytes.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top to the bottom; a module uses what comes after it (and what is within it).
const ORDER: [&str; 10] = ["cli", "shell", "gateway", "api", "config", "live", "store", "room", "wire", "limits"];

/// What pure code does not name. Times and addresses may be values, but are not asked for.
const IMPURE: [&str; 12] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "tokio",
    "nix::",
    "notify",
    "Instant::now",
    "SystemTime",
    "Local::now",
    "Utc::now",
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    let inner = path.strip_prefix(src()).unwrap();
    let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code of a file without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

fn used_modules(code: &str) -> Vec<String> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group.split(',').map(str::to_owned).collect(),
            None => vec![rest.to_owned()],
        })
        .map(|name| name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect()
}

fn upward(module: &str, code: &str) -> Vec<String> {
    let rank = |name: &str| ORDER.iter().position(|other| *other == name);
    let Some(own) = rank(module) else { return Vec::new() };
    used_modules(code).into_iter().filter(|used| rank(used).is_none_or(|used| used < own)).collect()
}

#[test]
fn arrows_point_down() {
    let mut seen = 0;
    for path in sources(&src()) {
        let module = module_of(&path);
        if matches!(module.as_str(), "main" | "lib") {
            continue;
        }
        assert!(ORDER.contains(&module.as_str()), "{module} has no place in the order: {}", path.display());
        let wrong = upward(&module, &code(&path));
        assert!(wrong.is_empty(), "{} uses {wrong:?}, which is above it", path.display());
        seen += 1;
    }
    assert!(seen > 30, "only {seen} files were looked at");
    assert_eq!(upward("store", "use crate::live::hub;\nuse crate::{room, nowhere};"), ["live", "nowhere"]);
}

#[test]
fn the_pure_parts_do_no_io_and_read_no_clock() {
    let pure = |path: &PathBuf| {
        matches!(module_of(path).as_str(), "room" | "wire" | "limits") || path.ends_with("live/subscription.rs")
    };
    let files: Vec<PathBuf> = sources(&src()).into_iter().filter(pure).collect();
    assert!(files.len() > 12);
    for path in files {
        let code = code(&path);
        for name in IMPURE {
            assert!(!code.contains(name), "{} names {name}: hand it in as an argument", path.display());
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for path in sources(&src()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with what it is for", path.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: give each reason a file of its own", path.display());
    }
}

#[test]
fn one_line_is_unsafe() {
    let unsafe_lines = |path: &PathBuf| code(path).lines().filter(|line| line.contains("unsafe {")).count();
    let found: Vec<(PathBuf, usize)> =
        sources(&src()).into_iter().map(|path| (path.clone(), unsafe_lines(&path))).filter(|(_, n)| *n > 0).collect();
    assert_eq!(found, [(src().join("store/bell/dnotify.rs"), 1)]);
}
