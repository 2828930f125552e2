use std::{
    collections::HashMap,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value, json};

use crate::{
    Error, Result, Settings, Venv,
    process::{Process, blocking, here},
};

/// The processes of `tests/django/fork.py`, by their interpreters.
static PARENTS: Mutex<Option<HashMap<PathBuf, Parent>>> = Mutex::new(None);

struct Parent {
    process: Process,
    socket: String,
}

/// A program of the Django project, to be run in a fork of a process that has imported Django.
#[derive(Debug)]
pub(crate) struct Fork {
    program: &'static str,
    environment: Map<String, Value>,
}

impl Fork {
    pub(crate) fn new(program: &'static str, database_url: &str, settings: &Settings) -> Self {
        Self { program, environment: Map::new() }
            .env("DATABASE_URL", database_url)
            .env("TESTSITE_SETTINGS", &settings.to_json())
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it and waits for the line in which it says that it is ready.
    pub(crate) async fn start(self, venv: &Venv) -> Result<(Process, Value)> {
        let python = venv.python();
        blocking(move || {
            let stream = UnixStream::connect(socket(python)?)?;
            let process = Process::connected(self.program, stream)?;
            let request = json!({ "program": self.program, "environment": self.environment });
            let ready = process.ask_blocking(&request)?;
            Ok((process, ready))
        })
        .await
    }
}

/// The address of the process to fork; the first call for an interpreter starts it.
fn socket(python: PathBuf) -> Result<String> {
    // Locked meanwhile, so that tests that start together start one process.
    let mut parents = PARENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let parents = parents.get_or_insert_default();
    if let Some(parent) = parents.get(&python) {
        return Ok(parent.socket.clone());
    }
    let folder = here().with_file_name("django");
    let mut command = Command::new(&python);
    command
        .arg(folder.join("fork.py"))
        .current_dir(folder)
        .env("DJANGO_SETTINGS_MODULE", "testsite.settings");
    let (process, ready) = Process::start_blocking(command)?;
    let socket = ready["socket"].as_str().map(str::to_owned);
    let socket = socket.ok_or_else(|| Error::new("fork.py named no socket"))?;
    parents.insert(python, Parent { process, socket: socket.clone() });
    Ok(socket)
}

/// Ends the processes that wait to be forked, and waits for their end. Without this call they end
/// soon after this process. For programs that leave nothing behind.
pub async fn stop_forking() {
    let parents = PARENTS.lock().unwrap_or_else(PoisonError::into_inner).take();
    for parent in parents.into_iter().flatten() {
        drop(parent.1.process.end().await);
    }
}
