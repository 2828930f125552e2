//! The `Location` for a refused visitor is the one that Django's `login_required` sends.

use actix_django_session::DjangoSessionMiddleware;
use actix_web::{App, guard, web};
use serde_json::{Value, json};
use testbed::Django;

use crate::{
    app::{Answer, TestApp},
    beds::{Bed, Rng, seed, settings},
};

const HOST: &str = "example.com";

/// Login URLs and field names.
const MIDDLEWARES: &[(&str, &str)] = &[
    ("/accounts/login/", "next"),
    ("/accounts/login/", "back to"),
    ("/accounts/login/", ""),
    ("/login/?a=1", ""),
    ("/login/?a=%20+", "next"),
    ("/login/?a&b", "next"),
    ("/login/?n\u{e9}=\u{e9}", "next"),
    ("/login/?next=/old&foo=bar", "next"),
    ("/login/?x=1&next=/old&x=2&next=/older&y=3", "next"),
    ("/login/?next=/old#frag", "next"),
    ("/login/#frag", "next"),
    ("/login/?", "next"),
    ("/login/?&&=&a==b", "next"),
    ("/l\u{f6}gin/", "next"),
    ("/lo%20gin/;a=b/", "next"),
    ("/a.b c'd\"e<f>/", "next"),
    ("login.html", "next"),
    ("../login/", "next"),
    ("//example.com/login/", "next"),
    ("//other.com/login/", "next"),
    ("http://example.com/login/", "next"),
    ("HTTP://example.com/login/", "next"),
    ("http://EXAMPLE.com/login/", "next"),
    ("http://example.com:80/login/", "next"),
    ("https://example.com/login/", "next"),
    ("http://other.com/login/", "next"),
    ("http://other.com/login/?a=b&next=x#frag", "next"),
    ("http://other.com/login/", ""),
    ("https://other.com", "next"),
    ("https://other.com?a=b", "next"),
    ("https://user:pw@other.com:8443/login/", "next"),
];

const TARGETS: [&str; 24] = [
    "/",
    "/a?x=1&y=2",
    "/a?",
    "/a%20b",
    "/%C3%A9",
    "/%FF",
    "/%2F%2fx",
    "//evil.com/x",
    "/a%3Fb",
    "/a%2525",
    "/%5Bx%5D?a[]=1",
    "/a;b,c=d:e@f&g$h!i*j'k(l)m~n",
    "/?a=%",
    "/?x=a%20b+c",
    "/?q=%22%7B%7D%22",
    "/?q={}|^`",
    "/a/./b/../c",
    "/a/../..",
    "/..//a/.",
    "/%2e%2e/a",
    "/%F0%9F%98%80?%F0%9F%98%80",
    "/%ED%A0%80/%C3",
    "/?next=/x&next=http://other.com/",
    "/a?b?c",
];

#[testbed::test]
async fn a_visitor_is_redirected_to_the_login_page_as_in_django() {
    let app = {
        let bed = Bed::shared().await;
        let middlewares = MIDDLEWARES
            .iter()
            .map(|(login_url, field)| {
                let mut settings = settings();
                settings.login_url = (*login_url).to_owned();
                settings.allowed_hosts = vec!["*".into()];
                DjangoSessionMiddleware::required(bed.site_with(settings))
                    .redirect_field_name(*field)
            })
            .collect();
        app_of(middlewares)
    };
    let seed = seed();
    let mut rng = Rng(seed);
    let random: Vec<String> = (0..1_000).map(|_| target(&mut rng)).collect();
    let mut cases = Vec::new();
    for middleware in 0..MIDDLEWARES.len() {
        cases.extend(TARGETS.map(|target| (middleware, target)));
    }
    cases.extend(random.iter().map(|target| (rng.below(MIDDLEWARES.len()), target.as_str())));

    let mut answers = Vec::new();
    for (middleware, target) in &cases {
        answers.push(get(&app, *middleware, HOST, target).await);
    }
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let questions =
            cases.iter().map(|(middleware, target)| question(MIDDLEWARES[*middleware], target));
        let expected = bed.oracle.ask_all(questions.collect()).await.unwrap();
        for (((middleware, target), answer), expected) in cases.iter().zip(&answers).zip(expected) {
            let case = format!("{django}, seed {seed}: {:?} {target}", MIDDLEWARES[*middleware]);
            assert_eq!(answer.status, expected["status"], "{case}: {expected}");
            assert_eq!(
                answer.header("location").as_deref(),
                expected["location"].as_str(),
                "{case}"
            );
        }
    }
}

/// `FORCE_SCRIPT_NAME` and `ALLOWED_HOSTS`.
const SITES: &[(&str, &[&str])] = &[
    ("/shop", &["*"]),
    ("/sh\u{f6}p/", &["example.com", ".example.org", "[::1]"]),
    ("", &[".EXAMPLE.com"]),
    ("/", &["*.example.com", "example.com:8000"]),
];

const HOSTS: &[&str] = &[
    "example.com",
    "EXAMPLE.com",
    "example.com:8000",
    "a.example.com",
    "example.com.",
    "example.com..",
    "example.org",
    "b.example.org:80",
    "evil.example",
    "example.com@evil.example",
    "a.com, b.com",
    "[::1]:8000",
    "::1",
    "example.com:",
    "_",
];

#[testbed::test]
async fn the_next_parameter_has_the_prefix_of_the_site_and_an_allowed_host() {
    const LOGIN_URLS: [&str; 3] =
        ["/accounts/login/", "http://example.com/login/", "https://sso.example.com/login/?a=b"];
    let middlewares: Vec<(usize, &str)> =
        (0..SITES.len()).flat_map(|site| LOGIN_URLS.map(|url| (site, url))).collect();
    let app = {
        let bed = Bed::shared().await;
        let middlewares = middlewares
            .iter()
            .map(|&(site, login_url)| {
                let (script_name, hosts) = SITES[site];
                let mut settings = settings();
                settings.login_url = login_url.into();
                settings.allowed_hosts = hosts.iter().map(|&host| host.into()).collect();
                settings.force_script_name = Some(script_name.into());
                DjangoSessionMiddleware::required(bed.site_with(settings))
            })
            .collect();
        app_of(middlewares)
    };
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let mut refused = 0;
        for (i, &(site, login_url)) in middlewares.iter().enumerate() {
            let (script_name, hosts) = SITES[site];
            let cases = || HOSTS.iter().flat_map(|host| TARGETS.map(|target| (*host, target)));
            let questions = cases().map(|(host, target)| {
                let mut question = question((login_url, "next"), target);
                question["host"] = json!(host);
                question["settings"] =
                    json!({ "FORCE_SCRIPT_NAME": script_name, "ALLOWED_HOSTS": hosts });
                question
            });
            let expected = bed.oracle.ask_all(questions.collect()).await.unwrap();
            for ((host, target), expected) in cases().zip(expected) {
                let answer = get(&app, i, host, target).await;
                let case = format!("{django}, {:?} {login_url} {host} {target}", SITES[site]);
                assert_eq!(answer.status, expected["status"], "{case}: {expected}");
                let location = answer.header("location");
                assert_eq!(location.as_deref(), expected["location"].as_str(), "{case}");
                refused += usize::from(answer.status == 400);
            }
        }
        println!("{django}: {refused} refused for their host");
        assert!(refused > 100);
    }
}

/// Starts a server with these middlewares; the header `X-Middleware` selects one by its index.
fn app_of(middlewares: Vec<DjangoSessionMiddleware>) -> TestApp {
    TestApp::start(move || {
        middlewares.iter().enumerate().fold(App::new(), |app, (i, middleware)| {
            let number: &'static str = i.to_string().leak();
            app.service(
                web::scope("")
                    .guard(guard::Header("x-middleware", number))
                    .wrap(middleware.clone()),
            )
        })
    })
}

/// Sends a request for `target` to the middleware with this index.
async fn get(app: &TestApp, middleware: usize, host: &str, target: &str) -> Answer {
    let number = middleware.to_string();
    let headers = [("Host", host.as_bytes()), ("X-Middleware", number.as_bytes())];
    app.get_with(target, &headers).await
}

fn question((login_url, field): (&str, &str), target: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    json!({
        "cmd": "redirect", "login_url": login_url, "field": field, "host": HOST,
        "path": path, "query": query,
    })
}

/// A random request target that an HTTP server accepts.
fn target(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "/",
        "//",
        "/./",
        "/../",
        "a",
        "B",
        "9",
        "-._~",
        "!$&'()*",
        "+",
        ",",
        ";",
        "=",
        ":",
        "@",
        "%20",
        "%2F",
        "%2f",
        "%3F",
        "%23",
        "%25",
        "%C3%A9",
        "%E6%BC%A2",
        "%FF",
        "%C3",
        "%00",
        "%7F",
        "%",
        "%zz",
        "%5C",
        "%22",
        "next=",
        "http:",
        "evil.com",
    ];
    let mut target = String::from("/");
    for _ in 0..rng.below(8) {
        target += rng.pick(PIECES);
    }
    if rng.below(2) == 0 {
        target.push('?');
        for _ in 0..rng.below(8) {
            target += rng.pick(PIECES);
            target += rng.pick(&["", "", "&", "?", "[", "]", "{", "}", "|", "^"]);
        }
    }
    target
}
