//! The pool: the connections of one site, as callers see them.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::{Handle, Id},
    time::Instant,
};

use super::{
    kind::Kind,
    latency::Latency,
    leases::{Lease, Leases},
    server::Server,
    wait_queue::Claim,
};
use crate::error::Unavailable;

/// The connections of a site. Clones share them.
#[derive(Clone)]
pub(crate) struct Pool {
    server: Arc<Server>,
    leases: Arc<Leases>,
}

impl Pool {
    /// `connections` is `max_connections` of the settings. One of them is reserved for ending processes of
    /// the server that were left behind.
    pub(crate) fn new(server: Arc<Server>, connections: usize) -> Self {
        let leases = Leases::new(&server, connections.saturating_sub(1).max(1));
        Self { server, leases }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn latency(&self, kind: Kind) -> &Latency {
        self.server.latency(kind)
    }

    /// A connection for one query.
    pub(super) async fn get(&self, kind: Kind, claim: Claim) -> Result<Lease, Arc<Unavailable>> {
        self.leases.get(kind, claim).await
    }

    /// Why callers got no answer by their deadline.
    pub(super) fn why_late(&self) -> Arc<Unavailable> {
        let timeout = self.server.timeout();
        let state = self.leases.state();
        if current().is_some_and(|runtime| state.connections.has_any(runtime)) {
            return Unavailable::Timeout(timeout).into();
        }
        match state.attempts.error() {
            Some(error) => Arc::clone(error),
            None if state.connections.are_there() => Unavailable::Timeout(timeout).into(),
            None => Unavailable::NoConnection(timeout).into(),
        }
    }

    /// Whether a connection of this runtime has answered since then.
    pub(super) fn has_answered_since(&self, since: Instant) -> bool {
        let state = self.leases.state();
        current().is_some_and(|runtime| state.connections.has_answered_since(runtime, since))
    }

    /// Retires all connections made before now: they are not used again.
    pub(super) fn retire_all(&self) {
        self.leases.state().connections.retire_all();
        self.leases.serve();
    }

    /// Closes the idle connections of this runtime that have been silent since this instant.
    pub(super) fn close_silent(&self, since: Instant) {
        let Some(runtime) = current() else { return };
        self.leases.state().connections.close_silent(runtime, since);
        self.leases.serve();
    }

    /// Closes all idle connections of this runtime.
    pub(super) fn close_idle(&self) {
        self.close_silent(Instant::now() + Duration::from_secs(1));
    }
}

fn current() -> Option<Id> {
    Handle::try_current().map(|runtime| runtime.id()).ok()
}
