use serde_json::{Map, Value, json};

/// What differs from `tests/django/testsite/settings.py`, in Django's names.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Map<String, Value>,
    users: Vec<Value>,
    packages: Vec<&'static str>,
}

impl Settings {
    /// The `SECRET_KEY` of the test site when nothing else is said.
    pub const SECRET_KEY: &str = "test-bed-secret-key";

    /// Any setting; `{"hex": ".."}` stands for bytes.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// A Python package that the site needs beside Django, `name==version`.
    #[must_use]
    pub fn package(mut self, requirement: &'static str) -> Self {
        self.packages.push(requirement);
        self
    }

    /// `SECRET_KEY`. Defaults to [`Self::SECRET_KEY`].
    #[must_use]
    pub fn secret_key(self, secret: &str) -> Self {
        self.set("SECRET_KEY", secret)
    }

    /// `SECRET_KEY_FALLBACKS`. Defaults to none.
    #[must_use]
    pub fn secret_key_fallbacks<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        self.set("SECRET_KEY_FALLBACKS", secrets.into_iter().collect::<Value>())
    }

    /// `SESSION_COOKIE_NAME`. Defaults to `sessionid`.
    #[must_use]
    pub fn session_cookie_name(self, name: &str) -> Self {
        self.set("SESSION_COOKIE_NAME", name)
    }

    /// `LOGIN_URL`. Defaults to `/accounts/login/`.
    #[must_use]
    pub fn login_url(self, url: &str) -> Self {
        self.set("LOGIN_URL", url)
    }

    /// `AUTHENTICATION_BACKENDS`. Defaults to Django's `ModelBackend`.
    #[must_use]
    pub fn authentication_backends<'a>(self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.set("AUTHENTICATION_BACKENDS", paths.into_iter().collect::<Value>())
    }

    /// `AUTH_USER_MODEL`. Defaults to `auth.User`; also `bigint.BigUser`, `bigint.Child`, `uuids.UuidUser`,
    /// `texts.TextUser`, `renamed.RenamedUser`, `bare.BareUser`, `onetoone.Account`, `ulids.UlidUser`,
    /// `hashids.HashidUser` and `versioned.VersionedUser`.
    #[must_use]
    pub fn auth_user_model(self, model: &str) -> Self {
        let this = match model {
            "ulids.UlidUser" => self.package("django-ulid==0.0.4"),
            "hashids.HashidUser" => self.package("django-hashid-field==3.4.1"),
            _ => self,
        };
        this.set("AUTH_USER_MODEL", model)
    }

    /// Where the Rust service answers, when that is another address than Django's: the pages link there, and a login
    /// leads back there.
    #[must_use]
    pub fn rust_url(self, url: &str) -> Self {
        self.set("RUST_URL", url)
    }

    /// A user whom the site makes when it starts.
    #[must_use]
    pub fn user(mut self, username: &str, password: &str) -> Self {
        self.users.push(json!({ "username": username, "password": password }));
        self
    }

    /// Apps of the test site that are not always there, by their module: `members.sessions` and what a test
    /// installed from PyPI. Defaults to none.
    #[must_use]
    pub fn extra_apps<'a>(self, apps: impl IntoIterator<Item = &'a str>) -> Self {
        self.set("EXTRA_APPS", apps.into_iter().collect::<Value>())
    }

    /// A setting that was set, if it is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// The settings on which it depends which tables there are.
    pub(crate) fn what_makes_tables(&self) -> String {
        let values = ["AUTH_USER_MODEL", "EXTRA_APPS"].map(|name| self.values.get(name));
        format!("{values:?}")
    }

    pub(crate) fn packages(&self) -> &[&'static str] {
        &self.packages
    }

    pub(crate) fn to_json(&self) -> String {
        Value::Object(self.values.clone()).to_string()
    }

    pub(crate) fn users_as_json(&self) -> String {
        Value::Array(self.users.clone()).to_string()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { values: Map::new(), users: Vec::new(), packages: Vec::new() }
            .secret_key(Self::SECRET_KEY)
    }
}
