//! `settings.py`, as plain data.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    AuthenticationBackend, DEFAULT_PASSWORD_HASHERS, MessageLevel, MessageStorage, PasswordHasher,
    RestFramework, SecretKey, SessionEngine, TableName, UserModel, site::Site,
};
use crate::signing;

/// Django's default of `DATA_UPLOAD_MAX_MEMORY_SIZE`.
pub(crate) const DEFAULT_UPLOAD_MEMORY_SIZE: usize = 2_621_440;

/// The settings that Django and this service must agree on, and how lookups behave.
///
/// Plain data, under Django's names in lower case: make it, then set the fields that differ. Only the
/// secret key is required; everything else starts at Django's own default. `None` is Python's `None`.
///
/// Nothing is checked here: [`DjangoSite::new`](crate::DjangoSite::new) refuses settings that cannot
/// work, all of them in one message that names each setting.
///
/// ```
/// use actix_django_session::DjangoSettings;
///
/// let mut settings = DjangoSettings::new("the SECRET_KEY of settings.py");
/// settings.secret_key_fallbacks = vec!["the key before that".into()];
/// settings.login_url = "/login/".into();
/// settings.session_cookie_age = 3600;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "settings.py")]
pub struct DjangoSettings {
    /// `SECRET_KEY`, never empty.
    pub secret_key: SecretKey,

    /// `SECRET_KEY_FALLBACKS`: older keys that are still accepted, newest first, never empty.
    ///
    /// Defaults to none.
    pub secret_key_fallbacks: Vec<SecretKey>,

    /// `ALLOWED_HOSTS`: the hosts that this site is, without ports; `.example.com` is that domain and
    /// its subdomains, `*` is any. A form is accepted from a page of such a host; a request for
    /// another host is answered, but a browser's form on it is refused, and an anonymous visitor gets a
    /// 400 in place of the redirect to log in.
    ///
    /// Defaults to none, as in Django: then only [`csrf_trusted_origins`](Self::csrf_trusted_origins)
    /// may send forms. With `DEBUG`, Django takes none for `.localhost`, `127.0.0.1` and `[::1]`.
    pub allowed_hosts: Vec<String>,

    /// `FORCE_SCRIPT_NAME`: the path under which the site lies, where a proxy strips that from the
    /// requests (`/shop`). It stands in front of the path in `next`; the `login_url` has to have it
    /// already.
    ///
    /// Defaults to `None`.
    pub force_script_name: Option<String>,

    /// `USE_X_FORWARDED_HOST`: whether `X-Forwarded-Host` names the host of the request: for the
    /// `Origin` of forms, and for `next` when `LOGIN_URL` is on another host.
    ///
    /// Defaults to `false`.
    pub use_x_forwarded_host: bool,

    /// `USE_X_FORWARDED_PORT`: whether `X-Forwarded-Port` names the port of the request.
    ///
    /// Defaults to `false`.
    pub use_x_forwarded_port: bool,

    /// `SECURE_PROXY_SSL_HEADER`: the header, by its HTTP name (`X-Forwarded-Proto`, not
    /// `HTTP_X_FORWARDED_PROTO`), and the value in it that means `https`. Behind a proxy that ends TLS,
    /// forms are refused without it.
    ///
    /// Defaults to `None`.
    pub secure_proxy_ssl_header: Option<(String, String)>,

    /// The port that Django has as `SERVER_PORT`. Behind a proxy that is often the site's own, 443:
    /// gunicorn on a Unix socket and uwsgi take it from what the proxy says. Name it where the site
    /// has a `CSRF_COOKIE_DOMAIN`: Django's check of `Referer` then expects the domain with that port,
    /// and requests without `Origin` are refused here that Django accepts.
    ///
    /// Defaults to `None`: the port of the socket that the request came to. `X-Forwarded-Port` goes
    /// before both, with [`use_x_forwarded_port`](Self::use_x_forwarded_port).
    pub server_port: Option<u16>,

    /// `USE_TZ`: whether the dates that Django keeps in a session name their time zone.
    ///
    /// Defaults to `true`, as in every project that `startproject` made and from Django 5.0 on.
    pub use_tz: bool,

    /// `TIME_ZONE`, by its name, such as `Europe/Berlin`: what dates without a time zone mean. Only
    /// matters where [`use_tz`](Self::use_tz) is `false`.
    ///
    /// Defaults to Django's own default, `America/Chicago`.
    pub time_zone: String,

    /// `LOGIN_URL`: a path or URL. The name of a URL pattern (`login`, `accounts:login`) is refused:
    /// only Django knows where that leads. A query string is kept; a `next` in it is replaced.
    ///
    /// With `i18n_patterns` the URL depends on the request: see
    /// [`login_url_for`](crate::DjangoSessionMiddleware::login_url_for) of a middleware.
    ///
    /// Defaults to `/accounts/login/`.
    pub login_url: String,

    /// `LOGIN_REDIRECT_URL`: where a log-in leads that has no `next`; a path or URL, as for
    /// [`login_url`](Self::login_url). It may be another site.
    ///
    /// Defaults to `/accounts/profile/`.
    pub login_redirect_url: String,

    /// `LOGOUT_REDIRECT_URL`: where a log-out leads that has no `next`, likewise.
    ///
    /// Defaults to `None`: the page of the log-out itself.
    pub logout_redirect_url: Option<String>,

    /// `SESSION_ENGINE`.
    ///
    /// Defaults to [`SessionEngine::Db`].
    pub session_engine: SessionEngine,

    /// The table of the session model: `"table"`, `"schema.table"`, or `("schema", "table")`
    /// where the names themselves contain dots.
    ///
    /// Defaults to `django_session`, found through the connection's `search_path`.
    pub session_table: TableName,

    /// `SessionStore.key_salt`: change it when `SESSION_ENGINE` has a session store class by
    /// another name, to `django.contrib.sessions.` and the `__qualname__` of that class.
    ///
    /// Defaults to `django.contrib.sessions.SessionStore`.
    #[doc(alias = "key_salt")]
    pub session_key_salt: String,

    /// `SESSION_COOKIE_NAME`: compared exactly, as Django does.
    ///
    /// Defaults to `sessionid`.
    pub session_cookie_name: String,

    /// `SESSION_COOKIE_AGE`: after how many seconds a session ends that has no expiry of its own.
    ///
    /// Defaults to two weeks, 1209600.
    pub session_cookie_age: i64,

    /// `SESSION_COOKIE_DOMAIN`: the domain that the cookie is for, with its subdomains.
    ///
    /// Defaults to `None`: the host of the request alone.
    pub session_cookie_domain: Option<String>,

    /// `SESSION_COOKIE_PATH`.
    ///
    /// Defaults to `/`.
    pub session_cookie_path: Option<String>,

    /// `SESSION_COOKIE_SECURE`: whether browsers send the cookie over HTTPS only.
    ///
    /// Defaults to `false`, as Django does; a site with HTTPS should set it, there and here.
    pub session_cookie_secure: bool,

    /// `SESSION_COOKIE_HTTPONLY`: whether scripts of the page cannot read the cookie.
    ///
    /// Defaults to `true`.
    pub session_cookie_httponly: bool,

    /// `SESSION_COOKIE_SAMESITE`: `"Lax"`, `"Strict"` or `"None"`, in any case, which the cookie keeps
    /// as Django does. `None`, for `None` or `False` in `settings.py`, leaves the attribute out.
    ///
    /// Defaults to `Lax`.
    pub session_cookie_samesite: Option<String>,

    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`: whether the cookie of a session without an expiry of its
    /// own ends with the browser.
    ///
    /// Defaults to `false`.
    pub session_expire_at_browser_close: bool,

    /// `SESSION_SAVE_EVERY_REQUEST`: whether each request of a visitor moves the end of the session.
    /// Behind every middleware then, with one write of `expire_date`, if
    /// [`write_sessions`](Self::write_sessions) allows it.
    ///
    /// Defaults to `false`.
    pub session_save_every_request: bool,

    /// Writes the end of a session only if it was moved longer ago than this, to have fewer writes:
    /// the requests of a page move it once. Every response carries the cookie all the same. A
    /// visitor who stays away is logged out by so much earlier at most, so it should be a small part
    /// of [`session_cookie_age`](Self::session_cookie_age). Only matters with
    /// [`session_save_every_request`](Self::session_save_every_request).
    ///
    /// With zero, each request moves it to the microsecond, as in Django.
    ///
    /// Defaults to `None`: one second, which is as exact as the cookie; for a session that lives for
    /// less than a minute, a sixtieth of its life.
    pub session_save_interval: Option<Duration>,

    /// Lets this service change sessions, as [`DjangoSessionMut`](crate::DjangoSessionMut) and the
    /// sliding of `SESSION_SAVE_EVERY_REQUEST` do. The database role needs `INSERT`, `UPDATE` and
    /// `DELETE` on the session table then.
    ///
    /// Defaults to `false`: nothing is ever written.
    pub write_sessions: bool,

    /// Refuses session data that was saved longer ago than this, as `signing.loads(max_age=...)`
    /// would. Django itself sets no such limit, and neither should most people: what ends a
    /// session is its `expire_date`.
    ///
    /// Defaults to `None`: no limit.
    #[doc(alias = "max_age")]
    pub session_data_max_age: Option<Duration>,

    /// How many bytes compressed session data may grow to. Django has no limit; without one, a
    /// few kilobytes in the table could fill the memory of this service.
    ///
    /// Reading a session takes at most eight times as much memory, for a moment, and that only if it
    /// is made of nothing but tiny entries.
    ///
    /// Defaults to 16 MiB.
    pub max_decompressed_size: usize,

    /// How many bytes a [`DjangoSite`](crate::DjangoSite) may take to remember the sessions that it
    /// has read: their text, what is in it, and for which password the session auth hash in it was
    /// right. A session whose row still has exactly that text is not unsigned, decompressed and parsed
    /// again, nor is its hash computed again; and session, user and permissions are asked for in one
    /// query. Nobody is let in by memory: the rows are read with every request. With 0 nothing is
    /// remembered. Sessions of the engine `signed_cookies` never are.
    ///
    /// A usual session, with a text of 250 bytes, takes some 1,100 bytes: its text, its data, the
    /// encoded password of its user, and the way to them. When there is no room left, sessions that
    /// were not used lately leave, one at a time. A session that takes more than a 128th of all is
    /// not remembered.
    ///
    /// Defaults to 128 MiB, enough for 100,000 visitors with usual sessions. It is taken only as they
    /// come. All workers of a process share it.
    pub max_memo_size: usize,

    /// `CSRF_USE_SESSIONS`: whether the secret is in the session and not in a cookie of its own.
    ///
    /// A `CsrfToken` then makes the secret, and the session, where there is none yet, as `get_token` does;
    /// that takes [`write_sessions`](Self::write_sessions). A service that only reads sessions checks
    /// tokens, and gives some of the secrets that are there; for a session without one, `CsrfToken` is
    /// a 500 whose log line names that setting.
    ///
    /// Defaults to `false`.
    pub csrf_use_sessions: bool,

    /// `CSRF_TRUSTED_ORIGINS`: other origins whose pages may send forms here, such as
    /// `https://www.example.com` or, with all its subdomains, `https://*.example.com`.
    ///
    /// Defaults to none.
    pub csrf_trusted_origins: Vec<String>,

    /// `CSRF_HEADER_NAME`: the header that may carry the token, by its HTTP name (`X-CSRFToken`, not
    /// `HTTP_X_CSRFTOKEN`).
    ///
    /// Defaults to `X-CSRFToken`.
    pub csrf_header_name: String,

    /// `CSRF_COOKIE_NAME`.
    ///
    /// Defaults to `csrftoken`.
    pub csrf_cookie_name: String,

    /// `CSRF_COOKIE_AGE`: how long browsers keep the cookie, in seconds. `None` is until the
    /// browser is closed.
    ///
    /// Defaults to 31449600, 52 weeks.
    pub csrf_cookie_age: Option<i64>,

    /// `CSRF_COOKIE_DOMAIN`. Under HTTPS it is also the domain from which a `Referer` is accepted,
    /// with subdomains if it starts with a dot.
    ///
    /// Defaults to `None`: the host that answers.
    pub csrf_cookie_domain: Option<String>,

    /// `CSRF_COOKIE_PATH`.
    ///
    /// Defaults to `/`.
    pub csrf_cookie_path: Option<String>,

    /// `CSRF_COOKIE_SAMESITE`, as [`session_cookie_samesite`](Self::session_cookie_samesite).
    ///
    /// Defaults to `Lax`.
    pub csrf_cookie_samesite: Option<String>,

    /// `CSRF_COOKIE_SECURE`: whether browsers send the cookie over HTTPS only.
    ///
    /// Defaults to `false`.
    pub csrf_cookie_secure: bool,

    /// `CSRF_COOKIE_HTTPONLY`: whether scripts cannot read the cookie.
    ///
    /// Defaults to `false`.
    pub csrf_cookie_httponly: bool,

    /// `DATA_UPLOAD_MAX_MEMORY_SIZE`: how many bytes of a form are looked at for the CSRF token, files
    /// apart. A larger form is answered with a 400. `None` is no limit but those of
    /// [`max_form_memory`](Self::max_form_memory) and [`max_form_spool`](Self::max_form_spool).
    ///
    /// Defaults to 2621440, 2.5 MiB.
    pub data_upload_max_memory_size: Option<usize>,

    /// `DATA_UPLOAD_MAX_NUMBER_FIELDS`: how many fields a form may have; more is a 400. `None` is no
    /// limit.
    ///
    /// Defaults to 1000.
    pub data_upload_max_number_fields: Option<usize>,

    /// `DATA_UPLOAD_MAX_NUMBER_FILES`: how many files a form may have; more is a 400. `None` is no
    /// limit.
    ///
    /// Defaults to 100.
    pub data_upload_max_number_files: Option<usize>,

    /// How long reading a form for its CSRF token may take, from its first byte to the last one that it
    /// takes: a form, or an upload up to the token. After that the visitor gets a 408, and the connection is
    /// closed. An upload with its token in the header or before its files takes no time here, and what a
    /// handler reads is the handler's own matter.
    ///
    /// Defaults to 60 seconds, as long as nginx waits for a client by default, but in all: 20 MB with the
    /// token behind them at 2.7 Mbit/s.
    pub form_timeout: Duration,

    /// How many bytes of forms may be in memory at once, over all connections of this site in the
    /// process: while they are looked into for their CSRF token, and until the handler has taken them. A form
    /// for which there is no room left goes on in a temporary file: see
    /// [`max_form_spool`](Self::max_form_spool).
    ///
    /// Defaults to 64 MiB: 25 forms of the greatest size, or 60,000 of a kilobyte.
    pub max_form_memory: u64,

    /// How many bytes of forms may be in temporary files at once, over all connections of this site in
    /// the process. An upload goes there, as in Django, while its CSRF token has not come within
    /// `DATA_UPLOAD_MAX_MEMORY_SIZE`, or 2.5 MiB if that is smaller: that is, if it is behind a file. The
    /// handler gets the body from there.
    ///
    /// An upload that alone takes more gets a 413; a form that finds no room, because of others, a 503
    /// with `Retry-After`. With 0 nothing is spooled: then the token has to be in the header or before
    /// the files.
    ///
    /// Defaults to 1 GiB: 50 uploads of 20 MB at once.
    pub max_form_spool: u64,

    /// `FILE_UPLOAD_TEMP_DIR`: where the temporary files are of [`max_form_spool`](Self::max_form_spool).
    /// They have no name there, and are gone with the process. Not among the exported settings: it is
    /// a directory of this machine.
    ///
    /// Defaults to `None`: the directory of the system, `TMPDIR` or `/tmp`. Where that is in memory (a
    /// `tmpfs`), so are uploads: then name one that is on a disk.
    pub file_upload_temp_dir: Option<PathBuf>,

    /// `AUTH_USER_MODEL`, as its tables and columns.
    ///
    /// Defaults to `auth.User`.
    #[doc(alias = "AUTH_USER_MODEL")]
    pub user_model: UserModel,

    /// `AUTHENTICATION_BACKENDS`: the dotted paths exactly as `settings.py` lists them, and for those
    /// that are not Django's what they do: see [`AuthenticationBackend`]. A session that came in by
    /// another backend is anonymous.
    ///
    /// Defaults to `django.contrib.auth.backends.ModelBackend`.
    pub authentication_backends: Vec<AuthenticationBackend>,

    /// `PASSWORD_HASHERS`, with the parameters that the site's Django has: the first one makes new
    /// encodings, all of them are read.
    ///
    /// What is named here is also what an old encoding is brought to when its user logs in, as
    /// Django does; [`upgrade_passwords`](Self::upgrade_passwords) leaves that to Django.
    /// With other numbers than Django's, the two would change the column at every log-in, and end
    /// the user's other sessions each time.
    ///
    /// Defaults to `None`: Django's own list with the parameters of Django 5.2, and no upgrades, since
    /// this crate cannot know which Django it stands beside.
    ///
    /// ```
    /// use actix_django_session::{DjangoSettings, PasswordHasher};
    ///
    /// // Django 5.2 with PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    /// let mut settings = DjangoSettings::new("the SECRET_KEY of settings.py");
    /// settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations: 1_000_000 }]);
    /// ```
    pub password_hashers: Option<Vec<PasswordHasher>>,

    /// Whether a log-in brings an old encoding of the password to what
    /// [`password_hashers`](Self::password_hashers) names, for which the database role needs the
    /// right to update the password column.
    ///
    /// Defaults to `true`; without `password_hashers` nothing is upgraded.
    pub upgrade_passwords: bool,

    /// `MESSAGE_STORAGE`
    ///
    /// Defaults to [`MessageStorage::Fallback`].
    pub message_storage: MessageStorage,

    /// `MESSAGE_LEVEL`: messages of a lower level are not kept.
    ///
    /// Defaults to [`MessageLevel::INFO`].
    pub message_level: MessageLevel,

    /// `MESSAGE_TAGS`: the CSS classes of levels, where they are not Django's.
    ///
    /// Defaults to none.
    pub message_tags: BTreeMap<MessageLevel, String>,

    /// `REST_FRAMEWORK` and `SIMPLE_JWT`, for
    /// [`DjangoSessionMiddleware::rest_framework`](crate::DjangoSessionMiddleware::rest_framework).
    ///
    /// Defaults to the framework's own classes: session and basic.
    ///
    /// The `SIGNING_KEY` of SimpleJWT, which is in no exported file, goes here:
    ///
    /// ```
    /// # use actix_django_session::{AuthenticationClass, DjangoSettings};
    /// # fn f(mut settings: DjangoSettings, key: Vec<u8>) {
    /// for each in &mut settings.rest_framework.default_authentication_classes {
    ///     if let AuthenticationClass::Jwt(jwt) = &mut each.class {
    ///         jwt.signing_key = Some(key.as_slice().into());
    ///     }
    /// }
    /// # }
    /// ```
    #[doc(alias = "SIMPLE_JWT")]
    pub rest_framework: RestFramework,

    /// What the site does in its own way, names in its exported settings, and this service takes
    /// responsibility for: methods (`"shop.models.User.check_password"`), or classes with all that they
    /// override (`"shop.models.User"`). Name what makes no difference here, such as a method that only
    /// writes to the log, or what your own code does by other means.
    ///
    /// Without it, what the method is about is an [`ImproperlyConfigured`] here, where somebody
    /// might be let in whom Django refuses and no hook does what the method does.
    ///
    /// Defaults to none.
    ///
    /// [`ImproperlyConfigured`]: crate::Error::ImproperlyConfigured
    ///
    /// ```
    /// # use actix_django_session::DjangoSettings;
    /// # fn f(mut settings: DjangoSettings) {
    /// // class User(AbstractUser):
    /// //     def check_password(self, raw_password):
    /// //         logger.info("somebody tries the password of %s", self.pk)
    /// //         return super().check_password(raw_password)
    /// settings.accepted_overrides.push("shop.models.User.check_password".into());
    /// # }
    /// ```
    pub accepted_overrides: Vec<String>,

    /// How long a request waits for the database, over all that it reads: session, user,
    /// permissions, with connecting and asking again. After that the visitor gets a 503. All that it
    /// writes has as much time once more. What the request itself does in between does not count; nor
    /// does what it leaves to another task, where each call has a `timeout` of its own.
    ///
    /// Defaults to 5 seconds.
    pub timeout: Duration,

    /// How many connections to PostgreSQL this site has at most, in the whole process and with all of
    /// its workers: those in use and idle ones, those in the making, a second one where the first does
    /// not answer, and those that were given up on, until PostgreSQL has ended their processes. At least
    /// 2: one is set aside to end what another one has left behind.
    ///
    /// Workers share them. Where there are fewer connections than workers, a worker closes one that it
    /// does not use for another worker that waits: every request is answered, and those that come
    /// together take longer. A worker at work usually has one or two, three or four where it also
    /// writes: so 32 are enough for 8 to 16 workers without any sharing.
    ///
    /// PostgreSQL takes 100 connections by default (`max_connections`, of which 3 are set aside). Django
    /// has one for each thread of each of its processes. During a deployment the old process and the new
    /// one are there at the same time, so what is given here counts twice: 2 * 32 leave 33 to Django.
    /// Several services, or several machines, have to share what is left.
    ///
    /// Defaults to 32.
    pub max_connections: usize,

    /// Whether queries are prepared once per connection. Switch it off behind a pooler, such as
    /// PgBouncer with `pool_mode = transaction`, that hands every transaction to another server
    /// connection: statements of several processes would share their names there. A pooler that is
    /// found all the same switches it off by itself, and the log says so.
    ///
    /// Defaults to `true`.
    pub prepared_statements: bool,

    /// Where these settings come from, if a site exported them.
    pub(crate) site: Option<Site>,
}

impl DjangoSettings {
    /// Settings with Django's `SECRET_KEY`: text (its UTF-8 bytes are used, as Django does) or
    /// bytes, never empty.
    pub fn new(secret_key: impl AsRef<[u8]>) -> Self {
        Self {
            secret_key: secret_key.into(),
            secret_key_fallbacks: Vec::new(),
            allowed_hosts: Vec::new(),
            force_script_name: None,
            use_x_forwarded_host: false,
            use_x_forwarded_port: false,
            secure_proxy_ssl_header: None,
            server_port: None,
            use_tz: true,
            time_zone: "America/Chicago".into(),
            login_url: "/accounts/login/".into(),
            login_redirect_url: "/accounts/profile/".into(),
            logout_redirect_url: None,
            session_engine: SessionEngine::Db,
            session_table: "django_session".into(),
            // Every engine's class has this name.
            session_key_salt: "django.contrib.sessions.SessionStore".into(),
            session_cookie_name: "sessionid".into(),
            session_cookie_age: 60 * 60 * 24 * 7 * 2,
            session_cookie_domain: None,
            session_cookie_path: Some("/".into()),
            session_cookie_secure: false,
            session_cookie_httponly: true,
            session_cookie_samesite: Some("Lax".into()),
            session_expire_at_browser_close: false,
            session_save_every_request: false,
            session_save_interval: None,
            write_sessions: false,
            session_data_max_age: None,
            max_decompressed_size: signing::DEFAULT_MAX_DECOMPRESSED_SIZE,
            max_memo_size: 128 << 20,
            csrf_use_sessions: false,
            csrf_trusted_origins: Vec::new(),
            csrf_header_name: "X-CSRFToken".into(),
            csrf_cookie_name: "csrftoken".into(),
            csrf_cookie_age: Some(60 * 60 * 24 * 7 * 52),
            csrf_cookie_domain: None,
            csrf_cookie_path: Some("/".into()),
            csrf_cookie_samesite: Some("Lax".into()),
            csrf_cookie_secure: false,
            csrf_cookie_httponly: false,
            data_upload_max_memory_size: Some(DEFAULT_UPLOAD_MEMORY_SIZE),
            data_upload_max_number_fields: Some(1000),
            data_upload_max_number_files: Some(100),
            form_timeout: Duration::from_secs(60),
            max_form_memory: 64 << 20,
            max_form_spool: 1 << 30,
            file_upload_temp_dir: None,
            user_model: UserModel::default(),
            authentication_backends: vec!["django.contrib.auth.backends.ModelBackend".into()],
            password_hashers: None,
            upgrade_passwords: true,
            message_storage: MessageStorage::Fallback,
            message_level: MessageLevel::INFO,
            message_tags: BTreeMap::new(),
            rest_framework: RestFramework::default(),
            accepted_overrides: Vec::new(),
            timeout: Duration::from_secs(5),
            max_connections: 32,
            prepared_statements: true,
            site: None,
        }
    }

    /// Whether the user model is another than the one that was to be expected: then somebody wants its
    /// table to be right.
    pub(crate) fn names_user_model(&self) -> bool {
        match &self.site {
            Some(site) => self.user_model != site.user_model,
            None => self.user_model != UserModel::default(),
        }
    }

    /// Whether anybody has the permissions that stand in Django's tables.
    pub(crate) fn grants_permissions(&self) -> bool {
        let grants = |backend: &AuthenticationBackend| backend.grants_permissions == Some(true);
        self.authentication_backends.iter().any(grants)
    }

    /// The hashers, the first of which is preferred.
    pub(crate) fn hashers(&self) -> &[PasswordHasher] {
        self.password_hashers.as_deref().unwrap_or(&DEFAULT_PASSWORD_HASHERS)
    }

    /// Whether an old encoding is to be replaced.
    pub(crate) fn upgrades_passwords(&self) -> bool {
        self.upgrade_passwords && self.password_hashers.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_secrets() {
        let mut settings = DjangoSettings::new("hush-1");
        settings.secret_key_fallbacks = vec!["hush-2".into()];
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
