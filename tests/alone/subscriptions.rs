//! Subscriptions: who holds no connection is told, and whoever is not told is not forgotten.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use super::support::PATIENCE;
use super::support::http::{Reply, Site};
use super::support::process::clean;
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};
use super::support::wait::wait_until;

/// Webhooks of tests are on this machine.
const HERE: &str = "--allow-private-webhooks";

/// How many long-polls one waits for an event.
const POLLS: u32 = 5;

/// A webhook, which hands each request to the test, and answers as the test says.
struct Webhook {
    address: SocketAddr,
    called: Receiver<Called>,
}

/// A request to a webhook, which waits for its answer.
struct Called {
    signature: String,
    text: String,
    answer: Sender<(u16, &'static str)>,
}

impl Webhook {
    fn listen() -> Webhook {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, called) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let tell = tell.clone();
                thread::spawn(move || serve(stream.unwrap(), &tell));
            }
        });
        Webhook { address, called }
    }

    fn url(&self) -> String {
        format!("http://{}/bot", self.address)
    }

    /// The next request.
    fn next(&self) -> Called {
        self.called.recv_timeout(PATIENCE).expect("the webhook is called")
    }

    fn was_called(&self) -> bool {
        self.called.try_recv().is_ok()
    }
}

fn serve(mut stream: TcpStream, tell: &Sender<Called>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut signature, mut line) = (0, String::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some((name, value)) if name.eq_ignore_ascii_case("webhook-signature") => signature = value.to_owned(),
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => assert!(line.starts_with("POST /bot "), "{line}"),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (answer, answered) = channel();
    // A test that is over hears nothing more.
    let _ = tell.send(Called { signature, text: String::from_utf8(body).unwrap(), answer });
    let Ok((status, body)) = answered.recv() else { return };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    // The server may have been killed.
    let _ = stream.write_all(answer.as_bytes());
}

impl Called {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn answer(&self, status: u16, body: &'static str) {
        let _ = self.answer.send((status, body));
    }

    /// What it says of one stream.
    fn stream(&self, name: &str) -> Value {
        let body = self.json();
        let streams = body["streams"].as_array().unwrap();
        streams.iter().find(|stream| stream["path"] == name).unwrap_or_else(|| panic!("{name} in {body}")).clone()
    }
}

fn path(id: &str) -> String {
    format!("/v1/stream/__ds/subscriptions/{id}")
}

fn send(site: &Site, method: &str, path: &str, body: &Value) -> Reply {
    site.request(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn speak(site: &Site, path: &str, token: &Value, body: &Value) -> Reply {
    let token = format!("Bearer {}", token.as_str().unwrap());
    site.request("POST", path, &[("Authorization", &token)], body.to_string().as_bytes())
}

fn subscribe(site: &Site, id: &str, pattern: &str, url: &str) -> Reply {
    let asked = json!({"type": "webhook", "pattern": pattern, "webhook": {"url": url}, "lease_ttl_ms": 600_000});
    send(site, "PUT", &path(id), &asked)
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The position in a URL's path, on the server that the site is.
fn on<'a>(site: &Site, url: &'a Value) -> &'a str {
    url.as_str().unwrap().strip_prefix(&site.url("")).expect("an address of the server")
}

/// Whether all that happened so far was looked at: what happens now is heard of after it, by whom a second webhook tells.
struct Heartbeat {
    webhook: Webhook,
    beats: u32,
}

impl Heartbeat {
    fn of(site: &Site) -> Heartbeat {
        let webhook = Webhook::listen();
        assert_eq!(subscribe(site, "heartbeat", "beat/*", &webhook.url()).status, 201);
        Heartbeat { webhook, beats: 0 }
    }

    fn beat(&mut self, rooms: &Rooms) {
        self.beats += 1;
        let room = format!("beat%2F{}", self.beats);
        rooms.create(&room).append(&room, b"\n");
        let called = self.webhook.next();
        called.stream(&format!("beat/{}", self.beats));
        called.answer(200, r#"{"done": true}"#);
    }
}

#[test]
fn a_bot_is_told_of_what_a_shell_appends_while_no_one_holds_a_connection() {
    for watch in ["auto", "poll"] {
        let rooms = Rooms::empty();
        rooms.create("General").line("General", "al", "before");
        let (server, bot) = (Server::serve(rooms.root(), &["--watch", watch, HERE]), Webhook::listen());
        let site = server.site();
        assert_eq!(subscribe(&site, "bot", "*", &bot.url()).status, 201);
        let mut heartbeat = Heartbeat::of(&site);
        heartbeat.beat(&rooms);
        let line = rooms.line("General", "al", "hello");
        let called = bot.next();
        let (told, stream) = (called.json(), called.stream("General"));
        called.answer(200, "{}");
        // The signature is one of the key that the server names.
        let jwks = send(&site, "GET", "/v1/stream/__ds/jwks.json", &Value::Null).json();
        let fields: Vec<&str> = called.signature.split(',').map(|field| field.split_once('=').unwrap().1).collect();
        let [time, kid, signature] = fields[..] else { panic!("{}", called.signature) };
        assert_eq!(jwks["keys"][0]["kid"], kid);
        let key = BASE64.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
        let signed = format!("{time}.{}", called.text);
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(signed.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
        // The bot reads what is new to it, and says so.
        let from = stream["acked_offset"].as_str().unwrap();
        let read = site.get(&format!("/v1/stream/General?offset={from}"));
        assert_eq!(read.text(), format!("{line}\n"));
        let done = json!({
            "wake_id": told["wake_id"], "generation": told["generation"], "done": true,
            "acks": [{"stream": "General", "offset": read.header("stream-next-offset").unwrap()}],
        });
        let callback = on(&site, &told["callback_url"]);
        assert_eq!(code(&speak(&site, callback, &json!("1.x"), &done)), (401, "TOKEN_INVALID".into()));
        let reply = speak(&site, callback, &told["callback_token"], &done);
        assert_eq!(reply.json(), json!({"ok": true, "next_wake": false}));
        assert_eq!(code(&speak(&site, callback, &told["callback_token"], &done)), (409, "FENCED".into()));
        // A room that a shell makes is one of them.
        rooms.create("New").line("New", "al", "first");
        let called = bot.next();
        assert_eq!(
            (called.json()["generation"].as_u64(), &called.stream("New")["acked_offset"]),
            (Some(2), &json!("-1"))
        );
        assert_eq!(called.stream("General")["has_pending"], false);
        called.answer(200, r#"{"done": true}"#);
        // What it told of is acknowledged, so that only what comes now is news.
        heartbeat.beat(&rooms);
        rooms.line("New", "al", "second");
        let called = bot.next();
        assert_eq!(called.json()["generation"], 3);
        called.answer(200, "{}");
    }
}

#[test]
fn nobody_is_called_at_private_addresses_unless_that_is_allowed() {
    let rooms = Rooms::empty();
    rooms.create("General");
    let bot = Webhook::listen();
    let mut server = Server::serve(rooms.root(), &[]);
    let (address, site) = (server.addr(), server.site());
    for url in [
        &*bot.url(),
        "https://127.0.0.1/",
        "https://[::ffff:192.168.0.1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "http://example.org/",
    ] {
        assert_eq!(code(&subscribe(&site, "bot", "*", url)), (400, "WEBHOOK_URL_REJECTED".into()), "{url}");
    }
    assert_eq!(code(&site.get(&path("bot"))), (404, "SUBSCRIPTION_NOT_FOUND".into()));
    server.stop();
    // It counts when it is called, too.
    let mut server = Server::serve_on(address, rooms.root(), &[HERE]);
    assert_eq!(subscribe(&site, "bot", "*", &bot.url()).status, 201);
    server.stop();
    let server = Server::serve_on(address, rooms.root(), &[]);
    rooms.line("General", "al", "hello");
    wait_until("the call is refused", PATIENCE, || site.get(&path("bot")).json()["status"] == "failed");
    assert!(!bot.was_called());
    wait_until("it says why", PATIENCE, || server.stderr().contains("private network"));
}

#[test]
fn who_could_not_be_told_is_told_later_whatever_happens_to_the_server() {
    let rooms = Rooms::empty();
    rooms.create("General");
    let bot = Webhook::listen();
    let mut server = Server::serve(rooms.root(), &[HERE]);
    let (address, site) = (server.addr(), server.site());
    assert_eq!(subscribe(&site, "bot", "General", &bot.url()).status, 201);
    rooms.line("General", "al", "hello");
    let first = bot.next();
    let wake = |called: &Called| (called.json()["wake_id"].clone(), called.json()["generation"].clone());
    // Killed while the webhook is at it.
    server.kill9();
    server = Server::serve_on(address, rooms.root(), &[HERE]);
    let second = bot.next();
    assert_eq!(wake(&second), wake(&first));
    second.answer(500, "");
    wait_until("the failure is noted", PATIENCE, || site.get(&path("bot")).json()["status"] == "failed");
    // Killed while it waits to try again; meanwhile more is said, and nobody is there to see it.
    server.kill9();
    rooms.line("General", "al", "and more");
    server = Server::serve_on(address, rooms.root(), &[HERE]);
    let third = bot.next();
    assert_eq!(wake(&third), wake(&first));
    third.answer(200, r#"{"done": true}"#);
    let end = site.request("HEAD", "/v1/stream/General", &[], b"");
    let end = end.header("stream-next-offset").unwrap();
    wait_until("all is acknowledged", PATIENCE, || site.get(&path("bot")).json()["streams"][0]["acked_offset"] == end);
    server.kill9();
    server = Server::serve_on(address, rooms.root(), &[HERE]);
    rooms.line("General", "al", "news");
    let fourth = bot.next();
    assert_eq!(
        (fourth.json()["generation"].as_u64(), &fourth.stream("General")["acked_offset"]),
        (Some(2), &json!(end))
    );
    fourth.answer(204, "");
    drop(server);
}

#[test]
fn a_lease_ends_and_another_worker_takes_over() {
    let rooms = Rooms::empty();
    rooms.create("General");
    let server = Server::serve(rooms.root(), &[]);
    let site = server.site();
    assert_eq!(send(&site, "PUT", "/v1/stream/wake", &json!([])).status, 201);
    let asked = json!({"type": "pull-wake", "streams": ["General"], "wake_stream": "wake", "lease_ttl_ms": 1000});
    assert_eq!(send(&site, "PUT", &path("pool"), &asked).status, 201);
    let claim = |worker: &str| send(&site, "POST", &(path("pool") + "/claim"), &json!({ "worker": worker }));
    assert_eq!(code(&claim("one")), (409, "NO_PENDING_WORK".into()));
    // The next event in the wake stream, and where it ends.
    let wakes = |offset: &str| {
        let poll = || site.get(&format!("/v1/stream/wake?live=long-poll&offset={offset}"));
        let reply = (0..POLLS).map(|_| poll()).find(|reply| reply.status == 200).expect("an event in the wake stream");
        (reply.json(), reply.header("stream-next-offset").unwrap().to_owned())
    };
    rooms.line("General", "al", "hello");
    let (events, next) = wakes("-1");
    assert_eq!((&events[0]["type"], &events[0]["stream"]), (&json!("wake"), &json!("General")));
    let first = claim("one");
    assert_eq!(first.status, 200, "{}", first.text());
    let busy = claim("two");
    assert_eq!(
        (code(&busy), &busy.json()["error"]["current_holder"]),
        ((409, "ALREADY_CLAIMED".into()), &json!("one"))
    );
    // The first says nothing more. That its lease is over is told like any news.
    let (events, _) = wakes(&next);
    assert_eq!(events[0]["generation"], 2);
    let second = claim("two").json();
    assert_eq!(second["generation"], 2);
    let said = |wake: &Value| {
        let tail = &wake["streams"][0]["tail_offset"];
        let acks = json!([{"stream": "General", "offset": tail}]);
        json!({"wake_id": wake["wake_id"], "generation": wake["generation"], "acks": acks, "done": true})
    };
    let first = first.json();
    let ack = path("pool") + "/ack";
    assert_eq!(code(&speak(&site, &ack, &first["token"], &said(&first))), (409, "FENCED".into()));
    let mut beyond = said(&second);
    beyond["acks"][0]["offset"] = json!("0000000000000000_0000000000999999");
    assert_eq!(code(&speak(&site, &ack, &second["token"], &beyond)), (409, "INVALID_OFFSET".into()));
    assert_eq!(speak(&site, &ack, &second["token"], &said(&second)).json(), json!({"ok": true, "next_wake": false}));
    assert_eq!(code(&claim("one")), (409, "NO_PENDING_WORK".into()));
}

#[test]
fn of_two_servers_one_delivers_and_the_other_takes_over() {
    let rooms = Rooms::empty();
    rooms.create("General");
    let bot = Webhook::listen();
    let mut one = Server::serve(rooms.root(), &[HERE]);
    assert_eq!(subscribe(&one.site(), "bot", "General", &bot.url()).status, 201);
    // Whichever is asked, the one that delivers hears of it.
    let two = Server::serve(rooms.root(), &[HERE]);
    assert_eq!(subscribe(&two.site(), "other", "Other", &bot.url()).status, 201);
    rooms.create("Other").line("Other", "al", "hello");
    let called = bot.next();
    assert_eq!(called.json()["subscription_id"], "other");
    called.answer(200, r#"{"done": true}"#);
    let told = called.stream("Other")["tail_offset"].clone();
    wait_until("that it is done is noted", PATIENCE, || {
        two.site().get(&path("other")).json()["streams"][0]["acked_offset"] == told
    });
    one.kill9();
    rooms.line("General", "al", "hello");
    let called = bot.next();
    assert_eq!(called.json()["subscription_id"], "bot");
    called.answer(200, r#"{"done": true}"#);
    assert!(!bot.was_called());
}

#[test]
fn a_cgi_process_says_that_it_tells_nobody() {
    let rooms = Rooms::empty();
    rooms.create("General");
    let bot = Webhook::listen();
    let asked = |url: &str| {
        let asked = json!({"type": "webhook", "pattern": "*", "webhook": {"url": url}}).to_string();
        let mut child = clean(binary());
        let child = child.envs([
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "PUT"),
            ("PATH_INFO", "/v1/stream/__ds/subscriptions/bot"),
            ("HTTP_HOST", "example.org"),
            ("CONTENT_TYPE", "application/json"),
            ("CONTENT_LENGTH", &asked.len().to_string()),
        ]);
        let child = child.env("CHATROOM_ROOT", rooms.root()).stdin(std::process::Stdio::piped());
        let mut child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let answer = asked("https://example.org/");
    assert!(answer.starts_with("Status: 501") && answer.contains("chatroom serve"), "{answer}");
    assert!(asked(&bot.url()).starts_with("Status: 400"));
    assert!(!rooms.root().join(".ds").exists());
    // Where a server delivers, the files are enough.
    let server = Server::serve(rooms.root(), &[HERE]);
    assert_eq!(subscribe(&server.site(), "first", "x", &bot.url()).status, 201);
    wait_until("the server delivers", PATIENCE, || asked("https://example.org/").starts_with("Status: 201"));
}
