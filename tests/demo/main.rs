//! The demo does what it says: the journey of a visitor through both sides, and a clean end.

#![allow(clippy::unwrap_used)] // a test may

mod browser;
mod webdriver;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, LOCATION, SET_COOKIE},
};
use testbed::Browser;

struct Demo {
    process: Child,
    /// A folder for temporary files of its own.
    folder: PathBuf,
    url: String,
    username: String,
    password: String,
}

impl Demo {
    fn start(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("demo-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut process = Command::new(program())
            .args(["--port", "0"])
            .env("TMPDIR", &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut value_of = |name: &str| loop {
            let line = lines.next().expect("the demo has ended").unwrap();
            let mut words = line.split_whitespace();
            if words.next() == Some(name) && words.clone().count() == 1 {
                return words.next().unwrap().to_owned();
            }
        };
        let (url, username, password) = (value_of("Open"), value_of("User"), value_of("Password"));
        // What else it prints must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { process, folder, url, username, password }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Ctrl-C is `INT`.
    fn end_by(&mut self, signal: &str) -> ExitStatus {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => panic!("the demo does not end"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Of no use after an orderly end; what it started ends with it.
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn program() -> PathBuf {
    testbed::Example::program("demo").unwrap()
}

/// The process ids of a process's children and theirs.
fn descendants(parent: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-e", "-o", "pid=,ppid="]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let pairs: Vec<(u32, u32)> = listed
        .lines()
        .filter_map(|line| {
            let mut ids = line.split_whitespace().map(|id| id.parse().unwrap());
            Some((ids.next()?, ids.next()?))
        })
        .collect();
    let mut found = vec![parent];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        next += 1;
    }
    found.split_off(1)
}

fn runs(id: u32) -> bool {
    Command::new("ps").args(["-p", &id.to_string()]).output().unwrap().status.success()
}

async fn see(answer: Response) -> (StatusCode, HeaderMap, String) {
    (answer.status(), answer.headers().clone(), answer.text().await.unwrap())
}

#[actix_web::test]
async fn a_visitor_goes_through_both_sides() {
    let demo = Demo::start("journey");
    let browser = Browser::new();
    let get = async |path: &str| see(browser.get(&demo.url(path)).await.unwrap()).await;

    let (status, _, page) = get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("Rust made this page") && page.contains("not logged in"));
    assert_eq!(get("/api/me").await.0, 401);

    // Rust sends the stranger to Django, and Django back.
    let (status, headers, _) = get("/dashboard").await;
    assert_eq!(status, 302);
    assert_eq!(headers[LOCATION], "/accounts/login/?next=/dashboard");
    let login = headers[LOCATION].to_str().unwrap();
    let (_, _, page) = get(login).await;
    assert!(page.contains("Django made this page"));
    let fields =
        [("username", &*demo.username), ("password", &*demo.password), ("next", "/dashboard")];
    let back = browser.submit(&demo.url(login), &fields).await.unwrap();
    let (status, headers, _) = see(back).await;
    assert_eq!(status, 302);
    assert_eq!(headers[LOCATION], "/dashboard");
    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 2, "csrftoken and sessionid");

    let (status, headers, page) = get("/dashboard").await;
    assert_eq!(status, 200);
    assert_eq!(headers["vary"], "Cookie");
    assert!(page.contains(&format!("Hello, {}", demo.username)), "{page}");
    let me: serde_json::Value = serde_json::from_str(&get("/api/me").await.2).unwrap();
    assert_eq!(me["username"], *demo.username);

    // What Django writes, Rust reads.
    browser.submit(&demo.url("/cart/"), &[]).await.unwrap();
    assert!(get("/").await.2.contains("<dt>In your cart</dt><dd>1</dd>"));

    // And the other way round.
    for (path, fields) in [("/cart/add", ""), ("/cart/add", ""), ("/language", "&language=de")] {
        let (_, _, page) = get("/").await;
        let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
        let token = token.split_once('"').unwrap().0;
        let request = browser
            .client()
            .post(demo.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &demo.url)
            .body(format!("csrfmiddlewaretoken={token}{fields}"));
        assert_eq!(request.send().await.unwrap().status(), 303);
    }
    assert!(get("/cart/").await.2.contains("Things in your cart: 3"));
    assert!(get("/").await.2.contains("<h1>Willkommen</h1>"));

    // A form of a Rust page is good with the token of Django's cookie, from this site alone.
    let (_, _, page) = get("/dashboard").await;
    let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
    let token = token.split_once('"').unwrap().0;
    for (origin, text, status) in [(&*demo.url, "tea", 303), ("http://evil.com", "poison", 403)] {
        let request = browser
            .client()
            .post(demo.url("/notes"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(format!("csrfmiddlewaretoken={token}&text={text}"));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    let (_, _, page) = get("/dashboard").await;
    assert!(page.contains("<li>tea</li>") && !page.contains("poison"), "{page}");

    // A changed password ends the sessions of other browsers.
    let other = Browser::new();
    assert_eq!(other.submit(&demo.url(login), &fields).await.unwrap().status(), 302);
    assert_eq!(other.get(&demo.url("/dashboard")).await.unwrap().status(), 200);
    let new = [
        ("old_password", &*demo.password),
        ("new_password1", "analytical-engine"),
        ("new_password2", "analytical-engine"),
    ];
    let changed = browser.submit(&demo.url("/accounts/password_change/"), &new).await.unwrap();
    assert_eq!(changed.status(), 302);
    assert_eq!(get("/dashboard").await.0, 200);
    assert_eq!(other.get(&demo.url("/dashboard")).await.unwrap().status(), 302);

    // The log-out button of the Rust page.
    let (_, _, page) = get("/dashboard").await;
    let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
    let body = format!("csrfmiddlewaretoken={}", token.split_once('"').unwrap().0);
    let request = browser
        .client()
        .post(demo.url("/logout"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", &demo.url)
        .body(body);
    let (status, headers, _) = see(request.send().await.unwrap()).await;
    assert_eq!(status, 303);
    let cookies = headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    assert!(cookies.into_iter().any(|cookie| cookie.starts_with("sessionid=\"\"; expires=Thu")));
    assert_eq!(get("/dashboard").await.0, 302);
}

#[actix_web::test]
async fn nothing_is_left_when_it_ends() {
    for signal in ["INT", "TERM"] {
        let mut demo = Demo::start(signal);
        // A connection that stays open must not hold it up.
        let browser = Browser::new();
        assert_eq!(browser.get(&demo.url("/cart/")).await.unwrap().status(), 200);
        let started = descendants(demo.process.id());
        assert!(started.len() > 2, "Django, the guardian and PostgreSQL: {started:?}");

        assert_eq!(demo.end_by(signal).code(), Some(0));
        assert_eq!(started.into_iter().filter(|&id| runs(id)).count(), 0);
        assert_eq!(fs::read_dir(&demo.folder).unwrap().count(), 0);
    }
}

#[test]
fn a_port_in_use_gives_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = Command::new(program()).args(["--port", &port]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let line = String::from_utf8(said.stderr).unwrap();
    assert_eq!(
        line,
        format!("port {port} is in use: choose another with `--port`, or any with `--port 0`\n")
    );
}
