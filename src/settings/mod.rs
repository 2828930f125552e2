//! What this service shares with Django's `settings.py`, in Django's names.

mod backend;
mod cookie;
mod csrf;
mod exported;
mod exported_rest;
mod fingerprint;
mod from_json;
mod messages;
mod password_hashers;
mod permission_tables;
mod rest_framework;
mod session_auth_hash;
mod sessions;
mod site;
mod user_model;
mod validate;

use std::{fmt, time::Duration};

use crate::signing;
pub use backend::AuthenticationBackend;
pub(crate) use cookie::CookieSettings;
pub(crate) use csrf::{CsrfSettings, UploadLimits};
pub(crate) use exported::{Level, NotHonoured, Power};
pub(crate) use messages::MessageSettings;
pub use messages::{MessageLevel, MessageStorage};
pub(crate) use password_hashers::DEFAULT_PASSWORD_HASHERS;
pub use password_hashers::PasswordHasher;
pub use permission_tables::ManyToMany;
pub(crate) use permission_tables::PermissionTables;
pub use rest_framework::{
    AuthenticationClass, RestAuthentication, RestFramework, SimpleJwt, TokenAuthentication,
    TokenClass,
};
pub use session_auth_hash::SessionAuthHash;
pub use sessions::SessionEngine;
pub(crate) use sessions::SessionSettings;
pub(crate) use site::{Site, SiteSessions};
pub use user_model::UserModel;

/// Django's default `key_salt` of `DjangoSite`: every engine's class has this name.
const DEFAULT_KEY_SALT: &str = "django.contrib.sessions.SessionStore";

/// The settings that Django and this service must agree on, and how lookups behave.
///
/// Only the secret key is required; everything else starts at Django's own default. Nothing is
/// checked here: [`DjangoSite::new`](crate::DjangoSite::new) refuses settings that are
/// improper, with a message that names the setting.
///
/// ```
/// use actix_django_session::DjangoSettings;
///
/// let settings = DjangoSettings::new("the SECRET_KEY of settings.py")
///     .secret_key_fallbacks(["the key before that"])
///     .session_cookie_name("sessionid")
///     .login_url("/accounts/login/");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct DjangoSettings {
    pub(crate) secret_key: Vec<u8>,
    pub(crate) secret_key_fallbacks: Vec<Vec<u8>>,
    pub(crate) session_cookie_name: String,
    pub(crate) login_url: String,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) force_script_name: Option<String>,
    pub(crate) use_x_forwarded_host: bool,
    pub(crate) use_x_forwarded_port: bool,
    pub(crate) secure_proxy_ssl_header: Option<(String, String)>,
    pub(crate) server_port: Option<u16>,
    pub(crate) session_table: TableName,
    pub(crate) key_salt: String,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_decompressed_size: usize,
    pub(crate) max_memo_size: usize,
    pub(crate) timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) prepared_statements: bool,
    pub(crate) sessions: SessionSettings,
    pub(crate) user_model: UserModel,
    pub(crate) user_model_is_set: bool,
    pub(crate) authentication_backends: Vec<AuthenticationBackend>,
    pub(crate) csrf: CsrfSettings,
    pub(crate) upload_limits: UploadLimits,
    pub(crate) password_hashers: Option<Vec<PasswordHasher>>,
    pub(crate) upgrade_passwords: bool,
    /// The paths of what the site overrides and this service answers for.
    pub(crate) accepted_overrides: Vec<String>,
    pub(crate) rest_framework: RestFramework,
    pub(crate) messages: MessageSettings,
    pub(crate) login_redirect_url: String,
    pub(crate) logout_redirect_url: Option<String>,
    /// Where these settings come from, if a site exported them.
    pub(crate) site: Option<Site>,
}

impl DjangoSettings {
    /// Settings with Django's `SECRET_KEY`: text (its UTF-8 bytes are used, as Django does) or
    /// bytes, never empty.
    pub fn new(secret_key: impl AsRef<[u8]>) -> Self {
        Self {
            secret_key: secret_key.as_ref().to_vec(),
            secret_key_fallbacks: Vec::new(),
            session_cookie_name: "sessionid".into(),
            login_url: "/accounts/login/".into(),
            allowed_hosts: Vec::new(),
            force_script_name: None,
            use_x_forwarded_host: false,
            use_x_forwarded_port: false,
            secure_proxy_ssl_header: None,
            server_port: None,
            session_table: TableName::from("django_session"),
            key_salt: DEFAULT_KEY_SALT.into(),
            max_age: None,
            max_decompressed_size: signing::DEFAULT_MAX_DECOMPRESSED_SIZE,
            max_memo_size: 128 << 20,
            timeout: Duration::from_secs(5),
            max_connections: 32,
            prepared_statements: true,
            sessions: SessionSettings::default(),
            user_model: UserModel::default(),
            user_model_is_set: false,
            authentication_backends: vec!["django.contrib.auth.backends.ModelBackend".into()],
            csrf: CsrfSettings::default(),
            upload_limits: UploadLimits::default(),
            password_hashers: None,
            upgrade_passwords: true,
            accepted_overrides: Vec::new(),
            rest_framework: RestFramework::default(),
            messages: MessageSettings::default(),
            login_redirect_url: "/accounts/profile/".into(),
            logout_redirect_url: None,
            site: None,
        }
    }

    /// `SECRET_KEY_FALLBACKS`: older keys that are still accepted, newest first, never empty.
    ///
    /// Defaults to none.
    pub fn secret_key_fallbacks<I>(mut self, keys: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.secret_key_fallbacks = keys.into_iter().map(|key| key.as_ref().to_vec()).collect();
        self
    }

    /// `SESSION_COOKIE_NAME`: compared exactly, as Django does.
    ///
    /// Defaults to `sessionid`.
    pub fn session_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.session_cookie_name = name.into();
        self
    }

    /// `LOGIN_URL`: a path or URL. The name of a URL pattern (`login`, `accounts:login`) is refused:
    /// only Django knows where that leads. A query string is kept; a `next` in it is replaced.
    ///
    /// With `i18n_patterns` the URL depends on the request: see
    /// [`login_url_for`](crate::DjangoSessionMiddleware::login_url_for) of a middleware.
    ///
    /// Defaults to `/accounts/login/`.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.login_url = url.into();
        self
    }

    /// `LOGIN_REDIRECT_URL`: where a log-in leads that has no `next`; a path or URL, as for
    /// [`login_url`](Self::login_url). It may be another site.
    ///
    /// Defaults to `/accounts/profile/`.
    pub fn login_redirect_url(mut self, url: impl Into<String>) -> Self {
        self.login_redirect_url = url.into();
        self
    }

    /// `LOGOUT_REDIRECT_URL`: where a log-out leads that has no `next`, likewise.
    ///
    /// Defaults to none: the page of the log-out itself.
    pub fn logout_redirect_url(mut self, url: impl Into<String>) -> Self {
        self.logout_redirect_url = Some(url.into()).filter(|url| !url.is_empty());
        self
    }

    /// `FORCE_SCRIPT_NAME`: the path under which the site lies, where a proxy strips that from the
    /// requests (`/shop`). It stands in front of the path in `next`; the `login_url` has to have it
    /// already.
    ///
    /// Defaults to none.
    pub fn force_script_name(mut self, path: impl Into<String>) -> Self {
        self.force_script_name = Some(path.into());
        self
    }

    /// `USE_X_FORWARDED_HOST`: whether `X-Forwarded-Host` names the host of the request: for the
    /// `Origin` of forms, and for `next` when `LOGIN_URL` is on another host.
    ///
    /// Defaults to `false`.
    pub fn use_x_forwarded_host(mut self, yes: bool) -> Self {
        self.use_x_forwarded_host = yes;
        self
    }

    /// `SECURE_PROXY_SSL_HEADER`: the header, by its HTTP name (`X-Forwarded-Proto`, not
    /// `HTTP_X_FORWARDED_PROTO`), and the value in it that means `https`. Behind a proxy that ends TLS,
    /// forms are refused without it.
    ///
    /// Defaults to none.
    pub fn secure_proxy_ssl_header(
        mut self,
        header: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.secure_proxy_ssl_header = Some((header.into(), value.into()));
        self
    }

    /// The port that Django has as `SERVER_PORT`. Behind a proxy that is often the site's own, 443:
    /// gunicorn on a Unix socket and uwsgi take it from what the proxy says. Name it where the site
    /// has a `CSRF_COOKIE_DOMAIN`: Django's check of `Referer` then expects the domain with that port,
    /// and requests without `Origin` are refused here that Django accepts.
    ///
    /// Defaults to the port of the socket that the request came to. `X-Forwarded-Port` goes before
    /// both, with [`use_x_forwarded_port`](Self::use_x_forwarded_port).
    pub fn server_port(mut self, port: u16) -> Self {
        self.server_port = Some(port);
        self
    }

    /// The table of the session model: `"table"`, `"schema.table"`, or `("schema", "table")`
    /// where the names themselves contain dots.
    ///
    /// Defaults to `django_session`, found through the connection's `search_path`.
    pub fn session_table(mut self, table: impl Into<TableName>) -> Self {
        self.session_table = table.into();
        self
    }

    /// `SessionStore.key_salt`: change it when `SESSION_ENGINE` has a session store class by
    /// another name, to `django.contrib.sessions.` and the `__qualname__` of that class.
    ///
    /// Defaults to `django.contrib.sessions.SessionStore`.
    pub fn key_salt(mut self, salt: impl Into<String>) -> Self {
        self.key_salt = salt.into();
        self
    }

    /// Refuses session data that was saved longer ago than this, as `signing.loads(max_age=...)`
    /// would. Django itself sets no such limit, and neither should most people: what ends a
    /// session is its `expire_date`.
    ///
    /// Defaults to no limit.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// How many bytes compressed session data may grow to. Django has no limit; without one, a
    /// few kilobytes in the table could fill the memory of this service.
    ///
    /// Reading a session takes at most eight times as much memory, for a moment, and that only if it
    /// is made of nothing but tiny entries.
    ///
    /// Defaults to 16 MiB.
    pub fn max_decompressed_size(mut self, bytes: usize) -> Self {
        self.max_decompressed_size = bytes;
        self
    }

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
    pub fn max_memo_size(mut self, bytes: usize) -> Self {
        self.max_memo_size = bytes;
        self
    }

    /// How long a request waits for the database, over all that it reads: session, user,
    /// permissions, with connecting and asking again. After that the visitor gets a 503. All that it
    /// writes has as much time once more.
    ///
    /// Defaults to 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

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
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Whether queries are prepared once per connection. Switch it off behind a pooler, such as
    /// PgBouncer with `pool_mode = transaction`, that hands every transaction to another server
    /// connection: statements of several processes would share their names there. A pooler that is
    /// found all the same switches it off by itself, and the log says so.
    ///
    /// Defaults to `true`.
    pub fn prepared_statements(mut self, yes: bool) -> Self {
        self.prepared_statements = yes;
        self
    }

    /// `AUTH_USER_MODEL`, as its tables and columns.
    ///
    /// Defaults to `auth.User`.
    pub fn user_model(mut self, model: UserModel) -> Self {
        self.user_model = model;
        self.user_model_is_set = true;
        self
    }

    /// `AUTHENTICATION_BACKENDS`: the dotted paths exactly as `settings.py` lists them, and for those
    /// that are not Django's what they do: see [`AuthenticationBackend`]. A session that came in by
    /// another backend stands for nobody.
    ///
    /// Defaults to `django.contrib.auth.backends.ModelBackend`.
    pub fn authentication_backends<I>(mut self, backends: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<AuthenticationBackend>,
    {
        self.authentication_backends = backends.into_iter().map(Into::into).collect();
        self
    }

    /// `REST_FRAMEWORK` and `SIMPLE_JWT`, for
    /// [`DjangoSessionMiddleware::rest_framework`](crate::DjangoSessionMiddleware::rest_framework).
    ///
    /// Defaults to the framework's own classes: session and basic.
    pub fn rest_framework(mut self, rest_framework: RestFramework) -> Self {
        self.rest_framework = rest_framework;
        self
    }

    /// Changes the settings of the REST framework that these settings have: to hand over the
    /// `SIGNING_KEY` of SimpleJWT, which is in no exported file, say.
    ///
    /// ```
    /// # use actix_django_session::{AuthenticationClass, DjangoSettings};
    /// # fn f(settings: DjangoSettings, key: Vec<u8>) -> DjangoSettings {
    /// settings.map_rest_framework(|mut rest| {
    ///     for each in &mut rest.default_authentication_classes {
    ///         if let AuthenticationClass::Jwt(jwt) = &mut each.class {
    ///             jwt.signing_key = Some(key.clone());
    ///         }
    ///     }
    ///     rest
    /// })
    /// # }
    /// ```
    pub fn map_rest_framework(
        mut self,
        change: impl FnOnce(RestFramework) -> RestFramework,
    ) -> Self {
        self.rest_framework = change(self.rest_framework);
        self
    }

    /// Whether anybody has the permissions that stand in Django's tables.
    pub(crate) fn grants_permissions(&self) -> bool {
        let grants = |backend: &AuthenticationBackend| backend.grants_permissions == Some(true);
        self.authentication_backends.iter().any(grants)
    }
}

/// Whether `resolve_url` takes this as it stands, and not as the name of a URL pattern.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains(['/', '.'])
}

impl fmt::Debug for DjangoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSettings")
            .field("session_cookie_name", &self.session_cookie_name)
            .field("login_url", &self.login_url)
            .field("session_table", &self.session_table)
            .field("key_salt", &self.key_salt)
            .field("max_age", &self.max_age)
            .field("max_memo_size", &self.max_memo_size)
            .field("timeout", &self.timeout)
            .field("max_connections", &self.max_connections)
            .field("prepared_statements", &self.prepared_statements)
            .field("sessions", &self.sessions)
            .field("user_model", &self.user_model)
            .field("authentication_backends", &self.authentication_backends)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("csrf", &self.csrf)
            .field("upload_limits", &self.upload_limits)
            .field("password_hashers", &self.password_hashers)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// The name of a table, with its schema where that is not on the `search_path`.
///
/// Made from `"table"`, `"schema.table"` or `("schema", "table")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

impl TableName {
    /// These names, dots and all.
    fn exactly(schema: Option<String>, table: String) -> Self {
        Self { schema, table }
    }

    fn is_valid(&self) -> bool {
        is_valid_name(&self.table) && self.schema.as_deref().is_none_or(is_valid_name)
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Without the schema.
    pub(crate) fn name(&self) -> &str {
        &self.table
    }

    /// Another table in the same schema.
    fn sibling(&self, table: &str) -> Self {
        Self { schema: self.schema.clone(), table: table.into() }
    }

    /// The name as it stands in SQL, quoted.
    pub(crate) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote_name(schema), quote_name(&self.table)),
            None => quote_name(&self.table),
        }
    }
}

impl From<&str> for TableName {
    fn from(name: &str) -> Self {
        match name.split_once('.') {
            Some(names) => names.into(),
            None => Self { schema: None, table: name.into() },
        }
    }
}

impl From<String> for TableName {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<(&str, &str)> for TableName {
    fn from((schema, table): (&str, &str)) -> Self {
        Self { schema: Some(schema.into()), table: table.into() }
    }
}

/// A header by its HTTP name, not by Django's `HTTP_X_..`.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}

/// An identifier as it stands in SQL: in double quotes, those inside doubled.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_so_that_no_table_can_smuggle_sql() {
        assert_eq!(TableName::from("django_session").quoted(), r#""django_session""#);
        assert_eq!(TableName::from("web.sessions").quoted(), r#""web"."sessions""#);
        assert_eq!(TableName::from(("a.b", r#"x"; --"#)).quoted(), r#""a.b"."x""; --""#);
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let settings = DjangoSettings::new("hush-1").secret_key_fallbacks(["hush-2"]);
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
