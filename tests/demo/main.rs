//! The demo as a visitor sees it: on both sides, and until its end.

#![allow(clippy::unwrap_used)] // a test may

mod browser;
mod journey;
mod layout;
mod process;
mod webdriver;

use std::{fs, process::Command};

use awc::ws::CloseCode;
use journey::{Visitor, closed};
use process::{Demo, command};

/// The process ids of a process's descendants.
fn descendants(parent: u32) -> Vec<u32> {
    let pairs = children_and_parents();
    let mut found = vec![parent];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        next += 1;
    }
    found.split_off(1)
}

/// The ids of all processes, each with that of its parent.
#[cfg(target_os = "linux")]
fn children_and_parents() -> Vec<(u32, u32)> {
    let stats = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // A process may end meanwhile. Its name, in parentheses, may contain anything.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((id, parent))
    });
    stats.collect()
}

#[cfg(not(target_os = "linux"))]
fn children_and_parents() -> Vec<(u32, u32)> {
    let listed = Command::new("ps").args(["-e", "-o", "pid=,ppid="]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let pairs = listed.lines().filter_map(|line| {
        let mut ids = line.split_whitespace().map(|id| id.parse().unwrap());
        Some((ids.next()?, ids.next()?))
    });
    pairs.collect()
}

fn runs(id: u32) -> bool {
    let signal = format!("kill -0 {id} 2>/dev/null");
    Command::new("sh").args(["-c", &signal]).status().unwrap().success()
}

#[testbed::test]
async fn nothing_is_left_when_it_ends() {
    for signal in ["INT", "TERM"] {
        let mut demo = Demo::start(signal);
        // Open connections must not delay the end.
        let visitor = Visitor::new(&demo);
        visitor.log_in("/login/", &demo.password).await;
        assert_eq!(visitor.get("/cart/").await.status(), 200);
        let mut socket = visitor.socket().await;
        let started = descendants(demo.id());
        assert!(started.len() > 2, "Django, the guardian and PostgreSQL: {started:?}");

        assert_eq!(demo.end_by(signal).code(), Some(0));
        assert_eq!(closed(&mut socket).await, CloseCode::Away);
        assert_eq!(started.into_iter().filter(|&id| runs(id)).count(), 0);
        assert_eq!(fs::read_dir(&demo.folder).unwrap().count(), 0);
    }
}

#[test]
fn a_port_in_use_gives_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = command().args(["--port", &port]).output().unwrap();
    assert_eq!(message.status.code(), Some(1));
    let line = String::from_utf8(message.stderr).unwrap();
    assert_eq!(
        line,
        format!("port {port} is in use: choose another with `--port`, or any with `--port 0`\n")
    );
}
