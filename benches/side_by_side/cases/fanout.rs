//! One room, many readers: what a delivery costs and how late it is.

use std::io;

use crate::cases::{Bench, QUANTILES, Run, Runs};
use crate::client::Load;
use crate::contestants::Who::{self, BehindNginx, Floor, FloorBehindNginx, Http, Nchan, TwoWorkers};
use crate::table::{Row, Table};

const DIRECT: [Who; 3] = [Nchan, Floor, Http];
const ALL: [Who; 5] = [Nchan, Floor, Http, FloorBehindNginx, BehindNginx];

fn one_at_a_time(load: &mut Load) {
    *load = Load { streams: 1000, messages: 60, rate: 20, ..load.clone() };
}

fn in_bursts(load: &mut Load) {
    *load = Load { streams: 1000, messages: 2000, rate: 2000, burst: 20, drain: 40.0, ..load.clone() };
}

/// 1,000 readers, 20 messages a second, one at a time.
pub fn one(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let what = "1,000 streams, 20/s";
    let runs = bench.in_turn(&ALL, table, one_at_a_time)?;
    slow_rows(what, &runs, table);
    let (own, whole) = (runs.median(BehindNginx, Run::own_cpu), runs.median(BehindNginx, Run::cpu));
    table.add(
        Row::new(format!("{what}, FastCGI behind nginx: our process's CPU a delivery, µs"))
            .floor(runs.median(FloorBehindNginx, Run::own_cpu))
            .ours(own)
            .at_most(8.0, " µs", own),
    );
    let floor = runs.median(FloorBehindNginx, Run::cpu);
    table.add(
        Row::new(format!("{what}, FastCGI behind nginx: nginx's and ours, µs"))
            .nchan(runs.median(Nchan, Run::cpu))
            .floor(floor)
            .ours(whole)
            .at_most(1.1, " floor", whole / floor),
    );
    latencies(&format!("{what}, FastCGI behind nginx"), &runs, FloorBehindNginx, BehindNginx, table, |row, _, _| row);
    Ok(())
}

/// 4,000 readers, 10 messages a second.
pub fn many(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let runs =
        bench.in_turn(&DIRECT, table, |load| *load = Load { streams: 4000, messages: 30, rate: 10, ..load.clone() })?;
    slow_rows("4,000 streams, 10/s", &runs, table);
    Ok(())
}

fn slow_rows(what: &str, runs: &Runs, table: &mut Table) {
    let cpu = |who| runs.median(who, Run::cpu);
    table.add(
        Row::new(format!("{what}: CPU a delivery, µs"))
            .nchan(cpu(Nchan))
            .floor(cpu(Floor))
            .ours(cpu(Http))
            .at_most(0.8, " nchan", cpu(Http) / cpu(Nchan))
            .at_most(1.15, " floor", cpu(Http) / cpu(Floor)),
    );
    latencies(what, runs, Floor, Http, table, |row, name, ratio| match name {
        "p50" => row.at_most(0.5, " nchan", ratio),
        "p99" => row.at_most(1.0, " nchan", ratio),
        _ => row,
    });
}

/// 1,000 readers, 2,000 messages a second, 20 at a time.
pub fn bursts(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let what = "1,000 streams, 2,000/s in twenties";
    let runs = bench.in_turn(&ALL, table, in_bursts)?;
    let cpu = |who| runs.median(who, Run::cpu);
    table.add(
        Row::new(format!("{what}: CPU a delivery, µs")).nchan(cpu(Nchan)).floor(cpu(Floor)).ours(cpu(Http)).at_least(
            9.0,
            " × nchan's deliveries a CPU second",
            cpu(Nchan) / cpu(Http),
        ),
    );
    let rate = |who| runs.median(who, |run| run.outcome.got as f64 / run.outcome.seconds);
    table.add(Row::new(format!("{what}: deliveries a second")).nchan(rate(Nchan)).floor(rate(Floor)).ours(rate(Http)));
    latencies(what, &runs, Floor, Http, table, |row, name, ratio| match name {
        "p99" => row.at_most(0.167, " nchan", ratio),
        _ => row,
    });
    table.add(
        Row::new(format!("{what}, FastCGI behind nginx: our process's CPU a delivery, µs"))
            .floor(runs.median(FloorBehindNginx, Run::own_cpu))
            .ours(runs.median(BehindNginx, Run::own_cpu)),
    );
    table.add(
        Row::new(format!("{what}, FastCGI behind nginx: nginx's and ours, µs"))
            .nchan(cpu(Nchan))
            .floor(cpu(FloorBehindNginx))
            .ours(cpu(BehindNginx))
            .at_most(1.1, " floor", cpu(BehindNginx) / cpu(FloorBehindNginx))
            .at_least(5.0, " × nchan's deliveries a CPU second", cpu(Nchan) / cpu(BehindNginx)),
    );
    latencies(&format!("{what}, FastCGI behind nginx"), &runs, FloorBehindNginx, BehindNginx, table, |row, _, _| row);
    Ok(())
}

/// Adds p50 and p99, with the goals that `judge` sets on them.
fn latencies(what: &str, runs: &Runs, floor: Who, ours: Who, table: &mut Table, judge: impl Fn(Row, &str, f64) -> Row) {
    for (name, of) in QUANTILES {
        let value = |who| runs.median(who, of);
        let row = Row::new(format!("{what}: {name}, ms")).nchan(value(Nchan)).floor(value(floor)).ours(value(ours));
        table.add(judge(row, name, value(ours) / value(Nchan)));
    }
}

/// One worker and two. The client needs a core as well, so deliveries for each second of processor
/// time say what two cores would do.
pub fn workers(bench: &Bench, table: &mut Table) -> io::Result<()> {
    for (what, shape) in [
        ("two workers, 1,000 streams, 20/s", one_at_a_time as fn(&mut Load)),
        ("two workers, 1,000 streams, 2,000/s in twenties", in_bursts),
    ] {
        let runs = bench.in_turn(&[Http, TwoWorkers], table, shape)?;
        let cpu = |who| runs.median(who, Run::cpu);
        table.add(Row::new(format!("{what}: CPU a delivery, µs")).ours(cpu(TwoWorkers)).at_least(
            1.7,
            " × one worker's deliveries, if each has a core",
            2.0 * cpu(Http) / cpu(TwoWorkers),
        ));
        let rate = |who| runs.median(who, |run| run.outcome.got as f64 / run.outcome.seconds);
        let p99 = |who| runs.median(who, |run| run.outcome.p99);
        table
            .add(Row::new(format!("{what}: deliveries a second, of one worker's")).ours(rate(TwoWorkers) / rate(Http)));
        table.add(Row::new(format!("{what}: p99, of one worker's")).ours(p99(TwoWorkers) / p99(Http)));
    }
    Ok(())
}
