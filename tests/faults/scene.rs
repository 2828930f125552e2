//! A database of Django, and visitors whose right answers are known.

use serde_json::json;
use testbed::{Django, Oracle, Postgres, Settings, TestDatabase};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

pub(crate) const ROUTES: [&str; 3] = ["/optional", "/required", "/login_required"];

pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) visitors: Vec<Visitor>,
    oracle: OnceCell<Oracle>,
}

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The value of the session cookie.
    pub(crate) key: Option<String>,
    pub(crate) who: Who,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Who {
    User { id: String, name: &'static str },
    Anonymous,
    NoSession,
}

impl Scene {
    pub(crate) async fn on(postgres: &Postgres) -> Self {
        let settings = Settings::default();
        let database = postgres.django_database(Django::V5_2, &settings).await.unwrap();
        let oracle = start_oracle(&database).await;
        let visitors = visitors(&oracle).await;
        Self { database, visitors, oracle: OnceCell::new_with(Some(oracle)) }
    }

    /// On the server shared by the tests that do not break it. A copy is quicker than to log all visitors
    /// in again.
    pub(crate) async fn new() -> Self {
        static FIRST: OnceCell<(TestDatabase, Vec<Visitor>)> = OnceCell::const_new();

        let postgres = Postgres::shared().await.unwrap();
        let first = async || {
            let Self { database, visitors, .. } = Self::on(&postgres).await;
            (database, visitors)
        };
        let (database, visitors) = FIRST.get_or_init(first).await;
        let database = postgres.copy(database).await.unwrap();
        Self { database, visitors: visitors.clone(), oracle: OnceCell::new() }
    }

    /// The Django of this database.
    pub(crate) async fn oracle(&self) -> &Oracle {
        self.oracle.get_or_init(|| start_oracle(&self.database)).await
    }

    /// The first one of this kind.
    pub(crate) fn user(&self) -> &Visitor {
        self.visitors.iter().find(|visitor| matches!(visitor.who, Who::User { .. })).unwrap()
    }

    /// A connection that is independent of the service.
    pub(crate) async fn client(&self) -> Client {
        connect(self.database.url()).await
    }

    /// Creates a session with this data, live for a day. Returns its key.
    pub(crate) async fn session(&self, key: &str, json: &str) -> String {
        session(self.oracle().await, key, json, None).await
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn start_oracle(database: &TestDatabase) -> Oracle {
    Oracle::start(Django::V5_2, database.url(), &Settings::default()).await.unwrap()
}

async fn visitors(oracle: &Oracle) -> Vec<Visitor> {
    let mut visitors = vec![
        Visitor { key: None, who: Who::NoSession },
        Visitor { key: Some("an-unknown-session-key-of-32-chr".into()), who: Who::NoSession },
    ];
    for name in ["ada", "grace", "mary"] {
        let permissions = json!([format!("shop.{name}")]);
        let user = json!({
            "cmd": "set_user", "username": name, "password": "secret", "permissions": permissions,
        });
        let id = oracle.ask(user).await.unwrap()["pk"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            let key = Some(oracle.login(name).await.unwrap());
            visitors.push(Visitor { key, who: Who::User { id: id.clone(), name } });
        }
    }
    for key in ["anonymous-with-a-cart-1", "anonymous-with-a-cart-2"] {
        let key = session(oracle, key, r#"{"cart": 3}"#, None).await;
        visitors.push(Visitor { key: Some(key), who: Who::Anonymous });
    }
    let expired = session(oracle, "expired-session", r#"{"_auth_user_id": "1"}"#, Some(1.0)).await;
    visitors.push(Visitor { key: Some(expired), who: Who::NoSession });
    visitors
}

async fn session(oracle: &Oracle, key: &str, json: &str, expire_date: Option<f64>) -> String {
    let row = json!({
        "cmd": "sign_row", "key": key, "obj_json": json, "expire_date": expire_date,
    });
    oracle.ask(row).await.unwrap();
    key.into()
}

impl Visitor {
    pub(crate) fn cookie(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("sessionid={key}"))
    }

    /// The right status and body for this visitor, whatever the database does.
    pub(crate) fn right_answer(&self, route: &str) -> (u16, String) {
        match (route, &self.who) {
            ("/optional", Who::NoSession) => (200, "no session".into()),
            ("/optional", Who::Anonymous) => (200, "anonymous".into()),
            ("/login_required", Who::User { name, .. }) => (200, format!("{name} may shop.{name}")),
            (_, Who::User { id, .. }) => (200, format!("user {id}")),
            _ => (302, String::new()),
        }
    }
}
