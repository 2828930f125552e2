//! The report of `check()`, for people to read.

use std::fmt;

/// The findings of [`DjangoSite::check`](crate::DjangoSite::check). Printed, it is a few lines.
///
/// A problem would fail every request, or every user. Problems make `check()` return
/// [`Error::CheckFailed`](crate::Error::CheckFailed) with this report. A warning would fail some of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    facts: Vec<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl CheckReport {
    /// Returns the problems, which make this service useless. Each names the setting at fault and the
    /// remedy.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns the warnings, which some visitors will or may meet. Each names the setting at fault and the
    /// remedy.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns notes on what the Django site does beyond shared sessions and users.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn fact(&mut self, fact: String) {
        self.facts.push(fact);
    }

    /// Adds a problem. One mistake may show in several places; it is reported once.
    pub(crate) fn problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(crate) fn warning(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Reports that this many of the live sessions fail. If all fail, it is a problem, otherwise a
    /// warning.
    pub(crate) fn of_sessions(
        &mut self,
        failing: usize,
        count: usize,
        what: impl FnOnce() -> String,
    ) {
        if failing == 0 {
            return;
        }
        let text = format!("{failing} of {count} live sessions {}", what());
        match failing == count {
            true => self.problem(text),
            false => self.warning(text),
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { facts, problems, warnings, notes } = self;
        let lines = facts
            .iter()
            .map(|fact| ("", fact))
            .chain(problems.iter().map(|problem| ("problem: ", problem)))
            .chain(warnings.iter().map(|warning| ("warning: ", warning)))
            .chain(notes.iter().map(|note| ("note: ", note)));
        for (index, (kind, line)) in lines.enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{kind}{line}")?;
        }
        Ok(())
    }
}

/// The same as `Display`: `main` prints the `Debug` of the error that it returns.
impl fmt::Debug for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_line_for_each_thing_found() {
        let mut report = CheckReport::default();
        report.note("MIDDLEWARE: x".into());
        report.problem("LOGIN_URL: y".into());
        report.fact("2 keys".into());
        let text = "2 keys\nproblem: LOGIN_URL: y\nnote: MIDDLEWARE: x";
        assert_eq!(report.to_string(), text);
        assert_eq!(format!("{report:?}"), text);
    }
}
