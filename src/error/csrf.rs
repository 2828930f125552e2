//! Why the CSRF check fails.

/// Why Django's CSRF check refuses a request. `Display` is exactly Django's text.
///
/// No variant contains a secret or a token. A `String` is what the client sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfReason {
    /// The `Origin` header names a site that is not trusted.
    #[error("Origin checking failed - {0} does not match any trusted origins.")]
    BadOrigin(String),
    /// The request is HTTPS, and has neither `Origin` nor `Referer`.
    #[error("Referer checking failed - no Referer.")]
    NoReferer,
    /// The `Referer` header is not a URL.
    #[error("Referer checking failed - Referer is malformed.")]
    MalformedReferer,
    /// The request is HTTPS, and its `Referer` is not.
    #[error("Referer checking failed - Referer is insecure while host is secure.")]
    InsecureReferer,
    /// The `Referer` header names a site that is not trusted.
    #[error("Referer checking failed - {0} does not match any trusted origins.")]
    BadReferer(String),
    /// There is no CSRF cookie, or no secret in the session.
    #[error("CSRF cookie not set.")]
    NoCookie,
    /// The value of the CSRF cookie is not a secret.
    #[error("CSRF cookie {0}.")]
    BadCookie(CsrfTokenFault),
    /// Neither the form nor the header has a token.
    #[error("CSRF token missing.")]
    TokenMissing,
    /// The token in the form does not match the secret.
    #[error("CSRF token from POST {0}.")]
    BadFormToken(CsrfTokenFault),
    /// The token in the header does not match the secret.
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
    /// Some characters are not ASCII letters or digits.
    #[error("has invalid characters")]
    InvalidCharacters,
    /// It does not match the secret.
    #[error("incorrect")]
    Incorrect,
}

/// Why a form cannot be read. Most variants are exceptions that Django turns into a 400 while it looks for
/// the CSRF token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// It exceeds `DATA_UPLOAD_MAX_MEMORY_SIZE`, files not counted.
    #[error("it exceeds DATA_UPLOAD_MAX_MEMORY_SIZE")]
    RequestDataTooBig,
    /// It exceeds `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
    #[error("it exceeds DATA_UPLOAD_MAX_NUMBER_FIELDS")]
    TooManyFieldsSent,
    /// It exceeds `DATA_UPLOAD_MAX_NUMBER_FILES`.
    #[error("it exceeds DATA_UPLOAD_MAX_NUMBER_FILES")]
    TooManyFilesSent,
    /// The first [`max_form_spool`](crate::DjangoSettings::max_form_spool) bytes contain no right CSRF
    /// token. The rest was not read. Status 413.
    #[error("no right CSRF token came within max_form_spool, and the rest was not looked at")]
    ExceedsSpool,
    /// Its content type is `multipart/form-data`, but its body is not.
    #[error("it is malformed multipart/form-data")]
    MultiPartParserError,
    /// A form that is not multipart must be UTF-8.
    #[error("it names a charset that is not UTF-8")]
    NotUtf8,
}
