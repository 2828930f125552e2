//! The look of the Rust pages: that of the Django pages, with another badge.

use std::{
    fmt::Write,
    time::{Instant, SystemTime},
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    dev::ServiceRequest,
    http::header::{self, ContentType, HttpDate},
};

/// Django's templates include the same file.
const STYLE: &str = include_str!("../../tests/django/accounts/templates/style.css");

pub(crate) const WHAT_TO_TRY: &str = "
<h2>What to try</h2>
<ul>
<li>Open the <a href=\"/dashboard\">dashboard</a>: Rust sends you to Django's login page, and back.</li>
<li>Log out on a Rust page: the dashboard is closed again.</li>
<li>Log in with two browsers and change the password in one: the other is out, at once.</li>
<li>Put something into the cart without logging in: a session, and nobody in it.</li>
<li><a href=\"/api/me\">/api/me</a> without a login: a 401 instead of a redirect.</li>
</ul>";

pub(crate) const WHO_ANSWERS_WHAT: &str = "
<h2>Who answers what</h2>
<table>
<tr><td><span class=\"from rust\">Rust</span></td><td><code>/</code> <code>/dashboard</code> <code>/api/me</code></td></tr>
<tr><td><span class=\"from\">Django</span></td><td>every other path: log-in, log-out, passwords, the account page, the cart</td></tr>
</table>
<p>Both look at one session: Django writes it, Rust reads it.</p>";

pub(crate) const CHANGE_PASSWORD: &str = "
<p><a href=\"/accounts/password_change/\">Change the password</a>: Django ends every other session of yours,
and Rust shows those browsers the login page at once.</p>";

/// A page of the Rust side.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// HTML.
    pub(crate) body: &'a str,
    pub(crate) logged_in: bool,
}

impl Page<'_> {
    pub(crate) fn respond(&self, req: &HttpRequest) -> HttpResponse {
        let title = escape(self.title);
        let took = took(req);
        let login_or_logout = if self.logged_in { log_out(req) } else { log_in(req.uri().path()) };
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

/// Django wants a POST with its CSRF token, and takes the one from its cookie: on a host that both
/// sides share, a Rust page can send it along.
fn log_out(req: &HttpRequest) -> String {
    match csrf_token(req) {
        Some(token) => format!(
            "<form class=\"last\" method=\"post\" action=\"/accounts/logout/\">\
             <input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{}\">\
             <button>Log out</button></form>",
            escape(token)
        ),
        // Django's own page has the form.
        None => "<a class=\"last\" href=\"/account/\">Log out</a>".to_owned(),
    }
}

fn csrf_token(req: &HttpRequest) -> Option<&str> {
    let cookies = req.headers().get(header::COOKIE)?.to_str().ok()?.split(';');
    cookies.rev().find_map(|cookie| cookie.trim().strip_prefix("csrftoken="))
}

/// When a request came in.
struct Began(Instant);

/// Remembers when a request came in, before any gate.
pub(crate) fn begin(req: &ServiceRequest) {
    req.extensions_mut().insert(Began(Instant::now()));
}

/// How long Rust took so far, with the gate and its look-ups.
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
