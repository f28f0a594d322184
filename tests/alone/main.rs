//! Tests that need nothing but the binary: `cargo test` runs them.

#[path = "../support/mod.rs"]
mod support;

mod layout;
