use serde_json::{Value, json};

use crate::{Django, Error, Result, Settings, Venv, forks::Fork, process::Process};

/// A Django that answers questions: `tests/django/judge.py`, whose head lists them.
#[derive(Clone, Debug)]
pub struct Judge {
    process: Process,
}

impl Judge {
    /// Starts it on a database that has Django's tables.
    ///
    /// # Errors
    /// When Django cannot be installed or does not start.
    pub async fn start(django: Django, database_url: &str, settings: &Settings) -> Result<Self> {
        let venv = Venv::with(django, settings.packages()).await?;
        let (process, _) = Fork::new("judge", database_url, settings).start(&venv).await?;
        Ok(Self { process })
    }

    /// One question, `{"cmd": .., ..}`, and its answer.
    ///
    /// # Errors
    /// An exception in Python: its name is [`Error::class`].
    pub async fn ask(&self, question: Value) -> Result<Value> {
        self.process.ask(question).await
    }

    /// Many questions in one turn; an exception is that question's answer, `{"error": .., "message": ..}`.
    ///
    /// # Errors
    /// When the judge has ended.
    pub async fn ask_all(&self, questions: Vec<Value>) -> Result<Vec<Value>> {
        match self.ask(json!({ "cmd": "batch", "commands": questions })).await?["answers"].take() {
            Value::Array(answers) => Ok(answers),
            other => Err(Error::new(format!("no answers: {other}"))),
        }
    }

    /// Makes a user, or gives the one of that name this password. Answers as `get_user`.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn set_user(&self, username: &str, password: &str) -> Result<Value> {
        self.ask(json!({ "cmd": "set_user", "username": username, "password": password })).await
    }

    /// A new session of that user, as Django's `login()` makes it: its key.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn login(&self, username: &str) -> Result<String> {
        let answer = self.ask(json!({ "cmd": "login", "username": username })).await?;
        answer["key"].as_str().map(str::to_owned).ok_or_else(|| Error::new("login answered no key"))
    }

    /// What Django makes of a request to `/whoami/` with this `Cookie` header.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn visit(&self, cookie: &[u8]) -> Result<Value> {
        let cookie: String = cookie.iter().copied().map(char::from).collect();
        self.ask(json!({ "cmd": "visit", "cookie": cookie })).await
    }
}
