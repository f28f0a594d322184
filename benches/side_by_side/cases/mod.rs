//! What is measured: each case starts its contestants in turn, round after round, and adds the
//! medians to the table.

mod catchup;
mod cgi;
mod dropin;
mod fanout;
mod idle;
mod posting;
mod single;
mod streams;

use std::collections::HashMap;
use std::io;

use crate::client::{Load, Outcome};
use crate::contestants::{Contestant, Who};
use crate::quantile::median;
use crate::table::Table;

/// A case: its name, and what it does.
pub struct Case {
    /// What it is asked for by.
    pub name: &'static str,
    /// Measures, and adds rows.
    pub run: fn(&Bench, &mut Table) -> io::Result<()>,
}

/// All cases, in the order of the table.
pub const CASES: [Case; 11] = [
    Case { name: "one", run: fanout::one },
    Case { name: "many", run: fanout::many },
    Case { name: "bursts", run: fanout::bursts },
    Case { name: "workers", run: fanout::workers },
    Case { name: "single", run: single::run },
    Case { name: "idle", run: idle::run },
    Case { name: "stopped", run: idle::stopped },
    Case { name: "catchup", run: catchup::run },
    Case { name: "posting", run: posting::run },
    Case { name: "cgi", run: cgi::run },
    Case { name: "dropin", run: dropin::run },
];

/// The cases of Durable Streams, beside released servers.
pub const STREAMS: [Case; 4] = [
    Case { name: "appends", run: streams::appends },
    Case { name: "hundred", run: streams::hundred },
    Case { name: "thousand", run: streams::thousand },
    Case { name: "catchup", run: streams::catch_up },
];

/// How measuring is done.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// How often everything is measured, in turn.
    pub rounds: usize,
}

/// One contestant's run.
pub struct Run {
    outcome: Outcome,
    own: Vec<u32>,
    all: Vec<u32>,
}

/// A figure of a run.
type Figure = fn(&Run) -> f64;

/// The latencies that the table has.
const QUANTILES: [(&str, Figure); 2] = [("p50", |run| run.outcome.p50), ("p99", |run| run.outcome.p99)];

/// The runs of several contestants.
pub struct Runs(HashMap<Who, Vec<Run>>);

impl Bench {
    /// Measures each of `who`, in turn, with the load that `shape` makes of its own.
    pub fn in_turn(&self, who: &[Who], table: &mut Table, shape: impl Fn(&mut Load)) -> io::Result<Runs> {
        let mut runs: HashMap<Who, Vec<Run>> = HashMap::new();
        for _ in 0..self.rounds {
            for who in who {
                let run = Run::of(&who.start()?, &shape)?;
                if !run.outcome.is_exact() {
                    table.flaw(format!("{who:?}: {}", run.outcome.flaw()));
                }
                runs.entry(*who).or_default().push(run);
            }
        }
        Ok(Runs(runs))
    }
}

impl Run {
    fn of(contestant: &Contestant, shape: &impl Fn(&mut Load)) -> io::Result<Run> {
        let mut load = contestant.load();
        shape(&mut load);
        let outcome = contestant.measure(&load)?;
        Ok(Run { outcome, own: contestant.own.clone(), all: contestant.all.clone() })
    }

    /// Processor time a delivery, of all processes that a message passes, in microseconds.
    fn cpu(&self) -> f64 {
        self.outcome.cpu_a_delivery(&self.all)
    }

    /// The same, of the process that streams leave from.
    fn own_cpu(&self) -> f64 {
        self.outcome.cpu_a_delivery(&self.own)
    }
}

impl Runs {
    /// The middle of what `of` says of each run of `who`.
    pub fn median(&self, who: Who, of: impl Fn(&Run) -> f64) -> f64 {
        median(&self.0.get(&who).into_iter().flatten().map(of).collect::<Vec<_>>())
    }
}
