//! What `/proc` knows about processes. Elsewhere than on Linux, nothing is known.

use std::{fs, path::Path};

/// Linux counts in hundredths of a second towards programs, whatever the kernel does itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that a process and its children and theirs have used, including children that have
/// ended and were waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let all = Process::all()?;
    let tree = tree(&all, pid);
    if tree.is_empty() {
        return None;
    }
    Some(tree.iter().map(|process| process.own_cpu_seconds() + process.ended_children).sum())
}

/// CPU seconds that a process has used itself.
pub(crate) fn own_cpu_seconds(pid: u32) -> Option<f64> {
    Process::read(pid).map(|process| process.own_cpu_seconds())
}

/// Resident memory of a process and its children and theirs, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let all = Process::all()?;
    let resident = |process: &&Process| {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let tree = tree(&all, pid);
    (!tree.is_empty()).then(|| tree.iter().filter_map(resident).sum::<u64>() * 1024)
}

/// The processes that a process has started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let all = Process::all().unwrap_or_default();
    all.iter().filter(|process| process.parent == pid).map(|process| process.pid).collect()
}

/// CPU seconds that everything on this machine together has used.
pub(crate) fn machine_cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let used = [0, 1, 2, 5, 6, 7].iter().filter_map(|&column| ticks.get(column)).sum::<f64>();
    Some(used / TICKS_PER_SECOND)
}

struct Process {
    pid: u32,
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Process {
    fn all() -> Option<Vec<Self>> {
        let entries = fs::read_dir("/proc").ok()?;
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let all: Vec<_> = pids.filter_map(Self::read).collect();
        (!all.is_empty()).then_some(all)
    }

    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything, so count from its end on.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        let seconds = |index| Some((ticks(index)? + ticks(index + 1)?) / TICKS_PER_SECOND);
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)?,
            ended_children: seconds(13)?,
        })
    }

    /// To the nanosecond where the kernel says it, else to the tick.
    fn own_cpu_seconds(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten();
        let nanoseconds = |thread: &Path| {
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        };
        let known: Option<f64> =
            threads.flatten().map(|thread| nanoseconds(&thread.path())).sum::<Option<f64>>();
        match known {
            Some(nanoseconds) if nanoseconds > 0.0 => nanoseconds / 1e9,
            _ => self.own,
        }
    }
}

fn tree(all: &[Process], root: u32) -> Vec<&Process> {
    let mut found: Vec<&Process> = all.iter().filter(|process| process.pid == root).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(all.iter().filter(|process| process.parent == parent));
        next += 1;
    }
    found
}
