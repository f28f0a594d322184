//! The table of cases, through each way in, with the shipped nginx configurations.

use super::cases::{Way, run};
use super::support::fcgiwrap::Fcgiwrap;
use super::support::nginx;
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};
use super::support::spawn_fcgi::SpawnFcgi;

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
