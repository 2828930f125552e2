//! What Rust answers itself.

use std::{collections::HashMap, sync::Mutex};

use actix_django_session::{
    CsrfToken, DjangoSession, DjangoSessionMiddleware, DjangoSite, DjangoUser,
    OptionalDjangoSession, OptionalDjangoUser,
};
use actix_web::{
    HttpRequest, HttpResponse, Responder, Route, guard,
    web::{self, Data, Form, Redirect, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    pages::{self, Page, moment, rows},
    session,
};

/// Built once; every worker gets a clone of the middlewares.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let optional = DjangoSessionMiddleware::optional(site.clone());
    let middleware = DjangoSessionMiddleware::login_required(site);
    let api = middleware.clone().unauthorized();
    let notes = Notes::default();
    move |app| {
        let for_all = |path| web::resource(path).wrap(optional.clone());
        app.app_data(notes.clone())
            .service(for_all("/").route(read().to(home)))
            .service(
                web::resource("/dashboard").wrap(middleware.clone()).route(read().to(dashboard)),
            )
            .service(web::resource("/notes").wrap(middleware.clone()).post(note))
            .service(for_all("/cart/add").post(session::add_to_cart))
            .service(for_all("/language").post(session::choose_language))
            .service(for_all("/logout").post(session::log_out))
            .service(web::resource("/api/me").wrap(api.clone()).route(read().to(me)));
    }
}

/// A route for what Django's views answer to a reader: GET, and HEAD with it.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The notes of each user, as long as the demo runs.
type Notes = Data<Mutex<HashMap<String, Vec<String>>>>;

#[derive(Deserialize)]
struct Note {
    text: String,
}

/// Behind `optional`: for everybody.
async fn home(
    req: HttpRequest,
    csrf_token: CsrfToken,
    OptionalDjangoUser(user): OptionalDjangoUser,
    OptionalDjangoSession(session): OptionalDjangoSession,
) -> HttpResponse {
    let mut facts = vec![match &user {
        Some(user) => ("You are", user.username().to_owned()),
        None => ("You are", "not logged in".to_owned()),
    }];
    let mut language = String::new();
    match &session {
        Some(session) => {
            // Data that cannot be decoded is an empty session, as it is to Django.
            let cart = session.get::<u64>("cart").ok().flatten().unwrap_or_default();
            facts.push(("Your session ends", moment(session.expire_date())));
            facts.push(("In your cart", cart.to_string()));
            if let Ok(Some(code)) = session.get::<String>("language") {
                language = code;
            }
        }
        None => facts.push(("Your session", "you have none".to_owned())),
    }
    let welcome = session::LANGUAGES.iter().find(|(code, _)| *code == language);
    let title = welcome.map_or("Home", |(_, welcome)| welcome);
    let body = rows(&facts)
        + &pages::session_forms(&csrf_token)
        + pages::WHAT_TO_TRY
        + pages::WHO_ANSWERS_WHAT;
    let logged_in = user.is_some();
    Page { title, body: &body, logged_in, csrf_token: &csrf_token }.respond(&req)
}

/// Behind `login_required`.
async fn dashboard(
    req: HttpRequest,
    csrf_token: CsrfToken,
    user: DjangoUser,
    session: DjangoSession,
    notes: Notes,
) -> HttpResponse {
    let notes = notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let notes = notes.get(user.id()).map_or(&[][..], Vec::as_slice);
    let title = format!("Hello, {}", user.username());
    let body = rows(&[
        ("Your user id", user.id().to_owned()),
        ("Your session ends", moment(session.expire_date())),
    ]) + &pages::notes(notes, &csrf_token)
        + pages::CHANGE_PASSWORD;
    Page { title: &title, body: &body, logged_in: true, csrf_token: &csrf_token }.respond(&req)
}

/// Behind `login_required`, which lets only forms of this site's own pages through.
async fn note(user: DjangoUser, Form(note): Form<Note>, notes: Notes) -> impl Responder {
    let mut notes = notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    notes.entry(user.id().to_owned()).or_default().push(note.text);
    Redirect::to("/dashboard").see_other()
}

/// Behind `login_required`, with a 401 instead of the way to the login page.
async fn me(user: DjangoUser, session: DjangoSession) -> impl Responder {
    web::Json(json!({
        "id": user.id(),
        "username": user.username(),
        "session_ends": moment(session.expire_date()),
        "from": "Rust",
    }))
}
