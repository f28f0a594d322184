//! Saying something: how many posts a second are acknowledged, each once in the log.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::accounting::Usage;
use crate::cases::Bench;
use crate::client::{address, log_time};
use crate::contestants::{Contestant, Who};
use crate::message::Stamp;
use crate::publish::Poster;
use crate::quantile::median;
use crate::readers::Readers;
use crate::table::{Row, Table};

const CONNECTIONS: usize = 32;
const LASTS: Duration = Duration::from_secs(2);
const TEXT: &[u8] = b"as long a text as people say most of the time, or a line of a job\n";

/// What 32 connections did.
pub struct Posted {
    /// Messages acknowledged a second.
    pub a_second: f64,
    /// Processor time of each.
    pub cpu_micros: f64,
}

/// 32 connections that post to one room as fast as they are answered; beside it a bare loop that
/// appends as long lines to the same file.
pub fn run(bench: &Bench, table: &mut Table) -> io::Result<()> {
    compare(bench, table, "32 connections posting", Who::Http, false)?;
    compare(bench, table, "32 connections posting, each on disk (--ack synced)", Who::HttpSynced, true)
}

fn compare(bench: &Bench, table: &mut Table, what: &str, who: Who, sync: bool) -> io::Result<()> {
    let (mut ours, mut bare, mut nchan) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        if !sync {
            nchan.push(post(&Who::Nchan.start()?)?);
        }
        let contestant = who.start()?;
        ours.push(post(&contestant)?);
        let log = fs::read(contestant.log())?;
        let line = log.split_inclusive(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
        bare.push(append(&contestant.log(), line, sync)?);
    }
    let of = |runs: &[Posted], of: fn(&Posted) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let rate = of(&ours, |run| run.a_second);
    let floor = of(&bare, |run| run.a_second);
    let with_sync = if sync { " and `fdatasync`" } else { "" };
    let mut row = Row::new(format!("{what} (floor: a bare loop of `write`{with_sync}): messages a second"))
        .floor(floor)
        .ours(rate);
    let mut cost = Row::new(format!("{what}: CPU a message, µs"))
        .floor(of(&bare, |run| run.cpu_micros))
        .ours(of(&ours, |run| run.cpu_micros));
    if !sync {
        row = row.nchan(of(&nchan, |run| run.a_second));
        cost = cost.nchan(of(&nchan, |run| run.cpu_micros));
    }
    table.add(row);
    table.add(Row::new(format!("{what}: messages a second, of the bare loop's")).ours(rate / floor));
    table.add(cost);
    Ok(())
}

/// Posts from 32 connections for a while.
pub fn post(contestant: &Contestant) -> io::Result<Posted> {
    let (addr, path) = address(contestant.post.as_deref().unwrap_or_default())?;
    let mut loop_of = Readers::new(0)?;
    let mut posters = Vec::new();
    for token in 0..CONNECTIONS {
        let poster = Poster::connect(addr, &path)?;
        loop_of.watch(poster.socket(), token as u64)?;
        posters.push(poster);
    }
    let before = Usage::of_all(&contestant.all);
    let start = Instant::now();
    posters.iter_mut().try_for_each(|poster| poster.post(TEXT))?;
    let mut under_way = posters.len();
    while under_way > 0 {
        if start.elapsed() > LASTS * 5 {
            return Err(io::Error::other(format!("{under_way} posts were never answered")));
        }
        loop_of.pump(Duration::from_millis(20), |token| {
            let poster = &mut posters[token as usize];
            if poster.on_readable()? {
                match start.elapsed() < LASTS {
                    true => poster.post(TEXT)?,
                    false => under_way -= 1,
                }
            }
            Ok(())
        })?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let acknowledged: u64 = posters.iter().map(|poster| poster.acknowledged).sum();
    let cpu = Usage::of_all(&contestant.all).cpu_ns - before.cpu_ns;
    if contestant.keeps_log() {
        let lines = fs::read(contestant.log())?.iter().filter(|byte| **byte == b'\n').count() as u64;
        if lines != acknowledged {
            return Err(io::Error::other(format!("{acknowledged} posts were acknowledged, {lines} are in the log")));
        }
    }
    Ok(Posted { a_second: acknowledged as f64 / seconds, cpu_micros: cpu as f64 / 1e3 / acknowledged as f64 })
}

fn append(log: &Path, line_bytes: usize, sync: bool) -> io::Result<Posted> {
    let mut log = OpenOptions::new().append(true).open(log)?;
    let mut line = Vec::new();
    Stamp { run: 0, number: 0, nanos: 0 }.write_line(&mut line, &log_time(), line_bytes);
    let before = Usage::of(std::process::id());
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < LASTS / 2 {
        log.write_all(&line)?;
        if sync {
            log.sync_data()?;
        }
        count += 1;
    }
    let cpu = Usage::of(std::process::id()).cpu_ns - before.cpu_ns;
    Ok(Posted {
        a_second: f64::from(count) / start.elapsed().as_secs_f64(),
        cpu_micros: cpu as f64 / 1e3 / f64::from(count),
    })
}
