//! Directories and files that become links out of the root while they are used: nothing outside is read or written.
//!
//! Method: a thread puts a link to a place outside where a room, its log, an avatar and a sidecar are, and back, as
//! fast as it can, while requests of every kind go through a bounded number of rounds.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use chatroom::room::name::RoomName;
use chatroom::store::root::DataRoot;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::support::http::Site;
use super::support::outside::{SECRET, Walled};
use super::support::server::Server;

/// Exchanges `path`, which is of the root, and a link to `target`, until told to stop: at once, so that no moment is too
/// short for it.
fn swap(path: &Path, target: &Path, stop: &AtomicBool, swaps: &AtomicU64) {
    let name = path.file_name().unwrap().to_string_lossy();
    let aside = path.with_file_name(format!("aside-{}", name.trim_start_matches('.')));
    let exchange = || renameat2(AT_FDCWD, path, AT_FDCWD, &aside, RenameFlags::RENAME_EXCHANGE).is_ok();
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    while !stop.load(Ordering::Relaxed) {
        // The program may remove or make either of them in between: then they are as they are until the next turn.
        if !is_link(&aside) {
            let _ = fs::remove_file(&aside).or_else(|_| fs::remove_dir_all(&aside));
            let _ = symlink(target, &aside);
        }
        let is_swapped = exchange();
        if !is_swapped {
            let _ = fs::rename(&aside, path);
        }
        thread::yield_now();
        if is_swapped && !exchange() {
            let _ = fs::rename(&aside, path);
        }
        if is_link(path) {
            let _ = fs::remove_file(path);
        }
        thread::yield_now();
        swaps.fetch_add(1, Ordering::Relaxed);
    }
}

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

const SUBSCRIPTION: &str = r#"{"type":"pull-wake","streams":["R"],"wake_stream":"W"}"#;

/// Method, path, header fields and body.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

fn ask(site: &Site, deleted: &str, round: u64) {
    let events = ("Accept", "text/event-stream");
    let requests: &[Asked] = &[
        ("GET", "/rooms", &[], ""),
        ("GET", "/unread", &[], ""),
        ("GET", "/rooms/R", &[], ""),
        ("GET", "/rooms/R", &[("Accept", "text/plain")], ""),
        ("POST", "/rooms/R?user=mo", TEXT, "said inside"),
        ("GET", "/rooms/R/members", &[], ""),
        ("PUT", "/rooms/R/members/al", &[], ""),
        ("PATCH", "/rooms/R/members/al", &[], "{\"name\":\"bo\"}"),
        ("PATCH", "/rooms/R/members/bo", &[], "{\"name\":\"al\"}"),
        ("DELETE", "/rooms/R/members/bo", &[], ""),
        ("PUT", "/v1/stream/S", &[("Content-Type", "a/b")], ""),
        ("GET", "/v1/stream/S", &[], ""),
        ("HEAD", "/v1/stream/S", &[], ""),
        ("GET", "/v1/stream/R", &[], ""),
        ("GET", "/chat-get-messages?room=R", &[], ""),
        ("GET", "/chat-list-rooms", &[], ""),
        ("POST", "/chat-send-message?room=R&user=al&msg=said", &[], ""),
        ("PUT", "/rooms/D/members/al", &[], ""),
        ("PUT", "/v1/stream/W", JSON, ""),
        ("PUT", "/v1/stream/__ds/subscriptions/s", JSON, SUBSCRIPTION),
        ("GET", "/v1/stream/__ds/jwks.json", &[], ""),
        ("GET", "/v1/stream/__ds/subscriptions/s", &[], ""),
        ("DELETE", "/v1/stream/__ds/subscriptions/s", &[], ""),
    ];
    for (n, (method, path, headers, body)) in requests.iter().enumerate() {
        let reply = site.request(method, path, headers, body.as_bytes());
        assert!(
            !format!("{reply:?} {}", String::from_utf8_lossy(&reply.body)).contains(SECRET),
            "{method} {path}: {reply:?}"
        );
        // Each makes a sidecar anew.
        let (seq, typed) = (format!("{round:04} {n:04}"), ("Content-Type", "a/b"));
        let reply = site.request("POST", "/v1/stream/S", &[typed, ("Stream-Seq", &seq)], b"said inside");
        assert!(!format!("{reply:?} {}", String::from_utf8_lossy(&reply.body)).contains(SECRET), "{reply:?}");
    }
    // What is deleted is looked at first, and may be another by then: again and again, for that is a moment.
    for _ in 0..20 {
        site.request("PUT", deleted, &[], b"");
        site.request("DELETE", deleted, &[], b"");
    }
    // A stream is taken from its past on, up to the members that end it, whatever the room is by then.
    let past = "/rooms/R?format=raw&user=al&last_event_id=0000000000000000_0000000000000000";
    if round.is_multiple_of(4)
        && let Ok(mut stream) = super::support::sse::Stream::try_open(site, past, &[events])
    {
        stream.until(|event| matches!(&event.event[..], "members" | "error" | "reset"));
        assert!(!String::from_utf8_lossy(stream.raw()).contains(SECRET), "a stream of {past}");
    }
}

fn race(
    path: impl Fn(&Path) -> std::path::PathBuf,
    target: impl Fn(&Path) -> std::path::PathBuf,
    fill: impl Fn(&Path),
) {
    // One at a time: each keeps a processor busy.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let walled = Walled::new();
    for made in ["R/.al", "S", "D"] {
        fs::create_dir(walled.root().join(made)).unwrap();
    }
    fill(walled.root());
    // By polling: unoptimised, the watcher would have to do with a hundred thousand events a second, and nothing else.
    let server = Server::serve(walled.root(), &["--lifetime", "0.2", "--watch", "poll"]);
    let (path, target) = (path(walled.root()), target(&walled.outside()));
    let deleted = if path.ends_with(".al") { "/rooms/R/members/al" } else { "/rooms/D" };
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|threads| {
        threads.spawn(|| swap(&path, &target, &stop, &swaps));
        let site = server.site();
        let asked =
            thread::scope(|requests| requests.spawn(|| (0..40).for_each(|round| ask(&site, deleted, round))).join());
        stop.store(true, Ordering::Relaxed);
        asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(swaps.load(Ordering::Relaxed) > 40, "it was swapped only {swaps:?} times");
    walled.assert_untouched();
    assert_eq!(server.site().get("/healthz").status, 200);
}

#[test]
fn a_link_in_what_is_deleted_is_deleted_and_not_what_it_leads_to() {
    let walled = Walled::new();
    let server = Server::serve(walled.root(), &[]);
    let site = server.site();
    assert_eq!(site.request("PUT", "/v1/stream/S", &[("Content-Type", "a/b")], b"").status, 201);
    assert_eq!(site.request("PUT", "/rooms/R/members/mo", &[], b"").status, 201);
    for room in ["D", "E"] {
        fs::create_dir(walled.root().join(room)).unwrap();
    }
    for inner in ["D", "E", "S", "R/.mo"] {
        for (name, target) in [("link", ""), (".linked", ".al"), ("file", ".log"), (".log.new", "deeper")] {
            symlink(walled.outside().join(target), walled.root().join(inner).join(name)).unwrap();
        }
    }
    for (method, path) in [
        ("DELETE", "/rooms/D"),
        ("POST", "/chat-delete-room?room=E"),
        ("DELETE", "/v1/stream/S"),
        ("DELETE", "/rooms/R/members/mo"),
    ] {
        let status = site.request(method, path, &[], b"").status;
        assert!(matches!(status, 200 | 204), "{method} {path}: {status}");
    }
    walled.assert_untouched();
    assert_eq!(walled.entries(), ["R"]);
    assert!(!walled.root().join("R/.mo").exists());
}

#[test]
fn a_room_that_becomes_a_link() {
    race(|root| root.join("R"), Path::to_owned, |_| {});
}

#[test]
fn a_stream_that_becomes_a_link() {
    race(|root| root.join("S"), Path::to_owned, |_| {});
}

#[test]
fn a_room_that_becomes_a_link_while_it_is_deleted() {
    race(|root| root.join("D"), Path::to_owned, |_| {});
}

#[test]
fn a_log_that_becomes_a_link() {
    race(|root| root.join("R/.log"), |outside| outside.join(".log"), |_| {});
}

#[test]
fn an_avatar_that_becomes_a_link() {
    race(|root| root.join("R/.al"), |outside| outside.join(".al"), |_| {});
}

#[test]
fn the_subscriptions_that_become_a_link() {
    race(|root| root.join(".ds"), Path::to_owned, |_| {});
}

#[test]
fn an_attribute_that_is_a_link_is_none() {
    let walled = Walled::new();
    let avatar = walled.root().join("R/.al");
    fs::create_dir(&avatar).unwrap();
    fs::write(avatar.join("user.web_avatar"), "1").unwrap();
    for name in ["typing", "read", "idle", "last_activity"] {
        symlink(walled.outside().join(".log"), avatar.join(format!("user.{name}"))).unwrap();
    }
    let server = Server::serve(walled.root(), &[]);
    let site = server.site();
    let mut stream = super::support::sse::Stream::open(&site, "/rooms/R?user=al", &[]);
    stream.next_named("members");
    assert_eq!(site.get("/rooms/R/members").status, 200);
    // In its place nothing can be written.
    assert_eq!(site.request("PATCH", "/rooms/R/members/al", JSON, b"{\"typing\":true}").status, 500);
    assert_eq!(site.post("/rooms/R?user=al", "text/plain", b"the end").status, 201);
    stream.until(|event| event.data.contains("the end"));
    assert!(!String::from_utf8_lossy(stream.raw()).contains(SECRET));
    walled.assert_untouched();
}

#[test]
fn a_directory_that_becomes_a_link_while_it_is_removed() {
    let walled = Walled::new();
    let room = DataRoot::open(walled.root()).unwrap().room(&RoomName::parse("R").unwrap()).unwrap().unwrap();
    let (path, target) = (walled.root().join("R/.al"), walled.outside().join(".al"));
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|threads| {
        threads.spawn(|| swap(&path, &target, &stop, &swaps));
        // Without a server between: the moment is that between two calls of the system.
        for _ in 0..20_000 {
            let _ = (room.make_directory(".al"), room.remove(".al"));
        }
        stop.store(true, Ordering::Relaxed);
    });
    walled.assert_untouched();
}

#[test]
fn a_sidecar_that_becomes_a_link() {
    let fill =
        |root: &Path| fs::write(root.join("S/.log.stream"), "{\"generation\":1,\"content_type\":\"a/b\"}\n").unwrap();
    race(|root| root.join("S/.log.stream"), |outside| outside.join(".log.stream"), fill);
}

#[test]
fn a_sidecar_in_the_making_that_becomes_a_link() {
    let fill =
        |root: &Path| fs::write(root.join("S/.log.stream"), "{\"generation\":1,\"content_type\":\"a/b\"}\n").unwrap();
    race(|root| root.join("S/.log.stream.new"), |outside| outside.join(".log.stream"), fill);
}
