//! `chatroom status`: what a server's `/metrics` say, for a person.

use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::shell::place::Failure;
use crate::shell::server::Server;

/// Prints how the server at `url` is doing.
pub fn status(url: &str, out: &mut impl Write) -> Result<(), Failure> {
    let text = Server::at(url)?.metrics()?;
    Ok(out.write_all(summary(url, &Samples::parse(&text), SystemTime::now()).as_bytes())?)
}

/// The samples of an OpenMetrics text: a name, labels as they stand there, and a value.
struct Samples<'a>(Vec<(&'a str, &'a str, f64)>);

impl<'a> Samples<'a> {
    fn parse(text: &'a str) -> Samples<'a> {
        let sample = |line: &'a str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name.strip_prefix("chatroom_")?, labels.trim_end_matches('}'), value.parse().ok()?))
        };
        Samples(text.lines().filter_map(sample).collect())
    }

    /// All samples of a name, with what the label has for each.
    fn all(&self, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
        let of_name = self.0.iter().filter(move |(other, ..)| *other == name);
        of_name.map(|(_, labels, value)| (labels.split('"').nth(1).unwrap_or(""), *value))
    }

    fn sum(&self, name: &str) -> f64 {
        self.all(name).map(|(_, value)| value).sum()
    }

    /// Below which time `share` of those in a histogram are; `None` where it is empty.
    fn below(&self, name: &str, share: f64) -> Option<f64> {
        let (bucket, wanted) = (format!("{name}_bucket"), self.sum(&format!("{name}_count")) * share);
        let end = self.all(&bucket).find(|(_, count)| *count >= wanted && *count > 0.0).map(|(end, _)| end);
        end.and_then(|end| end.parse().ok())
    }
}

fn summary(url: &str, samples: &Samples<'_>, now: SystemTime) -> String {
    let sum = |name| samples.sum(name);
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() - sum("start_time_seconds");
    let up = duration(Duration::from_secs_f64(since.max(0.0)));
    let version = samples.all("build_info").next().map_or("", |(version, _)| version);
    let labelled = |name| match samples.all(name).map(|(label, value)| format!("{value} {label}")).collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(", "),
    };
    let times = |name| match (samples.below(name, 0.5), samples.below(name, 0.99)) {
        (Some(p50), Some(p99)) => format!("half within {}, 99 of 100 within {}", seconds(p50), seconds(p99)),
        _ => "none yet".to_owned(),
    };
    let mut text = String::new();
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "{name:<12}{what}");
    };
    line("chatroom", format!("{version} at {url}, up {up}"));
    line("streams", format!("{} of {}, in {} rooms", sum("streams"), sum("streams_max"), sum("rooms_read")));
    line("refused", format!("{}, by the limit reached", labelled("refused_streams_total")));
    line("connections", labelled("connections"));
    line("directories", format!("{}, by how they are watched", labelled("watches")));
    line("messages", format!("{} in, {} delivered", sum("messages_total"), sum("deliveries_total")));
    let megabytes = sum("stream_bytes_total") / 1e6;
    let (writes, several) = (sum("writes_total"), sum("coalesced_writes_total"));
    line("written", format!("{megabytes:.1} MB in {writes} writes, {several} of them with several messages"));
    line("delivery", times("delivery_seconds"));
    line("append", times("append_seconds"));
    let (behind, stuck) = (sum("catch_up_reads_total"), sum("stuck_readers_total"));
    line("behind", format!("{behind} reads of a log for one reader, {stuck} readers closed for taking nothing"));
    text
}

/// A time in the unit that suits it.
fn seconds(seconds: f64) -> String {
    match seconds {
        _ if seconds.is_infinite() => "no bound".to_owned(),
        _ if seconds < 1.0 => format!("{:.3} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

fn duration(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", time.as_secs()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_sentences() {
        let text = "\
# TYPE chatroom_streams gauge
chatroom_build_info{version=\"1.2.3\"} 1
chatroom_start_time_seconds 1000.0
chatroom_streams 4
chatroom_streams_max 50000
chatroom_rooms_read 2
chatroom_refused_streams_total{limit=\"room\"} 3
chatroom_connections{gateway=\"http\"} 5
chatroom_watches{mode=\"kernel\"} 3
chatroom_watches{mode=\"poll\"} 0
chatroom_delivery_seconds_count 100
chatroom_delivery_seconds_bucket{le=\"0.001\"} 50
chatroom_delivery_seconds_bucket{le=\"0.5\"} 98
chatroom_delivery_seconds_bucket{le=\"+Inf\"} 100
# EOF
";
        let now = UNIX_EPOCH + Duration::from_secs(1000 + 3600 * 25);
        let summary = summary("http://x/", &Samples::parse(text), now);
        for expected in [
            "chatroom    1.2.3 at http://x/, up 1 d 1 h\n",
            "streams     4 of 50000, in 2 rooms\n",
            "refused     3 room, by the limit reached\n",
            "connections 5 http\n",
            "directories 3 kernel, 0 poll, by how they are watched\n",
            "delivery    half within 1.000 ms, 99 of 100 within no bound\n",
            "append      none yet\n",
        ] {
            assert!(summary.contains(expected), "{expected:?} is not in\n{summary}");
        }
    }
}
