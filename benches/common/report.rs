//! Tables, and `benches/README.md` with the results between markers.

use std::{fs, path::PathBuf};

use super::Result;

/// A table in Markdown, also for the terminal. All columns but the first are numbers.
#[derive(Debug)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self(vec![header.iter().map(|&title| title.to_owned()).collect()])
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    pub(crate) fn to_markdown(&self) -> String {
        let columns = self.0[0].len();
        let length = |text: &String| text.chars().count();
        let width = |column: usize| {
            self.0.iter().filter_map(|row| row.get(column)).map(length).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.0.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - length(cell));
                text += &match column {
                    0 => format!("| {cell}{padding} |"),
                    _ => format!(" {padding}{cell} |"),
                };
            }
            text.push('\n');
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    text += &match column {
                        0 => format!("|{}|", "-".repeat(width + 2)),
                        _ => format!("{}:|", "-".repeat(width + 1)),
                    };
                }
                text.push('\n');
            }
        }
        text
    }
}

/// The table of goals: what, goal, measured, met or missed.
#[derive(Debug)]
pub(crate) struct Goals(Table);

impl Goals {
    pub(crate) fn new() -> Self {
        Self(Table::new(&["what", "goal", "measured", ""]))
    }

    /// A ratio that is not to be above the goal.
    pub(crate) fn at_most(&mut self, what: &str, goal: f64, measured: f64) {
        self.add(what, format!("≤ {goal}"), ratio(measured), Some(measured <= goal), measured);
    }

    /// A ratio that is to stay below the goal, and not to reach it.
    pub(crate) fn below(&mut self, what: &str, goal: f64, measured: f64) {
        self.add(what, format!("< {goal}"), ratio(measured), Some(measured < goal), measured);
    }

    /// A ratio that is to reach the goal.
    pub(crate) fn at_least(&mut self, what: &str, goal: f64, measured: f64) {
        self.add(what, format!("≥ {goal}"), ratio(measured), Some(measured >= goal), measured);
    }

    pub(crate) fn is(&mut self, what: &str, goal: &str, measured: String, met: Option<bool>) {
        self.add(what, goal.into(), measured, met, 0.0);
    }

    fn add(&mut self, what: &str, goal: String, shown: String, met: Option<bool>, number: f64) {
        let verdict = match met {
            Some(_) if number.is_nan() => "not measured",
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        self.0.row([what.into(), goal, shown, verdict.into()]);
    }

    pub(crate) fn to_markdown(&self) -> String {
        self.0.to_markdown()
    }
}

/// A ratio with about three digits.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".into(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value if value >= 0.01 => format!("{value:.3}"),
        value => format!("{value:.4}"),
    }
}

/// A number of microseconds, requests and the like.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".into(),
        value if value >= 1000.0 => thousands(value.round() as u64),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

fn thousands(value: u64) -> String {
    match value {
        0..1000 => value.to_string(),
        _ => format!("{},{:03}", thousands(value / 1000), value % 1000),
    }
}

/// Puts the text into `benches/README.md`, in the place of the last results of this name.
pub(crate) fn save(name: &str, text: &str) -> Result<()> {
    let path = folder().join("README.md");
    let readme = fs::read_to_string(&path)?;
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (before, rest) =
        readme.split_once(&begin).ok_or_else(|| format!("benches/README.md has no {begin}"))?;
    let (_, after) =
        rest.split_once(&end).ok_or_else(|| format!("benches/README.md has no {end}"))?;
    fs::write(path, format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))?;
    eprintln!("saved to benches/README.md");
    Ok(())
}

/// The folder of the benchmarks.
pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches"].iter().collect()
}
