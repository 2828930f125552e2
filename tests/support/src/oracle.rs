use serde_json::{Value, json};

use crate::{Django, Error, Result, Settings, Venv, forks::Fork, process::Process};

/// A Django that answers questions: `tests/django/oracle.py`, which lists them at its top.
#[derive(Clone, Debug)]
pub struct Oracle {
    process: Process,
}

impl Oracle {
    /// Starts it on a database that has Django's tables.
    ///
    /// # Errors
    /// When Django cannot be installed or does not start.
    pub async fn start(django: Django, database_url: &str, settings: &Settings) -> Result<Self> {
        let venv = Venv::with(django, settings.packages()).await?;
        let (process, _) = Fork::new("oracle", database_url, settings).start(&venv).await?;
        Ok(Self { process })
    }

    /// One question, `{"cmd": .., ..}`, and its answer.
    ///
    /// # Errors
    /// An exception in Python: its name is [`Error::class`].
    pub async fn ask(&self, question: Value) -> Result<Value> {
        self.process.ask(question).await
    }

    /// Many questions at once; an exception is the answer to its question, `{"error": ..,
    /// "message": ..}`.
    ///
    /// # Errors
    /// When the oracle has ended.
    pub async fn ask_all(&self, questions: Vec<Value>) -> Result<Vec<Value>> {
        match self.ask(json!({ "cmd": "batch", "commands": questions })).await?["answers"].take() {
            Value::Array(answers) => Ok(answers),
            other => Err(Error::new(format!("no answers: {other}"))),
        }
    }

    /// Creates a user, or sets the password of the user of that name. Answers as `get_user`.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn set_user(&self, username: &str, password: &str) -> Result<Value> {
        self.ask(json!({ "cmd": "set_user", "username": username, "password": password })).await
    }

    /// Creates a session of that user, as Django's `login()` does; returns its key.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn login(&self, username: &str) -> Result<String> {
        let answer = self.ask(json!({ "cmd": "login", "username": username })).await?;
        answer["key"].as_str().map(str::to_owned).ok_or_else(|| Error::new("login answered no key"))
    }

    /// How Django answers a request to `/whoami/` with this `Cookie` header.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn visit(&self, cookie: &[u8]) -> Result<Value> {
        let cookie: String = cookie.iter().copied().map(char::from).collect();
        self.ask(json!({ "cmd": "visit", "cookie": cookie })).await
    }
}
