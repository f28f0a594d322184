//! The thread that looks after subscriptions, where a process has any: it hears of what changed as the workers do, and
//! has webhooks called, some at a time, on threads that wait for nobody else.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use chrono::Utc;
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use crate::limits::{DELIVERER_EVERY, DELIVERIES_MAX, WEBHOOK_RETRY_MAX};
use crate::live::desk::{Call, Desk};
use crate::live::registry::{Inbox, Registry};
use crate::live::webhook::{Reach, Webhooks};
use crate::store::root::DataRoot;

/// The thread. It goes on for as long as the process.
#[derive(Debug)]
pub(super) struct Deliverer {
    roots: UnboundedSender<Arc<DataRoot>>,
}

impl Deliverer {
    /// Starts it. It hears hints through `inbox`.
    pub(super) fn start(registry: Weak<Registry>, inbox: Arc<Inbox>, reach: Reach) -> io::Result<Deliverer> {
        let runtime =
            runtime::Builder::new_current_thread().enable_time().max_blocking_threads(DELIVERIES_MAX).build()?;
        let (roots, orders) = unbounded_channel();
        let (tell, outcomes) = unbounded_channel();
        let webhooks = Webhooks::new(reach);
        let work = Work { registry, inbox, orders, tell, outcomes, webhooks, desks: HashMap::new() };
        thread::Builder::new().name("deliverer".into()).spawn(move || runtime.block_on(work.run()))?;
        Ok(Deliverer { roots })
    }

    /// Has it look after the subscriptions of `root` from now on.
    pub(super) fn take(&self, root: &Arc<DataRoot>) {
        // It ends with the process only.
        let _ = self.roots.send(root.clone());
    }
}

type Outcome = (Call, Result<bool, String>);

struct Work {
    registry: Weak<Registry>,
    inbox: Arc<Inbox>,
    orders: UnboundedReceiver<Arc<DataRoot>>,
    tell: UnboundedSender<Outcome>,
    outcomes: UnboundedReceiver<Outcome>,
    webhooks: Webhooks,
    /// `None` where another process delivers.
    desks: HashMap<Arc<DataRoot>, Option<Desk>>,
}

impl Work {
    async fn run(mut self) {
        let mut again = tokio::time::interval(DELIVERER_EVERY);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut calls = Vec::new();
            let (is_behind, pause) = (self.is_behind(), self.pause());
            tokio::select! {
                root = self.orders.recv() => match root {
                    Some(root) => self.take(&root, &mut calls),
                    None => return,
                },
                hints = self.inbox.take() => {
                    for (root, hint) in hints.into_keys() {
                        if let Some(Some(desk)) = self.desks.get_mut(&root) {
                            desk.hear(&hint, &mut calls);
                        }
                    }
                }
                Some((call, outcome)) = self.outcomes.recv() => {
                    if let Some(Some(desk)) = self.desks.get_mut(&call.root) {
                        desk.called(&call, outcome, &mut calls);
                    }
                }
                _ = again.tick(), if is_behind => self.look_again(&mut calls),
                () = tokio::time::sleep(pause) => {}
            }
            self.desks.values_mut().flatten().for_each(|desk| desk.tick(&mut calls));
            calls.into_iter().for_each(|call| self.call(call));
        }
    }

    /// How long nothing is to be done unless something happens.
    fn pause(&self) -> Duration {
        let now = Utc::now().timestamp_millis();
        let due = self.desks.values().flatten().filter_map(Desk::due).min();
        // Not for longer, for a clock may be set.
        due.map_or(WEBHOOK_RETRY_MAX, |due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)))
            .min(WEBHOOK_RETRY_MAX)
    }

    /// Whether something could not be done, or another process delivers, which may end.
    fn is_behind(&self) -> bool {
        self.desks.values().any(|desk| desk.as_ref().is_none_or(|desk| desk.is_behind))
    }

    fn take(&mut self, root: &Arc<DataRoot>, calls: &mut Vec<Call>) {
        if matches!(self.desks.get(root), Some(Some(_))) {
            return;
        }
        let Some(registry) = self.registry.upgrade() else { return };
        let desk = Desk::open(root, registry.watcher(root)).unwrap_or_else(|error| {
            warn!(root = %root.path().display(), %error, "subscriptions can't be looked after, and are tried again");
            None
        });
        let desk = desk.map(|mut desk| {
            info!(root = %root.path().display(), "subscriptions are looked after");
            desk.look(calls);
            desk
        });
        self.desks.insert(root.clone(), desk);
    }

    /// What could not be done is tried again.
    fn look_again(&mut self, calls: &mut Vec<Call>) {
        self.desks.values_mut().flatten().filter(|desk| desk.is_behind).for_each(|desk| desk.look(calls));
        let elsewhere = self.desks.iter().filter(|(_, desk)| desk.is_none()).map(|(root, _)| root.clone());
        for root in elsewhere.collect::<Vec<_>>() {
            self.take(&root, calls);
        }
    }

    fn call(&self, call: Call) {
        let (webhooks, tell) = (self.webhooks.clone(), self.tell.clone());
        tokio::task::spawn_blocking(move || {
            let outcome = webhooks.call(&call.url, &call.signature, &call.body);
            let _ = tell.send((call, outcome));
        });
    }
}
