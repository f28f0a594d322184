//! The table of cases, through the binary's own HTTP: with the kernel's watches, with polling, and
//! with two workers.

use super::cases::{Way, oracle, run};
use super::support::rooms::Rooms;
use super::support::server::Server;

#[test]
fn the_table_over_http() {
    let rooms = Rooms::example();
    let watching = Server::serve(rooms.root(), &[]);
    let polling = Server::serve(rooms.root(), &["--watch", "poll"]);
    let working = Server::serve(rooms.root(), &["--workers", "2"]);
    run(
        &rooms,
        &[
            Way { name: "HTTP", site: watching.site() },
            Way { name: "HTTP, polling", site: polling.site() },
            Way { name: "HTTP, two workers", site: working.site() },
        ],
    );
}

#[test]
fn what_anybody_reads_is_the_file() {
    let rooms = Rooms::empty();
    for (watch, seeds) in [("auto", 0..6), ("poll", 6..8)] {
        let server = Server::serve(rooms.root(), &["--watch", watch, "--workers", "2"]);
        let way = Way { name: "HTTP", site: server.site() };
        seeds.for_each(|seed| oracle::once(&rooms, &way, seed));
    }
}

#[test]
fn a_page_runs_nothing_but_its_own_scripts() {
    let rooms = Rooms::example();
    let server = Server::serve(rooms.root(), &[]);
    let page = server.site().get_as("/rooms/General", "text/html");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let html = page.text();
    assert!(!html.contains("style=") && !html.contains(" on") && !html.contains("<script>"), "{html}");
    // What the page loads is there, and is asked after only once it has changed.
    for name in html.split("../assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let asset = server.site().get(&format!("/assets/{name}"));
        let tag = asset.header("etag").expect("a tag");
        let again = server.site().request("GET", &format!("/assets/{name}"), &[("If-None-Match", tag)], b"");
        assert_eq!((asset.status, again.status, again.body.len()), (200, 304, 0), "{name}");
    }
}
