//! Questions that go out together.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use super::{Lookup, asked::Asked};
use crate::error::Unavailable;

/// Questions that went out together.
pub(super) struct Batch<L: Lookup> {
    pub(super) keys: Arc<[L::Key]>,
    /// Each with the index of its key: several may have the same.
    pub(super) asked: Vec<(usize, Asked<L>)>,
    pub(super) since: Instant,
}

impl<L: Lookup> Batch<L> {
    /// The first who wait, and all who ask the same. `None` if they have all gone away.
    pub(super) fn out_of(waiting: &mut Vec<Asked<L>>) -> Option<Self> {
        if let [_] = **waiting {
            let asked = waiting.pop().filter(|one| !one.answer.is_closed())?;
            let (keys, since) = (Arc::from([asked.key.clone()]), Instant::now());
            return Some(Self { keys, asked: vec![(0, asked)], since });
        }
        let mut keys = Vec::new();
        let mut indices = HashMap::new();
        let mut asked = Vec::new();
        let mut left = Vec::new();
        for one in waiting.drain(..).filter(|one| !one.answer.is_closed()) {
            let index = match indices.get(&one.key) {
                Some(index) => *index,
                None if keys.len() < L::MANNER.at_once => {
                    indices.insert(one.key.clone(), keys.len());
                    keys.push(one.key.clone());
                    keys.len() - 1
                }
                None => {
                    left.push(one);
                    continue;
                }
            };
            asked.push((index, one));
        }
        *waiting = left;
        let keys = keys.into();
        (!asked.is_empty()).then(|| Self { keys, asked, since: Instant::now() })
    }

    pub(super) fn fail(self, error: &Arc<Unavailable>) {
        for (_, asked) in self.asked {
            drop(asked.answer.send(Err(Arc::clone(error))));
        }
    }
}
