//! Micro-benchmarks. `cargo bench --bench micro` measures their time; `benches/instructions`
//! counts their instructions.
#![allow(unreachable_pub)] // A program: nothing outside can reach any of it.

mod bodies;
mod fanout;

use bodies::{BODIES, Body};
use criterion::{Criterion, Throughput};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["names"] => BODIES.iter().for_each(|body| println!("{} {} {}", body.name, body.units, body.unit)),
        ["call", name, calls] => call(name, calls),
        _ => time(),
    }
}

/// Calls one body so often and does nothing else, for callgrind to count.
fn call(name: &str, calls: &str) {
    let body: Option<&Body> = BODIES.iter().find(|body| body.name == name);
    let (Some(body), Ok(calls)) = (body, calls.parse::<u32>()) else {
        panic!("call {name} {calls}: expected a name that `names` prints, and a number");
    };
    let mut run = (body.prepare)();
    (0..calls).for_each(|_| run());
}

fn time() {
    let mut criterion = Criterion::default().configure_from_args();
    for body in &BODIES {
        let mut group = criterion.benchmark_group(body.name);
        group.throughput(Throughput::Elements(body.units));
        group.bench_function(body.unit, |bencher| {
            let mut run = (body.prepare)();
            bencher.iter(&mut run);
        });
        group.finish();
    }
    criterion.final_summary();
}
