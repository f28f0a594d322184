//! `/metrics`: what a server has counted, for Prometheus (OpenMetrics 1.0 text).

use std::sync::atomic::AtomicU64;
use std::time::UNIX_EPOCH;

use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Names, Unit};

use crate::api::exchange::Response;
use crate::api::problem::Problem;
use crate::api::site::Site;
use crate::live::metrics::Label;
use crate::live::registry::Registry;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of this process.
pub fn answer(site: &Site<'_>) -> Result<Response, Problem> {
    let Some(registry) = site.registry else {
        let detail = "a CGI process lives for one request and counts nothing: /metrics is a server's";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    let mut text = String::new();
    encode(&mut text, &named(registry))
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Response::new(StatusCode::OK, OPENMETRICS, text))
}

/// The counters under their names. No room and no user is named: whoever may read them learns how much is going on, not
/// where.
fn named(registry: &Registry) -> Names {
    let (metrics, admission) = (&registry.metrics, &registry.admission);
    let mut names = Names::with_prefix("chatroom");
    names.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    let started: Gauge<f64, AtomicU64> = Gauge::default();
    started.set(registry.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    names.register_with_unit("start_time", "When it was started", Unit::Seconds, started);

    names.register("connections", "Open connections", metrics.connections.clone());
    names.register("streams", "Open streams", count(admission.count()));
    names.register("streams_max", "How many there may be", count(admission.bounds().all));
    names.register("rooms_read", "Rooms that somebody reads", count(admission.rooms()));
    let watches: Family<Label, Gauge> = Family::default();
    let (kernel, polled) = registry.watches();
    for (mode, directories) in [("kernel", kernel), ("poll", polled)] {
        watches.get_or_create(&[("mode", mode)]).set(directories.try_into().unwrap_or(i64::MAX));
    }
    names.register("watches", "Directories that are watched by the kernel, or polled", watches);

    names.register("messages", "Messages in rooms that somebody read", metrics.messages.clone());
    names.register("deliveries", "Messages written, once for each reader", metrics.deliveries.clone());
    names.register_with_unit("stream", "Written to streams", Unit::Bytes, metrics.bytes.clone());
    names.register("writes", "Writes to streams", metrics.writes.clone());
    names.register("coalesced_writes", "Writes of more than one message", metrics.coalesced.clone());
    names.register("catch_up_reads", "Reads of a log for one reader that was behind", metrics.catch_ups.clone());
    names.register("stuck_readers", "Readers closed for taking nothing", metrics.stuck.clone());
    names.register("refused_streams", "Streams refused, by the limit reached", metrics.refused.clone());
    let append = "From a posted message to its line in the log";
    names.register_with_unit("append", append, Unit::Seconds, metrics.append.clone());
    let delivery = "From noticing that a log grew to its readers' sockets";
    names.register_with_unit("delivery", delivery, Unit::Seconds, metrics.delivery.clone());
    names
}

/// A gauge of how many there are now.
fn count(count: usize) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(count.try_into().unwrap_or(i64::MAX));
    gauge
}
