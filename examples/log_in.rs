//! Login, logout and a new password here instead of in Django: the page, `next`, a wrong password, and
//! messages that Django's pages show too.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example log_in
//! ```
//!
//! The role needs `UPDATE (last_login, password)` on the user table, and `INSERT`, `UPDATE` and `DELETE` on
//! `django_session`.
//!
//! What it leaves out: **the site's `AUTH_PASSWORD_VALIDATORS` are Python classes, and do not run here.**
//! Login does not use them, in Django neither. A new password does: this example checks for eight
//! characters and no more than that. Where a site has other rules, leave the page that changes passwords to
//! Django; what it does counts here.

use std::env;

use actix_django_session::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, DjangoUser,
    Error, Messages, OptionalDjangoUser,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder,
    http::header::ContentType,
    web::{self, Form, Redirect, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde::Deserialize;
use tokio_postgres::NoTls;

/// `MinimumLengthValidator` of Django, in characters.
const MINIMUM_LENGTH: usize = 8;

#[derive(Deserialize)]
struct LogIn {
    username: String,
    password: String,
    next: Option<String>,
}

#[derive(Deserialize)]
struct ChangePassword {
    old_password: String,
    new_password1: String,
    new_password2: String,
}

async fn log_in_page(
    req: HttpRequest,
    site: DjangoSite,
    csrf_token: CsrfToken,
    messages: Messages,
) -> HttpResponse {
    let next = site.safe_next(&req, None);
    log_in_form(&csrf_token, next.as_deref(), &shown(&messages))
}

/// Gets only forms from pages of this site: the middleware has checked that.
async fn log_in(
    req: HttpRequest,
    site: DjangoSite,
    session: DjangoSessionMut,
    csrf_token: CsrfToken,
    messages: Messages,
    Form(form): Form<LogIn>,
) -> Result<HttpResponse, Error> {
    let posted = form.next.as_deref();
    // The response and its time are the same for an unknown user and for a wrong password.
    let Some(user) = site.authenticate(form.username.trim(), &form.password).await? else {
        let next = site.safe_next(&req, posted);
        return Ok(log_in_form(&csrf_token, next.as_deref(), "<p>Wrong name or password.</p>"));
    };
    session.login(&user).await?;
    messages.success(format!("Welcome, {}.", user.username()));
    Ok(site.redirect_after_login(&req, posted))
}

fn log_in_form(csrf_token: &CsrfToken, next: Option<&str>, above: &str) -> HttpResponse {
    let next = next
        .map(|next| format!("<input type=\"hidden\" name=\"next\" value=\"{}\">", escape(next)));
    html(&format!(
        "{above}<form method=\"post\">{}{}\
         <label>Name <input name=\"username\" autocomplete=\"username\" required></label>\
         <label>Password <input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required></label><button>Log in</button></form>",
        csrf_token.input(),
        next.unwrap_or_default()
    ))
}

/// A form and not a link, so that no other page can log a visitor out.
async fn log_out(
    req: HttpRequest,
    site: DjangoSite,
    session: DjangoSessionMut,
    messages: Messages,
) -> Result<HttpResponse, Error> {
    session.logout().await?;
    messages.info("You are logged out.");
    let answer = site.redirect_after_logout(&req, None);
    Ok(answer.unwrap_or_else(|| html("<p>You are logged out.</p>")))
}

async fn front_page(
    user: OptionalDjangoUser,
    csrf_token: CsrfToken,
    messages: Messages,
) -> HttpResponse {
    let body = match &user.0 {
        Some(user) => format!(
            "<p>Hello, {}.</p><p><a href=\"/password/\">Change the password</a></p>\
             <form method=\"post\" action=\"/logout/\">{}<button>Log out</button></form>",
            escape(user.username()),
            csrf_token.input()
        ),
        None => "<p><a href=\"/login/\">Log in</a></p>".to_owned(),
    };
    html(&format!("{}{body}", shown(&messages)))
}

async fn password_page(_: DjangoUser, csrf_token: CsrfToken, messages: Messages) -> HttpResponse {
    html(&format!(
        "{}<form method=\"post\">{}\
         <label>Old password <input name=\"old_password\" type=\"password\" required></label>\
         <label>New password <input name=\"new_password1\" type=\"password\" required></label>\
         <label>Once more <input name=\"new_password2\" type=\"password\" required></label>\
         <button>Change it</button></form>",
        shown(&messages),
        csrf_token.input()
    ))
}

/// This session stays valid. The user's other sessions end when they are next used.
async fn change_password(
    user: DjangoUser,
    session: DjangoSessionMut,
    site: DjangoSite,
    messages: Messages,
    Form(form): Form<ChangePassword>,
) -> Result<impl Responder, Error> {
    let again = || Redirect::to("/password/").see_other();
    if form.new_password1 != form.new_password2 {
        messages.error("The two new passwords differ.");
        return Ok(again());
    }
    if form.new_password1.chars().count() < MINIMUM_LENGTH {
        messages.error(format!("A password has at least {MINIMUM_LENGTH} characters."));
        return Ok(again());
    }
    if site.authenticate(user.username(), &form.old_password).await?.is_none() {
        messages.error("That is not your old password.");
        return Ok(again());
    }
    let user = site.set_password(&user, &form.new_password1).await?;
    session.update_session_auth_hash(&user).await?;
    messages.success("Your password is changed.");
    Ok(Redirect::to("/").see_other())
}

/// The messages that the last page, or one of Django's, left.
fn shown(messages: &Messages) -> String {
    let item = |tags: String, html: String| format!("<p class=\"{}\">{html}</p>", escape(&tags));
    messages.read().iter().map(|message| item(message.tags(), message.html())).collect()
}

fn html(body: &str) -> HttpResponse {
    let page =
        format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>Account</title>\n{body}\n");
    HttpResponse::Ok().content_type(ContentType::html()).body(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let everyone = DjangoSessionMiddleware::optional(site.clone());
    let users = DjangoSessionMiddleware::login_required(site);
    move |app| {
        let login = web::resource("/login/").wrap(everyone.clone()).get(log_in_page).post(log_in);
        let logout = web::resource("/logout/").wrap(everyone.clone()).post(log_out);
        let password = web::resource("/password/").wrap(users.clone());
        app.service(login)
            .service(logout)
            .service(password.get(password_page).post(change_password))
            .service(web::resource("/").wrap(everyone.clone()).get(front_page));
    }
}

/// The settings that a service with a login needs; exported settings have most of them.
pub(crate) fn settings(secret_key: &str) -> DjangoSettings {
    let mut settings = DjangoSettings::new(secret_key);
    settings.write_sessions = true;
    // Without it, every form of this site fails the CSRF check.
    settings.allowed_hosts = vec!["localhost".into(), "127.0.0.1".into()];
    settings.login_url = "/login/".into();
    settings.login_redirect_url = "/".into();
    settings.logout_redirect_url = Some("/".into());
    settings
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings(&variable("DJANGO_SECRET_KEY")?))?;
    let routes = routes(site.clone());
    site.check().await?;
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
