//! Durable Streams beside released servers, in one run.

use std::io;
use std::path::PathBuf;

use crate::cases::STREAMS;
use crate::compare::measure;
use crate::table::Table;

/// What is compared, and how.
#[derive(Debug, clap::Args)]
pub struct Streams {
    /// One round, not the medians of three
    #[arg(long)]
    quick: bool,
    /// Where the table is written to
    #[arg(long, value_name = "FILE", default_value = "target/streams.md")]
    out: PathBuf,
}

/// Compares.
pub fn run(options: &Streams) -> io::Result<()> {
    let cases: Vec<_> = STREAMS.iter().collect();
    measure(&cases, options.quick, Table::beside(["npm", "crate"]), &options.out)
}
