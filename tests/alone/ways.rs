//! The table of cases, through the binary's own HTTP: with the kernel's watches, with polling, and
//! with two workers.

use super::cases::{Way, run};
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
