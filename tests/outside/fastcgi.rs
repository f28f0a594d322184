//! FastCGI behind real nginx: what nginx knows of its clients, chatroom knows at once.

use super::support::PATIENCE;
use super::support::nginx::{self, Nginx};
use super::support::rooms::Rooms;
use super::support::server::Server;
use super::support::sse::Stream;
use super::support::wait::wait_until;

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

#[test]
fn a_browser_that_goes_frees_its_place() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &["--max-streams", "1"]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    let mut stream = Stream::open(&nginx.site(), "/rooms/General", EVENTS);
    assert_eq!(stream.next().event, "members");
    let refused = Stream::try_open(&nginx.site(), "/rooms/General", EVENTS).err().expect("a refusal");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    drop(stream);
    wait_until("the place of a client that went is free", PATIENCE, || {
        Stream::try_open(&nginx.site(), "/rooms/General", EVENTS).is_ok()
    });
}

#[test]
fn who_signed_in_at_nginx_speaks_as_that_and_no_other() {
    let rooms = Rooms::example();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let conf = nginx::fastcgi_conf(&server.address(), rooms.root());
    let conf =
        nginx::edit(&conf, "fastcgi_param REMOTE_ADDR", "fastcgi_param REMOTE_USER carol; fastcgi_param REMOTE_ADDR");
    let nginx = Nginx::start(&conf);
    let said = nginx.site().post("/rooms/General?user=mallory", "text/plain", b"it is me");
    assert_eq!((said.status, said.json()["from"].as_str()), (201, Some("carol")));
    assert_eq!(nginx.site().request("PUT", "/rooms/General/members/mallory", &[], b"").status, 403);
    assert_eq!(nginx.site().request("PUT", "/rooms/General/members/carol", &[], b"").status, 201);
}
