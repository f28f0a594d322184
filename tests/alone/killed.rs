//! The server is killed under load, and comes back.

use super::cases::killed::again_and_again;
use super::support::rooms::Rooms;
use super::support::server::Server;

fn killed(watch: &str, times: u32) {
    let rooms = Rooms::empty();
    let mut server = Server::serve(rooms.root(), &["--watch", watch]);
    let (address, site) = (server.addr(), server.site());
    again_and_again(&rooms, &site, times, || {
        server.kill9();
        server = Server::serve_on(address, rooms.root(), &["--watch", watch]);
    });
}

#[test]
fn the_server_forty_times() {
    killed("auto", 40);
}

#[test]
fn the_server_where_it_polls() {
    killed("poll", 10);
}
