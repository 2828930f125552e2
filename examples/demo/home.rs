//! The user, the permissions and the session of the visitor.

use actix_django_session::{
    DjangoSession, DjangoSessionMut, DjangoUser, Error, OptionalDjangoSession,
};
use actix_web::{
    HttpResponse, Responder,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web::{Json, Redirect},
};
use serde_json::json;

use super::html::{Page, facts, moment};

/// The permission that the demo grants and takes away.
pub(crate) const LETTERS: &str = "accounts.read_letters";

const RUST: &str = "<span class=\"from rust\">Rust</span>";
const DJANGO: &str = "<span class=\"from\">Django</span>";

const BOTH: &str = "
<p>This page is Rust's. Django has the users, the sessions and the permissions; this service reads and writes them as \
Django does.</p>
";

const WHAT_TO_TRY: &str = r#"
<h2>Two servers, one login</h2>
<table>
<thead><tr><th>What one side does, the other knows at once</th><th>Rust</th><th>Django</th></tr></thead>
<tr>
  <td>Log in</td>
  <td><a href="/login/">log in</a></td>
  <td><a href="/accounts/login/">log in</a></td>
</tr>
<tr>
  <td>Who am I</td>
  <td><a href="/dashboard">dashboard</a></td>
  <td><a href="/account/">account</a></td>
</tr>
<tr>
  <td>Change the password: other browsers are logged out</td>
  <td><a href="/password/">change</a></td>
  <td><a href="/accounts/password_change/">change</a></td>
</tr>
<tr>
  <td>The cart: a session, also without a login</td>
  <td>the button above</td>
  <td><a href="/cart/">cart</a></td>
</tr>
<tr>
  <td>A permission</td>
  <td><a href="/letters">asks for it</a></td>
  <td><a href="/dashboard">grants it</a></td>
</tr>
<tr>
  <td>A WebSocket that closes when you log out</td>
  <td><a href="/live">open</a></td>
  <td></td>
</tr>
<tr>
  <td>The same answer, with times</td>
  <td colspan="2"><a href="/compare">side by side</a></td>
</tr>
</table>
<p class="note">A program asks <code>curl -i /api/me</code> and gets JSON: a 401 instead of the login page.</p>
"#;

/// Behind `optional`: for all visitors.
pub(crate) async fn home(
    page: Page,
    OptionalDjangoSession(session): OptionalDjangoSession,
) -> HttpResponse {
    let you = page.user.as_ref().map_or("not logged in", |user| user.username());
    let mut rows = vec![("You are", you.to_owned())];
    match &session {
        Some(session) => rows.extend(session_facts(session)),
        None => rows.push(("Your session", "you have none".to_owned())),
    }
    let body = BOTH.to_owned() + &facts(rows) + &cart_form(&page) + WHAT_TO_TRY;
    page.show("A Django site, half of it in Rust", &body)
}

/// Behind `login_required`.
pub(crate) async fn dashboard(
    page: Page,
    user: DjangoUser,
    session: DjangoSession,
) -> Result<HttpResponse, Error> {
    let held: Vec<_> = user.permissions().await?.iter().map(String::as_str).collect();
    let permissions = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    let mut rows = vec![("Your user id", user.id().to_owned()), ("Your permissions", permissions)];
    rows.extend(session_facts(&session));
    let permission = match held.contains(&LETTERS) {
        true => "Take the permission away",
        false => "Grant me the permission",
    };
    let permission = format!(
        "<button>{permission}</button><span>{DJANGO} does it, {RUST} asks for it on \
         <a href=\"/letters\">Letters</a></span>"
    );
    let password = format!(
        "<p>Change the password: {RUST} <a href=\"/password/\">here</a>, or {DJANGO} \
         <a href=\"/accounts/password_change/\">there</a></p>"
    );
    let body =
        facts(rows) + &cart_form(&page) + &page.form("/permission/", &permission) + &password;
    Ok(page.show(&format!("Hello, {}", user.username()), &body))
}

fn cart_form(page: &Page) -> String {
    let inner = format!(
        "<button>Put one into the cart</button><span>{RUST} does it, {DJANGO} shows it</span>"
    );
    page.form("/cart/add", &inner)
}

fn session_facts(session: &DjangoSession) -> [(&'static str, String); 2] {
    // Data that cannot be decoded is an empty session, as for Django.
    let cart = session.get::<u64>("cart").ok().flatten().unwrap_or_default();
    [("Your session ends", moment(session.expire_date())), ("In your cart", cart.to_string())]
}

/// Behind `permission_required`: every user who comes here has the permission.
pub(crate) async fn letters(page: Page) -> HttpResponse {
    let letter = "<p>“The Analytical Engine weaves algebraical patterns just as the Jacquard-loom weaves flowers and \
                  leaves.”</p>\n<p>Django granted you <code>accounts.read_letters</code>; Rust asked for it. Take \
                  it away on the <a href=\"/dashboard\">dashboard</a>, and this page closes.</p>";
    page.show("Letters", letter)
}

/// The same cart that Django's page fills. If two requests add to it at once, both count.
pub(crate) async fn add_to_cart(
    page: Page,
    session: DjangoSessionMut,
) -> Result<impl Responder, Error> {
    session.update("cart", |things: &mut u64| *things += 1)?;
    page.messages.success("Rust put one into your cart.");
    // A page of Django's, which shows the message.
    Ok(Redirect::to("/cart/").see_other())
}

/// Behind `login_required`, with a 401 instead of the redirect to the login page.
pub(crate) async fn me(user: DjangoUser) -> Result<impl Responder, Error> {
    let permissions = user.permissions().await?;
    Ok(Json(json!({ "id": user.id(), "username": user.username(), "permissions": permissions })))
}

/// An icon, half of it in the colour of Rust.
const ICON: &str = r##"
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
  <rect width="16" height="16" rx="4" fill="#a4400f"/>
  <path d="M8 0h4a4 4 0 0 1 4 4v8a4 4 0 0 1-4 4H8z" fill="#0c6b47"/>
</svg>"##;

/// Without it, every browser would ask Django for an icon.
pub(crate) async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "image/svg+xml"))
        .insert_header((CACHE_CONTROL, "max-age=86400"))
        .body(ICON)
}
