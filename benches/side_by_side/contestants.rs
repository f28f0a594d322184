//! Who is measured: each is started afresh for each run, in a directory of its own, and ends with
//! it.

mod streams;

use std::any::Any;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::accounting::children;
use crate::client::{Load, Outcome};
use crate::support::nginx::{self, Nginx};
use crate::support::process::clean;
use crate::support::server::Server;

/// Rooms that every contestant has: `bench0`, `bench1`…
pub const ROOMS: usize = 100;

/// How long a run of the client may take, whatever happens.
pub const CLIENT_LIMIT: Duration = Duration::from_secs(90);

/// Who can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// nginx with nchan, one worker.
    Nchan,
    /// The floor over HTTP.
    Floor,
    /// The floor over FastCGI, behind nginx.
    FloorBehindNginx,
    /// `chatroom serve`.
    Http,
    /// `chatroom serve --workers 2`.
    TwoWorkers,
    /// `chatroom serve --ack synced`.
    HttpSynced,
    /// `chatroom fastcgi` by itself.
    FastCgi,
    /// `chatroom fastcgi` behind nginx.
    BehindNginx,
    /// `chatroom serve` behind nginx as a proxy.
    BehindProxy,
    /// Streams of `chatroom serve`.
    Streams,
    /// Streams of npm's `@durable-streams/server`, in memory.
    NodeStreams,
    /// Streams of the crate `durable-streams`, acknowledged from the page cache.
    CrateStreams,
}

/// One that runs.
pub struct Contestant {
    /// Its streams.
    pub url: String,
    /// Where its rooms are.
    pub root: PathBuf,
    /// Where a message is posted to.
    pub post: Option<String>,
    /// The process that streams leave from.
    pub own: Vec<u32>,
    /// All processes that a message passes.
    pub all: Vec<u32>,
    speaks_fastcgi: bool,
    takes_appends: bool,
    whole_lines: bool,
    _parts: Vec<Box<dyn Any>>,
}

impl Who {
    /// Starts it.
    pub fn start(self) -> io::Result<Contestant> {
        let dir = TempDir::with_prefix("chatroom-bench-")?;
        let root = dir.path().join("rooms");
        for room in 0..ROOMS {
            fs::create_dir_all(root.join(format!("bench{room}")))?;
            fs::write(root.join(format!("bench{room}/.log")), b"")?;
        }
        let log = root.join("bench0/.log");
        let socket = dir.path().join("floor.sock");
        let mut contestant = match self {
            Who::Nchan => nchan(),
            Who::Floor => Contestant::http(Server::start(floor().arg(log)), "/?"),
            Who::FloorBehindNginx => behind_nginx(Server::start(floor().arg(log).arg("--fastcgi").arg(&socket)), &root),
            Who::Http => serve(&root, &[]),
            Who::TwoWorkers => serve(&root, &["--workers", "2"]),
            Who::HttpSynced => serve(&root, &["--ack", "synced"]),
            Who::FastCgi => {
                let server = Server::fastcgi_tcp(&root, &[]);
                let url = format!("http://{}/rooms/bench{{}}?format=raw", server.addr());
                let mut contestant = Contestant::of(&url, vec![server.pid()], server);
                contestant.speaks_fastcgi = true;
                contestant
            }
            Who::BehindNginx => behind_nginx(Server::fastcgi_unix(&root, dir.path(), &[]), &root),
            Who::Streams => streams::ours(&root)?,
            Who::NodeStreams => streams::of_node()?,
            Who::CrateStreams => streams::of_crate(dir.path())?,
            Who::BehindProxy => {
                let server = Server::serve(&root, &[]);
                let (own, nginx) = (server.pid(), nginx::proxy(server.addr()));
                Contestant::behind(nginx, own, server)
            }
        };
        contestant.root = root;
        contestant._parts.push(Box::new(dir));
        Ok(contestant)
    }
}

fn serve(root: &Path, args: &[&str]) -> Contestant {
    Contestant::http(Server::serve(root, args), "/rooms/bench{}?format=raw")
}

fn behind_nginx(server: Server, root: &Path) -> Contestant {
    let (own, nginx) = (server.pid(), nginx::fastcgi(&server.address(), root));
    Contestant::behind(nginx, own, server)
}

fn nchan() -> Contestant {
    let nginx = Nginx::start(NCHAN);
    let base = format!("http://{}", nginx.addr());
    let workers = children(nginx.pid());
    let mut contestant = Contestant::of(&format!("{base}/subscribe?room=bench{{}}"), workers, nginx);
    contestant.post = Some(format!("{base}/publish?room=bench0"));
    contestant.takes_appends = false;
    contestant
}

/// One worker, as chatroom has by default, and no more kept than a late reader needs.
const NCHAN: &str = "\
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
user www-data;
worker_processes 1;
worker_rlimit_nofile 20000;
pid chatroom-nginx.pid;
error_log stderr;
events {
    worker_connections 16000;
}
http {
    access_log off;
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:8080;
        location = /publish {
            nchan_publisher;
            nchan_channel_id $arg_room;
            nchan_message_buffer_length 5000;
        }
        location = /subscribe {
            nchan_subscriber eventsource;
            nchan_channel_id $arg_room;
            nchan_subscriber_first_message newest;
        }
    }
}
";

/// This program once more, as another process: `command` is a command of it.
pub fn again(command: &str) -> Command {
    let mut again = clean(std::env::current_exe().expect("a program knows its path"));
    again.arg(command);
    again
}

fn floor() -> Command {
    again("floor")
}

impl Contestant {
    fn of(url: &str, own: Vec<u32>, part: impl Any) -> Contestant {
        Contestant {
            url: url.to_owned(),
            root: PathBuf::new(),
            post: None,
            all: own.clone(),
            own,
            speaks_fastcgi: false,
            takes_appends: true,
            whole_lines: false,
            _parts: vec![Box::new(part)],
        }
    }

    fn http(server: Server, path: &str) -> Contestant {
        let base = format!("http://{}", server.addr());
        let mut contestant = Contestant::of(&format!("{base}{path}"), vec![server.pid()], server);
        contestant.post = Some(format!("{base}/rooms/bench0?user=bench"));
        contestant
    }

    fn behind(nginx: Nginx, own: u32, server: Server) -> Contestant {
        let url = nginx.site().url("/rooms/bench{}?format=raw");
        let workers = children(nginx.pid());
        let mut contestant = Contestant::of(&url, vec![own], server);
        contestant.all.extend(workers);
        contestant._parts.push(Box::new(nginx));
        contestant
    }

    /// A load on it, with the client's defaults, published as its own way is.
    pub fn load(&self) -> Load {
        Load {
            fastcgi: self.speaks_fastcgi.then(|| self.root.clone()),
            append: self.takes_appends.then(|| self.log()),
            post: self.post.clone().filter(|_| !self.takes_appends),
            whole_lines: self.whole_lines,
            pids: self.all.clone(),
            ..Load::of(&self.url)
        }
    }

    /// The log of room 0.
    pub fn log(&self) -> PathBuf {
        self.root.join("bench0/.log")
    }

    /// Whether what is posted is a line of that log.
    pub fn keeps_log(&self) -> bool {
        self.takes_appends
    }

    /// Lets the client, a process of its own, put `load` on it.
    pub fn measure(&self, load: &Load) -> io::Result<Outcome> {
        let output = again("client").args(load.arguments()).output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            io::Error::other(format!("the client failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
        })
    }
}
