//! Where and when a benchmark ran.

use std::{fs, process::Command, thread};

/// One line: date, processor, operating system and compiler.
pub(crate) fn description() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let date = output_of("date", &["-u", "+%Y-%m-%d"]);
    let system = output_of("uname", &["-sr"]);
    let rustc = output_of("rustc", &["-V"]);
    let rustc = rustc.split(" (").next().unwrap_or_default();
    format!("{date}, {cores} cores of {}, {system}, {rustc}", processor())
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    match model.and_then(|line| line.split_once(':')) {
        Some((_, name)) => name.trim().to_owned(),
        None => output_of("sysctl", &["-n", "machdep.cpu.brand_string"]),
    }
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".into(), |text| text.trim().to_owned())
}
