//! A database with Django's tables and a Django that judges.

use actix_django_session::{DjangoSettings, DjangoSite, SessionKey, UserModel};
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use serde_json::{Value, json};
use testbed::{Django, Judge, Postgres, Settings, Site, TestDatabase};
use tokio_postgres::NoTls;

use crate::probe::{MODULES, PERMISSIONS};

pub(crate) const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
pub(crate) const ALLOW_ALL: &str = "django.contrib.auth.backends.AllowAllUsersModelBackend";

/// A database of its own, with Django's tables.
pub(crate) struct Bed {
    pub(crate) django: Django,
    pub(crate) database: TestDatabase,
    pub(crate) judge: Judge,
    settings: Settings,
    /// The database by the address that Django has, which may name a schema.
    django_url: String,
    /// Whether the user model has groups, permissions and flags.
    pub(crate) has_permissions: bool,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        Self::start(Django::default(), &Settings::default()).await
    }

    pub(crate) async fn of_model(model: &str) -> Self {
        Self::start(Django::default(), &Settings::default().auth_user_model(model)).await
    }

    pub(crate) async fn start(django: Django, settings: &Settings) -> Self {
        Self::on(&Postgres::shared().await.unwrap(), django, settings).await
    }

    pub(crate) async fn on(postgres: &Postgres, django: Django, settings: &Settings) -> Self {
        let database = postgres.django_database(django, settings).await.unwrap();
        let judge = Judge::start(django, database.url(), settings).await.unwrap();
        let (settings, django_url) = (settings.clone(), database.url().to_owned());
        let has_permissions = settings.get("AUTH_USER_MODEL") != Some("bare.BareUser");
        Self { django, database, judge, settings, django_url, has_permissions }
    }

    /// Moves all tables to a schema that Django finds by its search path.
    pub(crate) async fn move_to_schema(&mut self, schema: &str) {
        self.sql(&format!("CREATE SCHEMA {schema}")).await;
        let tables = self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await;
        for table in tables.as_array().unwrap() {
            let table = table[0].as_str().unwrap();
            self.sql(&format!("ALTER TABLE {table} SET SCHEMA {schema}")).await;
        }
        self.django_url = format!("{}?options=-csearch_path%3D{schema}", self.database.url());
        self.judge = Judge::start(self.django, &self.django_url, &self.settings).await.unwrap();
    }

    /// What the site exports.
    pub(crate) async fn export(&self) -> String {
        let exported = Site::export_settings(self.django, &self.django_url, &self.settings).await;
        exported.unwrap()
    }

    pub(crate) async fn ask(&self, question: Value) -> Value {
        let answer = self.judge.ask(question.clone()).await;
        answer.unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    pub(crate) async fn sql(&self, statement: &str) -> Value {
        self.ask(json!({ "cmd": "sql", "statement": statement })).await["rows"].take()
    }

    /// Makes or changes a user; answers as the judge's `get_user`.
    pub(crate) async fn user(&self, username: &str, fields: Value) -> Value {
        let mut question = json!({ "cmd": "set_user", "username": username });
        question.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.ask(question).await
    }

    /// Somebody who logged in.
    pub(crate) async fn login(&self, username: &str) -> String {
        self.judge.login(username).await.unwrap()
    }

    /// A row with this JSON in it.
    pub(crate) async fn session(&self, json_text: &str) -> String {
        let key = new_key();
        self.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": json_text })).await;
        key
    }

    /// Whom Django finds behind each of these keys: `{"user": .., "row": ..}` or `{"error": ..}`.
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
        pool(self.database.url())
    }

    pub(crate) fn site(&self) -> DjangoSite {
        self.store_with(settings())
    }

    pub(crate) fn store_of(&self, model: UserModel) -> DjangoSite {
        self.store_with(settings().user_model(model))
    }

    pub(crate) fn store_with(&self, settings: DjangoSettings) -> DjangoSite {
        DjangoSite::new(self.pool(), settings).unwrap()
    }
}

pub(crate) fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

pub(crate) fn pool(url: &str) -> Pool {
    let config =
        Config { url: Some(url.into()), pool: Some(PoolConfig::new(4)), ..Config::default() };
    config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap()
}

pub(crate) fn new_key() -> String {
    SessionKey::generate().as_str().to_owned()
}

/// The seed of random cases: `TEST_SEED`, or always the same.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TEST_SEED").map_or(20_240_229, |seed| seed.parse().unwrap());
    println!("TEST_SEED={seed}");
    seed
}

/// A small generator of random numbers (splitmix64): the same seed gives the same ones for ever.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub(crate) fn choose<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// True in this many cases of a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
