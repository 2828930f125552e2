//! Hashers of the site's own, which the service computes.

use std::{collections::BTreeMap, sync::Arc};

use super::{Hasher, Malformed, OnRun, Run};

/// By the class attribute `algorithm`.
pub(crate) type CustomHashers = BTreeMap<String, CustomHasher>;

/// What a service computes in the place of a class of the site's.
#[derive(Clone)]
pub(crate) struct CustomHasher {
    pub(crate) encode: Arc<Encode>,
    pub(crate) verify: Arc<Verify>,
}

type Encode = dyn Fn(&str) -> Option<String> + Send + Sync;
type Verify = dyn Fn(&str, &str) -> Option<bool> + Send + Sync;

impl Hasher for CustomHasher {
    /// The code that encodes makes its own.
    fn salt(&self) -> String {
        String::new()
    }

    fn encode(&self, password: &str, _salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        on_run(RUN);
        (self.encode)(password).ok_or(Malformed)
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        on_run(RUN);
        (self.verify)(password, encoded).ok_or(Malformed)
    }

    /// Only the site knows, and does it when its user logs in there.
    fn must_update(&self, _encoded: &str) -> Result<bool, Malformed> {
        Ok(false)
    }
}

/// The cost is unknown here.
const RUN: Run = Run { algorithm: "custom", cost: 1 };
