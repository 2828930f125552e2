//! The Django sites that most tests share, one of each version, and stores over their tables.

use actix_django_session::{DjangoSettings, DjangoSite, SessionKey};
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use serde_json::{Value, json};
use testbed::{Django, Judge, Settings, TestBed};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

pub(crate) const PASSWORD: &str = "lovelace";

/// A Django with three users: ada is number 1, grace number 2, and idle, number 3, is not active.
pub(crate) struct Bed {
    bed: TestBed,
    pub(crate) django: Django,
}

impl Bed {
    /// The one that all tests of this version share. They use keys of their own.
    pub(crate) async fn of(django: Django) -> &'static Self {
        static BEDS: [OnceCell<Bed>; Django::ALL.len()] =
            [const { OnceCell::const_new() }; Django::ALL.len()];

        let index = Django::ALL.iter().position(|&other| other == django).unwrap();
        BEDS[index].get_or_init(|| Self::start(django, Settings::default())).await
    }

    pub(crate) async fn shared() -> &'static Self {
        Self::of(Django::default()).await
    }

    pub(crate) async fn start(django: Django, settings: Settings) -> Self {
        let bed = TestBed::with_settings(django, settings).await.unwrap();
        let judge = bed.judge().await.unwrap();
        for (name, number) in [("ada", "1"), ("grace", "2"), ("idle", "3")] {
            assert_eq!(judge.set_user(name, PASSWORD).await.unwrap()["pk"], number);
        }
        judge
            .ask(json!({ "cmd": "set_user", "username": "idle", "is_active": false }))
            .await
            .unwrap();
        Self { bed, django }
    }

    pub(crate) fn bed(&self) -> &TestBed {
        &self.bed
    }

    pub(crate) async fn judge(&self) -> &Judge {
        self.bed.judge().await.unwrap()
    }

    pub(crate) async fn ask(&self, question: Value) -> Value {
        let answer = self.judge().await.ask(question.clone()).await;
        answer.unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    pub(crate) async fn sql(&self, statement: &str) -> Value {
        self.ask(json!({ "cmd": "sql", "statement": statement })).await
    }

    /// A row with this JSON in it; its key is new.
    pub(crate) async fn session(&self, json_text: &str) -> String {
        let key = SessionKey::generate().as_str().to_owned();
        self.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": json_text })).await;
        key
    }

    /// Somebody who logged in.
    pub(crate) async fn login(&self, username: &str) -> String {
        self.judge().await.login(username).await.unwrap()
    }

    pub(crate) fn pool(&self) -> Pool {
        pool(self.bed.database_url())
    }

    pub(crate) fn site(&self) -> DjangoSite {
        self.store_with(settings())
    }

    pub(crate) fn store_with(&self, settings: DjangoSettings) -> DjangoSite {
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

/// The address of a database server that is not there.
pub(crate) fn nowhere() -> String {
    format!("postgres://nobody@{}/nowhere", testbed::nobody_listens())
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

    pub(crate) fn choose<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}
