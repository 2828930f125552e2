//! What Rust does to the session: Django's pages see it at once.

use actix_django_session::{DjangoSessionMut, Error};
use actix_web::{
    Responder,
    web::{Form, Redirect},
};
use serde::Deserialize;

/// The languages of the home page, by what the session holds.
pub(crate) const LANGUAGES: [(&str, &str); 3] =
    [("en", "Welcome"), ("de", "Willkommen"), ("fr", "Bienvenue")];

#[derive(Deserialize)]
pub(crate) struct Choice {
    language: String,
}

/// The same cart that Django's page fills. Of two who put something in at once, none is lost.
pub(crate) async fn add_to_cart(session: DjangoSessionMut) -> Result<impl Responder, Error> {
    session.update("cart", |things: &mut u64| *things += 1)?;
    Ok(Redirect::to("/").see_other())
}

pub(crate) async fn choose_language(
    session: DjangoSessionMut,
    Form(choice): Form<Choice>,
) -> Result<impl Responder, Error> {
    if LANGUAGES.iter().any(|(code, _)| *code == choice.language) {
        session.insert("language", &choice.language)?;
    }
    Ok(Redirect::to("/").see_other())
}

/// As Django's own view: the row is gone, and the cookie.
pub(crate) async fn log_out(session: DjangoSessionMut) -> Result<impl Responder, Error> {
    session.logout().await?;
    Ok(Redirect::to("/").see_other())
}
