use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{Error, Result};

/// A Python program that answers JSON requests, one a line, and ends when its stdin closes.
///
/// The pipes are blocking ones: those of tokio belong to one runtime, and every test has a runtime of its own.
#[derive(Clone, Debug)]
pub(crate) struct Process(Arc<Mutex<Pipes>>);

impl Process {
    /// Starts it and waits for the line in which it says that it is ready.
    pub(crate) async fn start(command: Command) -> Result<(Self, Value)> {
        blocking(move || Self::start_blocking(command)).await
    }

    pub(crate) fn start_blocking(command: Command) -> Result<(Self, Value)> {
        let mut pipes = Pipes::open(command)?;
        let ready = pipes.read()?;
        Ok((Self(Arc::new(Mutex::new(pipes))), ready))
    }

    /// The other end of the pipes.
    pub(crate) fn connected(program: &str, stream: UnixStream) -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Pipes::connected(program, stream)?))))
    }

    pub(crate) async fn ask(&self, request: Value) -> Result<Value> {
        let this = self.clone();
        blocking(move || this.ask_blocking(&request)).await
    }

    /// Ends it and waits for that. Later questions to it fail.
    pub(crate) async fn end(&self) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            this.0.lock().unwrap_or_else(PoisonError::into_inner).close();
            Ok(())
        })
        .await
    }

    pub(crate) fn ask_blocking(&self, request: &Value) -> Result<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ask(request)
    }
}

struct Pipes {
    program: PathBuf,
    to: To,
    from: BufReader<Box<dyn Read + Send>>,
}

enum To {
    Child(Child, Option<ChildStdin>),
    Fork(UnixStream),
}

impl Pipes {
    fn open(mut command: Command) -> Result<Self> {
        let program = command.get_args().next().map(PathBuf::from).unwrap_or_default();
        // A process group of its own: Ctrl-C in a terminal reaches only the test process, which
        // then ends this one.
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .spawn()
            .map_err(|error| {
                Error::new(format!("{}: {error}", command.get_program().to_string_lossy()))
            })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        Ok(Self {
            program,
            to: To::Child(child, Some(stdin)),
            from: BufReader::new(Box::new(stdout)),
        })
    }

    fn connected(program: &str, stream: UnixStream) -> Result<Self> {
        let from: Box<dyn Read + Send> = Box::new(stream.try_clone()?);
        Ok(Self { program: program.into(), to: To::Fork(stream), from: BufReader::new(from) })
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        let mut line = request.to_string();
        line.push('\n');
        let written = match &mut self.to {
            To::Child(_, Some(stdin)) => stdin.write_all(line.as_bytes()),
            To::Child(_, None) => Ok(()),
            To::Fork(stream) => stream.write_all(line.as_bytes()),
        };
        written.map_err(|_| self.gone())?;
        let answer = self.read()?;
        match (answer["error"].as_str(), answer["message"].as_str()) {
            (Some(class), Some(message)) => Err(Error::from_python(class, message)),
            _ => Ok(answer),
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(self.gone());
        }
        serde_json::from_str(&line).map_err(|error| Error::new(format!("{error} in {line}")))
    }

    fn close(&mut self) {
        match &mut self.to {
            To::Child(child, stdin) => {
                *stdin = None;
                drop(child.wait());
            }
            To::Fork(stream) => {
                // A process that ends closes the other end.
                drop(stream.shutdown(Shutdown::Write));
                drop(io::copy(&mut self.from, &mut io::sink()));
            }
        }
    }

    fn gone(&self) -> Error {
        Error::new(format!("{} has ended: see its message on stderr", self.program.display()))
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs blocking code where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(error.to_string())),
    }
}

/// The folder of this package.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
