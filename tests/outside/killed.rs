//! nginx, FastCGI and CGI processes are killed under load, and come back.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cases::killed::again_and_again;
use super::cgi::programs_of;
use super::support::fcgiwrap::Fcgiwrap;
use super::support::nginx;
use super::support::rooms::Rooms;
use super::support::server::{Server, binary};

#[test]
fn the_fastcgi_process_behind_nginx() {
    let (rooms, dir) = (Rooms::empty(), tempfile::tempdir().unwrap());
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    again_and_again(&rooms, &nginx.site(), 20, || {
        server.kill9();
        server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    });
}

#[test]
fn the_fastcgi_process_reloads_behind_nginx() {
    let (rooms, dir) = (Rooms::empty(), tempfile::tempdir().unwrap());
    let mut server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    again_and_again(&rooms, &nginx.site(), 20, || server.reload());
}

#[test]
fn nginxs_worker_in_front_of_fastcgi() {
    let (rooms, dir) = (Rooms::empty(), tempfile::tempdir().unwrap());
    let server = Server::fastcgi_unix(rooms.root(), dir.path(), &[]);
    let nginx = nginx::fastcgi(&server.address(), rooms.root());
    again_and_again(&rooms, &nginx.site(), 20, || nginx.kill9_worker());
}

#[test]
fn cgi_processes() {
    let rooms = Rooms::empty();
    let fcgiwrap = Fcgiwrap::start(8);
    let nginx = nginx::cgi(binary(), rooms.root(), fcgiwrap.socket());
    again_and_again(&rooms, &nginx.site(), 20, || {
        for process in programs_of(fcgiwrap.pid()) {
            // It may be gone already: most live for one request.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    });
}
