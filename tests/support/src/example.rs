use std::{
    env,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use crate::{Error, Result, Settings, process::here};

/// One of the crate's examples, run as a person would. It ends with this value.
#[derive(Debug)]
pub struct Example {
    child: Child,
    url: String,
}

impl Example {
    /// Starts it on that database and on a free port, and waits until it listens. Its environment contains
    /// only the secret key of the site and these variables.
    ///
    /// # Errors
    /// When it cannot be built or ends at once; the message has what it said.
    pub fn run(name: &str, database_url: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let mut child = Self::command(name)?
            .env_clear()
            .env("DATABASE_URL", database_url)
            .env("DJANGO_SECRET_KEY", Settings::SECRET_KEY)
            .env("BIND", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut output = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut output)?;
        }
        match output.trim_end().strip_prefix("listening on ") {
            Some(url) => Ok(Self { url: url.to_owned(), child }),
            None => {
                drop(child.kill());
                let why = child.stderr.take().map(io::read_to_string).transpose()?;
                child.wait()?;
                Err(Error::new(format!("{name} ended: {output}{}", why.unwrap_or_default())))
            }
        }
    }

    /// A command that runs it. All of them but the demo are one program, `examples/all`.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn command(name: &str) -> Result<Command> {
        if name == "demo" {
            return Ok(Command::new(program(name)?));
        }
        let mut command = Command::new(program("all")?);
        command.arg0(name);
        Ok(command)
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks it to end, as a service manager does: SIGTERM.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> Result<()> {
        // The `kill` of the shell: a bare system has no program of that name.
        let kill = format!("kill -TERM {}", self.child.id());
        match Command::new("sh").args(["-c", &kill]).status()?.success() {
            true => Ok(()),
            false => Err(Error::new(format!("{kill} failed"))),
        }
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// When that cannot be asked.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// What it writes to stderr; for the first who asks.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where it is. `cargo test` builds it beside the tests; with `--test` it does not. Then it is built here if it is
/// not there, and if it is, it is the one that was built last.
fn program(name: &str) -> Result<PathBuf> {
    let test = env::current_exe()?;
    // target/debug/deps/the-test
    let profile = test.ancestors().nth(2).unwrap_or(&test);
    let program = profile.join("examples").join(name);
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", name]);
        cargo.args(profile.ends_with("release").then_some("--release"));
        // Build scripts watch what cargo tells a test of its package: with that, dependencies would
        // be built again, here and once more by the next `cargo test`.
        for (variable, _) in env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&variable);
            }
        }
        if !cargo.current_dir(here().join("../..")).status()?.success() {
            return Err(Error::new(format!("the example {name} cannot be built")));
        }
    }
    Ok(program)
}
