//! Every maximum and every default time, named, in one place, asserted against each other.
//!
//! Crossing a limit is never silent: a request gets a 4xx or 503 that says the limit, a line is cut
//! and says so, a connection is closed and the operator told.

use std::time::Duration;

/// The longest room or user name. Names are ASCII, so bytes are characters.
pub const NAME_MAX_BYTES: usize = 64;

/// The longest name of a stream, counted as its directory is called: three bytes for each that is percent-encoded. The
/// rest of the 255 that file systems take is for the name under which it is deleted.
pub const STREAM_NAME_MAX_BYTES: usize = 224;

/// From how many streams the bytes of a fork may come, fork by fork: its sidecar says it of each.
pub const FORK_GENERATIONS_MAX: usize = 256;

/// The largest sidecar that is read.
pub const SIDECAR_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The longest name of a producer.
pub const PRODUCER_MAX_BYTES: usize = 256;

/// How many producers one stream knows.
pub const PRODUCERS_MAX: usize = 4096;

/// The highest epoch or number of a producer: what every client can count to.
pub const PRODUCER_NUMBER_MAX: u64 = (1 << 53) - 1;

/// How far behind the place where an append was to go it is looked for after a crash: what shells may have written in
/// the moment between.
pub const SETTLE_MAX_BYTES: usize = 16 * 1024 * 1024;

/// How much of a stream one read answers at most, but for one line that is longer.
pub const READ_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// How many subscriptions a data root has at most.
pub const SUBSCRIPTIONS_MAX: usize = 1024;

/// The longest name of a subscription, percent-encoded: a file is called so.
pub const SUBSCRIPTION_ID_MAX_BYTES: usize = 224;

/// How many streams one subscription is about at most.
pub const SUBSCRIPTION_LINKS_MAX: usize = 1024;

/// The largest file of a subscription that is read.
pub const SUBSCRIPTION_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The longest text in a subscription: its pattern, its webhook's address, its description, a worker's name.
pub const SUBSCRIPTION_TEXT_MAX_BYTES: usize = 2048;

/// For how long a wake is held where its subscription does not say.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30);

/// The shortest lease.
pub const LEASE_MIN: Duration = Duration::from_secs(1);

/// The longest lease.
pub const LEASE_MAX: Duration = Duration::from_secs(600);

/// How many webhooks are called at a time.
pub const DELIVERIES_MAX: usize = 8;

/// How long a webhook may take, from the look-up of its name to the end of its answer.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a webhook's answer is read.
pub const WEBHOOK_ANSWER_MAX_BYTES: u64 = 64 * 1024;

/// How long it takes until a webhook that failed is called again, at most; the first time, and then twice as long each
/// time.
pub const WEBHOOK_RETRY_BASE: Duration = Duration::from_secs(1);

/// How long that gets.
pub const WEBHOOK_RETRY_MAX: Duration = Duration::from_secs(60);

/// How often a process that does not deliver looks whether nobody does, and what could not be done is tried again.
pub const DELIVERER_EVERY: Duration = Duration::from_secs(2);

/// The longest text of one posted message.
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// The longest request body that is read: a message whose every byte was percent-encoded, and the
/// other fields of its form.
pub const BODY_MAX_BYTES: usize = 3 * MESSAGE_MAX_BYTES + 4 * 1024;

/// How much of a body that is too long is read and thrown away, so that the client comes to read why.
pub const DISCARD_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The longest line of a log that is shown whole. A longer one is cut here, and says so.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// How far the end or the beginning of a line is looked for. A longer line is taken for several, each of this length at
/// most: nobody else waits while it is read through.
pub const LINE_SEARCH_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a log is read, encoded and handed on at a time.
pub const STRETCH_MAX_BYTES: usize = 64 * 1024;

/// How much is read at first where something is looked for from the end of a log.
pub const BACKWARD_FIRST_BYTES: usize = 4 * 1024;

/// With less than this a disk is almost full: a long line then has its place put by before it is written. Always to do so
/// would double the time that one takes, and wake all who watch the room.
pub const DISK_SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a room's encoded recent past is kept for readers a moment behind.
pub const RING_MAX_BYTES: usize = 256 * 1024;

/// How many pieces of that past at most: a reader's step looks through them.
pub const RING_MAX_BATCHES: usize = 64;

/// How much is gathered for one write to a stream.
pub const WRITE_MAX_BYTES: usize = 64 * 1024;

/// How many pieces one write gathers (the kernel takes 1,024; more gain nothing).
pub const WRITE_MAX_SLICES: usize = 32;

/// How much one reader is written at a stretch before others have their turn.
pub const TURN_MAX_BYTES: usize = 2 * WRITE_MAX_BYTES;

/// How much of what a peer wants between the lines (FastCGI management records) may wait for it.
pub const REPLIES_MAX_BYTES: usize = 2 * WRITE_MAX_BYTES;

/// How much is read from a connection at a time.
pub const READ_BYTES: usize = 16 * 1024;

/// How many connections may wait to be accepted.
pub const BACKLOG: i32 = 4096;

/// How long no connection is accepted after it could not be: out of descriptors, most often.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much is read to count messages before others have their turn.
pub const COUNT_TURN_BYTES: u64 = 1024 * 1024;

/// In how many rooms, too.
pub const COUNT_TURN_ROOMS: usize = 64;

/// How many messages a page of history has where the request does not say.
pub const PAGE_DEFAULT_LINES: usize = 200;

/// How many messages a page of history has at most.
pub const PAGE_MAX_LINES: usize = 1000;

/// How many bytes of the log a page of history covers at most; it is shorter where lines are long.
pub const PAGE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// How many lines of the log as it now is a stream shows after a `reset`.
pub const RESET_LINES: usize = PAGE_DEFAULT_LINES;

/// What `sse-start` and `sse-event` fill buffers with.
pub const HELPER_PADDING_BYTES: [usize; 2] = [4000, 2000];

/// How many thousand bytes `sse-padding` writes at most.
pub const HELPER_PADDING_MAX_KB: usize = 1024;

/// How much of a log one request searches. A client asks for the rest.
pub const SEARCH_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// How much of it is read before what was found there is looked at.
pub const SEARCH_BLOCK_BYTES: u64 = 512 * 1024;

/// How many bytes after somebody's mark are looked through to say how much is unread.
pub const UNREAD_MAX_BYTES: u64 = 1024 * 1024;

/// The largest room in which everybody is told what everybody does: each is told of each.
pub const PRESENCE_MAX_MEMBERS: usize = 64;

/// How long a request may wait for something to happen.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// The longest value of an avatar's attribute that is read.
pub const ATTRIBUTE_MAX_BYTES: u64 = 256;

/// How many bytes before a position its fingerprint covers.
pub const FINGERPRINT_WINDOW_BYTES: u64 = 256;

/// How far back before a time that was asked for the search for it begins reading: clocks are set
/// back, by an hour in autumn, and then lines of an earlier time follow later ones.
pub const SINCE_SLACK: Duration = Duration::from_secs(3 * 3600);

/// How much of that past is read line by line rather than here and there.
pub const SINCE_SMALL_BYTES: u64 = 16 * STRETCH_MAX_BYTES as u64;

/// How much is looked at in one place to find a time.
pub const SINCE_LOOK_BYTES: u64 = 4096;

/// In how many places of that past the search looks where it is too large to be read.
pub const SINCE_SAMPLES: u64 = 512;

/// How much of a log the search for a time reads at most: that much of it may have no times.
pub const SINCE_SCAN_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The longest set of FastCGI parameters of one request, names and values.
pub const PARAMS_MAX_BYTES: usize = 64 * 1024;

/// The longest head of an HTTP request.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;

/// How long an HTTP client may take for its request's head, and a FastCGI peer for its request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How many streams one process serves where the operator does not say.
pub const STREAMS_DEFAULT: usize = 50_000;

/// What `Retry-After` says where there is no room for another stream.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How long a long-poll waits where the operator does not say: less than the five seconds that the official suite of
/// Durable Streams gives each of its tests.
pub const LONG_POLL_DEFAULT: Duration = Duration::from_secs(4);

/// Since when the intervals of `Stream-Cursor` are counted: 9 October 2024, in seconds since 1970.
pub const CURSOR_EPOCH_SECS: u64 = 1_728_432_000;

/// How long such an interval is.
pub const CURSOR_INTERVAL_SECS: u64 = 20;

/// By how many intervals at most a client is put ahead that is back within its interval: an hour.
pub const CURSOR_JITTER: u64 = 3600 / CURSOR_INTERVAL_SECS;

/// After how long a silence a stream says `ping`.
pub const PING_DEFAULT: Duration = Duration::from_secs(30);

/// How long a stream lives at most, before its client is told to reconnect.
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(3600);

/// By how much of its length a stream's life is shortened at random, so that streams opened
/// together don't all come back together.
pub const LIFETIME_JITTER: f64 = 0.1;

/// What `retry:` tells a client: a reconnect after this long, and up to twice as long at random.
pub const RETRY_BASE: Duration = Duration::from_millis(1000);

/// Where a server stops, over how much time for each of its streams the reconnects are spread: a thousand a second.
pub const RECONNECT_EACH: Duration = Duration::from_millis(1);

/// The longest time between two attempts of `chatroom tail -f` to reconnect.
pub const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a reader may take nothing, or not confirm that it took it, before it is closed. It resumes where it was.
pub const STUCK_MAX: Duration = Duration::from_secs(60);

/// How often a worker looks for streams whose time has come. Also how late a ping may be.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long after the last stream of a web avatar it leaves, where the operator does not say.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(10);

/// A web avatar whose `last_activity` is older than this is away.
pub const AWAY_AFTER: Duration = Duration::from_secs(300);

/// For how long a `last_activity` that was noted is new enough.
pub const ACTIVITY_SETTLES: Duration = Duration::from_secs(10);

/// How often the `last_activity` of an avatar with a live stream is written anew.
pub const ACTIVITY_EVERY: Duration = Duration::from_secs(100);

/// How often a file is looked at where it can't be watched.
pub const POLL_EVERY: Duration = Duration::from_millis(20);

/// A file whose time stamp is younger than this may have changed again within the same tick of
/// the file system's clock, so it is looked at again although its stamp stays the same.
pub const STAMP_SETTLES: Duration = Duration::from_millis(100);

/// How often a directory that had to be polled is tried to be watched again.
pub const REWATCH_EVERY: Duration = Duration::from_secs(10);

/// How long the program that a reload is to begin may take to say its version.
pub const RELOAD_WAIT: Duration = Duration::from_secs(2);

/// How long a stop waits for requests under way.
pub const STOP_WAIT: Duration = Duration::from_millis(500);

/// How much padding pushes an event through libfcgi's 8,192-byte record, whatever was in it
/// before: one record and a few bytes for the comment around it.
pub const PADDING_BYTES: usize = 8192 + 64;

const _: () = {
    assert!(BODY_MAX_BYTES > MESSAGE_MAX_BYTES);
    assert!(LINE_MAX_BYTES > MESSAGE_MAX_BYTES, "what can be posted is shown whole");
    assert!(LINE_SEARCH_MAX_BYTES > LINE_MAX_BYTES as u64, "what is not shown whole is told with its length");
    assert!(STREAM_NAME_MAX_BYTES >= NAME_MAX_BYTES, "every room is a stream");
    assert!(
        PRODUCERS_MAX as u64 * (2 * PRODUCER_MAX_BYTES as u64 + 64) + FORK_GENERATIONS_MAX as u64 * 128
            < SIDECAR_MAX_BYTES
    );
    assert!(SETTLE_MAX_BYTES > BODY_MAX_BYTES);
    assert!(READ_MAX_BYTES >= LINE_MAX_BYTES as u64);
    assert!((SUBSCRIPTION_LINKS_MAX * 3 * STREAM_NAME_MAX_BYTES) as u64 * 2 < SUBSCRIPTION_MAX_BYTES);
    assert!(SUBSCRIPTION_ID_MAX_BYTES < 255 - 24, "a file can be called so");
    assert!(LEASE_MIN.as_secs() <= LEASE_DEFAULT.as_secs() && LEASE_DEFAULT.as_secs() <= LEASE_MAX.as_secs());
    assert!(PAGE_DEFAULT_LINES <= PAGE_MAX_LINES);
    assert!(PAGE_MAX_BYTES as usize >= LINE_MAX_BYTES);
    assert!(RING_MAX_BYTES >= STRETCH_MAX_BYTES);
    assert!(STRETCH_MAX_BYTES as u64 > FINGERPRINT_WINDOW_BYTES);
    assert!(ACTIVITY_EVERY.as_secs() * 2 < AWAY_AFTER.as_secs(), "a missed refresh is no absence");
    assert!(SWEEP_EVERY.as_millis() < PING_DEFAULT.as_millis());
    assert!(STOP_WAIT.as_millis() < 1000, "a stop takes less than a second");
};
