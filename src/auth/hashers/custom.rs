//! Hashers that the application provides, for custom classes of the site.

use std::{collections::BTreeMap, sync::Arc};

use super::{Hasher, Malformed, OnRun, Run};

/// Custom hashers by their class attribute `algorithm`.
pub(crate) type CustomHashers = BTreeMap<String, CustomHasher>;

/// The two functions of the application that replace a custom class of the site.
#[derive(Clone)]
pub(crate) struct CustomHasher {
    pub(crate) encode: Arc<Encode>,
    pub(crate) verify: Arc<Verify>,
}

type Encode = dyn Fn(&str) -> Option<String> + Send + Sync;
type Verify = dyn Fn(&str, &str) -> Option<bool> + Send + Sync;

impl Hasher for CustomHasher {
    /// Empty: `encode` of the application makes its own salt.
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

    /// Never: only the site knows. It upgrades the encoding when the user logs in there.
    fn must_update(&self, _encoded: &str) -> Result<bool, Malformed> {
        Ok(false)
    }
}

/// What is reported of a run: its cost is unknown.
const RUN: Run = Run { algorithm: "custom", cost: 1 };
