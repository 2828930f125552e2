//! The look of the Rust pages: the same as that of the Django pages, with another badge.

use std::{
    fmt::{Display, Write},
    time::{Duration, Instant, SystemTime},
};

use actix_django_session::{CsrfToken, DjangoUser, Messages, OptionalDjangoUser};
use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::{Payload, ServiceRequest},
    http::{
        StatusCode,
        header::{ContentType, HttpDate},
    },
};
use futures_util::future::LocalBoxFuture;

/// Django's templates include the same file.
const STYLE: &str = include_str!("../../tests/django/accounts/templates/style.css");

/// What every page needs, as one extractor.
pub(crate) struct Page {
    req: HttpRequest,
    pub(crate) user: Option<DjangoUser>,
    pub(crate) messages: Messages,
    csrf_token: CsrfToken,
}

impl FromRequest for Page {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let (OptionalDjangoUser(user), messages, csrf_token) =
                <(OptionalDjangoUser, Messages, CsrfToken)>::extract(&req).await?;
            Ok(Self { req, user, messages, csrf_token })
        })
    }
}

impl Page {
    /// The page, with the messages that Rust and Django left for this visitor.
    pub(crate) fn show(&self, title: &str, body: &str) -> HttpResponse {
        let login_or_logout = match &self.user {
            Some(_) => self.form_of_class("last", "/logout", "<button>Log out</button>"),
            None => "<a class=\"last button\" href=\"/login/\">Log in</a>".to_owned(),
        };
        let messages = self.messages.read().iter().fold(String::new(), |html, message| {
            let (tags, message) = (escape(&message.tags()), message.html());
            html + &format!("<p class=\"message {tags}\" role=\"status\">{message}</p>\n")
        });
        let body = format!("{messages}<h1>{}</h1>\n{body}", escape(title));
        document(&self.req, StatusCode::OK, title, &login_or_logout, &body)
    }

    /// Leaves out the time of the page, for pages that wait for others most of the time.
    pub(crate) fn without_time(self) -> Self {
        self.req.extensions_mut().remove::<Began>();
        self
    }

    /// A form that the middleware of Rust and of Django accepts: both know its token.
    pub(crate) fn form(&self, action: &str, inner: &str) -> String {
        self.form_of_class("row", action, inner)
    }

    fn form_of_class(&self, class: &str, action: &str, inner: &str) -> String {
        let token = self.csrf_token.input();
        format!(
            "<form class=\"{class}\" method=\"post\" action=\"{action}\">{token}{inner}</form>\n"
        )
    }
}

/// A page for a request that was rejected: its user is unknown.
pub(crate) fn refusal(
    req: &HttpRequest,
    status: StatusCode,
    title: &str,
    why: &str,
) -> HttpResponse {
    let back = "<a class=\"last button\" href=\"/dashboard\">Back</a>";
    document(req, status, title, back, &format!("<h1>{title}</h1>\n<p>{why}</p>"))
}

fn document(
    req: &HttpRequest,
    status: StatusCode,
    title: &str,
    last: &str,
    body: &str,
) -> HttpResponse {
    let links = [
        ("/", "Home"),
        ("/dashboard", "Dashboard"),
        ("/cart/", "Cart"),
        ("/letters", "Letters"),
        ("/live", "Live"),
        ("/compare", "Side by side"),
    ];
    let links = links.map(|(path, name)| match path == req.path() {
        true => format!("<a href=\"{path}\" aria-current=\"page\">{name}</a>"),
        false => format!("<a href=\"{path}\">{name}</a>"),
    });
    let took = match req.extensions().get::<Began>() {
        Some(Began(began)) => format!(" in {}", milliseconds(began.elapsed())),
        None => String::new(),
    };
    HttpResponse::build(status).content_type(ContentType::html()).body(format!(
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
  <nav>{links}</nav>
  {last}
</header>
<main>
<p class=\"by\"><span class=\"from rust\">Rust</span> made this page{took}</p>
{body}
</main>
</body>
</html>
",
        title = escape(title),
        links = links.join("\n  "),
    ))
}

/// When a request came in.
struct Began(Instant);

/// Remembers when a request came in, before any middleware.
pub(crate) fn begin(req: &ServiceRequest) {
    req.extensions_mut().insert(Began(Instant::now()));
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// A date as the Django pages write it: `Thu, 26 Nov 2026 14:03 UTC`.
pub(crate) fn moment(time: SystemTime) -> String {
    let date = HttpDate::from(time).to_string();
    format!("{} UTC", &date[.."Thu, 26 Nov 2026 14:03".len()])
}

/// Names and values as a list.
pub(crate) fn facts<N: Display, V: Display>(facts: impl IntoIterator<Item = (N, V)>) -> String {
    let mut html = String::from("<dl>\n");
    for (name, value) in facts {
        // A path may break behind its dots, so that a narrow page does not break its words.
        let (name, value) = (escape(&name.to_string()), escape(&value.to_string()));
        let value = value.replace('.', ".<wbr>");
        let _ = writeln!(html, "<dt>{name}</dt><dd>{value}</dd>");
    }
    html + "</dl>\n"
}

/// Escapes text for HTML, also for attributes.
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
