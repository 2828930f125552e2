use std::{error, fmt, io};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, for a person to read.
#[derive(Debug)]
pub struct Error {
    class: Option<String>,
    message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { class: None, message: message.into() }
    }

    pub(crate) fn from_python(class: &str, message: &str) -> Self {
        Self { class: Some(class.to_owned()), message: message.to_owned() }
    }

    /// The class of the Python exception, when it was one.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some(class) => write!(f, "{class}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let cause =
            error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::new(format!("{error}{cause}"))
    }
}
