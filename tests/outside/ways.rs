//! The table of cases, through each way in, with the shipped nginx configurations.

use std::thread;

use serde_json::Value;

use super::cases::{Way, oracle, run};
use super::support::PATIENCE;
use super::support::fcgiwrap::Fcgiwrap;
use super::support::http::{Connection, Site};
use super::support::nginx::{self, Nginx};
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};
use super::support::spawn_fcgi::SpawnFcgi;
use super::support::sse::Stream;
use super::support::wait::wait_until;

#[test]
fn the_table_through_each_way_in() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let http = Server::serve(rooms.root(), &[]);
    let fastcgi = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let spawned = SpawnFcgi::start(rooms.root(), &[]);
    let fcgiwrap = Fcgiwrap::start(8);
    let behind_proxy = nginx::proxy(http.addr());
    let behind_fastcgi = nginx::fastcgi(&fastcgi.address(), rooms.root());
    let behind_spawned = nginx::fastcgi(&spawned.address(), rooms.root());
    let behind_cgi = nginx::cgi(binary(), rooms.root(), fcgiwrap.socket());
    run(
        &rooms,
        &[
            Way { name: "HTTP", site: http.site() },
            Way { name: "HTTP behind nginx", site: behind_proxy.site() },
            Way { name: "FastCGI behind nginx", site: behind_fastcgi.site() },
            Way { name: "FastCGI by spawn-fcgi", site: behind_spawned.site() },
            Way { name: "CGI", site: behind_cgi.site() },
        ],
    );
}

/// What a live read of a stream says up to its end, event by event, without the `Stream-Cursor`, which is a time.
fn told(site: &Site, offset: &str) -> Vec<(String, Value)> {
    let mut stream = Stream::open(site, &format!("/v1/stream/s?offset={offset}&live=sse"), &[]);
    let told = stream.rest().into_iter().map(|event| {
        let data = event.json();
        let data = data.as_object().map(|control| control.iter().filter(|(name, _)| *name != "streamCursor"));
        let data = data.map_or_else(|| event.json(), |control| control.map(|(n, v)| (n.clone(), v.clone())).collect());
        (event.event, data)
    });
    told.collect()
}

/// The same by long-polls: status, body and what is next, of each.
fn polled(site: &Site, offset: &str) -> Vec<(u16, Vec<u8>, String)> {
    let (mut all, mut offset) = (Vec::new(), offset.to_owned());
    loop {
        let reply = site.get(&format!("/v1/stream/s?offset={offset}&live=long-poll"));
        reply.header("stream-next-offset").expect("a next offset").clone_into(&mut offset);
        let closed = reply.header("stream-closed") == Some("true");
        all.push((reply.status, reply.body, offset.clone()));
        if closed {
            return all;
        }
    }
}

#[test]
fn a_stream_is_the_same_through_each_way_in_live_too() {
    let rooms = Rooms::empty();
    let dir = tempfile::tempdir().unwrap();
    let http = Server::serve(rooms.root(), &["--long-poll", "600"]);
    let fastcgi = Server::fastcgi_unix(rooms.root(), dir.path(), &["--long-poll", "600"]);
    let fcgiwrap = Fcgiwrap::start(8);
    let behind_fastcgi = nginx::fastcgi(&fastcgi.address(), rooms.root());
    let patient = "fastcgi_param CHATROOM_LONG_POLL 600; fastcgi_param REMOTE_ADDR";
    let conf = nginx::cgi_conf(binary(), rooms.root(), fcgiwrap.socket());
    let behind_cgi = nginx::Nginx::start(&nginx::edit(&conf, "fastcgi_param REMOTE_ADDR", patient));
    let sites = [http.site(), behind_fastcgi.site(), behind_cgi.site()];
    let json = [("Content-Type", "application/json")];
    let post = |site: &Site, body: &[u8], headers: &[(&str, &str)]| {
        let reply = site.request("POST", "/v1/stream/s", &[&json[..], headers].concat(), body);
        assert!(reply.status < 300, "{}", reply.text());
    };
    assert_eq!(sites[2].request("PUT", "/v1/stream/s", &json, b"[1,\"two\"]").status, 201);
    thread::scope(|threads| {
        let polls: Vec<_> = sites.iter().map(|site| threads.spawn(|| polled(site, "-1"))).collect();
        let reads: Vec<_> = sites.iter().map(|site| threads.spawn(|| told(site, "-1"))).collect();
        sites.iter().enumerate().for_each(|(n, site)| post(site, format!("{{\"n\":{n}}}").as_bytes(), &[]));
        rooms.append("s", b"\"by a shell\"\n");
        post(&sites[1], b"\"the last\"", &[("Stream-Closed", "true")]);
        let values = |told: &[(String, Value)]| -> Vec<Value> {
            let data = told.iter().filter(|(event, _)| event == "data");
            data.flat_map(|(_, data)| data.as_array().expect("an array").clone()).collect()
        };
        let all: Value = http.site().get("/v1/stream/s").json();
        for read in reads {
            assert_eq!(Value::from(values(&read.join().unwrap())), all);
        }
        for poll in polls {
            let values = poll.join().unwrap().into_iter().filter(|(status, ..)| *status == 200);
            let values = values.flat_map(|(_, body, _)| serde_json::from_slice::<Vec<Value>>(&body).unwrap());
            assert_eq!(Value::from_iter(values), all);
        }
        // How much comes at a time is up to each; of what is there already it is the same to the byte.
        assert_eq!(told(&sites[0], "-1").len(), 3);
        for site in &sites[1..] {
            assert_eq!(told(site, "-1"), told(&sites[0], "-1"));
            assert_eq!(polled(site, "-1"), polled(&sites[0], "-1"));
        }
    });
}

#[test]
fn one_who_goes_while_it_waits_frees_its_place_through_nginx() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let dir = tempfile::tempdir().unwrap();
    let bounds = ["--long-poll", "600", "--max-streams", "1"];
    let http = Server::serve(rooms.root(), &bounds);
    let fastcgi = Server::fastcgi_unix(rooms.root(), dir.path(), &bounds);
    for nginx in [nginx::proxy(http.addr()), nginx::fastcgi(&fastcgi.address(), rooms.root())] {
        let site = nginx.site();
        let streams = |count: usize| {
            let line = format!("\nchatroom_streams {count}\n");
            wait_until(&format!("{count} wait"), PATIENCE, || site.get("/metrics").text().contains(&line));
        };
        let mut waiting = Connection::open(site.addr);
        waiting.send("GET", "/chat/v1/stream/R?offset=now&live=long-poll", &[], b"");
        streams(1);
        drop(waiting);
        streams(0);
    }
}

#[test]
fn what_anybody_reads_is_the_file() {
    let rooms = Rooms::empty();
    let dir = tempfile::tempdir().unwrap();
    let fastcgi = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let behind_fastcgi = nginx::fastcgi(&fastcgi.address(), rooms.root());
    let fcgiwrap = Fcgiwrap::start(oracle::AT_A_TIME);
    // A process whose client was cut off keeps fcgiwrap's worker until it next says something.
    let conf = nginx::cgi_conf(binary(), rooms.root(), fcgiwrap.socket());
    let often = "fastcgi_param NO_BUFFERING 1; fastcgi_param CHATROOM_PING 0.1;";
    let behind_cgi = Nginx::start(&nginx::edit(&conf, "fastcgi_param NO_BUFFERING 1;", often));
    let ways = [
        Way { name: "FastCGI behind nginx", site: behind_fastcgi.site() },
        Way { name: "CGI", site: behind_cgi.site() },
    ];
    for seed in 0..6 {
        oracle::once(&rooms, &ways[seed as usize % 2], seed);
    }
}
