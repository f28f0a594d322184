//! Every parser against any bytes: `cargo test` gives each of them a moment, `tests/fuzz/run 10m` as long as is wanted.
//!
//! A target is a function of bytes that panics where a promise does not hold. It is called with the files of its corpus
//! (`tests/fuzz/corpus/TARGET/`), then with changed ones. What makes it panic is written there and is from then on
//! tried first, in every run. `guided/` runs the same functions under libFuzzer, which sees what they reach.

#[path = "../support/mod.rs"]
mod support;

mod driver;
mod http;
#[allow(unreachable_pub)] // `guided/` has them, too.
mod targets;

macro_rules! tests {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            driver::run(targets::of(stringify!($target)));
        })*

        #[test]
        fn every_target_has_a_test() {
            assert_eq!(targets::ALL.iter().map(|target| target.name).collect::<Vec<_>>(), [$(stringify!($target)),*]);
        }
    };
}

tests! {
    line cursor names stream_name sse events fastcgi fastcgi_request params variables form start sidecar ndjson html
}
