//! The oracle: for every x, the history up to x and the stream from x are together the file.
//!
//! Method: the engine (append, tail, feed, reader, history) runs in this thread on real files, and a seed chooses every
//! step: who writes and how much of a line, when the feed looks, who reads how many bytes, who is cut off and resumes, when
//! the server crashes. At the end every reader has what the file has after the place where it began. A seed that fails is
//! printed, and is put among `ONCE_FAILED`. `tests/long oracle` runs ten thousand seeds.

mod reader;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::{Fate, World};

/// Seeds that once failed: a reader read on beyond where the feed stood, in a log that was truncated meanwhile.
const ONCE_FAILED: &[u64] = &[1805];

/// How many seeds the ordinary tests run of each kind.
const ORDINARY: u64 = 200;

/// `ORACLE_SEEDS` is how many, or `FROM..TO`.
fn seeds() -> impl Iterator<Item = u64> {
    let asked = std::env::var("ORACLE_SEEDS").unwrap_or_else(|_| ORDINARY.to_string());
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse().expect("ORACLE_SEEDS is a number, or two");
    ONCE_FAILED.iter().copied().chain(number(from)..number(to))
}

fn each_seed(fate: Fate) {
    let (mut lines, mut connections, mut run) = (0, 0, 0);
    for seed in seeds() {
        let told = catch_unwind(AssertUnwindSafe(|| World::new(seed, fate).run()));
        match told {
            Ok(tally) => (lines, connections, run) = (lines + tally.lines, connections + tally.connections, run + 1),
            Err(panic) => {
                eprintln!("seed {seed} with {fate:?} fails");
                resume_unwind(panic);
            }
        }
    }
    println!("{fate:?}: {run} seeds, {connections} connections, {lines} lines read");
    assert!(lines > 50 * run && connections > 5 * run, "hardly anything happened");
}

#[test]
fn history_and_stream_are_the_file() {
    each_seed(Fate::Grows);
}

#[test]
fn after_a_reset_they_are_the_file_as_it_is() {
    each_seed(Fate::Changes);
}
