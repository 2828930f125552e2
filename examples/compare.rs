//! Sends the same requests to two servers and prints where their responses differ: Django, and the
//! service that will take over a path.
//!
//! ```sh
//! COOKIE_FILE=cookie.txt HOST=www.example.com PROTO=https cargo example compare -- \
//!     http://127.0.0.1:8000 http://127.0.0.1:8080 < access.log
//! ```
//!
//! Each line on stdin is a path with its query, or a line of an access log; `tail -F` follows a live log.
//! Only GETs are repeated. Leave out GETs that change something: in Django 4.2 a GET can log out.
//!
//! The cookie is a whole header as a browser sends it, `sessionid=..`, in a file or in `COOKIE`. Both
//! servers get it, and the program never prints it. The program prints status, the names of what differs,
//! and the values of headers, except of cookies.
//!
//! `IGNORE=x-frame-options,referrer-policy` leaves out headers that a proxy adds. The exit code
//! says whether anything differed.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    fs,
    io::{BufRead, stdin},
    process::ExitCode,
    time::Duration,
};

use reqwest::{
    Client, RequestBuilder,
    header::{COOKIE, HOST, HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;

/// The headers that a browser, a cache or a client acts on.
const HEADERS: &[&str] = &[
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "location",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
];

/// How many differing places of one body are printed.
const MOST_PLACES: usize = 10;

/// The path to request, from a path or a line of an access log (`".. "GET /path HTTP/1.1" .."`).
fn path(line: &str) -> Option<&str> {
    let line = line.trim();
    let path = match line.split_once("\"GET ") {
        Some((_, request)) => request.split(' ').next()?,
        None => line,
    };
    // nginx writes `\x22` for characters that cannot stand in a log.
    let is_one = path.starts_with('/') && !path.contains(['\\', '"', ' ']);
    is_one.then_some(path)
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// The values of a header, normalised: values with the same meaning are equal.
    fn header(&self, name: &str, origin: &str) -> BTreeSet<String> {
        let values = self
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match name {
            "content-type" => values.map(|value| value.to_lowercase().replace(' ', "")).collect(),
            "cache-control" | "vary" => values
                .flat_map(|value| {
                    value.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>()
                })
                .collect(),
            "location" => values
                .map(|value| value.strip_prefix(origin).unwrap_or(&value).to_owned())
                .collect(),
            "set-cookie" => values.map(|value| without_secrets(&value)).collect(),
            _ => values.collect(),
        }
    }

    fn json(&self) -> Option<Value> {
        let content_type = self.headers.get("content-type")?.to_str().ok()?;
        let kind = content_type.split(';').next()?.trim();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        is_json.then(|| serde_json::from_slice(&self.body).ok())?
    }

    /// The body without the CSRF tokens in its forms, which are new in each response.
    fn text(&self) -> String {
        const TOKEN: &str = r#"name="csrfmiddlewaretoken" value=""#;
        let body = String::from_utf8_lossy(&self.body);
        let mut parts = body.split(TOKEN);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + TOKEN + part.find('"').map_or(part, |end| &part[end..])
        })
    }
}

/// Name and attributes of a cookie that is set, without its value and its times.
fn without_secrets(cookie: &str) -> String {
    let mut parts = cookie.split(';');
    let name = parts.next().and_then(|pair| pair.split('=').next()).unwrap_or_default();
    let attributes: BTreeSet<_> = parts
        .map(|part| part.trim().to_lowercase())
        .filter(|part| !part.starts_with("expires=") && !part.starts_with("max-age="))
        .collect();
    [name.trim().to_owned()].into_iter().chain(attributes).collect::<Vec<_>>().join("; ")
}

/// Where two responses differ, one line for each place.
fn differences(left: &Answer, right: &Answer, servers: &[String; 2], ignored: &str) -> Vec<String> {
    let mut found = Vec::new();
    if left.status != right.status {
        found.push(format!("status: {} | {}", left.status, right.status));
    }
    let have_no_body = left.body.is_empty() && right.body.is_empty();
    for &name in HEADERS {
        // Django sends a content type also with the empty body of a redirect.
        if ignored.split(',').any(|other| other == name) || have_no_body && name == "content-type" {
            continue;
        }
        let (left, right) = (left.header(name, &servers[0]), right.header(name, &servers[1]));
        if left != right {
            let show = |values: BTreeSet<String>| match values.is_empty() {
                true => "(not there)".to_owned(),
                // As a literal, so that control characters do not reach the terminal.
                false => format!("{:?}", Vec::from_iter(values).join(", ")),
            };
            found.push(format!("{name}: {} | {}", show(left), show(right)));
        }
    }
    match (left.json(), right.json()) {
        (Some(left), Some(right)) => {
            let mut places = Vec::new();
            compare(&left, &right, "", &mut places);
            let more = places.len().saturating_sub(MOST_PLACES);
            found.extend(places.iter().take(MOST_PLACES).map(|place| format!("JSON at {place:?}")));
            found.extend((more > 0).then(|| format!("JSON at {more} more places")));
        }
        _ => {
            let (left, right) = (left.text(), right.text());
            if left != right {
                let same = left.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
                found.push(format!(
                    "body: {} | {} bytes, the first {same} are the same",
                    left.len(),
                    right.len()
                ));
            }
        }
    }
    found
}

/// Compares by value: spaces and the order of keys do not count. `1` and `1.0` differ, because many clients
/// tell them apart.
fn compare(left: &Value, right: &Value, place: &str, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                let place = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => compare(left, right, &place, found),
                    _ => found.push(place),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let place = format!("{place}/{index}");
                match (left.get(index), right.get(index)) {
                    (Some(left), Some(right)) => compare(left, right, &place, found),
                    _ => found.push(place),
                }
            }
        }
        _ if left != right => found.push(place.to_owned()),
        _ => {}
    }
}

/// The headers that each request has.
fn headers() -> Result<HeaderMap, Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    let cookie = match env::var("COOKIE_FILE") {
        Ok(file) => Some(fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?),
        Err(_) => env::var("COOKIE").ok(),
    };
    if let Some(cookie) = cookie {
        let mut value = HeaderValue::from_str(cookie.trim()).map_err(|_| "not a cookie header")?;
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
    }
    if let Ok(host) = env::var("HOST") {
        headers.insert(HOST, host.parse()?);
    }
    if let Ok(proto) = env::var("PROTO") {
        headers.insert("x-forwarded-proto", proto.parse()?);
    }
    Ok(headers)
}

#[actix_web::main]
pub(crate) async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let servers: Vec<_> =
        env::args().skip(1).map(|url| url.trim_end_matches('/').to_owned()).collect();
    let servers: [String; 2] = servers.try_into().map_err(|_| "two addresses, please")?;
    let ignored = env::var("IGNORE").unwrap_or_default().to_lowercase();
    let client = Client::builder()
        .default_headers(headers()?)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?;
    let (mut compared, mut differ, mut skipped) = (0, 0, 0);
    for line in stdin().lock().lines() {
        let line = line?;
        let Some(path) = path(&line) else {
            skipped += 1;
            continue;
        };
        let [left, right] = [0, 1].map(|side| client.get(format!("{}{path}", servers[side])));
        let differences = match tokio::join!(Answer::of(left), Answer::of(right)) {
            (Ok(left), Ok(right)) => differences(&left, &right, &servers, &ignored),
            (left, right) => [left, right]
                .into_iter()
                .filter_map(|answer| Some(format!("no answer: {}", answer.err()?)))
                .collect(),
        };
        compared += 1;
        if !differences.is_empty() {
            differ += 1;
            println!("GET {path}\n  {}", differences.join("\n  "));
        }
    }
    println!("{compared} compared, {differ} differ, {skipped} lines without a GET");
    Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
