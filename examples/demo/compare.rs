//! The session as both sides see it, and the same request to both.

use std::time::{Duration, Instant};

use actix_django_session::{DjangoSession, DjangoUser, SessionData};
use actix_web::{
    HttpRequest, HttpResponse, Result,
    error::ErrorBadGateway,
    http::header::{COOKIE, HeaderValue},
    web::Data,
};
use serde_json::Value;

use super::{
    html::{Page, escape, facts, milliseconds, moment},
    proxy::Upstream,
};

/// The request to both. Visitors get Rust's answer; Django still has its own.
const PATH: &str = "/api/me";
/// How many requests each gets before it is measured, and while it is measured.
const WARM_UP: usize = 3;
const REQUESTS: usize = 21;

/// Values of the session that reveal no secret. Only the beginning of the others, and of the key, is shown.
const PLAIN: [&str; 3] = ["_auth_user_id", "_auth_user_backend", "cart"];

/// Behind `login_required`.
pub(crate) async fn compare(
    req: HttpRequest,
    page: Page,
    user: DjangoUser,
    session: DjangoSession,
    upstream: Data<Upstream>,
) -> Result<HttpResponse> {
    let here = format!("http://{}", req.app_config().local_addr());
    let cookie = req.headers().get(COOKIE).cloned().unwrap_or(HeaderValue::from_static(""));
    let mut rust = Side::new("Rust", "from rust", &here);
    let mut django = Side::new("Django", "from", upstream.url());
    // In turns, so that other load of this machine slows both down.
    for round in 0..WARM_UP + REQUESTS {
        for side in [&mut rust, &mut django] {
            let took = side.ask(&upstream, &cookie).await?;
            if round >= WARM_UP {
                side.times.push(took);
            }
        }
    }
    let equal = match rust.answer == django.answer {
        true => "The two answers are equal.",
        false => "The two answers differ!",
    };
    let slowest = rust.median().max(django.median());
    let build = match cfg!(debug_assertions) {
        true => "Rust is a debug build, as <code>cargo run</code> makes it",
        false => "Rust is a release build",
    };
    let body = format!(
        "<h2>The session of {}: cookie and row</h2>
{}<h2>What is in it</h2>
{}
<h2>GET {PATH}</h2>
<div class=\"sides\">{}{}</div>
<p class=\"note\">{equal} Each was asked {REQUESTS} times with your cookie, in turns, from this machine, over a \
connection that was open already; {WARM_UP} more were not counted. {build}; Django runs without DEBUG in a small \
server with threads, and keeps its database connection.</p>",
        escape(user.username()),
        row(&session),
        data(&session),
        rust.html(slowest),
        django.html(slowest),
    );
    Ok(page.without_time().show("Side by side", &body))
}

/// The cookie and the row in `django_session`.
fn row(session: &DjangoSession) -> String {
    let (key, session_data) = (session.key().as_str(), session.session_data());
    facts([
        ("Cookie", format!("sessionid={}", beginning(key))),
        ("session_key", beginning(key)),
        (
            "session_data",
            format!("{} ({} bytes, signed)", beginning(session_data), session_data.len()),
        ),
        ("expire_date", moment(session.expire_date())),
    ])
}

/// The decoded `session_data`; empty if it cannot be decoded, as for Django.
fn data(session: &DjangoSession) -> String {
    let values = session.data().into_iter().flat_map(SessionData::iter);
    facts(values.map(|(name, json)| {
        let value = json.trim_matches('"');
        let value = if PLAIN.contains(&&*name) { value.to_owned() } else { beginning(value) };
        (name, value)
    }))
}

fn beginning(text: &str) -> String {
    text.chars().take(5).chain(['…']).collect()
}

/// One of the two sides, and its answer.
struct Side {
    name: &'static str,
    class: &'static str,
    url: String,
    answer: Value,
    times: Vec<Duration>,
}

impl Side {
    fn new(name: &'static str, class: &'static str, url: &str) -> Self {
        Self { name, class, url: format!("{url}{PATH}"), answer: Value::Null, times: Vec::new() }
    }

    /// Sends the request once, and returns the time until the whole answer was there.
    async fn ask(&mut self, upstream: &Upstream, cookie: &HeaderValue) -> Result<Duration> {
        let begin = Instant::now();
        let request = upstream.client().get(&self.url).insert_header((COOKIE, cookie.clone()));
        let mut answer =
            request.send().await.map_err(|error| ErrorBadGateway(error.to_string()))?;
        let body = answer.body().await.map_err(ErrorBadGateway)?;
        let took = begin.elapsed();
        self.answer = serde_json::from_slice(&body).map_err(ErrorBadGateway)?;
        Ok(took)
    }

    fn sorted(&self) -> Vec<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times
    }

    fn median(&self) -> Duration {
        self.sorted()[REQUESTS / 2]
    }

    fn html(&self, slowest: Duration) -> String {
        let times = self.sorted();
        let width = 100.0 * self.median().as_secs_f64() / slowest.as_secs_f64();
        format!(
            "<div><p class=\"big\"><span class=\"{class}\">{name}</span> {median} <small>median, from {fastest} to \
             {slowest}</small></p><span class=\"bar {class}\" style=\"width: {width:.0}%\"></span><pre>{answer}</pre></div>",
            class = self.class,
            name = self.name,
            median = milliseconds(self.median()),
            fastest = milliseconds(times[0]),
            slowest = milliseconds(times[REQUESTS - 1]),
            answer = escape(&format!("{:#}", self.answer)),
        )
    }
}
