//! # Coming from go-gin-django-session
//!
//! The structure is the same: the middleware does little, and the session data is decoded only when a handler asks for it.
//!
//! | there | here |
//! |---|---|
//! | `NewClient(ClientConfig)` | [`DjangoSite::new`](crate::DjangoSite::new), [`DjangoSettings`](crate::DjangoSettings) |
//! | `Client.GetRawSession` | [`DjangoSite::load`](crate::DjangoSite::load) |
//! | `RawSession` | [`DjangoSession`](crate::DjangoSession) |
//! | `Client.DecodeSessionUserID` | [`DjangoUserId`](crate::DjangoUserId), or [`DjangoSession::user_id`](crate::DjangoSession::user_id) |
//! | `DecodeSessionData`, `...WithMaxAge`, `...WithSalt` | [`SessionData::decode`](crate::SessionData::decode) and [`SessionData::user_id`](crate::SessionData::user_id); [`session_data_max_age`](crate::DjangoSettings::session_data_max_age) and [`session_key_salt`](crate::DjangoSettings::session_key_salt) are settings |
//! | `EncodeSessionData`, `...WithSalt` | [`SessionData::from_object`](crate::SessionData::from_object) and [`SessionData::encode`](crate::SessionData::encode) |
//! | `UpdateSessionData`, `...WithSalt` | [`DjangoSessionMut`](crate::DjangoSessionMut); or decode, [`SessionData::insert`](crate::SessionData::insert) or [`SessionData::remove`](crate::SessionData::remove), encode |
//! | `DjangoSigner.SignObject`, `.UnsignObject` | [`signing::TimestampSigner::sign_object`](crate::signing::TimestampSigner::sign_object), [`unsign_object`](crate::signing::TimestampSigner::unsign_object) |
//! | `DjangoSigner.SignTimestamp`, `.UnsignTimestamp` | [`signing::TimestampSigner::sign`](crate::signing::TimestampSigner::sign), [`unsign`](crate::signing::TimestampSigner::unsign) |
//! | `DjangoSigner.Unsign` | [`signing::Signer::unsign`](crate::signing::Signer::unsign) |
//! | `AuthMiddleware` | [`DjangoSessionMiddleware::required`](crate::DjangoSessionMiddleware::required); you probably want [`login_required`](crate::DjangoSessionMiddleware::login_required) |
//! | `OptionalAuthMiddleware` | [`DjangoSessionMiddleware::optional`](crate::DjangoSessionMiddleware::optional) |
//! | `OnError` | [`error_handler`](crate::DjangoSessionMiddleware::error_handler) |
//! | `ErrSessionNotFound`, `ErrSessionExpired` | [`Error::SessionNotFound`](crate::Error::SessionNotFound), [`Error::SessionExpired`](crate::Error::SessionExpired) |
//! | `ErrInvalidSignature` (never returned there) | [`Error::Undecodable`](crate::Error::Undecodable) |
//! | `ErrUserNotFound` (never returned there) | [`NotLoggedIn::NoSuchUser`](crate::NotLoggedIn::NoSuchUser) |
//!
//! These differences are on purpose:
//!
//! - The default login URL there is `/account/login`. Here it is Django's own, `/accounts/login/`, and the redirect leads
//!   back by `?next=`.
//! - If the database is unavailable, the response here is a 503. There the visitor looks anonymous.
//! - The middleware here checks the CSRF token of every request that may change something: see
//!   [Forms and CSRF](super::forms).
//! - `login_required` rejects a user who was deactivated or deleted, or whose password has changed. There the id in the
//!   session is enough.
//!
//! This changes session data by hand:
//!
//! ```
//! use actix_django_session::{DjangoSettings, SessionData, SessionSigner};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let signer = SessionSigner::new(&DjangoSettings::new("the SECRET_KEY of settings.py"))?;
//! # let mut data = SessionData::new();
//! # data.insert("_auth_user_id", "7")?;
//! # let session_data = data.encode(&signer);
//! let mut data = SessionData::decode(&session_data, &signer)?;
//! data.insert("cart", &["book"])?;
//! let session_data = data.encode(&signer); // Django can read this
//! # assert_eq!(SessionData::decode(&session_data, &signer)?.user_id().as_deref(), Some("7"));
//! # Ok(())
//! # }
//! ```
