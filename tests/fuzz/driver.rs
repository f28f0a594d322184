//! Calls a target with its corpus, and with what comes of changing that, for as long as it may.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::support::seeded::Seeded;
use super::targets::Target;

/// How many seconds each target has where nobody says.
const SECONDS: &str = "CHATROOM_FUZZ_SECONDS";

/// An input that grew beyond this is cut.
const INPUT_MAX_BYTES: usize = 4096;

/// Runs a target; a panic of its own comes through, once its input is kept and named.
pub(crate) fn run(Target { name, call, words }: Target) {
    let corpus = corpus(name);
    let seconds = std::env::var(SECONDS).ok().map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let seed = fastrand::u64(..);
    let mut chance = Seeded(seed);
    let mut tried = 0u64;
    for (path, input) in &corpus {
        guarded(call, input, || path.clone());
        tried += 1;
    }
    assert!(tried > 0, "tests/fuzz/corpus/{name} is empty: it needs at least one input to begin with");
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        let input = changed(&mut chance, &corpus, words);
        guarded(call, &input, || keep(name, &input));
        tried += 1;
    }
    println!("fuzz {name}: {tried} inputs, {} of them of the corpus; seed {seed}", corpus.len());
}

fn guarded(call: fn(&[u8]), input: &[u8], path: impl Fn() -> PathBuf) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(input))) {
        eprintln!("the input is {}", path().display());
        resume_unwind(panic);
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the corpus can be read").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("the corpus can be read"))).collect()
}

/// Writes a failing input among the others.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let path = folder(name).join(format!("found-{:016x}", fastrand::u64(..)));
    fs::write(&path, input).unwrap_or_else(|error| panic!("{}: {error}; it was {input:?}", path.display()));
    path
}

/// One of the corpus, changed in some places.
fn changed(chance: &mut Seeded, corpus: &[(PathBuf, Vec<u8>)], words: &[&[u8]]) -> Vec<u8> {
    let any = |chance: &mut Seeded| corpus[chance.below(corpus.len() as u64) as usize].1.clone();
    let mut input = any(chance);
    for _ in 0..=chance.below(6) {
        let at = chance.below(input.len() as u64 + 1) as usize;
        let to = at + chance.below((input.len() - at) as u64 + 1).min(chance.below(64)) as usize;
        let byte = chance.below(256) as u8;
        match chance.below(9) {
            0 if at < input.len() => input[at] ^= 1 << (byte & 7),
            1 if at < input.len() => input[at] = byte,
            2 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'\r', b' '][usize::from(byte & 7)],
            3 => drop(input.drain(at..to)),
            4 => input.truncate(at),
            5 => {
                let again = input[at..to].repeat(1 + usize::from(byte & 7));
                input.splice(at..at, again);
            }
            6 if !words.is_empty() => {
                let word = words[chance.below(words.len() as u64) as usize];
                input.splice(at..at, word.iter().copied());
            }
            7 => {
                let other = any(chance);
                let from = chance.below(other.len() as u64 + 1) as usize;
                input.splice(at..to, other[from..].iter().copied());
            }
            _ => {
                let random: Vec<u8> = (0..chance.below(9)).map(|_| chance.below(256) as u8).collect();
                input.splice(at..to, random);
            }
        }
    }
    input.truncate(INPUT_MAX_BYTES);
    input
}
