//! Streams on which nothing happens: what they hold, and what they cost. Streams that are not read.

use std::fs;
use std::io;

use crate::cases::{Bench, Run, Runs};
use crate::client::{Load, Moment, Outcome};
use crate::contestants::ROOMS;
use crate::contestants::Who::{FastCgi, Http, Nchan};
use crate::table::{Row, Table};

const STREAMS: usize = 10_000;
const IDLE_SECONDS: f64 = 10.0;
const STOPPED_MESSAGE_BYTES: usize = 1000;
/// So much more than the kernel keeps is published.
const ENOUGH_BYTES: u64 = 2_000_000;

/// 10,000 streams in 100 rooms: idle for ten seconds, then one room has 100 messages.
pub fn run(_: &Bench, table: &mut Table) -> io::Result<()> {
    // Memory and an idle processor are the same each time.
    let once = Bench { rounds: 1 };
    let spread = once.in_turn(&[Nchan, Http, FastCgi], table, |load| {
        let idle = IDLE_SECONDS;
        *load = Load { streams: STREAMS, rooms: ROOMS, settle: 2.0, idle, messages: 100, rate: 50, ..load.clone() };
    })?;
    let kilobytes = |who| spread.median(who, |run| memory(run) / STREAMS as f64 / 1000.0);
    for (what, who, limit) in [("HTTP", Http, 3.0), ("FastCGI", FastCgi, 1.2)] {
        table.add(
            Row::new(format!("10,000 idle streams, {what}: private memory of each, KB"))
                .nchan(kilobytes(Nchan))
                .ours(kilobytes(who))
                .at_most(limit, " KB", kilobytes(who)),
        );
    }
    let percent = |who| spread.median(who, |run| idle_cpu(run) * 100.0);
    for (what, who) in [("HTTP", Http), ("FastCGI", FastCgi)] {
        table.add(
            Row::new(format!("10,000 idle streams in 100 rooms, {what}: % of a core"))
                .nchan(percent(Nchan))
                .ours(percent(who))
                .at_most(0.5, " %", percent(who)),
        );
    }
    let alone = once.in_turn(&[Http], table, |load| {
        *load = Load { streams: STREAMS / ROOMS, messages: 100, rate: 50, ..load.clone() };
    })?;
    let among =
        spread.median(Http, |run| run.cpu() - idle_cpu(run) * run.outcome.seconds * 1e6 / run.outcome.got as f64);
    // Any other room that woke up for it would at least double it.
    table.add(Row::new("a message to 100 streams among 10,000 in 100 rooms: CPU a delivery, µs").ours(among).at_most(
        1.5,
        " of what it is without the others",
        among / alone.median(Http, Run::cpu),
    ));
    Ok(())
}

fn memory(run: &Run) -> f64 {
    run.outcome.grew(&run.all, Moment::Before, Moment::Connected, |usage| usage.private)
}

/// Which share of the idle time was spent on a processor.
fn idle_cpu(run: &Run) -> f64 {
    run.outcome.grew(&run.all, Moment::Connected, Moment::Idled, |usage| usage.cpu_ns) / 1e9 / IDLE_SECONDS
}

/// 500 streams of which 5 are never read, until the kernel takes no more for those.
pub fn stopped(_: &Bench, table: &mut Table) -> io::Result<()> {
    let once = Bench { rounds: 1 };
    let messages = (send_buffer_max()? + ENOUGH_BYTES) / STOPPED_MESSAGE_BYTES as u64;
    let load = |slow: usize| {
        move |load: &mut Load| {
            let (streams, size) = (500 - slow, STOPPED_MESSAGE_BYTES);
            *load = Load { streams, slow, messages, size, rate: 1000, burst: 20, ..load.clone() };
        }
    };
    for (what, who) in [("HTTP", Http), ("FastCGI", FastCgi)] {
        let [without, with] = [0, 5].map(|slow| once.in_turn(&[who], table, load(slow)));
        let held = |runs: &Runs| runs.median(who, |run| held(&run.outcome, &run.all));
        let (without, with) = (held(&without?), held(&with?));
        table.add(
            Row::new(format!("500 streams of which 5 take nothing any more, {what}: private memory, KB"))
                .ours(with / 1000.0)
                .at_most(1.1, " of what it is when all read", with / without),
        );
    }
    Ok(())
}

/// How much the kernel keeps for a peer that does not read, at most.
fn send_buffer_max() -> io::Result<u64> {
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem")?;
    let max = limits.split_whitespace().nth(2).and_then(|max| max.parse().ok());
    max.ok_or_else(|| io::Error::other(format!("tcp_wmem is {limits:?}: expected three numbers")))
}

fn held(outcome: &Outcome, pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| outcome.usage.get(pid)).map(|usage| usage[Moment::Done as usize].private as f64).sum()
}
