//! The command line, one for all benchmarks.

use std::{fmt::Display, process::exit, str::FromStr, time::Duration};

const USAGE: &str = "\
Options, after `cargo bench --bench NAME --` (or `cargo bench --` for all of them):
  --quick          a short run, to see that everything works; its numbers mean nothing
  --save           write the results into benches/README.md and benches/requests.svg
  --rounds N       rounds, each of which visits everything in another order (default 5)
  --seconds S      how long each visit takes (default 1; may be a fraction)
  --workers N      requests: workers of each server, processes of Django's (default 1)
  --pool N         requests: connections in each pool (default 16)
  --connections N,N  requests: keep-alive connections of the load (default 1,8,32,256)
  --sessions N     rows in django_session, each of another user (default 20000)
  --only NAME,NAME requests: only these variants
  --under COMMAND  requests: run the servers under a profiler, such as \"perf record -g\"
  --memory         requests: only the memory part
  --no-memory      requests: everything but the memory part
  --seed N         of all random choices";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) save: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) workers: usize,
    pub(crate) pool: usize,
    pub(crate) connections: Vec<usize>,
    pub(crate) sessions: usize,
    pub(crate) only: Vec<String>,
    pub(crate) under: Vec<String>,
    pub(crate) load: bool,
    pub(crate) memory: bool,
    pub(crate) seed: u64,
}

impl Options {
    /// Reads the command line. Ends the process if there is nothing to do: `cargo test
    /// --all-targets` runs benchmarks too, and has no minutes to spare.
    pub(crate) fn from_command_line() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if arguments.is_empty() {
            println!("not run: a benchmark is for `cargo bench`");
            exit(0);
        }
        Self::parse(arguments).unwrap_or_else(|complaint| {
            eprintln!("{complaint}\n{USAGE}");
            exit(if complaint.is_empty() { 0 } else { 2 });
        })
    }

    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = Self {
            quick,
            save: false,
            rounds: if quick { 2 } else { 5 },
            seconds: if quick { 0.2 } else { 1.0 },
            workers: 1,
            pool: 16,
            connections: vec![1, 8, 32, 256],
            sessions: if quick { 2_000 } else { 20_000 },
            only: Vec::new(),
            under: Vec::new(),
            load: true,
            memory: true,
            seed: 42,
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
            match name.as_str() {
                // The first is cargo's.
                "--bench" | "--quick" => {}
                "--save" => options.save = true,
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.seconds = number(&value()?)?,
                "--workers" => options.workers = number(&value()?)?,
                "--pool" => options.pool = number(&value()?)?,
                "--connections" => options.connections = list(&value()?)?,
                "--sessions" => options.sessions = number(&value()?)?,
                "--only" => options.only = list(&value()?)?,
                "--under" => options.under = value()?.split(' ').map(Into::into).collect(),
                "--memory" => options.load = false,
                "--no-memory" => options.memory = false,
                "--seed" => options.seed = number(&value()?)?,
                "--help" => return Err(String::new()),
                _ => return Err(format!("what is {name}?")),
            }
        }
        let counts = [options.rounds, options.workers, options.pool, options.sessions];
        let all_positive = counts.iter().chain(&options.connections).all(|&count| count > 0);
        if !all_positive || !(0.01..=600.0).contains(&options.seconds) {
            return Err("zero of something is not enough to measure".into());
        }
        Ok(options)
    }

    /// How long each visit takes.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// What is in force, as one would type it.
    pub(crate) fn command(&self, bench: &str) -> String {
        let mut command = format!("cargo bench --bench {bench} --");
        if self.quick {
            command += " --quick";
        }
        command += &format!(" --rounds {} --seconds {}", self.rounds, self.seconds);
        if bench != "decode" {
            command += &format!(" --sessions {}", self.sessions);
        }
        if bench == "requests" {
            command += &format!(" --workers {} --pool {}", self.workers, self.pool);
        }
        command
    }
}

fn number<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn list<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(number).collect()
}
