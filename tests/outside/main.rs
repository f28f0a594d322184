//! Tests through real web servers and in a real browser: `tests/run` installs what they need.

#[path = "../cases/mod.rs"]
mod cases;
#[path = "../support/mod.rs"]
mod support;

mod attributes;
mod browser;
mod cgi;
mod clock;
mod dropin;
mod durable_client;
mod durable_streams;
mod fastcgi;
mod killed;
mod page;
mod readme;
mod unreadable;
mod ways;
