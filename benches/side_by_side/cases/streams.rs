//! Durable Streams beside released servers: appending, following, and reading what is there.

use std::io;
use std::time::Instant;

use crate::accounting::Usage;
use crate::cases::posting::post;
use crate::cases::{Bench, QUANTILES, Run};
use crate::client::{Load, Moment, address};
use crate::contestants::Who::{self, CrateStreams, NodeStreams, Streams};
use crate::quantile::median;
use crate::support::http::Connection;
use crate::table::{Row, Table};

const ALL: [Who; 3] = [NodeStreams, CrateStreams, Streams];

/// So much is appended before it is read, and so much with each request.
const PAST_BYTES: usize = 64 << 20;
const APPEND_BYTES: usize = 128 << 10;

/// A row of what is better the larger it is.
fn more(what: String, [node, krate, ours]: [f64; 3]) -> Row {
    let row = Row::new(what).others([node, krate]).ours(ours);
    row.at_least(1.0, " × npm", ours / node).at_least(1.0, " × crate", ours / krate)
}

/// A row of what is better the smaller it is.
fn less(what: String, [node, krate, ours]: [f64; 3]) -> Row {
    let row = Row::new(what).others([node, krate]).ours(ours);
    row.at_most(1.0, " × npm", ours / node).at_most(1.0, " × crate", ours / krate)
}

/// 32 connections that append to one stream as fast as they are answered.
pub fn appends(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let mut runs = ALL.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..bench.rounds {
        for (who, (rates, costs)) in ALL.iter().zip(&mut runs) {
            let posted = post(&who.start()?)?;
            rates.push(posted.a_second);
            costs.push(posted.cpu_micros);
        }
    }
    let what = "32 connections appending to one stream";
    table.add(more(format!("{what}: appends a second"), runs.each_ref().map(|(rates, _)| median(rates))));
    table.add(less(format!("{what}: CPU an append, µs"), runs.each_ref().map(|(_, costs)| median(costs))));
    Ok(())
}

/// 100 readers by SSE.
pub fn hundred(bench: &Bench, table: &mut Table) -> io::Result<()> {
    follow(bench, table, 100, 50)
}

/// 1,000 readers by SSE.
pub fn thousand(bench: &Bench, table: &mut Table) -> io::Result<()> {
    follow(bench, table, 1000, 10)
}

fn follow(bench: &Bench, table: &mut Table, streams: usize, rate: u32) -> io::Result<()> {
    let runs = bench.in_turn(&ALL, table, |load| {
        *load = Load { streams, rate, messages: u64::from(rate) * 3, ..load.clone() };
    })?;
    let of = |figure: fn(&Run) -> f64| ALL.map(|who| runs.median(who, figure));
    let what = format!("{streams} readers by SSE, {rate} appends a second");
    table.add(less(format!("{what}: CPU a delivery, µs"), of(Run::cpu)));
    for (name, figure) in QUANTILES {
        table.add(less(format!("{what}: {name}, ms"), of(figure)));
    }
    let private = |run: &Run| run.outcome.grew(&run.all, Moment::Before, Moment::Connected, |usage| usage.private);
    let each = ALL.map(|who| runs.median(who, |run| private(run) / streams as f64 / 1000.0));
    table.add(less(format!("{what}: private memory of each, KB"), each));
    Ok(())
}

/// 64 MB, appended and then read from the beginning.
pub fn catch_up(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let mut runs = ALL.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..bench.rounds {
        for (who, (rates, held)) in ALL.iter().zip(&mut runs) {
            let contestant = who.start()?;
            let (addr, path) = address(contestant.post.as_deref().unwrap_or_default())?;
            let mut connection = Connection::open(addr);
            let line = [&[b'x'; 99][..], b"\n"].concat();
            let body = line.repeat(APPEND_BYTES / line.len());
            let appends = PAST_BYTES / body.len();
            for _ in 0..appends {
                let reply = connection.request("POST", &path, &[("Content-Type", "text/plain")], &body);
                if !(200..300).contains(&reply.status) {
                    return Err(io::Error::other(format!("{who:?}: {reply:?}")));
                }
            }
            held.push(Usage::of_all(&contestant.all).private as f64 / 1e6);
            let (mut offset, mut bytes, start) = ("-1".to_owned(), 0, Instant::now());
            loop {
                let reply = connection.request("GET", &format!("{path}?offset={offset}"), &[], b"");
                bytes += reply.body.len();
                let next = reply.header("stream-next-offset").ok_or_else(|| io::Error::other("no position"))?;
                next.clone_into(&mut offset);
                if reply.header("stream-up-to-date").is_some() {
                    break;
                }
            }
            if bytes != appends * body.len() {
                return Err(io::Error::other(format!("{who:?}: {bytes} of {} bytes were read", appends * body.len())));
            }
            rates.push(bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
        }
    }
    let what = "a stream of 64 MB";
    table.add(more(format!("{what}, read from its beginning: MB/s"), runs.each_ref().map(|(rates, _)| median(rates))));
    table.add(less(format!("{what}, appended: private memory, MB"), runs.each_ref().map(|(_, held)| median(held))));
    Ok(())
}
