//! The settings of `settings.py`, as plain data.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    AuthenticationBackend, DEFAULT_PASSWORD_HASHERS, MessageLevel, MessageStorage, PasswordHasher,
    RestFramework, SecretKey, SessionEngine, TableName, UserModel, site::ExportedSite,
};
use crate::signing;

/// Django's default of `DATA_UPLOAD_MAX_MEMORY_SIZE`.
pub(crate) const DEFAULT_UPLOAD_MEMORY_SIZE: usize = 2_621_440;

/// The settings that Django and this service must share, and how the service queries the database.
///
/// Plain data, with Django's names in lower case: create it, then set the fields that differ. Only
/// the secret key is required; the default of every other field is Django's own default. `None` is
/// Python's `None`.
///
/// Nothing is checked here: [`DjangoSite::new`](crate::DjangoSite::new) refuses settings that
/// cannot work, all of them in one message that names each setting.
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

    /// `ALLOWED_HOSTS`: the hosts of this site, without ports. `.example.com` is that domain and
    /// its subdomains; `*` is any host. A form is accepted from a page of such a host. A request
    /// for another host is answered, but a form on it that a browser sends is refused, and an
    /// anonymous visitor gets a 400 instead of the redirect to the login page.
    ///
    /// Defaults to an empty list, as in Django: then only pages of
    /// [`csrf_trusted_origins`](Self::csrf_trusted_origins) can send forms. With `DEBUG`, Django
    /// reads an empty list as `.localhost`, `127.0.0.1` and `[::1]`.
    pub allowed_hosts: Vec<String>,

    /// `FORCE_SCRIPT_NAME`: the path prefix of the site (`/shop`), if a proxy strips it from
    /// requests. It is put before the path in `next`. The `login_url` must already contain it.
    ///
    /// Defaults to `None`.
    pub force_script_name: Option<String>,

    /// `USE_X_FORWARDED_HOST`: whether `X-Forwarded-Host` names the host of the request. That host
    /// is compared with the `Origin` of forms, and is part of `next` if `LOGIN_URL` is on another
    /// host.
    ///
    /// Defaults to `false`.
    pub use_x_forwarded_host: bool,

    /// `USE_X_FORWARDED_PORT`: whether `X-Forwarded-Port` names the port of the request.
    ///
    /// Defaults to `false`.
    pub use_x_forwarded_port: bool,

    /// `SECURE_PROXY_SSL_HEADER`: the HTTP name of the header (`X-Forwarded-Proto`, not
    /// `HTTP_X_FORWARDED_PROTO`), and the value that means `https`. If a proxy terminates TLS,
    /// forms are refused without this setting.
    ///
    /// Defaults to `None`.
    pub secure_proxy_ssl_header: Option<(String, String)>,

    /// The port that Django has as `SERVER_PORT`. Behind a proxy that is often the port of the site
    /// itself, 443: gunicorn on a Unix socket and uwsgi take it from the proxy's headers. Set it if
    /// the site has a `CSRF_COOKIE_DOMAIN`: Django's check of `Referer` then expects the domain
    /// with that port, and without this setting the service refuses requests without `Origin` that
    /// Django accepts.
    ///
    /// Defaults to `None`: the port of the socket that the request arrived on. With
    /// [`use_x_forwarded_port`](Self::use_x_forwarded_port), `X-Forwarded-Port` takes precedence
    /// over both.
    pub server_port: Option<u16>,

    /// `USE_TZ`: whether the dates that Django stores in a session have a time zone.
    ///
    /// Defaults to `true`, as in every project that `startproject` created and as in Django since
    /// 5.0.
    pub use_tz: bool,

    /// `TIME_ZONE`: the IANA name of the time zone of dates that have none, such as
    /// `Europe/Berlin`. It only matters if [`use_tz`](Self::use_tz) is `false`.
    ///
    /// Defaults to Django's own default, `America/Chicago`.
    pub time_zone: String,

    /// `LOGIN_URL`: a path or a URL. The name of a URL pattern (`login`, `accounts:login`) is
    /// refused, because only Django can resolve it. A query string is kept; a `next` in it is
    /// replaced.
    ///
    /// If the site uses `i18n_patterns`, the URL depends on the request: see
    /// [`login_url_for`](crate::DjangoSessionMiddleware::login_url_for) of a middleware.
    ///
    /// Defaults to `/accounts/login/`.
    pub login_url: String,

    /// `LOGIN_REDIRECT_URL`: where a login without `next` redirects. A path or a URL, as for
    /// [`login_url`](Self::login_url). It can be on another site.
    ///
    /// Defaults to `/accounts/profile/`.
    pub login_redirect_url: String,

    /// `LOGOUT_REDIRECT_URL`: where a logout without `next` redirects, in the same forms.
    ///
    /// Defaults to `None`: the logout page itself.
    pub logout_redirect_url: Option<String>,

    /// `SESSION_ENGINE`.
    ///
    /// Defaults to [`SessionEngine::Db`].
    pub session_engine: SessionEngine,

    /// The table of the session model: `"table"`, `"schema.table"`, or `("schema", "table")` if the
    /// names themselves contain dots.
    ///
    /// Defaults to `django_session`, found through the connection's `search_path`.
    pub session_table: TableName,

    /// `SessionStore.key_salt`. If the class of your `SESSION_ENGINE` has another name than
    /// `SessionStore`, set this to `django.contrib.sessions.` followed by the class's
    /// `__qualname__`.
    ///
    /// Defaults to `django.contrib.sessions.SessionStore`.
    #[doc(alias = "key_salt")]
    pub session_key_salt: String,

    /// `SESSION_COOKIE_NAME`, compared exactly, as in Django.
    ///
    /// Defaults to `sessionid`.
    pub session_cookie_name: String,

    /// `SESSION_COOKIE_AGE`: the lifetime in seconds of a session without an expiry of its own.
    ///
    /// Defaults to 1209600, two weeks.
    pub session_cookie_age: i64,

    /// `SESSION_COOKIE_DOMAIN`: the domain that receives the cookie, with its subdomains.
    ///
    /// Defaults to `None`: only the host of the request.
    pub session_cookie_domain: Option<String>,

    /// `SESSION_COOKIE_PATH`.
    ///
    /// Defaults to `/`.
    pub session_cookie_path: Option<String>,

    /// `SESSION_COOKIE_SECURE`: whether browsers send the cookie over HTTPS only.
    ///
    /// Defaults to `false`, as in Django. A site with HTTPS should set it in both places.
    pub session_cookie_secure: bool,

    /// `SESSION_COOKIE_HTTPONLY`: whether the cookie is hidden from the scripts of a page.
    ///
    /// Defaults to `true`.
    pub session_cookie_httponly: bool,

    /// `SESSION_COOKIE_SAMESITE`: `"Lax"`, `"Strict"` or `"None"`. The cookie keeps the case of its
    /// letters, as in Django. `None`, which is `None` or `False` in `settings.py`, omits the
    /// attribute.
    ///
    /// Defaults to `Lax`.
    pub session_cookie_samesite: Option<String>,

    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`: whether the cookie of a session without an expiry of its
    /// own lasts until the browser closes.
    ///
    /// Defaults to `false`.
    pub session_expire_at_browser_close: bool,

    /// `SESSION_SAVE_EVERY_REQUEST`: whether each request of a visitor extends the session. All
    /// kinds of the middleware then write `expire_date`, if
    /// [`write_sessions`](Self::write_sessions) is on.
    ///
    /// Defaults to `false`.
    pub session_save_every_request: bool,

    /// Writes the end of a session only if the last such write is older than this, so that the
    /// requests of one page cause one write. Every response carries the cookie all the same. A
    /// visitor who stays away can be logged out earlier by this much, so keep it a small part of
    /// [`session_cookie_age`](Self::session_cookie_age). It only matters with
    /// [`session_save_every_request`](Self::session_save_every_request).
    ///
    /// With zero, each request writes the end to the microsecond, as in Django.
    ///
    /// Defaults to `None`: one second, which is as exact as the cookie. For a session that lives
    /// for less than a minute it is a sixtieth of the lifetime.
    pub session_save_interval: Option<Duration>,

    /// Whether this service can change sessions, through
    /// [`DjangoSessionMut`](crate::DjangoSessionMut) and through `SESSION_SAVE_EVERY_REQUEST`. The
    /// database role then needs `INSERT`, `UPDATE` and `DELETE` on the session table.
    ///
    /// Defaults to `false`: nothing is ever written.
    pub write_sessions: bool,

    /// Refuses session data that was saved longer ago than this, as `signing.loads(max_age=...)`
    /// does. Django sets no such limit for sessions, and most sites need none: `expire_date` ends a
    /// session.
    ///
    /// Defaults to `None`: no limit.
    #[doc(alias = "max_age")]
    pub session_data_max_age: Option<Duration>,

    /// The greatest size in bytes of session data after decompression. Django has no limit; without
    /// one, a few kilobytes in the table could fill the memory of this service.
    ///
    /// To read a session takes up to eight times as much memory for a moment, but only if the
    /// session consists of tiny entries.
    ///
    /// Defaults to 16 MiB.
    pub max_decompressed_size: usize,

    /// How many bytes a [`DjangoSite`](crate::DjangoSite) can use to remember sessions that it has
    /// read: their text, the decoded data, and the password for which their session auth hash was
    /// right. If the row of such a session still has exactly that text, the service does not
    /// unsign, decompress and parse it again, and does not compute its hash again. If the session let
    /// a user in before, one query reads session, user and permissions. The memory never decides who
    /// is logged in: each request reads the rows. With 0 nothing is remembered. Sessions of the
    /// engine `signed_cookies` are never remembered.
    ///
    /// A usual session, with a text of 250 bytes, takes about 1,100 bytes: its text, its data, the
    /// encoded password of its user, and the index. If there is no room left, sessions that were
    /// not used lately are dropped, one at a time. A session larger than 1/128 of the whole is not
    /// remembered.
    ///
    /// Defaults to 128 MiB, enough for 100,000 visitors with usual sessions. The memory is
    /// allocated as visitors come. All workers of a process share it.
    pub max_memo_size: usize,

    /// `CSRF_USE_SESSIONS`: whether the CSRF secret is in the session and not in a cookie of its
    /// own.
    ///
    /// A `CsrfToken` then creates the secret, and the session if there is none, as `get_token`
    /// does. That requires [`write_sessions`](Self::write_sessions). Without it, tokens are checked
    /// and handed out only for sessions that already have a secret; for other sessions, `CsrfToken`
    /// is a 500 whose log line names that setting.
    ///
    /// Defaults to `false`.
    pub csrf_use_sessions: bool,

    /// `CSRF_TRUSTED_ORIGINS`: other origins whose pages can send forms here, such as
    /// `https://www.example.com` or, with all its subdomains, `https://*.example.com`.
    ///
    /// Defaults to none.
    pub csrf_trusted_origins: Vec<String>,

    /// `CSRF_HEADER_NAME`: the header that can carry the token, by its HTTP name (`X-CSRFToken`,
    /// not `HTTP_X_CSRFTOKEN`).
    ///
    /// Defaults to `X-CSRFToken`.
    pub csrf_header_name: String,

    /// `CSRF_COOKIE_NAME`.
    ///
    /// Defaults to `csrftoken`.
    pub csrf_cookie_name: String,

    /// `CSRF_COOKIE_AGE`: how long browsers keep the cookie, in seconds. `None`: until the browser
    /// closes.
    ///
    /// Defaults to 31449600, 52 weeks.
    pub csrf_cookie_age: Option<i64>,

    /// `CSRF_COOKIE_DOMAIN`. Under HTTPS, a `Referer` from this domain is also accepted, and from
    /// its subdomains if it starts with a dot.
    ///
    /// Defaults to `None`: the host of the request.
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

    /// `CSRF_COOKIE_HTTPONLY`: whether the cookie is hidden from the scripts of a page.
    ///
    /// Defaults to `false`.
    pub csrf_cookie_httponly: bool,

    /// `DATA_UPLOAD_MAX_MEMORY_SIZE`: how many bytes of a form are searched for the CSRF token, not
    /// counting files. A larger form is answered with a 400. `None` leaves only the limits
    /// [`max_form_memory`](Self::max_form_memory) and [`max_form_spool`](Self::max_form_spool).
    ///
    /// Defaults to 2621440, 2.5 MiB.
    pub data_upload_max_memory_size: Option<usize>,

    /// `DATA_UPLOAD_MAX_NUMBER_FIELDS`: the greatest number of fields in a form; more is a 400.
    /// `None` is no limit.
    ///
    /// Defaults to 1000.
    pub data_upload_max_number_fields: Option<usize>,

    /// `DATA_UPLOAD_MAX_NUMBER_FILES`: the greatest number of files in a form; more is a 400.
    /// `None` is no limit.
    ///
    /// Defaults to 100.
    pub data_upload_max_number_files: Option<usize>,

    /// How long the middleware can read a form for its CSRF token, from the first byte to the last
    /// byte that it needs: the whole form, or an upload up to the token. After that time the client
    /// gets a 408 and the connection is closed. An upload with its token in the header or before
    /// its files takes no time here. The time in which a handler reads the body does not count.
    ///
    /// Defaults to 60 seconds, as long as nginx waits for a client by default, but in total. That
    /// is enough for 20 MB before the token at 2.7 Mbit/s.
    pub form_timeout: Duration,

    /// How many bytes of forms can be in memory at once, over all connections of this site in the
    /// process: while the middleware searches them for their CSRF token, and until the handler has
    /// read them. When this memory is full, a form continues in a temporary file: see
    /// [`max_form_spool`](Self::max_form_spool).
    ///
    /// Defaults to 64 MiB: 25 forms of the greatest size, or 60,000 of one kilobyte.
    pub max_form_memory: u64,

    /// How many bytes of forms can be in temporary files at once, over all connections of this site
    /// in the process. The handler reads the body from there. A form goes there in two cases:
    ///
    /// - Its CSRF token is after a file, so that it has not come within `DATA_UPLOAD_MAX_MEMORY_SIZE` or
    ///   2.5 MiB, whichever is larger. Django, too, puts such an upload into temporary files.
    /// - The memory of [`max_form_memory`](Self::max_form_memory) is full.
    ///
    /// If the forms of all visitors together do not fit, a further one gets a 503 with `Retry-After`. A
    /// form that is larger than this setting by itself gets a 413. With 0 there are no temporary files:
    /// then the token must be in the header or before the files.
    ///
    /// Defaults to 1 GiB: 50 uploads of 20 MB at once.
    pub max_form_spool: u64,

    /// `FILE_UPLOAD_TEMP_DIR`: the directory for the temporary files of
    /// [`max_form_spool`](Self::max_form_spool). They have no name there, and disappear with the
    /// process. The exported settings do not contain it, because it is a directory of this machine.
    ///
    /// Defaults to `None`: the system's directory, `TMPDIR` or `/tmp`. If that is in memory (a
    /// `tmpfs`), the uploads are too: then name a directory on a disk.
    pub file_upload_temp_dir: Option<PathBuf>,

    /// `AUTH_USER_MODEL`, as table and column names.
    ///
    /// Defaults to `auth.User`.
    #[doc(alias = "AUTH_USER_MODEL")]
    pub user_model: UserModel,

    /// `AUTHENTICATION_BACKENDS`: the dotted paths exactly as `settings.py` lists them. For
    /// backends that are not Django's, say what they do: see [`AuthenticationBackend`]. A session
    /// of a user who logged in with another backend is anonymous.
    ///
    /// Defaults to `django.contrib.auth.backends.ModelBackend`.
    pub authentication_backends: Vec<AuthenticationBackend>,

    /// `PASSWORD_HASHERS`, with the parameters of the site's Django. The first one encodes new
    /// passwords; all of them can check a password.
    ///
    /// When a user logs in, an old encoding of the password is replaced by one of the first hasher,
    /// as in Django. [`upgrade_passwords`](Self::upgrade_passwords) leaves that to Django. If the
    /// parameters differ from Django's, the two replace each other's encodings at every login, and
    /// each time end the user's other sessions.
    ///
    /// Defaults to `None`: Django's own list with the parameters of Django 5.2, and no upgrades,
    /// because this crate cannot know the site's version of Django.
    ///
    /// ```
    /// use actix_django_session::{DjangoSettings, PasswordHasher};
    ///
    /// // Django 5.2 with PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    /// let mut settings = DjangoSettings::new("the SECRET_KEY of settings.py");
    /// settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations: 1_000_000 }]);
    /// ```
    pub password_hashers: Option<Vec<PasswordHasher>>,

    /// Whether a login replaces an old encoding of the password, as
    /// [`password_hashers`](Self::password_hashers) describes. The database role then needs the
    /// right to update the password column.
    ///
    /// Defaults to `true`; without `password_hashers` nothing is replaced.
    pub upgrade_passwords: bool,

    /// `MESSAGE_STORAGE`.
    ///
    /// Defaults to [`MessageStorage::Fallback`].
    pub message_storage: MessageStorage,

    /// `MESSAGE_LEVEL`: messages of a lower level are dropped.
    ///
    /// Defaults to [`MessageLevel::INFO`].
    pub message_level: MessageLevel,

    /// `MESSAGE_TAGS`: the CSS classes of levels that differ from Django's.
    ///
    /// Defaults to none.
    pub message_tags: BTreeMap<MessageLevel, String>,

    /// `REST_FRAMEWORK` and `SIMPLE_JWT`, for
    /// [`DjangoSessionMiddleware::rest_framework`](crate::DjangoSessionMiddleware::rest_framework).
    ///
    /// Defaults to the framework's own classes: session and basic.
    ///
    /// The exported file does not contain SimpleJWT's `SIGNING_KEY`. Set it like this:
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

    /// The overrides of the site for which this service takes responsibility. Each is the path of a
    /// method (`"shop.models.User.check_password"`), or of a class with everything that it
    /// overrides (`"shop.models.User"`). The exported settings list them. Name an override that
    /// makes no difference here, such as a method that only writes to the log, or one that your own
    /// code replaces.
    ///
    /// If an override that is not listed could let a user in whom Django refuses, and no hook
    /// replaces it, then the functions that it concerns return [`ImproperlyConfigured`].
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

    /// How long one request waits for the database in total, for everything that it reads: session,
    /// user and permissions, including new connections and retries. After that time the client gets
    /// a 503. Everything that the request writes has as much time again. The time that the handler
    /// itself takes does not count. A call in another task has a `timeout` of its own.
    ///
    /// Defaults to 5 seconds.
    pub timeout: Duration,

    /// The greatest number of connections to PostgreSQL for this site, in the whole process and
    /// over all workers. It counts connections in use, idle ones, those that are being opened,
    /// second ones for a slow query, and abandoned ones until PostgreSQL has ended their processes.
    /// PostgreSQL may still count an idle one for a moment after the site has closed it. It must be
    /// at least 2: one is reserved to cancel abandoned queries.
    ///
    /// Workers share them. If there are fewer connections than workers, a worker closes an unused
    /// one for a worker that waits: every request is answered, and simultaneous requests take
    /// longer. A busy worker usually has one or two, or three or four if it also writes. So 32 are
    /// enough for 8 to 16 workers without sharing.
    ///
    /// PostgreSQL allows 100 connections by default (`max_connections`, of which 3 are reserved).
    /// Django has one for each thread of each of its processes. During a deployment the old process
    /// and the new one run at the same time, so this number counts twice: 2 * 32 leave 33 to
    /// Django. Several services or machines share the rest.
    ///
    /// Defaults to 32.
    pub max_connections: usize,

    /// Whether queries are prepared once per connection. Set it to `false` behind a pooler that can
    /// run each transaction on another server connection, such as PgBouncer with `pool_mode =
    /// transaction`: there, the statement names of several processes would collide. If the service
    /// detects such a pooler, it stops preparing queries and logs that.
    ///
    /// Defaults to `true`.
    pub prepared_statements: bool,

    /// The site that exported these settings, if there is one.
    pub(crate) site: Option<ExportedSite>,
}

impl DjangoSettings {
    /// Creates settings with Django's `SECRET_KEY`: bytes, or text whose UTF-8 bytes are used, as
    /// in Django. It must not be empty.
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
            // The class of each engine has this name.
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

    /// Whether the user model differs from the exported one (or from the default): the service relies on it.
    pub(crate) fn names_user_model(&self) -> bool {
        match &self.site {
            Some(site) => self.user_model != site.user_model,
            None => self.user_model != UserModel::default(),
        }
    }

    /// Whether a backend grants the permissions of Django's tables.
    pub(crate) fn grants_permissions(&self) -> bool {
        let grants = |backend: &AuthenticationBackend| backend.grants_permissions == Some(true);
        self.authentication_backends.iter().any(grants)
    }

    /// The hashers. The first one encodes new passwords.
    pub(crate) fn hashers(&self) -> &[PasswordHasher] {
        self.password_hashers.as_deref().unwrap_or(&DEFAULT_PASSWORD_HASHERS)
    }

    /// Whether the algorithm is one of the exported site, and this build lacks the feature `hashers` that it needs.
    pub(crate) fn lacks_hasher(&self, algorithm: &str) -> bool {
        let site = self.site.iter();
        site.flat_map(|site| &site.hashers_without_feature).any(|lacking| lacking == algorithm)
    }

    /// Whether a login replaces an old encoding.
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
