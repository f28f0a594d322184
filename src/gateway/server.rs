//! A long-lived process: workers that accept connections, each with a runtime and readers of its
//! own, and one stop for all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use chrono::Utc;
use http::StatusCode;
use nix::sys::signal::Signal;
use prometheus_client::metrics::gauge::Gauge;
use tokio::runtime;
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tracing::{info, warn};

use crate::api::dropin::Program;
use crate::api::exchange::{Body, Request, Response};
use crate::api::problem::Problem;
use crate::api::router;
use crate::api::site::Site;
use crate::config::Config;
use crate::gateway::listen::{Accepted, Bound, Listener};
use crate::gateway::{fastcgi, http as http_gateway, reload};
use crate::limits::{ACCEPT_PAUSE, STOP_WAIT};
use crate::live::hub::Hub;
use crate::live::registry::Registry;
use crate::store::forks;
use crate::store::root::DataRoot;

/// What the connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// FastCGI.
    FastCgi,
}

impl Protocol {
    /// Its name among the metrics.
    fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::FastCgi => "fastcgi",
        }
    }
}

/// One worker of a server.
pub struct Server {
    config: Config,
    /// The readers of this worker.
    pub hub: Rc<Hub>,
    roots: RefCell<HashMap<PathBuf, Arc<DataRoot>>>,
    connections: Cell<usize>,
    /// The same of all workers, for the metrics.
    all_connections: Gauge,
    stopping: Cell<bool>,
    stop: Notify,
}

/// A connection of a worker's, for as long as it is served.
pub struct Connection {
    /// The worker.
    pub server: Rc<Server>,
}

impl Connection {
    fn of(server: &Rc<Server>) -> Connection {
        server.connections.set(server.connections.get() + 1);
        server.all_connections.inc();
        Connection { server: server.clone() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.connections.set(self.server.connections.get() - 1);
        self.server.all_connections.dec();
        self.server.stop.notify_waiters();
    }
}

/// Why a server has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// For good: SIGTERM or SIGINT.
    Ended,
    /// For the program that has its name now: SIGHUP.
    Reload,
}

/// Serves connections from `bound` with `workers` threads, until a signal stops it. Signals are to be held.
pub fn run(bound: &Bound, protocol: Protocol, config: &Config, workers: usize) -> io::Result<Stop> {
    let registry = Registry::new(workers, config.watch, config.bounds, config.webhooks);
    // What subscriptions wait for goes on whether or not anybody asks for anything.
    if let Some(root) = config.data_root(false).and_then(|path| DataRoot::open(&path).ok()) {
        registry.resume(&Arc::new(root))?;
    }
    let (stop, stopped) = watch::channel(None);
    // Nobody waits for its end: it may have nothing to tell.
    thread::Builder::new().name("signals".into()).spawn(move || pass_on_signals(&stop))?;
    thread::scope(|threads| {
        let mut others = Vec::new();
        for worker in 1..workers {
            let (registry, stopped) = (registry.clone(), stopped.clone());
            let spawned = thread::Builder::new()
                .name(format!("worker-{worker}"))
                .spawn_scoped(threads, move || on_runtime(bound, protocol, config, registry, worker, stopped));
            others.push(spawned?);
        }
        let done = on_runtime(bound, protocol, config, registry, 0, stopped.clone());
        for other in others {
            other.join().map_err(|_| io::Error::other("a worker panicked"))??;
        }
        done.map(|()| stopped.borrow().unwrap_or(Stop::Ended))
    })
}

fn on_runtime(
    bound: &Bound,
    protocol: Protocol,
    config: &Config,
    registry: Arc<Registry>,
    worker: usize,
    stopped: watch::Receiver<Option<Stop>>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let listener = bound.listener()?;
        let all_connections = registry.metrics.connections.get_or_create_owned(&[("gateway", protocol.name())]);
        let server = Rc::new(Server {
            config: config.clone(),
            hub: Hub::new(registry, worker, config.grace),
            roots: RefCell::default(),
            connections: Cell::new(0),
            all_connections,
            stopping: Cell::new(false),
            stop: Notify::new(),
        });
        let hub = server.hub.clone();
        let hub = tokio::task::spawn_local(async move { hub.run().await });
        tokio::select! {
            () = server.accept(listener, protocol, stopped) => {}
            // Better no server than one whose streams say nothing.
            ended = hub => return Err(io::Error::other(format!("the streams can't go on: {ended:?}"))),
        }
        server.wind_down().await;
        Ok(())
    })
}

/// Passes on the first thing that signals ask for and that can be done.
fn pass_on_signals(stop: &watch::Sender<Option<Stop>>) {
    let asked = loop {
        match reload::next() {
            Ok(Signal::SIGHUP) => match reload::is_possible() {
                Ok(()) => break Stop::Reload,
                Err(error) => warn!(%error, "can't reload: this program serves on"),
            },
            Ok(_) => break Stop::Ended,
            Err(error) => return warn!(%error, "can't wait for signals"),
        }
    };
    info!("{}", if asked == Stop::Reload { "reloading" } else { "stopping" });
    // A stop that is asked for from now on is for the program after this one.
    let _ = stop.send(Some(asked));
}

impl Server {
    async fn accept(
        self: &Rc<Self>,
        listener: Listener,
        protocol: Protocol,
        mut stopped: watch::Receiver<Option<Stop>>,
    ) {
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(Option::is_some) => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => self.spawn(accepted, protocol),
                    Err(error) => {
                        warn!(%error, "can't accept connections: they wait");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn spawn(self: &Rc<Self>, accepted: Accepted, protocol: Protocol) {
        let connection = Connection::of(self);
        match protocol {
            Protocol::Http => tokio::task::spawn_local(http_gateway::serve(connection, accepted)),
            Protocol::FastCgi => tokio::task::spawn_local(fastcgi::serve(connection, accepted)),
        };
    }

    /// Ends streams, lets requests under way end, and then waits no longer.
    async fn wind_down(&self) {
        self.stopping.set(true);
        self.hub.stop();
        self.stop.notify_waiters();
        let deadline = Instant::now() + STOP_WAIT;
        while self.connections.get() > 0 {
            // Each connection that ends notifies.
            let ended = tokio::time::timeout_at(deadline.into(), self.stop.notified()).await;
            if ended.is_err() {
                info!(connections = self.connections.get(), "stopped with connections open");
                return;
            }
        }
    }

    /// Resolves when the server stops: for a connection on which nothing is under way.
    pub async fn stopped(&self) {
        while !self.stopping.get() {
            self.stop.notified().await;
        }
    }

    /// The settings of this server.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Answers a request by `config`, once it has waited where it is one that waits.
    pub async fn handle(&self, config: &Config, request: &mut Request) -> Response {
        let by_shell_name = Program::of_path(&request.path).is_some();
        let Some(path) = config.data_root(by_shell_name) else {
            let detail = "CHATROOM_ROOT is not set: expected the path of the folder of rooms";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
        };
        match self.root(&path, by_shell_name) {
            Ok(root) => {
                let registry = self.hub.registry();
                let admission = registry.admission.clone();
                let site =
                    Site { root, pace: config.pace(false), registry: Some(registry), ack: config.ack, admission };
                let response = router::handle(&site, request).settled().await;
                let Body::Wait(wait) = response.body else { return response };
                request.waited = Some(wait.after);
                match self.hub.wait(&wait).await {
                    Ok(()) => router::handle(&site, request).settled().await,
                    Err(error) => Problem::from(error).into_response(),
                }
            }
            Err(error) => {
                warn!(root = %path.display(), %error, "the data root can't be opened");
                Problem::from(error).into_response()
            }
        }
    }

    fn root(&self, path: &Path, create: bool) -> io::Result<Arc<DataRoot>> {
        if let Some(root) = self.roots.borrow().get(path) {
            return Ok(root.clone());
        }
        let root = Arc::new(if create { DataRoot::open_or_create(path)? } else { DataRoot::open(path)? });
        self.hub.registry().resume(&root)?;
        self.roots.borrow_mut().insert(path.to_owned(), root.clone());
        let swept = root.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = forks::sweep(&swept, Utc::now().timestamp_millis()) {
                warn!(root = %swept.path().display(), %error, "what killed processes left behind can't be removed");
            }
        });
        Ok(root)
    }
}
