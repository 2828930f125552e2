use std::{
    collections::HashMap,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use crate::{
    Django, Error, Result, Settings, Site, Venv,
    process::{Process, here},
    python,
};

/// A running PostgreSQL, in a process group and a directory of its own, or the server that `DATABASE_URL` names.
///
/// `guardian.py` looks after it: when this process ends, in whatever way, the server and its files are gone.
#[derive(Clone, Debug)]
pub struct Postgres {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    guardian: Process,
    url: String,
    own: bool,
    /// The names of databases with Django's tables, by the settings that made them; a copy is
    /// quicker than a migration.
    templates: Mutex<HashMap<String, String>>,
}

impl Postgres {
    /// Starts a server. With `DATABASE_URL` set, uses that one.
    ///
    /// # Errors
    /// When the server's programs cannot be installed or it does not start.
    pub async fn start() -> Result<Self> {
        let venv = match std::env::var_os("DATABASE_URL") {
            Some(_) => Venv::of(Django::default()).await?,
            None => Venv::with(Django::default(), &[python::POSTGRES]).await?,
        };
        let mut command = Command::new(venv.python());
        command.arg(here().join("guardian.py"));
        let (guardian, ready) = Process::start(command).await?;
        let url = text(&ready, "url")?;
        let own = ready["own"] == true;
        Ok(Self { shared: Arc::new(Shared { guardian, url, own, templates: Mutex::default() }) })
    }

    /// The server that all tests of this process share; started by the first call.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn shared() -> Result<Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();

        SHARED.get_or_try_init(Self::start).await.cloned()
    }

    /// A new, empty database.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_database(&self) -> Result<TestDatabase> {
        self.database_like(None).await
    }

    /// A new database with the tables of that Django version and of the `AUTH_USER_MODEL`.
    ///
    /// # Errors
    /// When Django cannot be installed or the server refuses.
    pub async fn django_database(
        &self,
        django: Django,
        settings: &Settings,
    ) -> Result<TestDatabase> {
        let kind = format!("{django} {}", settings.what_makes_tables());
        // Locked while migrating, so that tests that start together migrate once.
        let mut templates = self.shared.templates.lock().await;
        let template = match templates.get(&kind) {
            Some(template) => template.clone(),
            None => {
                let made = self.create_database().await?;
                Site::migrate(django, made.url(), settings).await?;
                let name = made.keep();
                templates.insert(kind, name.clone());
                name
            }
        };
        drop(templates);
        self.database_like(Some(&template)).await
    }

    /// A new database with the content of this one, to which no connection may be open.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn copy(&self, database: &TestDatabase) -> Result<TestDatabase> {
        self.database_like(Some(&database.name)).await
    }

    async fn database_like(&self, template: Option<&str>) -> Result<TestDatabase> {
        let name = unique_name();
        let answer =
            self.ask(json!({ "cmd": "create", "name": name, "template": template })).await?;
        Ok(TestDatabase { url: text(&answer, "url")?, name, postgres: Some(self.clone()) })
    }

    /// Whether this process has started the server, so that the methods below work.
    pub fn is_own(&self) -> bool {
        self.shared.own
    }

    /// The address of the server's own database. It may create databases.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The process id of the postmaster, while it runs.
    ///
    /// # Errors
    /// When the server is not ours.
    pub async fn pid(&self) -> Result<Option<u32>> {
        let answer = self.fault("pid").await?;
        Ok(answer["pid"].as_u64().and_then(|pid| pid.try_into().ok()))
    }

    /// Kills the server and all its backends with SIGKILL.
    ///
    /// # Errors
    /// When the server is not ours.
    pub async fn kill9(&self) -> Result<()> {
        self.fault("kill9").await.map(drop)
    }

    /// Stops the server if it runs and starts it again, same port, same data.
    ///
    /// # Errors
    /// When the server is not ours or does not start.
    pub async fn restart(&self) -> Result<()> {
        self.fault("restart").await.map(drop)
    }

    /// Stops the server and all its backends with SIGSTOP: it accepts connections and answers nothing.
    ///
    /// # Errors
    /// When the server is not ours.
    pub async fn freeze(&self) -> Result<()> {
        self.fault("freeze").await.map(drop)
    }

    /// Ends a [`freeze`](Self::freeze).
    ///
    /// # Errors
    /// When the server is not ours.
    pub async fn thaw(&self) -> Result<()> {
        self.fault("thaw").await.map(drop)
    }

    /// Ends every client connection of the server, as an administrator would; how many there were.
    ///
    /// # Errors
    /// When the server is not ours: see [`TestDatabase::terminate_backends`].
    pub async fn terminate_backends(&self) -> Result<u64> {
        Ok(self.fault("terminate_backends").await?["count"].as_u64().unwrap_or_default())
    }

    /// Stops the server and waits until it is gone with its files, or drops the databases that
    /// were made on somebody else's. Without this call it happens when the last clone is dropped,
    /// or soon after this process has ended.
    ///
    /// # Errors
    /// When the guardian cannot be waited for.
    pub async fn stop(self) -> Result<()> {
        self.shared.guardian.end().await
    }

    async fn fault(&self, command: &str) -> Result<Value> {
        if !self.shared.own {
            return Err(Error::new(format!(
                "{command} is for a server of our own: unset DATABASE_URL"
            )));
        }
        self.ask(json!({ "cmd": command })).await
    }

    async fn ask(&self, request: Value) -> Result<Value> {
        self.shared.guardian.ask(request).await
    }
}

/// A database with a name of its own, dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    postgres: Option<Postgres>,
}

impl TestDatabase {
    /// The address, `postgres://..`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends every connection to this database; how many there were.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn terminate_backends(&self) -> Result<u64> {
        let Some(postgres) = &self.postgres else {
            return Ok(0);
        };
        let answer =
            postgres.ask(json!({ "cmd": "terminate_backends", "database": self.name })).await?;
        Ok(answer["count"].as_u64().unwrap_or_default())
    }

    /// Leaves it to the guardian, which drops it at the end.
    fn keep(mut self) -> String {
        self.postgres = None;
        self.name.clone()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(postgres) = self.postgres.take() {
            let request = json!({ "cmd": "drop", "name": self.name });
            // This does not wait: at the end of the process the guardian drops what is left.
            thread::spawn(move || drop(postgres.shared.guardian.ask_blocking(&request)));
        }
    }
}

fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("testbed_{}_{now:x}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn text(answer: &Value, name: &str) -> Result<String> {
    answer[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(format!("guardian.py answered {answer}")))
}
