//! Tests that need nothing but the binary: `cargo test` runs them.

#[path = "../cases/mod.rs"]
mod cases;
#[path = "../support/mod.rs"]
mod support;

mod cgi;
mod durable;
mod fastcgi;
mod hostile;
mod hostile_fastcgi;
mod killed;
mod layout;
mod limits;
mod load;
mod measuring;
mod odd_files;
mod producers;
mod seam;
mod server;
mod shell;
mod shell_names;
mod smuggling;
mod streams;
mod symlinks;
#[cfg(target_os = "linux")]
mod watching;
mod ways;
