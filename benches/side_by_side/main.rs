//! Measures chatroom beside nchan and the floor, and its streams beside released servers: `benches/compare` and
//! `benches/streams` run it.
#![allow(unreachable_pub)] // A program: nothing outside can reach any of it.

mod accounting;
mod answer;
mod cases;
mod client;
mod compare;
mod contestants;
mod floor;
mod machine;
mod message;
mod publish;
mod quantile;
mod readers;
mod soak;
mod stream;
mod streams;
mod support;
mod table;

use std::io;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure everything side by side
    Compare(compare::Compare),
    /// Measure Durable Streams beside released servers
    Streams(streams::Streams),
    /// Let servers run for long, and look whether they stay as they were
    Soak(soak::Soak),
    /// Put load on one server, and print what came of it as JSON
    Client(client::Load),
    /// Be the floor
    Floor(floor::Floor),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Some(Command::Compare(options)) => compare::run(&options),
        Some(Command::Streams(options)) => streams::run(&options),
        Some(Command::Soak(options)) => soak::run(&options),
        Some(Command::Client(load)) => client(&load),
        Some(Command::Floor(options)) => floor::run(&options),
        // `cargo bench` alone is for the micro-benchmarks: this takes minutes, or an hour.
        None => {
            println!("side_by_side: run benches/compare, benches/streams or benches/soak");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn client(load: &client::Load) -> io::Result<()> {
    // Whatever hangs, it ends.
    thread::spawn(|| {
        thread::sleep(contestants::CLIENT_LIMIT);
        eprintln!("not done after {:?}", contestants::CLIENT_LIMIT);
        std::process::exit(3)
    });
    let outcome = client::run(load)?;
    println!("{}", serde_json::to_string(&outcome).map_err(io::Error::other)?);
    Ok(())
}
