//! The load client, a process of its own: opens streams, publishes timed messages, and says what
//! arrived, how late, and what that cost the processes it is told to look at.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::Utc;
use http::Uri;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::accounting::Usage;
use crate::publish::{Poster, Publisher};
use crate::quantile::quantile;
use crate::readers::{Readers, Source};

/// The token of the publisher's connection.
const PUBLISHER: u64 = u64::MAX;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// The stream, http://127.0.0.1:PORT/PATH; `{}` in it is the number of a room
    #[arg(long)]
    pub url: String,
    /// The server speaks FastCGI, and this is its data root
    #[arg(long)]
    pub fastcgi: Option<PathBuf>,
    /// How many streams
    #[arg(long, default_value_t = 100)]
    pub streams: usize,
    /// Over how many rooms they are spread; what is published comes to those of room 0
    #[arg(long, default_value_t = 1)]
    pub rooms: usize,
    /// So many more streams are never read
    #[arg(long, default_value_t = 0)]
    pub slow: usize,
    /// So many more streams a second come, and go after half a second
    #[arg(long, default_value_t = 0)]
    pub churn: u32,
    /// Publish by appending to this log
    #[arg(long)]
    pub append: Option<PathBuf>,
    /// Publish by POST to this URL
    #[arg(long)]
    pub post: Option<String>,
    /// What is posted ends as a line does
    #[arg(long)]
    pub whole_lines: bool,
    /// How many messages; 0 only listens
    #[arg(long, default_value_t = 100)]
    pub messages: u64,
    /// How many of them a second
    #[arg(long, default_value_t = 20)]
    pub rate: u32,
    /// How many of them at a time
    #[arg(long, default_value_t = 1)]
    pub burst: u32,
    /// How long a message's line is, in bytes
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// How long nothing is published at first, in seconds
    #[arg(long, default_value_t = 1.0)]
    pub settle: f64,
    /// How long nothing is published after that, while idle cost is measured, in seconds
    #[arg(long, default_value_t = 0.0)]
    pub idle: f64,
    /// How long late messages are waited for, in seconds
    #[arg(long, default_value_t = 20.0)]
    pub drain: f64,
    /// The processes whose cost is counted
    #[arg(long, value_delimiter = ',')]
    pub pids: Vec<u32>,
}

impl Load {
    /// The defaults, of this stream.
    pub fn of(url: &str) -> Load {
        Load {
            url: url.to_owned(),
            fastcgi: None,
            streams: 100,
            rooms: 1,
            slow: 0,
            churn: 0,
            append: None,
            post: None,
            whole_lines: false,
            messages: 100,
            rate: 20,
            burst: 1,
            size: 100,
            settle: 1.0,
            idle: 0.0,
            drain: 20.0,
            pids: Vec::new(),
        }
    }

    /// What the client's command line says for it.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: &dyn AsRef<OsStr>| {
            arguments.push(name.into());
            arguments.push(value.as_ref().to_owned());
        };
        add("--url", &self.url);
        self.fastcgi.iter().for_each(|root| add("--fastcgi", root));
        self.append.iter().for_each(|log| add("--append", log));
        self.post.iter().for_each(|url| add("--post", url));
        add("--streams", &self.streams.to_string());
        add("--rooms", &self.rooms.to_string());
        add("--slow", &self.slow.to_string());
        add("--churn", &self.churn.to_string());
        add("--messages", &self.messages.to_string());
        add("--rate", &self.rate.to_string());
        add("--burst", &self.burst.to_string());
        add("--size", &self.size.to_string());
        add("--settle", &self.settle.to_string());
        add("--idle", &self.idle.to_string());
        add("--drain", &self.drain.to_string());
        self.pids.iter().for_each(|pid| add("--pids", &pid.to_string()));
        if self.whole_lines {
            arguments.push("--whole-lines".into());
        }
        arguments
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Streams asked for, and those that were open and answered 200 before anything was published.
    pub streams: usize,
    /// Of them.
    pub live: usize,
    /// Streams that the server closed since.
    pub closed: usize,
    /// Messages published.
    pub sent: u64,
    /// Messages times the streams of their room.
    pub expected: u64,
    /// Messages received for the first time.
    pub got: u64,
    /// Messages received again.
    pub twice: u64,
    /// Messages left out before later ones.
    pub skipped: u64,
    /// Bytes received.
    pub bytes: u64,
    /// From the first message's publication to the last one's arrival, in seconds.
    pub seconds: f64,
    /// Latencies in milliseconds.
    pub p50: f64,
    /// The slowest of the fastest 90 %.
    pub p90: f64,
    /// The slowest of the fastest 99 %.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// The processes' usage: before the streams, with them, after the idle time, at the end.
    pub usage: BTreeMap<u32, [Usage; 4]>,
}

/// Moments of [`Outcome::usage`].
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// No stream is open yet.
    Before,
    /// All are, and nothing was published.
    Connected,
    /// After the idle time.
    Idled,
    /// All has arrived.
    Done,
}

impl Outcome {
    /// Whether every stream got every message once, in order.
    pub fn is_exact(&self) -> bool {
        let Outcome { streams, live, closed, expected, got, twice, skipped, .. } = *self;
        live == streams && closed == 0 && got == expected && twice == 0 && skipped == 0
    }

    /// What is wrong, where it is not exact.
    pub fn flaw(&self) -> String {
        let Outcome { streams, live, closed, expected, got, twice, skipped, .. } = *self;
        format!(
            "{live} of {streams} live, {closed} closed, {got} of {expected} arrived, {twice} twice, {skipped} skipped"
        )
    }

    /// By how much `of` grew between two moments, over these processes.
    pub fn grew(&self, pids: &[u32], from: Moment, to: Moment, of: impl Fn(&Usage) -> u64) -> f64 {
        let grew = |usage: &[Usage; 4]| of(&usage[to as usize]) as f64 - of(&usage[from as usize]) as f64;
        pids.iter().filter_map(|pid| self.usage.get(pid)).map(grew).sum()
    }

    /// Processor time of these processes for each message delivered, in microseconds.
    pub fn cpu_a_delivery(&self, pids: &[u32]) -> f64 {
        self.grew(pids, Moment::Idled, Moment::Done, |usage| usage.cpu_ns) / 1e3 / self.got as f64
    }
}

/// The address and the path of an `http://` URL.
pub fn address(url: &str) -> io::Result<(SocketAddr, String)> {
    let wrong = || io::Error::other(format!("{url:?}: expected http://127.0.0.1:PORT/PATH"));
    // Braces stand for a room's number and are no part of a URI.
    let uri: Uri = url.replace("{}", "0").parse().map_err(|_| wrong())?;
    let addr = uri.authority().and_then(|authority| authority.as_str().parse().ok()).ok_or_else(wrong)?;
    let path = url.splitn(4, '/').nth(3).ok_or_else(wrong)?;
    Ok((addr, format!("/{path}")))
}

/// As many descriptors as the system lets us have.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// The time as log lines say it.
pub fn log_time() -> String {
    Utc::now().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Does what `load` asks for.
pub fn run(load: &Load) -> io::Result<Outcome> {
    raise_descriptor_limit()?;
    let (addr, path) = address(&load.url)?;
    let source = Source { addr, path, fastcgi: load.fastcgi.clone() };
    let mut readers = Readers::new(fastrand::u64(..))?;
    let usage = || -> Vec<Usage> { load.pids.iter().map(|pid| Usage::of(*pid)).collect() };
    let ignore = |_| Ok(());

    let before = usage();
    for number in 0..load.streams {
        readers.add(&source, number % load.rooms, 0)?;
        if number % 64 == 0 {
            readers.pump(Duration::ZERO, ignore)?;
        }
    }
    for _ in 0..load.slow {
        readers.add_slow(&source)?;
    }
    pump_for(&mut readers, load.settle)?;
    let connected = usage();
    let live = readers.tally().live;
    pump_for(&mut readers, load.idle)?;
    let idled = usage();

    let start = Instant::now();
    let sent = publish(load, &source, &mut readers)?;
    let expected = sent * load.streams.div_ceil(load.rooms) as u64;
    let patience = Instant::now() + Duration::from_secs_f64(load.drain);
    while readers.tally().got < expected && Instant::now() < patience {
        readers.pump(Duration::from_millis(5), ignore)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let done = usage();

    let tally = readers.tally();
    let mut latencies = readers.take_latencies(0);
    let mut millis = |q| quantile(&mut latencies, q) / 1e3;
    let usage = (0..load.pids.len()).map(|at| (load.pids[at], [before[at], connected[at], idled[at], done[at]]));
    Ok(Outcome {
        streams: load.streams,
        live,
        closed: live.saturating_sub(tally.live),
        sent,
        expected,
        got: tally.got,
        twice: tally.twice,
        skipped: tally.skipped,
        bytes: readers.bytes,
        seconds,
        p50: millis(0.5),
        p90: millis(0.9),
        p99: millis(0.99),
        max: millis(1.0),
        usage: usage.collect(),
    })
}

fn pump_for(readers: &mut Readers, seconds: f64) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        readers.pump(Duration::from_millis(20), |_| Ok(()))?;
    }
    Ok(())
}

fn publish(load: &Load, source: &Source, readers: &mut Readers) -> io::Result<u64> {
    let mut publisher = match (&load.append, &load.post) {
        _ if load.messages == 0 => return Ok(0),
        (Some(log), _) => Publisher::append(log)?,
        (None, Some(url)) => {
            let (addr, path) = address(url)?;
            let mut poster = Poster::connect(addr, &path)?;
            poster.whole_lines = load.whole_lines;
            readers.watch(poster.socket(), PUBLISHER)?;
            Publisher::Post(poster)
        }
        (None, None) => return Err(io::Error::other("neither --append nor --post: expected where to publish")),
    };
    let tick = Duration::from_secs_f64(f64::from(load.burst) / f64::from(load.rate));
    let start = Instant::now();
    let (mut sent, mut next, mut visits, mut lines) = (0, start, 0, Vec::new());
    while sent < load.messages || !publisher.is_idle() {
        // A publisher that waits for an answer is late with what comes next, and so are its stamps.
        if sent < load.messages && publisher.is_idle() && Instant::now() >= next {
            lines.clear();
            let time = log_time();
            let end = load.messages.min(sent + u64::from(load.burst));
            (sent..end).for_each(|number| readers.stamp(number).write_line(&mut lines, &time, load.size));
            sent = end;
            publisher.publish(&lines)?;
            next += tick;
        }
        while visits < (start.elapsed().as_secs_f64() * f64::from(load.churn)) as u64 {
            readers.add_visitor(source)?;
            visits += 1;
        }
        let wait = next.saturating_duration_since(Instant::now()).min(Duration::from_millis(20));
        let wait = if publisher.is_idle() { wait } else { Duration::from_millis(20) };
        readers.pump(wait, |_| match &mut publisher {
            Publisher::Post(poster) => poster.on_readable().map(drop),
            Publisher::Append(_) => Ok(()),
        })?;
    }
    Ok(sent)
}
