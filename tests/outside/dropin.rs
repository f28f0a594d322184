//! chatroom in the place of shell CGI programs, in the setup in which people run those (`nginx/dropin.conf`): through a
//! stock fcgiwrap that is told nothing of flushing, and through `chatroom fastcgi` on fcgiwrap's socket.
//!
//! Method: `chatroom dropin` makes the links, nginx's locations are the ones of such sites, and what went wrong with
//! shell programs is done to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::cases::{Way, run_shell_names};
use super::cgi::programs_of;
use super::support::PATIENCE;
use super::support::fcgiwrap::Fcgiwrap;
use super::support::http::Site;
use super::support::nginx::{self, Nginx};
use super::support::process::Process;
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};
use super::support::sse::Stream;
use super::support::wait::wait_until;

/// A folder of sites, of which `main` has the rooms, and one of CGI programs.
pub(crate) struct Folders {
    pub(crate) rooms: Rooms,
    dir: TempDir,
}

impl Folders {
    pub(crate) fn new(rooms: Rooms) -> Folders {
        let folders = Folders { rooms, dir: TempDir::new().unwrap() };
        let main = folders.sites().join(".sitedata/main");
        fs::create_dir_all(&main).unwrap();
        symlink(folders.rooms.root(), main.join("chatrooms")).unwrap();
        fs::create_dir(folders.programs()).unwrap();
        let installed = chatroom().arg("dropin").arg(folders.programs()).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        folders
    }

    fn sites(&self) -> PathBuf {
        self.dir.path().join("sites")
    }

    pub(crate) fn programs(&self) -> PathBuf {
        self.dir.path().join("cgi")
    }

    /// nginx and fcgiwrap with so many workers.
    pub(crate) fn cgi(&self, workers: usize, edits: &[(&str, &str)]) -> (Nginx, Fcgiwrap) {
        let fcgiwrap = Fcgiwrap::start_with(workers, "WIZARDRY_SITES_DIR", &self.sites());
        let conf = nginx::dropin_conf(&self.programs(), fcgiwrap.socket());
        (Nginx::start(&edited(conf, edits)), fcgiwrap)
    }

    /// nginx and `chatroom fastcgi` in fcgiwrap's place.
    fn fastcgi(&self, edits: &[(&str, &str)]) -> (Nginx, Server) {
        let socket = self.dir.path().join("chatroom.sock");
        let listen = format!("unix:{}", socket.display());
        let mut command = chatroom();
        let server =
            Server::start(command.args(["fastcgi", "--listen", &listen]).env("WIZARDRY_SITES_DIR", self.sites()));
        let conf = nginx::dropin_conf(&self.programs(), &socket);
        (Nginx::start(&edited(conf, edits)), server)
    }
}

fn edited(conf: String, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(conf, |conf, (from, to)| nginx::edit(&conf, from, to))
}

fn site(nginx: &Nginx) -> Site {
    Site::new(nginx.addr(), "/cgi")
}

const PER_REQUEST: &str = "fastcgi_param WIZARDRY_SITE_NAME main;";

#[test]
fn every_program_answers_to_the_letter() {
    let folders = Folders::new(Rooms::example());
    let http = Server::serve(folders.rooms.root(), &[]);
    let (behind_fcgiwrap, _fcgiwrap) = folders.cgi(4, &[]);
    let (behind_server, _server) = folders.fastcgi(&[]);
    run_shell_names(
        &folders.rooms,
        &[
            Way { name: "HTTP", site: http.site() },
            Way { name: "fcgiwrap", site: site(&behind_fcgiwrap) },
            Way { name: "FastCGI", site: site(&behind_server) },
        ],
    );
}

/// What each of the three streams says, one event at a time, each before the next is caused.
fn no_event_is_held(site: &Site, rooms: &Rooms) {
    let mut stream = Stream::open(site, "/chat-stream?room=General", &[]);
    for (name, value) in [
        ("Cache-Control", "no-cache"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type, Last-Event-ID"),
    ] {
        assert_eq!(stream.header(name), Some(value));
    }
    assert_eq!(stream.next().event, "members");
    assert_eq!((stream.retry(), &stream.comments()[0][..]), (Some(5000), " ........"));
    for n in 0..400_usize {
        // Lengths that run through all phases of an 8 KiB buffer.
        let line = rooms.line("General", "al", &format!("{n} {}", "x".repeat(n * 397 % 8192)));
        let event = stream.next();
        assert_eq!((event.event.as_str(), &event.data), ("message", &line), "message {n}");
    }
    rooms.avatar("General", "walker");
    assert!(stream.next().data.contains("walker"));

    let mut counts = Stream::open(site, "/chat-unread-counts?username=al", &[]);
    let mut list = Stream::open(site, "/chat-room-list-stream", &[]);
    let of_ops = |counts: &mut Stream| counts.next_named("counts").json()["Ops"].as_u64().expect("a count");
    let before = of_ops(&mut counts);
    assert_eq!(list.next().event, "rooms");
    for n in 1..=400_u64 {
        rooms.line("Ops", "al", &"y".repeat(n as usize * 31 % 300));
        assert_eq!(of_ops(&mut counts), before + n);
    }
    for n in 0..100 {
        let room = format!("{}-{n}", "r".repeat(n % 60));
        rooms.create(&room);
        let event = list.next();
        assert!(event.event == "rooms" && event.data.contains(&format!("{room:?}")), "{event:?}");
        assert!(counts.next().data.contains(&format!("{room:?}:0")));
    }
    // What becomes of a room is told to who listens to it.
    let deleted = site.get("/chat-delete-room?room=General");
    assert!(deleted.text().contains("✓ Room <strong>General</strong> deleted"));
    let end = stream.rest().pop().expect("an end");
    assert_eq!((&end.event[..], &end.data[..]), ("error", r#"{"code":404,"message":"Room not found"}"#));
    assert!(!list.next().data.contains("General") && !counts.next().data.contains("General"));
}

#[test]
fn no_event_is_held_by_fcgiwrap() {
    let folders = Folders::new(Rooms::example());
    let (nginx, fcgiwrap) = folders.cgi(4, &[]);
    no_event_is_held(&site(&nginx), &folders.rooms);
    assert_eq!(fcgiwrap.stderr(), "");
}

#[test]
fn no_event_is_held_by_fastcgi() {
    let folders = Folders::new(Rooms::example());
    let (nginx, _server) = folders.fastcgi(&[]);
    no_event_is_held(&site(&nginx), &folders.rooms);
}

#[test]
fn a_message_is_small_where_fcgiwrap_is_told_to_flush() {
    let folders = Folders::new(Rooms::example());
    let flushing = format!("{PER_REQUEST} fastcgi_param NO_BUFFERING 1;");
    let (nginx, _fcgiwrap) = folders.cgi(2, &[(PER_REQUEST, &flushing)]);
    let mut stream = Stream::open(&site(&nginx), "/chat-stream?room=General", &[]);
    assert_eq!(stream.next().event, "members");
    let before = stream.raw().len();
    let line = folders.rooms.line("General", "al", "a message of the usual length, for a measure of what it costs");
    assert_eq!(stream.next().data, line);
    assert!(stream.raw().len() - before < 300, "{} bytes", stream.raw().len() - before);
    assert_eq!(stream.comments(), [" ........"], "nothing is padded");
}

#[test]
fn no_process_outlives_its_client_in_a_quiet_room() {
    let folders = Folders::new(Rooms::example());
    let often = format!("{PER_REQUEST} fastcgi_param CHATROOM_PING 0.2;");
    let (nginx, fcgiwrap) = folders.cgi(4, &[(PER_REQUEST, &often)]);
    let site = site(&nginx);
    let paths = ["/chat-stream?room=Empty", "/chat-room-list-stream", "/chat-unread-counts?username=al"];
    let mut streams: Vec<Stream> = paths.iter().map(|path| Stream::open(&site, path, &[])).collect();
    streams.iter_mut().for_each(|stream| drop(stream.next()));
    streams.iter_mut().for_each(|stream| assert_eq!(stream.next_named("ping").data, "keepalive"));
    let programs = || programs_of(fcgiwrap.pid()).len();
    assert_eq!(programs(), 3);
    // A page has three streams: with one worker more than that fcgiwrap still answers.
    let sent = site.request("POST", "/chat-send-message", &[], b"room=Empty&user=al&msg=hi");
    assert!(sent.text().contains("Message sent"));
    drop(streams);
    wait_until("no process is left of a page that was closed", PATIENCE, || programs() == 0);
}

#[test]
fn nothing_of_one_site_is_seen_on_another() {
    let folders = Folders::new(Rooms::empty());
    let by_header = (PER_REQUEST, "fastcgi_param WIZARDRY_SITE_NAME $http_site;");
    let (behind_fcgiwrap, _fcgiwrap) = folders.cgi(8, &[by_header]);
    let (behind_server, _server) = folders.fastcgi(&[by_header]);
    for (nginx, own) in [(&behind_fcgiwrap, "one"), (&behind_server, "two")] {
        let site = site(nginx);
        let get = |path: &str, name: &str| site.request("GET", path, &[("Site", name)], b"").text().to_owned();
        let mut list = Stream::open(&site, "/chat-room-list-stream", &[("Site", "other")]);
        let listed = list.next().data;
        assert!(get("/chat-create-room?name=Own", own).contains("created!"));
        assert!(folders.sites().join(".sitedata").join(own).join("chatrooms/Own").is_dir());
        assert!(get("/chat-list-rooms", own).contains("Own"));
        for other in ["other", "main", "default", ""] {
            assert!(!get("/chat-list-rooms", other).contains("Own"), "{other}");
            assert!(get("/chat-get-messages?room=Own", other).contains("Room not found"), "{other}");
            assert!(get("/chat-stream?room=Own", other).contains("Room not found"), "{other}");
            assert!(get("/chat-list-avatars?room=Own", other).contains("Room not found"), "{other}");
        }
        for bad in [".", "..", "a/b", "..%2f", "a b"] {
            let refused = site.request("GET", "/chat-list-rooms", &[("Site", bad)], b"");
            assert_eq!(refused.status, 500, "{bad}");
            assert!(!refused.text().contains(folders.dir.path().to_str().unwrap()), "{bad}");
        }
        assert!(get("/chat-create-room?name=Theirs", "other").contains("created!") || own == "two");
        if own == "one" {
            assert_eq!((listed.as_str(), list.next().data.as_str()), ("[]", r#"["Theirs"]"#));
        }
    }
}

#[test]
fn nothing_that_is_posted_or_logged_is_taken_for_more_than_text() {
    let folders = Folders::new(Rooms::example());
    let (nginx, _fcgiwrap) = folders.cgi(4, &[]);
    let (site, rooms) = (site(&nginx), &folders.rooms);
    let mut stream = Stream::open(&site, "/chat-stream?room=Empty", &[]);
    assert_eq!(stream.next().event, "members");
    let say = |msg: &str| {
        let body = format!("room=Empty&user=al&msg={msg}");
        assert!(site.request("POST", "/chat-send-message", &[], body.as_bytes()).text().contains("Message sent"));
    };
    say("a%0A%5B2026-01-31+08%3A00%3A00%5D+bo%3A+forged");
    say("b%0D%0A%0D%0Aevent%3A+forged%0D%0Adata%3A+x");
    say("%3Cimg+src%3Dx+onerror%3D%22alert(1)%22%3E+%27%26%22");
    rooms.append("Empty", b"[2026-01-31 08:00:00] bo: c\rdata: d\r\revent: forged\rdata: e\r\n");
    rooms.append("Empty", b"\"><script>alert(1)</script>\n");
    assert_eq!(rooms.log("Empty").iter().filter(|byte| **byte == b'\n').count(), 5, "a line a message");
    let events: Vec<_> = (0..5).map(|_| stream.next()).collect();
    assert!(events.iter().all(|event| event.event == "message"), "{events:?}");
    assert!(events[3].data.ends_with("bo: c\ndata: d\n\nevent: forged\ndata: e"), "{:?}", events[3].data);
    let shown = site.get("/chat-get-messages?room=Empty");
    let html = shown.text();
    assert_eq!(html.matches("<div class=\"chat-msg\"").count(), 5, "{html}");
    assert!(html.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &#39;&amp;&quot;"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(!site.get("/chat-list-rooms").text().contains("<script"));
    // Longer than a pipe and than nginx's buffers, and less than nginx's own limit.
    let body = [b"room=Empty&user=al&msg=", &vec![b'z'; 600 * 1024][..]].concat();
    let refused = site.request("POST", "/chat-send-message", &[], &body);
    assert!(refused.text().contains("<p>Message too long: at most 65536 bytes</p>"), "{}", refused.text());
    let long = [b"room=Empty&user=al&msg=", "%7A".repeat(64 * 1024).as_bytes()].concat();
    let sent = site.request("POST", "/chat-send-message", &[], &long);
    assert!(sent.text().contains("Message sent"), "{}", sent.text());
    assert_eq!(stream.next().data.len(), 64 * 1024 + "[2026-01-31 08:00:00] al: ".len());
}

#[test]
fn who_listens_stays_and_who_comes_is_there() {
    let folders = Folders::new(Rooms::empty());
    let (nginx, _fcgiwrap) = folders.cgi(4, &[]);
    let (site, rooms) = (site(&nginx), &folders.rooms);
    rooms.create("R");
    let idle_since = |name: &str, time: &str| {
        rooms.attribute("R", name, "last_activity", time);
    };
    let web = |name: &str| {
        rooms.avatar("R", name).attribute("R", name, "web_avatar", "1");
    };
    web("al");
    idle_since("al", "1000");
    rooms.avatar("R", "shell");
    assert!(site.get("/chat-get-messages?room=R").text().contains("No messages yet"));
    assert_eq!(rooms.avatars("R"), ["al", "shell"], "reading removes nobody");
    // Whose stream it is stays, however long ago they were heard of.
    idle_since("al", "9999999999");
    let mut stream = Stream::open(&site, "/chat-stream?room=R&user=al", &[]);
    assert!(stream.next().data.contains("\"al\""));
    // Who speaks was heard of.
    web("bo");
    idle_since("bo", "1000");
    assert!(site.request("POST", "/chat-send-message", &[], b"room=R&user=bo&msg=here").text().contains("sent"));
    assert!(site.request("POST", "/chat-create-avatar", &[], b"room=R&user=cy").text().contains("created"));
    let listed = site.get("/chat-list-avatars?room=R");
    let is = |name: &str, web: bool| format!("{{\"username\": \"{name}\", \"is_web\": {web}}}");
    let all = [is("al", true), is("bo", true), is("cy", true), is("shell", false)].join(", ");
    assert_eq!(listed.text(), format!("{{\"avatars\": [{all}]}}\n"));
    let renamed = site.request("POST", "/chat-rename-avatar", &[], b"room=R&old_user=cy&new_user=bo");
    assert!(renamed.text().contains("New username already exists"));
    let moved = site.request("POST", "/chat-move-avatar", &[], br#"{"room":"R","username":"cy","oldRoom":"R"}"#);
    assert_eq!(moved.text(), "{\"success\":true,\"moved\":true}\n");
    assert_eq!(rooms.avatars("R"), ["al", "bo", "cy", "shell"]);
    assert_eq!(
        fs::read_dir(rooms.avatar_path("R", "bo")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count(),
        0
    );
}

#[test]
fn pings_and_messages_never_mix() {
    let folders = Folders::new(Rooms::example());
    let often = format!("{PER_REQUEST} fastcgi_param CHATROOM_PING 0.001;");
    let (nginx, _fcgiwrap) = folders.cgi(2, &[(PER_REQUEST, &often)]);
    let mut stream = Stream::open(&site(&nginx), "/chat-stream?room=Empty", &[]);
    assert_eq!(stream.next().event, "members");
    let mut writer = Process::spawn(
        super::support::process::tool("sh")
            .args(["-c", "for n in $(seq 2000); do echo \"[2026-01-31 08:00:00] sh: $n\" >> \"$0\"; done"])
            .arg(folders.rooms.log_path("Empty")),
    );
    let (mut pings, mut messages) = (0, Vec::new());
    while messages.len() < 2000 || pings == 0 {
        let event = stream.next();
        match &event.event[..] {
            "ping" => pings += 1,
            "message" => messages.push(event.data),
            other => panic!("{other}: {event:?}"),
        }
    }
    let expected: Vec<String> = (1..=2000).map(|n| format!("[2026-01-31 08:00:00] sh: {n}")).collect();
    assert_eq!(messages, expected);
    assert!(writer.wait(PATIENCE).success());
}
