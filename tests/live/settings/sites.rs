//! Django sites, as different as they come, and what each must export.

use serde_json::{Value, json};
use testbed::{Django, Settings, Venv};

/// What sites install from PyPI.
const PACKAGES: [&str; 4] = [
    "django-allauth==65.3.1",
    "django-hijack==3.7.9",
    "django-impersonate==1.9.5",
    "django-otp==1.7.5",
];

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
const ALLAUTH: &str = "allauth.account.auth_backends.AuthenticationBackend";

const FALLBACKS: [&str; 2] = ["last year's", "the year before"];

/// A site, and what must stand in its export, by JSON pointers.
pub(crate) struct DjangoSite {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    pub(crate) exports: Vec<(&'static str, Value)>,
    /// The schema that its tables are in.
    pub(crate) schema: Option<&'static str>,
    /// `SECRET_KEY_FALLBACKS`.
    pub(crate) fallbacks: &'static [&'static str],
    /// Whether the settings alone let in whom the site lets in.
    pub(crate) is_enough: bool,
    /// What it is told that this crate does not do: setting and level.
    pub(crate) not_honoured: &'static [(&'static str, &'static str)],
}

impl DjangoSite {
    pub(crate) fn all() -> Vec<Self> {
        let site = |name, settings| Self {
            name,
            settings,
            exports: vec![],
            schema: None,
            fallbacks: &[],
            is_enough: true,
            not_honoured: &[],
        };
        let model = |name| Settings::default().auth_user_model(name);
        let middleware = |more: &[&str]| -> Value {
            let djangos = [
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
            ];
            djangos.iter().chain(more).copied().collect()
        };
        vec![
            site("as startproject makes it", Settings::default()).exports([
                ("/user_model/table", json!("auth_user")),
                ("/user_model/username", json!("username")),
                ("/user_model/condition", Value::Null),
                ("/user_model/last_login", json!("last_login")),
                ("/user_model/session_auth_hash/overrides", json!([])),
                ("/session/table", json!("django_session")),
                ("/session/engine", json!("db")),
                ("/LOGIN_URL", json!("/accounts/login/")),
                ("/SESSION_COOKIE_SAMESITE", json!("Lax")),
                ("/SECRET_KEY_FALLBACKS_FINGERPRINTS", json!([])),
            ]),
            site("UUIDs, and no time zones", model("uuids.UuidUser").set("USE_TZ", false)).exports([
                ("/user_model/table", json!("uuids_uuiduser")),
                ("/user_model/primary_key", json!("id")),
                ("/user_model/permission_tables/user_groups/from_column", json!("uuiduser_id")),
                ("/USE_TZ", json!(false)),
            ]),
            site("multi-table inheritance", model("bigint.Child")).exports([
                ("/user_model/table", json!("bigint_child")),
                ("/user_model/primary_key", json!("biguser_ptr_id")),
                (
                    "/user_model/parents",
                    json!([{ "table": "bigint_biguser", "primary_key": "id", "link": "biguser_ptr_id" }]),
                ),
                ("/user_model/permission_tables/user_groups/table", json!("bigint_biguser_groups")),
                ("/user_model/permission_tables/user_groups/from_column", json!("biguser_id")),
            ]),
            site("a user model without flags or permissions", model("bare.BareUser")).exports([
                ("/user_model/is_active", Value::Null),
                ("/user_model/is_staff", Value::Null),
                ("/user_model/permission_tables", Value::Null),
            ]),
            site(
                "production: login by e-mail, UUIDs, own tables, two backends, a proxy, fallbacks",
                model("members.Member")
                    .secret_key_fallbacks(FALLBACKS)
                    .authentication_backends(["accounts.backends.ByAddress", MODEL_BACKEND])
                    .session_cookie_name("__Host-session")
                    .login_url("login")
                    .set("FORCE_SCRIPT_NAME", "/shop")
                    .set("ALLOWED_HOSTS", json!(["shop.example.com", "127.0.0.1", "testserver"]))
                    .set("USE_X_FORWARDED_HOST", true)
                    .set("SECURE_PROXY_SSL_HEADER", json!(["HTTP_X_FORWARDED_PROTO", "https"]))
                    .set("SESSION_COOKIE_SECURE", true)
                    .set("SESSION_COOKIE_SAMESITE", false)
                    .set("CSRF_TRUSTED_ORIGINS", json!(["https://*.example.com"])),
            )
            .exports([
                ("/user_model/table", json!(["shop", "member"])),
                ("/user_model/primary_key", json!("member_id")),
                ("/user_model/username", json!("email")),
                ("/user_model/password", json!("pw")),
                ("/user_model/is_active", json!("enabled")),
                (
                    "/user_model/condition",
                    json!("NOT (\"member\".\"status\" = 'it''s gone 100%')"),
                ),
                (
                    "/user_model/permission_tables/user_groups",
                    json!({ "table": ["shop", "member_of_team"], "from_column": "person", "to_column": "team" }),
                ),
                (
                    "/user_model/permission_tables/user_permissions/table",
                    json!(["shop", "member_rights"]),
                ),
                (
                    "/user_model/permission_tables/permission",
                    json!(["shop", "auth_permission"]),
                ),
                ("/session/table", json!(["shop", "django_session"])),
                ("/LOGIN_URL", json!("/shop/accounts/login/")),
                ("/SECURE_PROXY_SSL_HEADER", json!(["X-Forwarded-Proto", "https"])),
                ("/ALLOWED_HOSTS", json!(["shop.example.com", "127.0.0.1", "testserver"])),
                ("/SESSION_COOKIE_SAMESITE", Value::Null),
                ("/AUTHENTICATION_BACKENDS/0/path", json!("accounts.backends.ByAddress")),
                ("/AUTHENTICATION_BACKENDS/0/reads_users", json!(true)),
                ("/AUTHENTICATION_BACKENDS/0/grants_permissions", json!(true)),
            ])
            .not_honoured(&[("AUTHENTICATION_BACKENDS", "note")])
            .fallbacks(&FALLBACKS)
            .in_schema("shop"),
            site("text as the key, columns renamed", model("renamed.RenamedUser")).exports([
                ("/user_model/table", json!("people")),
                ("/user_model/primary_key", json!("person_id")),
                ("/user_model/password", json!("pw_hash")),
            ]),
            site(
                "allauth",
                Settings::default()
                    .extra_apps(["allauth", "allauth.account"])
                    .set("MIDDLEWARE", middleware(&["allauth.account.middleware.AccountMiddleware"]))
                    .authentication_backends([MODEL_BACKEND, ALLAUTH]),
            )
            .exports([
                ("/AUTHENTICATION_BACKENDS/1/path", json!(ALLAUTH)),
                ("/AUTHENTICATION_BACKENDS/1/reads_users", json!(true)),
                ("/AUTHENTICATION_BACKENDS/1/grants_permissions", json!(true)),
                ("/AUTHENTICATION_BACKENDS/1/admits_inactive", json!(false)),
            ])
            .not_honoured(&[("AUTHENTICATION_BACKENDS", "note"), ("MIDDLEWARE", "note")]),
            site(
                "django-otp",
                Settings::default()
                    .extra_apps(["django_otp", "django_otp.plugins.otp_totp"])
                    .set("MIDDLEWARE", middleware(&["django_otp.middleware.OTPMiddleware"])),
            )
            .not_honoured(&[("MIDDLEWARE", "hook"), ("user_logged_in", "note")]),
            site(
                "users who are others",
                Settings::default()
                    .extra_apps(["hijack", "impersonate"])
                    .authentication_backends(["django.contrib.auth.backends.RemoteUserBackend"])
                    .set(
                        "MIDDLEWARE",
                        middleware(&[
                            "django.contrib.auth.middleware.RemoteUserMiddleware",
                            "impersonate.middleware.ImpersonateMiddleware",
                            "hijack.middleware.HijackUserMiddleware",
                        ]),
                    ),
            )
            .exports([
                ("/not_honoured/0/hook", json!("after_get_user")),
                ("/not_honoured/1/hook", json!("after_get_user")),
                ("/not_honoured/2/hook", Value::Null),
                ("/AUTHENTICATION_BACKENDS/0/reads_users", json!(true)),
            ])
            .not_honoured(&[("MIDDLEWARE", "hook"), ("MIDDLEWARE", "hook"), ("MIDDLEWARE", "note")])
            .not_enough(),
            site(
                "a session class of its own",
                Settings::default()
                    .extra_apps(["devices"])
                    .set("SESSION_ENGINE", "devices.sessions")
                    .set("SESSION_SAVE_EVERY_REQUEST", true)
                    .set("SESSION_COOKIE_AGE", 3600),
            )
            .exports([
                ("/session/table", json!("device_session")),
                ("/session/key_length", json!(64)),
                ("/session/key_salt", json!("django.contrib.sessions.DeviceStore")),
                ("/session/further_columns", json!(["user_id", "device"])),
                ("/session/engine", json!("db")),
                ("/SESSION_SAVE_EVERY_REQUEST", json!(true)),
                ("/SESSION_COOKIE_AGE", json!(3600)),
            ])
            .not_honoured(&[("SESSION_ENGINE", "unsafe")]),
            site(
                "CSRF in the session, sessions in a cache as well",
                Settings::default()
                    .set("CSRF_USE_SESSIONS", true)
                    .set("CSRF_COOKIE_NAME", "token")
                    .set("CSRF_HEADER_NAME", "HTTP_X_TOKEN")
                    .set("SESSION_ENGINE", "django.contrib.sessions.backends.cached_db"),
            )
            .exports([
                ("/CSRF_USE_SESSIONS", json!(true)),
                ("/CSRF_COOKIE_NAME", json!("token")),
                ("/CSRF_HEADER_NAME", json!("X-Token")),
                ("/session/engine", json!("cached_db")),
                (
                    "/session/cache_key",
                    json!(":1:django.contrib.sessions.cached_db{session_key}"),
                ),
            ])
            .not_honoured(&[("SESSION_ENGINE", "note")]),
            site(
                "backends with more and with less",
                Settings::default().authentication_backends([
                    "django.contrib.auth.backends.AllowAllUsersModelBackend",
                    "accounts.backends.NoPermissions",
                    "accounts.backends.Strict",
                    "accounts.backends.Generous",
                ]),
            )
            .exports([
                ("/AUTHENTICATION_BACKENDS/0/admits_inactive", json!(true)),
                ("/AUTHENTICATION_BACKENDS/0/reads_users", json!(true)),
                ("/AUTHENTICATION_BACKENDS/1/reads_users", json!(false)),
                ("/AUTHENTICATION_BACKENDS/1/grants_permissions", json!(false)),
                ("/AUTHENTICATION_BACKENDS/2/reads_users", json!(false)),
                ("/AUTHENTICATION_BACKENDS/2/admits_inactive", json!(false)),
                ("/AUTHENTICATION_BACKENDS/2/grants_permissions", json!(true)),
                ("/AUTHENTICATION_BACKENDS/3/reads_users", json!(true)),
                ("/AUTHENTICATION_BACKENDS/3/grants_permissions", json!(false)),
            ])
            .not_honoured(&[
                ("AUTHENTICATION_BACKENDS", "note"),
                ("AUTHENTICATION_BACKENDS", "note"),
                ("AUTHENTICATION_BACKENDS", "hook"),
            ])
            .not_enough(),
            site("a session auth hash of its own", model("versioned.VersionedUser"))
                .exports([
                    (
                        "/user_model/condition",
                        json!("\"versioned_versioneduser\".\"deleted_at\" IS NULL"),
                    ),
                    (
                        "/user_model/session_auth_hash/overrides",
                        json!(["_get_session_auth_hash"]),
                    ),
                ])
                .not_honoured(&[("AUTH_USER_MODEL", "hook")])
                .not_enough(),
            site(
                "sessions in a cookie",
                Settings::default()
                    .set("SESSION_ENGINE", "django.contrib.sessions.backends.signed_cookies"),
            )
            .exports([
                ("/session/engine", json!("signed_cookies")),
                ("/session/table", Value::Null),
            ])
            .not_enough(),
            site(
                "sessions in a cache, pickled",
                Settings::default()
                    .set("SESSION_ENGINE", "django.contrib.sessions.backends.cache")
                    .set("SESSION_SERIALIZER", "accounts.serializers.PickleSerializer"),
            )
            .exports([("/session", Value::Null)])
            .not_honoured(&[("SESSION_ENGINE", "unsafe"), ("SESSION_SERIALIZER", "unsafe")])
            .not_enough(),
        ]
    }

    /// The JSON, after a look at whether it says what this site is, and no secret.
    pub(crate) fn read(&self, django: Django, exported: &str) -> Value {
        let found: Value = serde_json::from_str(exported).unwrap();
        let context = format!("{django}, {}: {exported}", self.name);
        assert_eq!(found["django_version"], django.version(), "{context}");
        for (pointer, expected) in &self.exports {
            assert_eq!(found.pointer(pointer), Some(expected), "{pointer}: {context}");
        }
        let not_honoured = found["not_honoured"].as_array().unwrap().iter();
        let not_honoured: Vec<_> = not_honoured
            .map(|each| (each["setting"].as_str().unwrap(), each["level"].as_str().unwrap()))
            .collect();
        assert_eq!(not_honoured, self.not_honoured, "{context}");
        for secret in [&[Settings::SECRET_KEY], self.fallbacks].concat() {
            assert!(!exported.contains(secret), "{context}");
        }
        found
    }

    fn exports<const N: usize>(mut self, exports: [(&'static str, Value); N]) -> Self {
        self.exports = exports.into();
        self
    }

    fn in_schema(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    fn fallbacks(mut self, fallbacks: &'static [&'static str]) -> Self {
        self.fallbacks = fallbacks;
        self
    }

    fn not_enough(mut self) -> Self {
        self.is_enough = false;
        self
    }

    fn not_honoured(mut self, not_honoured: &'static [(&'static str, &'static str)]) -> Self {
        self.not_honoured = not_honoured;
        self
    }
}

/// Installs what some of the sites need, for that Django.
pub(crate) async fn install_packages(django: Django) {
    Venv::with(django, &PACKAGES).await.unwrap();
}
