//! The whole comparison, in one run, as a Markdown table.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::cases::{Bench, CASES, Case};
use crate::client::raise_descriptor_limit;
use crate::machine;
use crate::table::Table;

/// What is compared, and how.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// Only these cases
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(CASES.iter().map(|case| case.name)))]
    cases: Vec<String>,
    /// One round, not the medians of three
    #[arg(long)]
    quick: bool,
    /// Where the table is written to
    #[arg(long, value_name = "FILE", default_value = "target/compare.md")]
    out: PathBuf,
}

/// Compares.
pub fn run(options: &Compare) -> io::Result<()> {
    let chosen = |case: &&Case| options.cases.is_empty() || options.cases.iter().any(|name| name == case.name);
    let cases: Vec<&Case> = CASES.iter().filter(chosen).collect();
    measure(&cases, options.quick, Table::beside(["nchan", "floor"]), &options.out)
}

/// Measures these cases, and writes the table to `out`.
pub fn measure(cases: &[&Case], quick: bool, mut table: Table, out: &Path) -> io::Result<()> {
    raise_descriptor_limit()?;
    let bench = Bench { rounds: if quick { 1 } else { 3 } };
    for case in cases {
        table.case = case.name;
        println!("# {}", case.name);
        // A case that fails is told, and the others are measured all the same.
        match catch_unwind(AssertUnwindSafe(|| (case.run)(&bench, &mut table))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => table.flaw(format!("failed: {error}")),
            Err(_) => table.flaw("failed".to_owned()),
        }
    }
    let command: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = match quick {
        true => "one round",
        false => "medians of three rounds, in turn (memory, idle streams and CGI: one round)",
    };
    let text = format!("{}- `benches/{}`: {rounds}\n\n{table}", machine::describe(), command.join(" "));
    println!("\n{text}");
    out.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(out, text)
}
