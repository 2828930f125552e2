use std::{fmt, sync::Once};

use crate::{
    Error, Result,
    python::{Python, tell},
};

/// The Django versions the tests know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Django {
    /// The long-term release before the current one.
    V4_2,
    /// The current long-term release.
    #[default]
    V5_2,
    /// The newest release; it needs Python 3.12.
    V6_1,
}

impl Django {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V4_2, Self::V5_2, Self::V6_1];

    /// The exact release that is installed.
    pub fn version(self) -> &'static str {
        match self {
            Self::V4_2 => "4.2.30",
            Self::V5_2 => "5.2.19",
            Self::V6_1 => "6.1.3",
        }
    }

    /// The versions this machine has a Python for. Says on stderr which those are, and which not.
    ///
    /// # Errors
    /// When there is none.
    pub fn available() -> Result<Vec<Self>> {
        static TOLD: Once = Once::new();

        let mut found = Vec::new();
        let mut lines = Vec::new();
        let mut missing = None;
        for django in Self::ALL {
            match Python::find(django) {
                Ok(python) => {
                    lines.push(format!("testbed: {django} on {python}\n"));
                    found.push(django);
                }
                Err(error) => {
                    lines.push(format!("testbed: {django} left out: {error}\n"));
                    missing = Some(error);
                }
            }
        }
        TOLD.call_once(|| tell(&lines.concat()));
        match missing {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The oldest and the newest of the [available](Self::available) ones: for what takes long.
    ///
    /// # Errors
    /// When there is none.
    pub fn oldest_and_newest() -> Result<Vec<Self>> {
        let mut all = Self::available()?;
        if all.len() > 2 {
            all.drain(1..all.len() - 1);
        }
        Ok(all)
    }

    /// The oldest and the newest Python that it is run on here.
    pub(crate) fn pythons(self) -> ((u32, u32), (u32, u32)) {
        match self {
            Self::V4_2 => ((3, 10), (3, 12)),
            Self::V5_2 => ((3, 10), (3, 14)),
            Self::V6_1 => ((3, 12), (3, 14)),
        }
    }

    pub(crate) fn no_python(self) -> Error {
        let ((_, oldest), (_, newest)) = self.pythons();
        Error::new(format!(
            "no Python 3.{oldest} to 3.{newest} found: install one, or set PYTHON to the path of one"
        ))
    }
}

impl fmt::Display for Django {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Django {}", self.version())
    }
}
