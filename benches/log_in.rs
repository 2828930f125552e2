//! The cost of a login, compared with Django's: a form with its CSRF token, the password checked by hash, a new
//! session in the table, `last_login` written.

#[allow(dead_code, reason = "each benchmark uses its part")]
mod common;

use std::time::Instant;

use actix_django_session::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error,
    PasswordHasher,
};
use actix_web::{App, HttpResponse, HttpServer, rt::System, web};
use common::{
    DJANGO, Result, SECRET_KEY, machine,
    options::Options,
    report::{self, Table, number, ratio},
    stats::{Rng, median},
};
use deadpool_postgres::{Config, Runtime};
use serde::Deserialize;
use testbed::{Browser, Postgres, Settings, Site, TestDatabase};
use tokio_postgres::NoTls;

const USERNAME: &str = "ada";
const PASSWORD: &str = "lovelace";
/// Log-ins of each server in a round.
const LOG_INS: usize = 5;

/// A Django site, a Rust service beside it, and what both pay for a password.
struct Pair {
    title: &'static str,
    django: Site,
    rust: String,
    _database: TestDatabase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Django,
    Rust,
}

fn main() -> Result<()> {
    let options = Options::from_command_line();
    System::new().block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let postgres = Postgres::start().await?;
    let pairs = [
        Pair::start(
            &postgres,
            "PBKDF2, 1,000,000 iterations (Django's own)",
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
            1_000_000,
        )
        .await?,
        Pair::start(&postgres, "PBKDF2, 1,000 iterations", "testsite.hashers.QuickHasher", 1_000)
            .await?,
    ];
    let mut rng = Rng::new(options.seed);
    let mut table = Table::new(&["login", "Django, ms", "here, ms", "here / Django"]);
    for pair in &pairs {
        for side in [Side::Django, Side::Rust] {
            pair.log_in(side).await?;
        }
        let (mut django, mut rust, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let mut sides = [Side::Django, Side::Rust];
            rng.shuffle(&mut sides);
            let mut of_round = [0.0, 0.0];
            for side in sides {
                let mut times = Vec::new();
                for _ in 0..LOG_INS {
                    times.push(pair.log_in(side).await?);
                }
                of_round[side as usize] = median(times);
            }
            let [of_django, of_rust] = of_round;
            django.push(of_django);
            rust.push(of_rust);
            ratios.push(of_rust / of_django);
        }
        table.row([
            pair.title.into(),
            number(median(django)),
            number(median(rust)),
            ratio(median(ratios)),
        ]);
    }
    let report = format!(
        "{}, {DJANGO}\n\n`cargo bench --bench log_in -- --rounds {}`\n\n{}\nMilliseconds from the \
         form that is sent to the answer with the cookie; medians of {} rounds of {LOG_INS} log-ins, \
         one after the other.",
        machine::description(),
        options.rounds,
        table.to_markdown(),
        options.rounds,
    );
    println!("\n{report}");
    if options.save {
        report::save("log_in", &report)?;
    }
    Ok(())
}

impl Pair {
    async fn start(
        postgres: &Postgres,
        title: &'static str,
        hasher: &str,
        iterations: u32,
    ) -> Result<Self> {
        let site =
            Settings::default().set("PASSWORD_HASHERS", vec![hasher]).user(USERNAME, PASSWORD);
        let database = postgres.django_database(DJANGO, &site).await?;
        let django = Site::start_gunicorn(DJANGO, database.url(), &site, 1).await?;
        let mut settings = DjangoSettings::new(SECRET_KEY);
        settings.allowed_hosts = vec!["127.0.0.1".into()];
        settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations }]);
        settings.write_sessions = true;
        let rust = serve(database.url(), settings)?;
        Ok(Self { title, django, rust, _database: database })
    }

    /// An anonymous visitor logs in; how long that took, in milliseconds.
    async fn log_in(&self, side: Side) -> Result<f64> {
        let url = match side {
            Side::Django => format!("{}/accounts/login/", self.django.url()),
            Side::Rust => self.rust.clone(),
        };
        let browser = Browser::new();
        let page = browser.get(&url).await?.text().await?;
        let token = page
            .split_once("name=\"csrfmiddlewaretoken\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .ok_or("the page has no form")?
            .0;
        let form = format!("csrfmiddlewaretoken={token}&username={USERNAME}&password={PASSWORD}");
        let request = browser
            .client()
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let start = Instant::now();
        let response = request.send().await?;
        let took = start.elapsed();
        let is_logged_in = browser.cookies(&url).is_some_and(|all| all.contains("sessionid="));
        if !response.status().is_redirection() || !is_logged_in {
            return Err(format!("{side:?} answered {}", response.status()).into());
        }
        Ok(took.as_secs_f64() * 1000.0)
    }
}

/// A service with one page; its address.
fn serve(database_url: &str, settings: DjangoSettings) -> Result<String> {
    let config = Config { url: Some(database_url.into()), ..Config::default() };
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings)?;
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let site = web::Data::new(site);
    let server = HttpServer::new(move || {
        let page = web::resource("/").get(page).post(log_in);
        App::new().app_data(site.clone()).wrap(middleware.clone()).service(page)
    });
    let server = server.workers(1).bind("127.0.0.1:0")?;
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    Ok(format!("http://{address}/"))
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn page(csrf_token: CsrfToken) -> String {
    csrf_token.input()
}

async fn log_in(
    session: DjangoSessionMut,
    site: web::Data<DjangoSite>,
    form: web::Form<Credentials>,
) -> Result<HttpResponse, Error> {
    let Some(user) = site.authenticate(&form.username, &form.password).await? else {
        return Ok(HttpResponse::Unauthorized().finish());
    };
    session.login(&user).await?;
    Ok(HttpResponse::Found().insert_header(("Location", "/")).finish())
}
