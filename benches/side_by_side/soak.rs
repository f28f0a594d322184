//! Hours in the life of two servers, one over HTTP and one over FastCGI, on the same rooms: readers
//! that come and go, some that don't read, bursts, logs that are rotated, avatars and rooms that come
//! and go. Memory, descriptors and latency are to stay as they were, and those who read all the time
//! are to get every message once.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::accounting::Usage;
use crate::client::{log_time, raise_descriptor_limit};
use crate::machine;
use crate::quantile::{median, quantile};
use crate::readers::{Readers, Source};
use crate::support::server::Server;

/// How long, and where to.
#[derive(Debug, clap::Args)]
pub struct Soak {
    /// How many minutes; sixty samples are taken
    #[arg(default_value_t = 60.0)]
    minutes: f64,
    /// Where the table is written to
    #[arg(long, value_name = "FILE", default_value = "target/soak.md")]
    out: PathBuf,
}

const SAMPLES: usize = 60;
/// Samples at the beginning that don't count: buffers find their size.
const WARM_UP: usize = 6;
/// On each server.
const STEADY: usize = 50;
const SLOW: usize = 10;
/// So long that what is said in a minute is more than the kernel keeps for one that does not read.
const MESSAGE_BYTES: usize = 2000;
const BURST: u64 = 20;
const BURSTS: u64 = 20;

/// By how much the last quarter may be above the first.
const FLAT: f64 = 1.1;
/// Latency is noisier.
const FLAT_LATENCY: f64 = 1.5;

/// What the table says of samples: its name, how it is read, and by how much it may grow.
type Figure = (&'static str, fn(&Sample) -> f64, Option<f64>);

/// What happens how often.
struct Rhythm {
    every: Duration,
    next: Instant,
}

impl Rhythm {
    fn every(millis: u64, now: Instant) -> Rhythm {
        let every = Duration::from_millis(millis);
        Rhythm { every, next: now + every }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next += self.every;
        }
        due
    }
}

/// What a server was like at a moment.
struct Sample {
    private_kb: f64,
    descriptors: f64,
    cpu_percent: f64,
    p50: f64,
    p99: f64,
}

/// Runs, prints and writes the table. An error where something did not stay as it was.
pub fn run(options: &Soak) -> io::Result<()> {
    raise_descriptor_limit()?;
    let dir = TempDir::with_prefix("chatroom-soak-")?;
    let room = dir.path().join("bench0");
    fs::create_dir(&room)?;
    fs::write(room.join(".log"), b"")?;
    let long = ["--lifetime", "86400"];
    let (http, fastcgi) = (Server::serve(dir.path(), &long), Server::fastcgi_tcp(dir.path(), &long));
    let source = |addr, fastcgi| Source { addr, path: "/rooms/bench0?format=raw".into(), fastcgi };
    let mut soaking = Soaking {
        servers: [("HTTP", http.pid()), ("FastCGI", fastcgi.pid())],
        sources: [source(http.addr(), None), source(fastcgi.addr(), Some(dir.path().to_owned()))],
        readers: Readers::new(fastrand::u64(..))?,
        log: room.join(".log"),
        sent: 0,
        rotations: 0,
        samples: [Vec::new(), Vec::new()],
    };
    soaking.connect()?;
    soaking.live_for(Duration::from_secs_f64(options.minutes * 60.0), dir.path())?;
    soaking.settle()?;
    let (text, is_sound) = soaking.report(options.minutes);
    println!("{text}");
    options.out.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(&options.out, text)?;
    if is_sound { Ok(()) } else { Err(io::Error::other("something did not stay as it was")) }
}

struct Soaking {
    servers: [(&'static str, u32); 2],
    sources: [Source; 2],
    readers: Readers,
    log: PathBuf,
    sent: u64,
    rotations: u64,
    samples: [Vec<Sample>; 2],
}

impl Soaking {
    fn connect(&mut self) -> io::Result<()> {
        for (group, source) in self.sources.iter().enumerate() {
            (0..STEADY).try_for_each(|_| self.readers.add(source, 0, group))?;
        }
        let patience = Instant::now() + Duration::from_secs(10);
        while self.readers.tally().live < 2 * STEADY {
            if Instant::now() > patience {
                return Err(io::Error::other("the readers can't connect"));
            }
            self.pump(Duration::from_millis(20))?;
        }
        Ok(())
    }

    fn pump(&mut self, wait: Duration) -> io::Result<()> {
        self.readers.pump(wait, |_| Ok(()))
    }

    fn live_for(&mut self, time: Duration, root: &Path) -> io::Result<()> {
        let start = Instant::now();
        let rhythm = |millis| Rhythm::every(millis, start);
        let (mut speaking, mut bursting, mut rotating) = (rhythm(100), rhythm(10_000), rhythm(7_000));
        let (mut visiting, mut moving, mut stopping) = (rhythm(200), rhythm(1_000), rhythm(150_000));
        let mut sampling = Rhythm::every((time.as_millis() / SAMPLES as u128) as u64, start);
        let mut cpu = self.servers.map(|(_, pid)| Usage::of(pid).cpu_ns);
        let mut moves = 0;
        self.stop_reading()?;
        while start.elapsed() < time {
            let now = Instant::now();
            if speaking.is_due(now) {
                self.publish(1)?;
            }
            if bursting.is_due(now) {
                for _ in 0..BURSTS {
                    self.publish(BURST)?;
                    self.pump(Duration::from_millis(10))?;
                }
            }
            if rotating.is_due(now) {
                self.rotate()?;
            }
            if visiting.is_due(now) {
                self.sources.iter().try_for_each(|source| self.readers.add_visitor(source))?;
            }
            if moving.is_due(now) {
                moves += 1;
                come_or_go(&root.join(format!("bench0/.guest{}", moves % 7)))?;
                come_or_go(&root.join(format!("visit{}", moves % 3)))?;
            }
            if stopping.is_due(now) {
                self.stop_reading()?;
            }
            if sampling.is_due(now) {
                self.sample(&mut cpu, sampling.every);
            }
            let next = [&speaking, &visiting, &sampling].map(|rhythm| rhythm.next).into_iter().min().unwrap_or(now);
            self.pump(next.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Some new ones that never read, in the place of the last, which a server has closed by then: one
    /// takes nothing any more after a minute, and is waited for a minute longer.
    fn stop_reading(&mut self) -> io::Result<()> {
        self.readers.drop_slow();
        for source in &self.sources {
            (0..SLOW).try_for_each(|_| self.readers.add_slow(source))?;
        }
        Ok(())
    }

    fn publish(&mut self, messages: u64) -> io::Result<()> {
        let (time, mut lines) = (log_time(), Vec::new());
        for _ in 0..messages {
            self.readers.stamp(self.sent).write_line(&mut lines, &time, MESSAGE_BYTES);
            self.sent += 1;
        }
        OpenOptions::new().append(true).create(true).open(&self.log)?.write_all(&lines)
    }

    /// Waits until everybody has got everything. What is not read before a log goes is not read.
    fn settle(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(10);
        while self.readers.tally().got < self.sent * 2 * STEADY as u64 && Instant::now() < patience {
            self.pump(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// As logrotate does it: by turns with a new file, and with a copy.
    fn rotate(&mut self) -> io::Result<()> {
        self.settle()?;
        let old = self.log.with_file_name("log.1");
        if self.rotations.is_multiple_of(2) {
            fs::rename(&self.log, old)?;
            File::create(&self.log)?;
        } else {
            fs::copy(&self.log, old)?;
            File::options().write(true).open(&self.log)?.set_len(0)?;
        }
        self.rotations += 1;
        // So long that no more lines come before it is noticed than a reader is shown of a new log.
        let patience = Instant::now() + Duration::from_secs(10);
        while self.readers.tally().resets < self.rotations * 2 * STEADY as u64 && Instant::now() < patience {
            self.pump(Duration::from_millis(5))?;
        }
        Ok(())
    }

    fn sample(&mut self, cpu: &mut [u64; 2], interval: Duration) {
        for (group, (_, pid)) in self.servers.iter().enumerate() {
            let usage = Usage::of(*pid);
            let mut latencies = self.readers.take_latencies(group);
            self.samples[group].push(Sample {
                private_kb: usage.private as f64 / 1000.0,
                descriptors: usage.descriptors as f64,
                cpu_percent: (usage.cpu_ns - cpu[group]) as f64 / interval.as_nanos() as f64 * 100.0,
                p50: quantile(&mut latencies, 0.5) / 1000.0,
                p99: quantile(&mut latencies, 0.99) / 1000.0,
            });
            cpu[group] = usage.cpu_ns;
        }
    }

    /// The table, and whether all is as it is to be.
    fn report(&self, minutes: f64) -> (String, bool) {
        let tally = self.readers.tally();
        let expected = self.sent * 2 * STEADY as u64;
        let is_exact = (tally.live, tally.got, tally.twice, tally.skipped) == (2 * STEADY, expected, 0, 0);
        let mut is_sound = is_exact;
        let mut text = format!(
            "{}- `benches/soak {minutes}`: {minutes} minutes, {} messages, {} rotations\n\n",
            machine::describe(),
            self.sent,
            self.rotations
        );
        let _ = writeln!(text, "| | first quarter | last quarter | goal | |\n|---|---|---|---|---|");
        for ((name, _), samples) in self.servers.iter().zip(&self.samples) {
            let samples = &samples[WARM_UP.min(samples.len())..];
            let quarter = samples.len() / 4;
            let (first, last) = (&samples[..quarter], &samples[samples.len() - quarter..]);
            let figures: [Figure; 5] = [
                ("private memory, KB", |sample| sample.private_kb, Some(FLAT)),
                ("descriptors", |sample| sample.descriptors, Some(FLAT)),
                ("p50, ms", |sample| sample.p50, Some(FLAT_LATENCY)),
                ("p99, ms", |sample| sample.p99, None),
                ("% of a core", |sample| sample.cpu_percent, None),
            ];
            for (what, of, limit) in figures {
                let [first, last] = [first, last].map(|part| median(&part.iter().map(of).collect::<Vec<_>>()));
                let _ = write!(text, "| {name}: {what} | {first:.2} | {last:.2} |");
                let _ = match limit {
                    Some(limit) => {
                        let is_flat = last / first <= limit;
                        is_sound &= is_flat;
                        let verdict = if is_flat { "met" } else { "**not met**" };
                        writeln!(text, " ≤ {limit} of the first | {verdict}: {:.2} |", last / first)
                    }
                    None => writeln!(text, " | |"),
                };
            }
        }
        let verdict = if is_exact { "Every steady reader got every message once, in order" } else { "**Not exact**" };
        let _ = writeln!(
            text,
            "\n{verdict}: {} of {} live, {} of {expected} arrived, {} twice, {} skipped, {} resets.",
            tally.live,
            2 * STEADY,
            tally.got,
            tally.twice,
            tally.skipped,
            tally.resets
        );
        let _ =
            writeln!(text, "\n| sample | HTTP: KB | descriptors | p50 | p99 | FastCGI: KB | descriptors | p50 | p99 |");
        let _ = writeln!(text, "|---|---|---|---|---|---|---|---|---|");
        for (number, (http, fastcgi)) in self.samples[0].iter().zip(&self.samples[1]).enumerate() {
            let cells = [http, fastcgi].map(|sample| {
                let Sample { private_kb, descriptors, p50, p99, .. } = sample;
                format!("{private_kb:.0} | {descriptors} | {p50:.2} | {p99:.2}")
            });
            let _ = writeln!(text, "| {} | {} |", number + 1, cells.join(" | "));
        }
        (text, is_sound)
    }
}

/// A directory that is not there is made, one that is there goes.
fn come_or_go(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_dir(directory),
        done => done,
    }
}
