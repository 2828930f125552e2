//! Test databases with Django's tables, each with a Django that gives the expected values, a running Django
//! site, and sites of this crate on the same tables.

use std::time::Duration;

use actix_django_session::{DjangoSettings, DjangoSite, SessionKey, UserModel};
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use serde_json::{Value, json};
use testbed::{Django, Oracle, Postgres, Settings, Site, TestBed, With};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

pub(crate) use testbed::{Rng, seed};

use crate::probe::{MODULES, PERMISSIONS};

pub(crate) const PASSWORD: &str = "lovelace";
pub(crate) const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
pub(crate) const ALLOW_ALL: &str = "django.contrib.auth.backends.AllowAllUsersModelBackend";

/// A bed: a database with Django's tables, an oracle (a Django process that answers questions), and a Django
/// site.
pub(crate) struct Bed {
    bed: TestBed,
    pub(crate) django: Django,
    pub(crate) oracle: Oracle,
    /// The database address that Django uses; it may name a schema.
    django_url: String,
    /// Whether the user model has groups, permissions and flags.
    pub(crate) has_permissions: bool,
}

impl Bed {
    /// The bed that all tests of this Django version share. It has three users: ada has the id 1, grace 2,
    /// and idle, who is inactive, 3. Each test uses its own session keys.
    pub(crate) async fn of(django: Django) -> &'static Self {
        static BEDS: [OnceCell<Bed>; Django::ALL.len()] =
            [const { OnceCell::const_new() }; Django::ALL.len()];

        let index = Django::ALL.iter().position(|&other| other == django).unwrap();
        BEDS[index].get_or_init(|| Self::start(django, Settings::default())).await
    }

    pub(crate) async fn shared() -> &'static Self {
        Self::of(Django::default()).await
    }

    /// Starts a bed for a single test, with the three users.
    pub(crate) async fn start(django: Django, settings: Settings) -> Self {
        let this = Self::without_users(django, &settings).await;
        for (name, number) in [("ada", "1"), ("grace", "2"), ("idle", "3")] {
            assert_eq!(this.oracle.set_user(name, PASSWORD).await.unwrap()["pk"], number);
        }
        this.user("idle", json!({ "is_active": false })).await;
        this
    }

    pub(crate) async fn new() -> Self {
        Self::without_users(Django::default(), &Settings::default()).await
    }

    pub(crate) async fn of_model(model: &str) -> Self {
        Self::without_users(Django::default(), &Settings::default().auth_user_model(model)).await
    }

    pub(crate) async fn without_users(django: Django, settings: &Settings) -> Self {
        Self::on(&Postgres::shared().await.unwrap(), django, settings).await
    }

    pub(crate) async fn on(postgres: &Postgres, django: Django, settings: &Settings) -> Self {
        let bed = TestBed::on(postgres, django, settings.clone()).await.unwrap();
        let oracle = bed.oracle().await.unwrap().clone();
        let django_url = bed.database_url().to_owned();
        let has_permissions = settings.get("AUTH_USER_MODEL") != Some("bare.BareUser");
        Self { bed, django, oracle, django_url, has_permissions }
    }

    /// Moves all tables to a schema; Django finds it by its search path.
    pub(crate) async fn move_to_schema(&mut self, schema: &str) {
        self.sql(&format!("CREATE SCHEMA {schema}")).await;
        let tables = self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await;
        for table in tables.as_array().unwrap() {
            let table = table[0].as_str().unwrap();
            self.sql(&format!("ALTER TABLE {table} SET SCHEMA {schema}")).await;
        }
        self.django_url = format!("{}?options=-csearch_path%3D{schema}", self.url());
        self.oracle =
            Oracle::start(self.django, &self.django_url, self.bed.settings()).await.unwrap();
    }

    /// The settings that the Django site exports.
    pub(crate) async fn export(&self) -> String {
        Site::export_settings(self.django, &self.django_url, self.bed.settings()).await.unwrap()
    }

    pub(crate) fn bed(&self) -> &TestBed {
        &self.bed
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> &str {
        self.bed.database_url()
    }

    pub(crate) async fn ask(&self, question: Value) -> Value {
        // A question may hold megabytes.
        let shown: String = question.to_string().chars().take(2_000).collect();
        self.oracle.ask(question).await.unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// Runs a statement; returns its rows.
    pub(crate) async fn sql(&self, statement: &str) -> Value {
        self.ask(json!({ "cmd": "sql", "statement": statement })).await["rows"].take()
    }

    /// Creates or changes a user; returns the answer of the oracle's `get_user`.
    pub(crate) async fn user(&self, username: &str, fields: Value) -> Value {
        let mut question = json!({ "cmd": "set_user", "username": username });
        question.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.ask(question).await
    }

    /// Logs a user in at Django; returns the session key.
    pub(crate) async fn login(&self, username: &str) -> String {
        self.oracle.login(username).await.unwrap()
    }

    /// Creates a row with this JSON; returns its new session key.
    pub(crate) async fn session(&self, json_text: &str) -> String {
        let key = new_key();
        self.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": json_text })).await;
        key
    }

    /// The user whom Django finds for each session key: `{"user": .., "row": ..}` or `{"error": ..}`.
    pub(crate) async fn verdicts(&self, keys: &[String]) -> Vec<Value> {
        let question = json!({
            "cmd": "request_users", "keys": keys, "has_perms": PERMISSIONS, "has_module_perms": MODULES,
        });
        self.ask(question).await["users"].as_array().unwrap().clone()
    }

    pub(crate) async fn verdict(&self, key: &str) -> Value {
        self.verdicts(&[key.to_owned()]).await.remove(0)
    }

    pub(crate) fn pool(&self) -> Pool {
        pool(self.url())
    }

    pub(crate) fn site(&self) -> DjangoSite {
        self.site_with(settings())
    }

    pub(crate) fn site_of(&self, model: UserModel) -> DjangoSite {
        self.site_with(settings().with(|s| s.user_model = model))
    }

    pub(crate) fn site_with(&self, settings: DjangoSettings) -> DjangoSite {
        DjangoSite::new(self.pool(), settings).unwrap()
    }
}

pub(crate) fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

pub(crate) fn pool(url: &str) -> Pool {
    pool_with(url, PoolConfig::new(4))
}

pub(crate) fn pool_with(url: &str, config: PoolConfig) -> Pool {
    let config = Config { url: Some(url.into()), pool: Some(config), ..Config::default() };
    config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap()
}

/// The address of a database server that does not exist.
pub(crate) fn nowhere() -> String {
    format!("postgres://user@{}/nowhere", testbed::unused_address())
}

/// A site whose database cannot be reached. Its timeout is short: during an outage, a request waits for the next
/// attempt to connect.
pub(crate) fn out_of_reach(settings: DjangoSettings) -> DjangoSite {
    let settings = settings.with(|s| s.timeout = Duration::from_millis(200));
    DjangoSite::new(pool(&nowhere()), settings).unwrap()
}

pub(crate) fn new_key() -> String {
    SessionKey::generate().as_str().to_owned()
}
