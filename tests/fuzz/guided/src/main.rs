//! One target, named by `FUZZ_TARGET`, under libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)] // libFuzzer has words of its own.
#[path = "../../targets/mod.rs"]
mod targets;

/// The peers of the tests that the targets compare with.
#[allow(dead_code)]
#[path = "../../../support"]
mod support {
    pub mod fastcgi;
    pub mod http;
    pub mod sse;

    pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
}

static TARGET: LazyLock<targets::Target> =
    LazyLock::new(|| targets::of(&std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target")));

fuzz_target!(|input: &[u8]| (TARGET.call)(input));
