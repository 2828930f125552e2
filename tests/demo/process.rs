//! Starts the demo as a process, and ends it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The demo, as a process.
pub(crate) struct Demo {
    process: Child,
    /// Its own folder for temporary files.
    pub(crate) folder: PathBuf,
    url: String,
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Demo {
    pub(crate) fn start(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("demo-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut process = command()
            .args(["--port", "0"])
            .env("TMPDIR", &folder)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut value_of = |name: &str| loop {
            let line = lines.next().expect("the demo has ended").unwrap();
            let mut words = line.split_whitespace();
            if words.next() == Some(name) && words.clone().count() == 1 {
                return words.next().unwrap().to_owned();
            }
        };
        let (url, username, password) = (value_of("Open"), value_of("User"), value_of("Password"));
        // Its further output must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { process, folder, url, username, password }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Its output on stderr so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.with_extension("log")).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal and waits for the end. Ctrl-C is `INT`.
    pub(crate) fn end_by(&mut self, signal: &str) -> ExitStatus {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => panic!("the demo does not end"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After an orderly end this does nothing. Its children end with it.
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
        drop(fs::remove_file(self.folder.with_extension("log")));
    }
}

pub(crate) fn command() -> Command {
    testbed::Example::command("demo").unwrap()
}
