//! For tests of your handlers: a session of your making in a request, without a database.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::HttpMessage;
use serde::Serialize;

use super::request::{Found, Visit};
pub use crate::auth::TestUser;
use crate::{
    auth::DjangoUser,
    error::Error,
    session::{DjangoSession, SessionData, SessionKey, SessionSigner},
    settings::DjangoSettings,
};

/// Logs a user in to a test request, as far as the session goes.
///
/// Works on whatever `TestRequest` makes, with a gate around the handler or without. Behind
/// `login_required`, and for [`DjangoUser`], take [`user`].
///
/// ```
/// use actix_django_session::{DjangoUserId, test};
/// use actix_web::{FromRequest, test::TestRequest};
///
/// # actix_web::rt::System::new().block_on(async {
/// let req = TestRequest::get().uri("/dashboard").to_http_request();
/// test::login(&req, 7);
/// assert_eq!(DjangoUserId::<i64>::extract(&req).await.unwrap().0, 7);
/// # });
/// ```
///
/// # Panics
/// Never in practice: the session data it makes is sound.
pub fn login(req: &impl HttpMessage, user_id: impl Display) -> DjangoSession {
    session(
        req,
        &serde_json::json!({
            "_auth_user_id": user_id.to_string(),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        }),
    )
}

/// Gives a test request a session with this data: a map or a struct, such as `json!({"cart": 1})`.
///
/// It ends in an hour and has a random key.
///
/// # Panics
/// If the data is no dictionary.
pub fn session<T: Serialize + ?Sized>(req: &impl HttpMessage, data: &T) -> DjangoSession {
    let settings = DjangoSettings::new("the secret key of a test request");
    let signer = SessionSigner::new(&settings).expect("the settings are sound");
    let data = SessionData::from_object(data).expect("session data is a dictionary");
    let session = DjangoSession::new(
        SessionKey::generate(),
        SystemTime::now() + Duration::from_secs(3600),
        data.encode(&signer),
        Arc::new(signer),
    );
    Visit { context: None, found: Found::session(Ok(session.clone())) }.attach(req);
    session
}

/// Gives a test request a session of this user, who counts as logged in.
///
/// ```
/// use actix_django_session::{DjangoUser, test::{self, TestUser}};
/// use actix_web::{FromRequest, test::TestRequest};
///
/// # actix_web::rt::System::new().block_on(async {
/// let req = TestRequest::get().to_http_request();
/// test::user(&req, TestUser::new(7, "ada").permissions(["shop.add_item"]));
/// let user = DjangoUser::extract(&req).await.unwrap();
/// assert!(user.has_perm("shop.add_item").await.unwrap());
/// # });
/// ```
///
/// # Panics
/// Never in practice: the session data it makes is sound.
pub fn user(req: &impl HttpMessage, user: TestUser) -> DjangoUser {
    let session = login(req, &user.id);
    let user = DjangoUser::of_test(user);
    Visit { context: None, found: Found::session_and_user(Ok(session), Ok(user.clone())) }
        .attach(req);
    user
}

/// Makes a test request one without a session, for handlers that are tested without a gate.
pub fn no_session(req: &impl HttpMessage) {
    Visit { context: None, found: Found::session(Err(Error::NoSessionKey)) }.attach(req);
}
