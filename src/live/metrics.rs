//! What is counted while streams are served. The counters themselves are the library's; their names and forms are
//! `api/metrics.rs`'s.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::live::admission::Full;

/// The upper ends of the buckets that times are counted in: 20 µs, and twice as much up to 10 s.
fn bucket_ends() -> impl Iterator<Item = f64> {
    // Not by powers: they would bring in the library of mathematics, which each CGI process would load.
    (0..20).map(|doublings| 20e-6 * f64::from(1 << doublings))
}

/// A label and its value.
pub type Label = [(&'static str, &'static str); 1];

/// The counters of a process.
#[derive(Debug)]
pub struct Metrics {
    /// Open connections, by what they speak.
    pub connections: Family<Label, Gauge>,
    /// Streams that were refused, by the limit that was reached.
    pub refused: Family<Label, Counter>,
    /// Messages that came in rooms which somebody reads.
    pub messages: Counter,
    /// Messages that were written, once for each reader.
    pub deliveries: Counter,
    /// Bytes that were written to streams.
    pub bytes: Counter,
    /// Writes to streams.
    pub writes: Counter,
    /// Those of them that had more than one message.
    pub coalesced: Counter,
    /// Reads of a log for one reader that was behind what is at hand for all.
    pub catch_ups: Counter,
    /// Readers that took nothing for too long.
    pub stuck: Counter,
    /// How long it took to add a posted message to its log, in seconds.
    pub append: Histogram,
    /// How long it took from noticing that a log had grown until it was written to all readers that were ready for
    /// it, in seconds; once for each worker and time.
    pub delivery: Histogram,
}

/// What one turn of writing did, to be added to the counters at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages, once for each reader.
    pub deliveries: u64,
    /// Bytes.
    pub bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Writes of more than one message.
    pub coalesced: u64,
    /// Reads for one reader.
    pub catch_ups: u64,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let times = || Histogram::new(bucket_ends());
        Metrics {
            connections: Family::default(),
            refused: Family::default(),
            messages: Counter::default(),
            deliveries: Counter::default(),
            bytes: Counter::default(),
            writes: Counter::default(),
            coalesced: Counter::default(),
            catch_ups: Counter::default(),
            stuck: Counter::default(),
            append: times(),
            delivery: times(),
        }
    }
}

impl Metrics {
    /// Adds what a turn did.
    pub fn add(&self, tally: Tally) {
        let counts = [
            (&self.deliveries, tally.deliveries),
            (&self.bytes, tally.bytes),
            (&self.writes, tally.writes),
            (&self.coalesced, tally.coalesced),
            (&self.catch_ups, tally.catch_ups),
        ];
        for (counter, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            counter.inc_by(count);
        }
    }

    /// A stream was refused.
    pub fn refused(&self, full: Full) {
        let limit = match full {
            Full::All(_) => "all",
            Full::Room(_) => "room",
            Full::Client(_) => "client",
        };
        self.refused.get_or_create(&[("limit", limit)]).inc();
    }

    /// A log has grown, and its readers were written to `took` after it was noticed.
    pub fn delivered(&self, took: Duration) {
        self.delivery.observe(took.as_secs_f64());
    }

    /// A message was added to its log within `took`.
    pub fn appended(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }
}
