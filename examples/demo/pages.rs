//! The look of the Rust pages: that of the Django pages, with another badge.

use std::{
    fmt::Write,
    time::{Instant, SystemTime},
};

use actix_django_session::CsrfToken;
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    dev::ServiceRequest,
    http::header::{ContentType, HttpDate},
};

/// Django's templates include the same file.
const STYLE: &str = include_str!("../../tests/django/accounts/templates/style.css");

pub(crate) const WHAT_TO_TRY: &str = "
<h2>What to try</h2>
<ul>
<li>Open the <a href=\"/dashboard\">dashboard</a>: Rust sends you to Django's login page, and back.</li>
<li>Leave a note there: a form of a Rust page, protected by the token of Django's cookie.</li>
<li>Choose a language here, and put something into the cart: Rust does it, and Django's <a href=\"/cart/\">cart</a> has it.</li>
<li>Log out on a Rust page or on a Django page: the dashboard is closed again.</li>
<li>Log in with two browsers and change the password in one: the other is out, at once.</li>
<li>Put something into the cart without logging in: a session, and nobody in it.</li>
<li><a href=\"/api/me\">/api/me</a> without a login: a 401 instead of a redirect.</li>
</ul>";

pub(crate) const WHO_ANSWERS_WHAT: &str = "
<h2>Who answers what</h2>
<table>
<tr><td><span class=\"from rust\">Rust</span></td><td><code>/</code> <code>/dashboard</code> <code>/notes</code> <code>/api/me</code> <code>/cart/add</code> <code>/language</code> <code>/logout</code></td></tr>
<tr><td><span class=\"from\">Django</span></td><td>every other path: log-in, its own log-out, passwords, the account page, the cart</td></tr>
</table>
<p>Both read and write one session.</p>";

pub(crate) const CHANGE_PASSWORD: &str = "
<p><a href=\"/accounts/password_change/\">Change the password</a>: Django ends every other session of yours,
and Rust shows those browsers the login page at once.</p>";

/// A page of the Rust side.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// HTML.
    pub(crate) body: &'a str,
    pub(crate) logged_in: bool,
    pub(crate) csrf_token: &'a CsrfToken,
}

impl Page<'_> {
    pub(crate) fn respond(&self, req: &HttpRequest) -> HttpResponse {
        let title = escape(self.title);
        let took = took(req);
        let login_or_logout = match self.logged_in {
            true => log_out(self.csrf_token),
            false => log_in(req.uri().path()),
        };
        let html = format!(
            "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title} – Rust</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
  <span class=\"from rust\">Rust made this page{took}</span>
  <nav>
    <a href=\"/\">Home</a>
    <a href=\"/dashboard\">Dashboard</a>
    <a href=\"/api/me\">/api/me</a>
    <a href=\"/account/\">Account</a>
    <a href=\"/cart/\">Cart</a>
    {login_or_logout}
  </nav>
</header>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
",
            body = self.body,
        );
        HttpResponse::Ok().content_type(ContentType::html()).body(html)
    }
}

fn log_in(next: &str) -> String {
    format!("<a class=\"last\" href=\"/accounts/login/?next={}\">Log in</a>", escape(next))
}

fn log_out(csrf_token: &CsrfToken) -> String {
    format!(
        "<form class=\"last\" method=\"post\" action=\"/logout\">{}\
         <button>Log out</button></form>",
        csrf_token.input()
    )
}

/// What changes the session of whoever is there.
pub(crate) fn session_forms(csrf_token: &CsrfToken) -> String {
    let token = csrf_token.input();
    format!(
        "<form method=\"post\" action=\"/cart/add\">{token}<button>Put one into the cart</button></form>
<form method=\"post\" action=\"/language\">{token}
<button name=\"language\" value=\"en\">English</button>
<button name=\"language\" value=\"de\">Deutsch</button>
<button name=\"language\" value=\"fr\">Français</button></form>"
    )
}

/// Notes, and a form for another one.
pub(crate) fn notes(notes: &[String], csrf_token: &CsrfToken) -> String {
    let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))).collect();
    format!(
        "<h2>Your notes</h2>
<ul>
{items}</ul>
<form method=\"post\" action=\"/notes\">{}<input name=\"text\" required><button>Note</button></form>",
        csrf_token.input()
    )
}

/// When a request came in.
struct Began(Instant);

/// Remembers when a request came in, before any middleware.
pub(crate) fn begin(req: &ServiceRequest) {
    req.extensions_mut().insert(Began(Instant::now()));
}

/// How long Rust took so far, with the middleware and its look-ups.
fn took(req: &HttpRequest) -> String {
    match req.extensions().get::<Began>() {
        Some(Began(began)) => format!(" in {:.1} ms", began.elapsed().as_secs_f64() * 1000.0),
        None => String::new(),
    }
}

/// A moment as the Django pages write it: `Thu, 26 Nov 2026 14:03 UTC`.
pub(crate) fn moment(time: SystemTime) -> String {
    let date = HttpDate::from(time).to_string();
    format!("{} UTC", &date[.."Thu, 26 Nov 2026 14:03".len()])
}

/// Names and values as a list.
pub(crate) fn rows(facts: &[(&str, String)]) -> String {
    let mut html = String::from("<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    html + "</dl>\n"
}

/// Text as it stands in HTML, in attributes too.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#x27;",
            _ => html.push(char),
        }
    }
    html
}
