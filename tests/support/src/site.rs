use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::{
    Django, Error, Result, Settings, Venv,
    forks::Fork,
    process::{Process, blocking, here},
    python,
};

/// A running Django site: the project in `tests/django`.
#[derive(Debug)]
pub struct Site {
    url: String,
    pid: u32,
    _process: Process,
}

impl Site {
    /// Starts it on a database that has been [migrated](Self::migrate).
    ///
    /// # Errors
    /// When Django cannot be installed or does not start.
    pub async fn start(django: Django, database_url: &str, settings: &Settings) -> Result<Self> {
        let venv = Venv::with(django, settings.packages()).await?;
        Self::serve(&venv, Fork::new("serve", database_url, settings), settings).await
    }

    /// Like [`start`](Self::start), under gunicorn as in production: for benchmarks.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_gunicorn(
        django: Django,
        database_url: &str,
        settings: &Settings,
        workers: u32,
    ) -> Result<Self> {
        let venv = Venv::with(django, &[&[python::GUNICORN], settings.packages()].concat()).await?;
        let fork = Fork::new("serve", database_url, settings);
        Self::serve(&venv, fork.env("TESTSITE_WORKERS", &workers.to_string()), settings).await
    }

    async fn serve(venv: &Venv, fork: Fork, settings: &Settings) -> Result<Self> {
        let fork = fork.env("TESTSITE_USERS", &settings.users_as_json());
        let (process, ready) = fork.start(venv).await?;
        let number = |name: &str| ready[name].as_u64().and_then(|number| number.try_into().ok());
        let (Some(port), Some(pid)) = (number("port"), number("pid")) else {
            return Err(Error::new(format!("serve.py answered {ready}")));
        };
        Ok(Self { url: format!("http://127.0.0.1:{port}"), pid, _process: process })
    }

    /// Makes Django's tables, those of the `AUTH_USER_MODEL` among them.
    ///
    /// # Errors
    /// When Django cannot be installed or `manage.py migrate` fails.
    pub async fn migrate(django: Django, database_url: &str, settings: &Settings) -> Result<()> {
        let venv = Venv::with(django, settings.packages()).await?;
        Fork::new("migrate", database_url, settings).start(&venv).await.map(drop)
    }

    /// What `manage.py shell` prints when it is given this script, with these further arguments.
    ///
    /// # Errors
    /// When Django cannot be installed or the shell ends with an error.
    pub async fn shell(
        django: Django,
        database_url: &str,
        settings: &Settings,
        arguments: &[&str],
        script: &str,
    ) -> Result<String> {
        let mut command = Self::manage(django, database_url, settings).await?;
        command.arg("shell").args(arguments);
        let script = script.to_owned();
        blocking(move || {
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            // Small enough for the pipe, so that all of it is there when the shell looks.
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(script.as_bytes())?;
            }
            let done = child.wait_with_output()?;
            match done.status.success() {
                true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
                false => Err(Error::new(format!(
                    "manage.py shell failed:\n{}",
                    String::from_utf8_lossy(&done.stderr)
                ))),
            }
        })
        .await
    }

    /// What `export_settings.py` says of this site, in Django's shell.
    ///
    /// # Errors
    /// When Django cannot be installed, or an exception in Python: its name is [`Error::class`].
    pub async fn export_settings(
        django: Django,
        database_url: &str,
        settings: &Settings,
    ) -> Result<String> {
        let venv = Venv::with(django, settings.packages()).await?;
        let script = fs::read_to_string(here().join("../../src/settings/export_settings.py"))?;
        let fork = Fork::new("export", database_url, settings).env("EXPORT_SETTINGS", &script);
        let (_, answer) = fork.start(&venv).await?;
        let message = answer["said"].as_str().map(str::to_owned);
        message.ok_or_else(|| Error::new(format!("export.py answered {answer}")))
    }

    /// `manage.py`, for a test to add arguments and run.
    ///
    /// # Errors
    /// When Django cannot be installed.
    pub async fn manage(
        django: Django,
        database_url: &str,
        settings: &Settings,
    ) -> Result<Command> {
        let venv = Venv::with(django, settings.packages()).await?;
        let folder = here().with_file_name("django");
        let mut command = Command::new(venv.python());
        command
            .arg(folder.join("manage.py"))
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("DJANGO_SETTINGS_MODULE", "testsite.settings")
            .env("DATABASE_URL", database_url)
            .env("TESTSITE_SETTINGS", settings.to_json());
        Ok(command)
    }

    /// The id of the process that serves it; under gunicorn, of the one that started gunicorn.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }
}
