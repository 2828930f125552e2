use std::{env, fmt, sync::Once};

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

    /// The versions to test: the oldest and the newest that this machine has a Python for, and with `TESTBED=all` all
    /// of them. Says on stderr which those are, and which not.
    ///
    /// # Errors
    /// When no version is available, or `TESTBED` has an unknown value.
    pub fn available() -> Result<Vec<Self>> {
        static TOLD: Once = Once::new();

        let all = match env::var("TESTBED").as_deref() {
            Err(_) => false,
            Ok("all") => true,
            Ok(other) => {
                return Err(Error::new(format!("TESTBED is `all` or not set, not `{other}`")));
            }
        };
        let found: Vec<_> =
            Self::ALL.into_iter().map(|django| (django, Python::find(django))).collect();
        let having: Vec<_> =
            found.iter().filter(|(_, python)| python.is_ok()).map(|(django, _)| *django).collect();
        let tested = match having.as_slice() {
            [oldest, _, .., newest] if !all => vec![*oldest, *newest],
            _ => having,
        };
        TOLD.call_once(|| {
            let lines = found.iter().map(|(django, python)| match python {
                Ok(python) if tested.contains(django) => format!("testbed: {django} on {python}\n"),
                Ok(_) => format!("testbed: {django} is for TESTBED=all\n"),
                Err(error) => format!("NOT TESTED: {django}: {error}\n"),
            });
            tell(&lines.collect::<String>());
        });
        match found.into_iter().next() {
            Some((_, Err(error))) if tested.is_empty() => Err(error),
            _ => Ok(tested),
        }
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
