//! Why the REST framework refuses a credential, in its own words.

use serde::Serialize;

/// Why the credential of a request is refused. `Display` is the English text of `rest_framework` and
/// `rest_framework_simplejwt`.
///
/// No variant carries the credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationFailed {
    /// `Basic` without credentials.
    #[error("Invalid basic header. No credentials provided.")]
    BasicWithoutCredentials,
    /// `Basic` and several words.
    #[error("Invalid basic header. Credentials string should not contain spaces.")]
    BasicWithSpaces,
    /// `Basic`, but the credentials are not base64, or have no colon between name and password.
    #[error("Invalid basic header. Credentials not correctly base64 encoded.")]
    BasicNotBase64,
    /// No such user, a wrong password, or an account that is not active.
    #[error("Invalid username/password.")]
    InvalidUsernamePassword,
    /// `Token` without a token.
    #[error("Invalid token header. No credentials provided.")]
    TokenWithoutCredentials,
    /// `Token` and several words.
    #[error("Invalid token header. Token string should not contain spaces.")]
    TokenWithSpaces,
    /// `Token`, but the token is not UTF-8.
    #[error("Invalid token header. Token string should not contain invalid characters.")]
    TokenNotUtf8,
    /// No row has this token.
    #[error("Invalid token.")]
    InvalidToken,
    /// The account of a token, or of a name and password, is not active.
    #[error("User inactive or deleted.")]
    UserInactiveOrDeleted,
    /// The header announces a JWT, and not exactly one word follows.
    #[error("Authorization header must contain two space-delimited values")]
    BadAuthorizationHeader,
    /// None of the site's `AUTH_TOKEN_CLASSES` accepts the JWT: the message of each class.
    #[error("Given token not valid for any token type")]
    TokenNotValid(Vec<TokenMessage>),
    /// The JWT lacks the `USER_ID_CLAIM`.
    #[error("Token contained no recognizable user identification")]
    NoUserIdentification,
    /// The JWT names a user who does not exist.
    #[error("User not found")]
    UserNotFound,
    /// The JWT names a user whose account is not active.
    #[error("User is inactive")]
    UserInactive,
    /// The password was changed since the JWT was issued (`CHECK_REVOKE_TOKEN`).
    #[error("The user's password has been changed.")]
    PasswordChanged,
    /// The `after_get_user` hook of the service, or an authentication class of the site's own, refuses it.
    #[error("Incorrect authentication credentials.")]
    Refused,
}

impl AuthenticationFailed {
    /// Returns the `code` in the body of the response, which only JWTs have.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::BadAuthorizationHeader => Some("bad_authorization_header"),
            Self::TokenNotValid(_) | Self::NoUserIdentification => Some("token_not_valid"),
            Self::UserNotFound => Some("user_not_found"),
            Self::UserInactive => Some("user_inactive"),
            Self::PasswordChanged => Some("password_changed"),
            _ => None,
        }
    }
}

/// The message of one of the `AUTH_TOKEN_CLASSES` about a JWT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenMessage {
    /// The name of the class: `AccessToken`.
    pub token_class: String,
    /// Its token type: `access`.
    pub token_type: String,
    /// The message: `Token is expired`.
    pub message: &'static str,
}

impl TokenMessage {
    pub(crate) fn new(token_class: &str, token_type: &str, message: &'static str) -> Self {
        Self { token_class: token_class.into(), token_type: token_type.into(), message }
    }
}
