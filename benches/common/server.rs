//! The servers that are compared, each in a process of its own.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio, exit},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite,
    DjangoUser, DjangoUserId, OptionalDjangoSession, RestAuthentication, SessionData,
    SessionSigner, SimpleJwt, signing::SaltedHmac,
};
use actix_web::{
    App, HttpMessage, HttpRequest, HttpResponse, HttpServer, Responder,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorInternalServerError, ErrorServiceUnavailable},
    http::header::{COOKIE, HeaderValue, VARY},
    middleware::{Next, from_fn},
    rt::System,
    web,
};
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use testbed::Settings;
use tokio_postgres::{NoTls, Row};

use super::{
    DJANGO, Result, SECRET_KEY,
    load::Request,
    sessions,
    site::{PERMISSION, Site},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    /// A handler that answers "ok".
    Bare,
    /// The same behind the least middleware that does as much for the answer: a value for the handler, and
    /// `Vary: Cookie`.
    Minimal,
    /// What one writes without this crate: a connection from the pool, a prepared query.
    Baseline,
    /// `optional`, and a visitor without a cookie.
    Optional,
    Required,
    /// `required`, and the handler asks for `DjangoUserId`.
    UserId,
    LoginRequired,
    /// `login_required` with a permission that every user has by a group.
    Permission,
    /// What one writes without this crate, with the checks of `login_required`.
    LoginBaseline,
    /// `rest_framework`, and its `SessionAuthentication`.
    RestSession,
    /// The same, and its `TokenAuthentication`.
    RestToken,
    /// The same, and the `JWTAuthentication` of SimpleJWT.
    RestJwt,
    /// `request.user` of Django, under gunicorn.
    Django,
    /// `required` with `SESSION_SAVE_EVERY_REQUEST`: the end of a session is moved once a second at
    /// most. Every request is of another visitor.
    Slide,
    /// The same, and each visitor asks for what a page consists of.
    SlidePages,
    /// The same, and each request moves the end of its session.
    SlideEach,
    /// `SESSION_SAVE_EVERY_REQUEST` of Django.
    DjangoSlide,
    /// `required`, and each request sets a key of its session.
    Write,
    /// The same in Django.
    DjangoWrite,
}

impl Variant {
    pub(crate) const ALL: [Self; 19] = [
        Self::Bare,
        Self::Minimal,
        Self::Optional,
        Self::Baseline,
        Self::Required,
        Self::UserId,
        Self::LoginBaseline,
        Self::LoginRequired,
        Self::Permission,
        Self::RestSession,
        Self::RestToken,
        Self::RestJwt,
        Self::Django,
        Self::SlidePages,
        Self::Slide,
        Self::SlideEach,
        Self::DjangoSlide,
        Self::Write,
        Self::DjangoWrite,
    ];

    /// Whether a goal compares it with another one, by tenths: Django is compared by the order of magnitude.
    pub(crate) fn has_goal(self) -> bool {
        !matches!(
            self,
            Self::LoginBaseline
                | Self::RestSession
                | Self::Django
                | Self::Slide
                | Self::SlideEach
                | Self::DjangoSlide
                | Self::Write
                | Self::DjangoWrite
        )
    }

    /// On the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Minimal => "minimal",
            Self::Baseline => "baseline",
            Self::Optional => "optional",
            Self::Required => "required",
            Self::UserId => "user_id",
            Self::LoginRequired => "login_required",
            Self::Permission => "permission",
            Self::LoginBaseline => "login_baseline",
            Self::RestSession => "rest_session",
            Self::RestToken => "rest_token",
            Self::RestJwt => "rest_jwt",
            Self::Django => "django",
            Self::Slide => "slide",
            Self::SlidePages => "slide_pages",
            Self::SlideEach => "slide_each",
            Self::DjangoSlide => "django_slide",
            Self::Write => "write",
            Self::DjangoWrite => "django_write",
        }
    }

    /// In tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare handler",
            Self::Minimal => "a minimal middleware",
            Self::Baseline => "baseline: a deadpool query",
            Self::Optional => "`optional`, no cookie",
            Self::Required => "`required`",
            Self::UserId => "`required` + `DjangoUserId`",
            Self::LoginRequired => "`login_required`",
            Self::Permission => "`login_required` with a permission",
            Self::LoginBaseline => "login baseline: 2 deadpool queries",
            Self::RestSession => "`rest_framework`, session",
            Self::RestToken => "`rest_framework`, token",
            Self::RestJwt => "`rest_framework`, JWT",
            Self::Django => "Django's `request.user`, gunicorn",
            Self::Slide => "`required`, sliding",
            Self::SlidePages => "`required`, sliding, pages of 8",
            Self::SlideEach => "`required`, sliding each time",
            Self::DjangoSlide => "Django, sliding",
            Self::Write => "`required`, one key written",
            Self::DjangoWrite => "Django, one key written",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Optional
                | Self::Required
                | Self::UserId
                | Self::LoginRequired
                | Self::Permission
                | Self::Write
        ) || self.slides()
            || self.is_rest()
    }

    fn is_rest(self) -> bool {
        matches!(self, Self::RestSession | Self::RestToken | Self::RestJwt)
    }

    /// Whether a visitor who was here before costs less.
    pub(crate) fn remembers_visitors(self) -> bool {
        matches!(
            self,
            Self::UserId
                | Self::LoginRequired
                | Self::Permission
                | Self::RestSession
                | Self::RestToken
                | Self::RestJwt
        )
    }

    fn slides(self) -> bool {
        matches!(self, Self::Slide | Self::SlidePages | Self::SlideEach)
    }

    /// How many requests of one visitor follow each other.
    pub(crate) fn in_a_row(self) -> usize {
        if self == Self::SlidePages { 8 } else { 1 }
    }

    fn is_django(self) -> bool {
        matches!(self, Self::Django | Self::DjangoSlide | Self::DjangoWrite)
    }

    /// Whether it changes the sessions that it is asked with.
    fn writes(self) -> bool {
        matches!(self, Self::DjangoSlide | Self::Write | Self::DjangoWrite) || self.slides()
    }

    fn is_by_cookie(self) -> bool {
        !matches!(self, Self::Bare | Self::Minimal | Self::Optional)
    }

    /// What visitors of the site ask this server, and the only right answers.
    pub(crate) fn requests(self, site: &Site) -> Vec<Request> {
        let path = match self {
            Self::Django | Self::DjangoSlide => "/user/",
            Self::DjangoWrite => "/visit/",
            _ => "/",
        };
        if !self.is_by_cookie() {
            return vec![Request::get(path, None, 200, "ok".into())];
        }
        let request = |session: &super::site::Session| {
            let body = match self {
                Self::Baseline | Self::Required => session.ends.to_string(),
                _ if self.slides() => session.key.clone(),
                _ => session.user_id.to_string(),
            };
            let (name, value) = match self {
                Self::RestToken => ("Authorization", format!("Token {}", session.token)),
                Self::RestJwt => {
                    ("Authorization", format!("Bearer {}", sessions::jwt(session.user_id)))
                }
                _ => ("Cookie", cookie(&session.key)),
            };
            Request::get(path, Some((name, &value)), 200, body)
        };
        let sessions = if self.writes() { &site.changing } else { &site.sessions };
        sessions.iter().map(request).collect()
    }
}

/// A `Cookie` header of a Django site's visitor.
pub(crate) fn cookie(session_key: &str) -> String {
    format!("csrftoken=bXq3vW8KzR5tYc1LmN7pDs2FgHjJ4kQa; sessionid={session_key}")
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The process that all others of this server descend from.
    pub(crate) pid: u32,
    process: Process,
}

enum Process {
    /// This very program, with other arguments. Ends when its stdin closes.
    Actix(Child),
    Django {
        _site: testbed::Site,
    },
}

impl Server {
    /// `under` is a program that runs it, if there is to be one.
    pub(crate) async fn start(
        variant: Variant,
        database_url: &str,
        workers: usize,
        pool: usize,
        under: &[String],
    ) -> Result<Self> {
        if variant.is_django() {
            return Self::start_django(variant, database_url, workers).await;
        }
        let this = env::current_exe()?;
        let mut command = match under {
            [] => Command::new(this),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
        };
        let mut child = command
            .args(["--serve", variant.name(), &workers.to_string(), &pool.to_string()])
            .env("DATABASE_URL", database_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse();
        let (pid, process) = (child.id(), Process::Actix(child));
        let address = address.map_err(|_| format!("{} does not start", variant.name()))?;
        Ok(Self { address, pid, process })
    }

    async fn start_django(variant: Variant, database_url: &str, workers: usize) -> Result<Self> {
        // Django's fastest: one connection for good, instead of one for each request.
        let url: tokio_postgres::Config = database_url.parse()?;
        let host = match url.get_hosts() {
            [tokio_postgres::config::Host::Tcp(host), ..] => host.clone(),
            other => return Err(format!("Django is not told how to reach {other:?}").into()),
        };
        let database = serde_json::json!({
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.get_dbname(),
            "USER": url.get_user(),
            "PASSWORD": url.get_password().map(String::from_utf8_lossy),
            "HOST": host,
            "PORT": url.get_ports().first(),
            "CONN_MAX_AGE": null,
        });
        let settings =
            Settings::default().set("DATABASES", serde_json::json!({ "default": database }));
        let settings = settings.set("SESSION_SAVE_EVERY_REQUEST", variant == Variant::DjangoSlide);
        let workers = u32::try_from(workers)?;
        let started =
            testbed::Site::start_gunicorn(DJANGO, database_url, &settings, workers).await?;
        let address =
            started.url().strip_prefix("http://").ok_or("an address of another kind")?.parse()?;
        // The program that testbed started only looks after gunicorn.
        let pid = super::process::children(started.pid()).first().copied().unwrap_or_default();
        Ok(Self { address, pid, process: Process::Django { _site: started } })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Process::Actix(child) = &mut self.process {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

/// Serves, if this process was started to do so, and does not return then.
pub(crate) fn serve_if_asked() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, name, workers, pool] = &arguments[..] else { return };
    if flag != "--serve" {
        return;
    }
    if let Err(error) = serve(name, workers, pool) {
        eprintln!("{name}: {error}");
        exit(1);
    }
    exit(0);
}

fn serve(name: &str, workers: &str, pool: &str) -> Result<()> {
    let variant = Variant::ALL.into_iter().find(|variant| variant.name() == name);
    let variant = variant.ok_or("no such variant")?;
    let mut config = Config { url: Some(env::var("DATABASE_URL")?), ..Config::default() };
    config.pool = Some(PoolConfig::new(pool.parse()?));
    let workers = workers.parse()?;
    System::new().block_on(async {
        let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
        let service = Service::new(variant, pool).await?;
        let server = HttpServer::new(move || App::new().configure(|app| service.add_to(app)))
            .workers(workers)
            .disable_signals()
            .bind("127.0.0.1:0")?;
        for address in server.addrs() {
            println!("{address}");
        }
        thread::spawn(|| {
            // The process that started this one has the other end: when that closes, it has ended.
            drop(io::stdin().read(&mut [0]));
            exit(0);
        });
        Ok(server.run().await?)
    })
}

#[derive(Clone)]
struct Service {
    variant: Variant,
    pool: Pool,
    middleware: DjangoSessionMiddleware,
    login: Arc<LoginBaseline>,
}

/// What the login baseline needs beside the pool.
struct LoginBaseline {
    signer: SessionSigner,
    hash: SaltedHmac,
}

impl Service {
    async fn new(variant: Variant, pool: Pool) -> Result<Self> {
        let mut settings = DjangoSettings::new(SECRET_KEY);
        settings.write_sessions = variant.writes();
        settings.session_save_every_request = variant.slides();
        if let Variant::SlideEach = variant {
            settings.session_save_interval = Some(Duration::ZERO);
        }
        let signer = SessionSigner::new(&settings)?;
        let site = DjangoSite::new(pool.clone(), settings)?;
        site.check().await?;
        let middleware = match variant {
            Variant::Optional => DjangoSessionMiddleware::optional(site),
            Variant::LoginRequired => DjangoSessionMiddleware::login_required(site),
            // All classes are asked in this order, as by a site that has all of them.
            _ if variant.is_rest() => DjangoSessionMiddleware::rest_framework(site)
                .authentication_classes([
                    RestAuthentication::jwt(SimpleJwt::default()),
                    RestAuthentication::token(),
                    RestAuthentication::session(),
                ]),
            Variant::Permission => {
                DjangoSessionMiddleware::login_required(site).permission_required(PERMISSION)
            }
            _ => DjangoSessionMiddleware::required(site),
        };
        let hash = sessions::session_auth_hash_maker();
        Ok(Self { variant, pool, middleware, login: Arc::new(LoginBaseline { signer, hash }) })
    }

    fn add_to(&self, app: &mut web::ServiceConfig) {
        let root = web::resource("/");
        let middleware = self.middleware.clone();
        match self.variant {
            Variant::Bare => app.service(root.get(bare)),
            Variant::Minimal => app.service(root.wrap(from_fn(vary_on_cookie)).get(minimal)),
            Variant::Baseline => {
                app.app_data(web::Data::new(self.pool.clone())).service(root.get(baseline))
            }
            Variant::Optional => app.service(root.wrap(middleware).get(optional)),
            Variant::Required => app.service(root.wrap(middleware).get(required)),
            Variant::UserId => app.service(root.wrap(middleware).get(user_id)),
            Variant::Slide | Variant::SlidePages | Variant::SlideEach => {
                app.service(root.wrap(middleware).get(key))
            }
            Variant::Write => app.service(root.wrap(middleware).get(write)),
            Variant::LoginRequired
            | Variant::Permission
            | Variant::RestSession
            | Variant::RestToken
            | Variant::RestJwt => app.service(root.wrap(middleware).get(login_required)),
            Variant::LoginBaseline => app
                .app_data(web::Data::new(self.pool.clone()))
                .app_data(web::Data::from(Arc::clone(&self.login)))
                .service(root.get(login_baseline)),
            Variant::Django | Variant::DjangoSlide | Variant::DjangoWrite => {
                unreachable!("served by Django")
            }
        };
    }
}

async fn bare() -> &'static str {
    "ok"
}

/// Whether the request has a session, for [`minimal`].
#[derive(Clone)]
struct HasSession(bool);

async fn vary_on_cookie(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    req.extensions_mut().insert(HasSession(req.headers().contains_key(COOKIE)));
    let mut response = next.call(req).await?;
    response.headers_mut().insert(VARY, HeaderValue::from_static("Cookie"));
    Ok(response)
}

async fn minimal(has_session: Option<web::ReqData<HasSession>>) -> &'static str {
    match has_session.map(web::ReqData::into_inner) {
        Some(HasSession(false)) => "ok",
        _ => "who is this?",
    }
}

async fn optional(OptionalDjangoSession(session): OptionalDjangoSession) -> &'static str {
    if session.is_none() { "ok" } else { "who is this?" }
}

async fn required(session: DjangoSession) -> impl Responder {
    in_seconds(session.expire_date())
}

/// As little as `required` does, of a session that has another end each time.
async fn key(session: DjangoSession) -> impl Responder {
    session.key().as_str().to_owned()
}

async fn user_id(DjangoUserId(id): DjangoUserId<i64>) -> impl Responder {
    id.to_string()
}

async fn write(session: DjangoSessionMut) -> actix_web::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    session.insert("seen", &now.as_secs())?;
    Ok(session.get("_auth_user_id")?.unwrap_or_default())
}

async fn login_required(user: DjangoUser) -> impl Responder {
    user.id().to_owned()
}

async fn baseline(req: HttpRequest, pool: web::Data<Pool>) -> actix_web::Result<HttpResponse> {
    let Some(row) = session_row(&req, &pool).await? else {
        return Ok(HttpResponse::Unauthorized().finish());
    };
    Ok(HttpResponse::Ok().body(in_seconds(row.get(1))))
}

async fn session_row(req: &HttpRequest, pool: &Pool) -> actix_web::Result<Option<Row>> {
    let Some(cookie) = req.cookie("sessionid") else { return Ok(None) };
    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let sql = "SELECT session_data, expire_date FROM django_session WHERE session_key = $1";
    let statement = client.prepare_cached(sql).await.map_err(ErrorInternalServerError)?;
    let row = client.query_opt(&statement, &[&cookie.value()]).await;
    let row = row.map_err(ErrorInternalServerError)?;
    Ok(row.filter(|row| row.get::<_, SystemTime>(1) > SystemTime::now()))
}

async fn login_baseline(
    req: HttpRequest,
    pool: web::Data<Pool>,
    login: web::Data<LoginBaseline>,
) -> actix_web::Result<HttpResponse> {
    let unauthorized = || Ok(HttpResponse::Unauthorized().finish());
    let Some(row) = session_row(&req, &pool).await? else { return unauthorized() };
    let data = SessionData::decode(row.get(0), &login.signer);
    let data = data.map_err(ErrorInternalServerError)?;
    let id = data.user_id().and_then(|id| id.parse::<i32>().ok());
    let hash = data.get::<String>("_auth_user_hash").map_err(ErrorInternalServerError)?;
    let (Some(id), Some(hash)) = (id, hash) else { return unauthorized() };

    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let sql = "SELECT id, username, password, is_active, is_staff, is_superuser \
               FROM auth_user WHERE id = $1";
    let statement = client.prepare_cached(sql).await.map_err(ErrorInternalServerError)?;
    let row = client.query_opt(&statement, &[&id]).await.map_err(ErrorInternalServerError)?;
    match row {
        Some(row) if row.get(3) && login.hash.verify_hex(row.get::<_, &str>(2), &hash) => {
            Ok(HttpResponse::Ok().body(row.get::<_, i32>(0).to_string()))
        }
        _ => unauthorized(),
    }
}

fn in_seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string()
}
