//! Why a request is refused that may not have been meant by the visitor.

/// Why Django's CSRF check refuses a request. `Display` is Django's own text, to the letter.
///
/// No variant carries a secret or a token. A `String` is what the client sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfReason {
    /// The `Origin` header names a page that may not send requests here.
    #[error("Origin checking failed - {0} does not match any trusted origins.")]
    BadOrigin(String),
    /// HTTPS, and neither `Origin` nor `Referer` says where the request comes from.
    #[error("Referer checking failed - no Referer.")]
    NoReferer,
    /// The `Referer` header is no URL.
    #[error("Referer checking failed - Referer is malformed.")]
    MalformedReferer,
    /// HTTPS, and the page was not.
    #[error("Referer checking failed - Referer is insecure while host is secure.")]
    InsecureReferer,
    /// The `Referer` header names a page that may not send requests here.
    #[error("Referer checking failed - {0} does not match any trusted origins.")]
    BadReferer(String),
    /// There is no CSRF cookie, or no secret in the session.
    #[error("CSRF cookie not set.")]
    NoCookie,
    /// What the CSRF cookie holds is no secret.
    #[error("CSRF cookie {0}.")]
    BadCookie(CsrfTokenFault),
    /// Neither the form nor the header has a token.
    #[error("CSRF token missing.")]
    TokenMissing,
    /// The token in the form is not one of the cookie's secret.
    #[error("CSRF token from POST {0}.")]
    BadFormToken(CsrfTokenFault),
    /// The token in the header is not one of the cookie's secret.
    #[error("CSRF token from the '{header}' HTTP header {fault}.")]
    #[non_exhaustive]
    BadHeaderToken {
        /// The name of the header, as Django writes it: `X-Csrftoken`.
        header: String,
        /// What is wrong with the token.
        fault: CsrfTokenFault,
    },
}

/// What is wrong with a CSRF secret or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfTokenFault {
    /// It has neither 32 nor 64 characters.
    #[error("has incorrect length")]
    IncorrectLength,
    /// Not all of them are ASCII letters and digits.
    #[error("has invalid characters")]
    InvalidCharacters,
    /// It is a token of another secret.
    #[error("incorrect")]
    Incorrect,
}

/// Why a form cannot be read: mostly the exceptions that Django answers with a 400 while it looks for the
/// CSRF token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// More than `DATA_UPLOAD_MAX_MEMORY_SIZE`, files apart.
    #[error("it exceeds DATA_UPLOAD_MAX_MEMORY_SIZE")]
    RequestDataTooBig,
    /// More than `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
    #[error("it exceeds DATA_UPLOAD_MAX_NUMBER_FIELDS")]
    TooManyFieldsSent,
    /// More than `DATA_UPLOAD_MAX_NUMBER_FILES`.
    #[error("it exceeds DATA_UPLOAD_MAX_NUMBER_FILES")]
    TooManyFilesSent,
    /// No right CSRF token came within [`max_form_spool`](crate::DjangoSettings::max_form_spool): what is
    /// behind that was not looked at. Status 413.
    #[error("no right CSRF token came within max_form_spool, and the rest was not looked at")]
    ExceedsSpool,
    /// It is no `multipart/form-data`, though it says so.
    #[error("it is malformed multipart/form-data")]
    MultiPartParserError,
    /// A form that is not multipart has to be UTF-8.
    #[error("it names a charset that is not UTF-8")]
    NotUtf8,
}
