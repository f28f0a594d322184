//! One reader: how long a message takes that meets no other.

use std::io;

use crate::cases::{Bench, QUANTILES};
use crate::client::Load;
use crate::contestants::Who::{BehindNginx, BehindProxy, Floor, FloorBehindNginx, Http, Nchan};
use crate::table::{Row, Table};

/// 200 messages, 100 a second, through each way in.
pub fn run(bench: &Bench, table: &mut Table) -> io::Result<()> {
    let all = [Nchan, Floor, Http, BehindProxy, FloorBehindNginx, BehindNginx];
    let runs = bench.in_turn(&all, table, |load| {
        *load = Load { streams: 1, messages: 200, rate: 100, settle: 0.3, ..load.clone() };
    })?;
    for (name, of) in QUANTILES {
        let value = |who| runs.median(who, of);
        let limited = |row: Row, limit, who| if name == "p50" { row.at_most(limit, " ms", value(who)) } else { row };
        let direct = Row::new(format!("one stream, direct (nchan: by POST): {name}, ms"));
        table.add(limited(direct.nchan(value(Nchan)).floor(value(Floor)).ours(value(Http)), 0.3, Http));
        let behind = Row::new(format!("one stream, FastCGI behind nginx: {name}, ms"));
        table.add(limited(behind.floor(value(FloorBehindNginx)).ours(value(BehindNginx)), 0.5, BehindNginx));
        table.add(Row::new(format!("one stream, HTTP behind nginx: {name}, ms")).ours(value(BehindProxy)));
    }
    Ok(())
}
