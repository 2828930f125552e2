//! A connection of a lane, and what was asked on it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    Lookup, Server,
    batch::Batch,
    link::{Failure, Link},
    lookup::{Outcome, ask},
};

/// A database this far away is asked again before it has answered: otherwise those who gather would
/// wait for most of two round trips. A near one is spared the more queries the more of them gather.
const NEAR: Duration = Duration::from_micros(500);
const UNDER_WAY: usize = 8;

/// A connection, and what was asked on it.
pub(super) struct Held<L: Lookup> {
    pub(super) link: Arc<Link>,
    pub(super) flights: FuturesUnordered<BoxFuture<'static, (u64, Landing<L>)>>,
    pub(super) under_way: BTreeMap<u64, Batch<L>>,
    /// Since when it has been given up on for the time being.
    pub(super) silent_since: Option<Instant>,
    /// When it last answered.
    pub(super) heard: Instant,
    /// The shortest time in which it answered of late.
    pub(super) fastest: Duration,
}

pub(super) type Landing<L> = Result<Vec<Outcome<<L as Lookup>::Answer>>, Failure>;

/// A connection in the making.
pub(super) struct Attempt {
    pub(super) since: Instant,
    pub(super) link: BoxFuture<'static, Result<Link, tokio_postgres::Error>>,
}

impl Attempt {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        Self { since: Instant::now(), link: Box::pin(Link::connect(Arc::clone(server))) }
    }
}

impl<L: Lookup> Held<L> {
    pub(super) fn new(link: Link) -> Self {
        Self {
            fastest: link.round_trip(),
            link: Arc::new(link),
            flights: FuturesUnordered::new(),
            under_way: BTreeMap::new(),
            silent_since: None,
            heard: Instant::now(),
        }
    }

    /// Whether it may be asked something now.
    pub(super) fn is_free(&self) -> bool {
        let is_far = self.fastest > NEAR && !L::MANNER.spreads;
        let most = if is_far { UNDER_WAY } else { 1 };
        self.silent_since.is_none() && self.flights.len() < most
    }

    /// Since when it has had something to answer.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.under_way.values().map(|batch| batch.since).min()
    }

    pub(super) fn fly(&mut self, number: u64, batch: Batch<L>, lookup: &Arc<L>) {
        let (link, lookup) = (Arc::clone(&self.link), Arc::clone(lookup));
        let keys = Arc::clone(&batch.keys);
        self.flights.push(Box::pin(async move { (number, ask(&*lookup, &link, &keys).await) }));
        self.under_way.insert(number, batch);
    }

    pub(super) fn answered(&mut self, took: Duration) {
        self.silent_since = None;
        self.heard = Instant::now();
        // The database may have moved further away.
        self.fastest = took.min(self.fastest + (took.saturating_sub(self.fastest)) / 64);
    }

    pub(super) fn into_batches(self) -> impl Iterator<Item = Batch<L>> {
        self.under_way.into_values()
    }
}
