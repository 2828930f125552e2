//! Login, logout and a new password: all three count for Django too.

use actix_django_session::{DjangoSessionMut, DjangoSite, DjangoUser, Error};
use actix_web::{
    HttpRequest, HttpResponse, Responder,
    web::{Form, Redirect},
};
use serde::Deserialize;

use super::html::{Page, escape};

/// For the demo alone.
pub(crate) const USERNAME: &str = "ada";
pub(crate) const PASSWORD: &str = "lovelace-1815";

/// `MinimumLengthValidator` of Django, in characters. The site's other validators are Python.
const MINIMUM_LENGTH: usize = 8;

#[derive(Deserialize)]
pub(crate) struct LogIn {
    username: String,
    password: String,
    next: Option<String>,
}

pub(crate) async fn log_in_page(req: HttpRequest, page: Page, site: DjangoSite) -> HttpResponse {
    log_in_form(&page, site.safe_next(&req, None))
}

/// Gets only forms from pages of this site: the middleware has checked that.
pub(crate) async fn log_in(
    req: HttpRequest,
    page: Page,
    site: DjangoSite,
    session: DjangoSessionMut,
    Form(form): Form<LogIn>,
) -> Result<HttpResponse, Error> {
    let next = form.next.as_deref();
    let Some(user) = site.authenticate(form.username.trim(), &form.password).await? else {
        // The name that was typed is not shown: it may be a password.
        tracing::warn!("wrong name or password");
        page.messages.error("That name and that password do not belong together.");
        return Ok(log_in_form(&page, site.safe_next(&req, next)));
    };
    session.login(&user).await?;
    tracing::info!(user_id = user.id(), "logged in");
    page.messages.success(format!("Rust logged you in, {}.", user.username()));
    Ok(site.redirect_after_login(&req, next))
}

fn log_in_form(page: &Page, next: Option<String>) -> HttpResponse {
    let next = next.map_or(String::new(), |next| {
        format!("<input type=\"hidden\" name=\"next\" value=\"{}\">", escape(&next))
    });
    let fields = format!(
        "{next}<p>In this demo: <code>{USERNAME}</code> and <code>{PASSWORD}</code></p>{}{}",
        field("Name", "username", "text", "username"),
        field("Password", "password", "password", "current-password"),
    );
    page.show("Log in", &account_form(page, "/login/", &fields, "Log in"))
}

/// As Django's own view: deletes the row and the cookie.
pub(crate) async fn log_out(
    page: Page,
    session: DjangoSessionMut,
) -> Result<impl Responder, Error> {
    session.logout().await?;
    if let Some(user) = page.user {
        tracing::info!(user_id = user.id(), "logged out");
    }
    page.messages.info("Rust logged you out.");
    Ok(Redirect::to("/").see_other())
}

#[derive(Deserialize)]
pub(crate) struct NewPassword {
    old_password: String,
    new_password1: String,
    new_password2: String,
}

pub(crate) async fn password_page(page: Page) -> HttpResponse {
    let fields = [
        field("Old password", "old_password", "password", "current-password"),
        field("New password", "new_password1", "password", "new-password"),
        field("New password again", "new_password2", "password", "new-password"),
    ];
    let form = account_form(&page, "/password/", &fields.concat(), "Change it");
    page.show("Change the password", &form)
}

/// This session stays valid. The user's other sessions end when they are next used.
pub(crate) async fn change_password(
    page: Page,
    user: DjangoUser,
    site: DjangoSite,
    session: DjangoSessionMut,
    Form(form): Form<NewPassword>,
) -> Result<impl Responder, Error> {
    let mistake = if form.new_password1 != form.new_password2 {
        Some("The two new passwords differ.".to_owned())
    } else if form.new_password1.chars().count() < MINIMUM_LENGTH {
        Some(format!("A password has at least {MINIMUM_LENGTH} characters."))
    } else if site.authenticate(user.username(), &form.old_password).await?.is_none() {
        Some("That is not your old password.".to_owned())
    } else {
        None
    };
    if let Some(mistake) = mistake {
        page.messages.error(mistake);
        return Ok(Redirect::to("/password/").see_other());
    }
    let user = site.set_password(&user, &form.new_password1).await?;
    session.update_session_auth_hash(&user).await?;
    tracing::info!(user_id = user.id(), "password changed");
    page.messages.success("Rust changed your password. Your other sessions have ended.");
    Ok(Redirect::to("/dashboard").see_other())
}

fn account_form(page: &Page, action: &str, fields: &str, button: &str) -> String {
    let inner = format!("<div>{fields}<p class=\"submit\"><button>{button}</button></p></div>");
    page.form(action, &inner)
}

fn field(label: &str, name: &str, kind: &str, autocomplete: &str) -> String {
    format!(
        "<label for=\"{name}\">{label}</label>\
         <input id=\"{name}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"{autocomplete}\" required>"
    )
}
