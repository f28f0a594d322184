//! Tests through real web servers and in a real browser: `tests/run` installs what they need.

#[path = "../support/mod.rs"]
mod support;

mod browser;
