//! The database has moved: another server is the primary, the first of several hosts is gone, or the role
//! is another one.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_django_session::{DjangoSite, Error, Expiry, SessionData, SessionKey};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool};
use testbed::{Postgres, With};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, LoadBalanceHosts, TargetSessionAttrs},
};

use crate::{
    beside_others,
    scene::{Scene, connect},
    service::settings,
    until,
};

fn config(url: &str) -> Config {
    url.parse().unwrap()
}

/// The address of the server.
fn address(config: &Config) -> (String, u16) {
    let [Host::Tcp(host)] = config.get_hosts() else { panic!("no host in the address") };
    (host.clone(), config.get_ports()[0])
}

/// The same database, with these hosts in this order.
fn on_hosts(url: &str, hosts: &[(String, u16)]) -> Config {
    let one = config(url);
    let mut config = Config::new();
    config.user(one.get_user().unwrap()).dbname(one.get_dbname().unwrap());
    config.password(one.get_password().unwrap());
    for (host, port) in hosts {
        config.host(host).port(*port);
    }
    config
}

fn pool(config: Config) -> Pool {
    let manager = Manager::new(config, NoTls);
    Pool::builder(manager).build().unwrap()
}

/// The former primary lives on, and accepts connections that only read.
#[tokio::test]
async fn a_demoted_primary_that_lives_on_is_left_for_its_successor() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    const TABLE: &str = "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, \
        session_data text NOT NULL, expire_date timestamptz NOT NULL)";

    let _turn = beside_others().await;
    let (first, second) = (Postgres::start().await.unwrap(), Postgres::start().await.unwrap());
    let scene = Scene::on(&first).await;
    let url = scene.database.url();
    let admin = connect(second.url()).await;
    let database = config(url).get_dbname().unwrap().to_owned();
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    // Each test server has a password of its own.
    let password = String::from_utf8(config(url).get_password().unwrap().to_vec()).unwrap();
    let same = format!("ALTER ROLE {} PASSWORD '{password}'", config(url).get_user().unwrap());
    admin.batch_execute(&same).await.unwrap();
    let there = [address(&config(url)), address(&config(second.url()))];
    let successor = on_hosts(url, &there[1..]).connect(NoTls).await.unwrap();
    tokio::spawn(successor.1);
    successor.0.batch_execute(TABLE).await.unwrap();

    let mut hosts = on_hosts(url, &there);
    hosts.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let mut settings = settings();
    settings.write_sessions = true;
    settings.timeout = TIMEOUT;
    let site = DjangoSite::new(pool(hosts), settings).unwrap();
    let create = async || site.create(&SessionData::new(), Expiry::Default).await.is_ok();
    until("the first is the primary", create).await;
    // A newer connection may be refused for good as read-only.
    sleep(TIMEOUT).await;
    let primary = scene.client().await;
    primary.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    primary.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until("it only reads", async || {
        let row = primary.query_one("SHOW default_transaction_read_only", &[]).await.unwrap();
        row.get::<_, &str>(0) == "on"
    })
    .await;
    let count = "SELECT count(*) FROM django_session";
    until("its successor is found", async || {
        create().await;
        successor.0.query_one(count, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    assert!(create().await);
}

/// Packets to the first host are lost. The next host is tried after `connect_timeout`, which is longer
/// than any caller waits. Longer ones are tested with a stopped clock:
/// `a_database_that_is_slow_to_connect_to_is_connected_to`.
#[tokio::test]
async fn the_second_host_is_reached_though_the_first_is_silent_for_long() {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);

    let _turn = beside_others().await;
    let scene = Scene::new().await;
    // If no process accepts and the backlog is short, further connections are not heard.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let full = listener.local_addr().unwrap();
    let mut kept = Vec::new();
    while let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect(full)).await {
        kept.push(stream.unwrap());
    }
    let mut hosts = on_hosts(
        scene.database.url(),
        &[(full.ip().to_string(), full.port()), address(&config(scene.database.url()))],
    );
    hosts.connect_timeout(CONNECT_TIMEOUT);
    is_reached(&scene, hosts).await;
}

/// The first host accepts connections and says nothing, which no `connect_timeout` ends. With its hosts in
/// random order, another attempt reaches the other one.
#[tokio::test]
async fn a_host_that_takes_connections_and_says_nothing_is_passed_over() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = silent.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            taken.push(stream);
        }
    });
    let mut hosts = on_hosts(
        scene.database.url(),
        &[(place.ip().to_string(), place.port()), address(&config(scene.database.url()))],
    );
    hosts.load_balance_hosts(LoadBalanceHosts::Random);
    is_reached(&scene, hosts).await;
    taken.abort();
}

/// Visitors come until one is answered, and then all are.
async fn is_reached(scene: &Scene, hosts: Config) {
    let site = DjangoSite::new(pool(hosts), settings()).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    until("a visitor is answered", async || site.load(&key).await.is_ok()).await;
    for _ in 0..20 {
        site.load(&key).await.unwrap();
    }
}

/// Connects as the role that it is given.
#[derive(Clone)]
struct Rotated(Arc<Mutex<String>>);

type Connecting<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

impl Connect for Rotated {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let mut config = config.clone();
        config.user(&*self.0.lock().unwrap());
        Box::pin(async move {
            let (client, connection) = config.connect(NoTls).await?;
            Ok((client, tokio::spawn(async move { drop(connection.await) })))
        })
    }
}

/// As Vault does: there is a new role, then the old one loses its rights, or is dropped with its
/// connections.
#[tokio::test]
async fn a_role_that_is_replaced_fails_no_request() {
    const TIMEOUT: Duration = Duration::from_secs(2);

    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let role = |number: usize| format!("rotated_{number}_of_{}", scene.database.name());
    let make = async |number| {
        let role = role(number);
        let make = format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret'; \
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        );
        admin.batch_execute(&make).await.unwrap();
    };
    make(0).await;
    let current = Rotated(Arc::new(Mutex::new(role(0))));
    let mut config = config(scene.database.url());
    config.password("secret");
    let manager = Manager::from_connect(config, current.clone(), ManagerConfig::default());
    let pool = Pool::builder(manager).build().unwrap();
    let site = DjangoSite::new(pool, settings().with(|s| s.timeout = TIMEOUT)).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    let load = async || -> Result<(), Error> {
        let session = site.load(&key).await?;
        site.get_user(&session).await.map(drop)
    };
    until("all is well", async || load().await.is_ok()).await;
    for (number, is_dropped) in [(1, false), (2, true)] {
        // A newer connection may be refused for good for its rights.
        sleep(TIMEOUT).await;
        make(number).await;
        *current.0.lock().unwrap() = role(number);
        let old = role(number - 1);
        let mut end = format!(
            "REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM {old}; ALTER ROLE {old} NOLOGIN;"
        );
        if is_dropped {
            end += &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{old}'; \
                 DROP ROLE {old}"
            );
        }
        admin.batch_execute(&end).await.unwrap();
        for _ in 0..20 {
            load().await.unwrap();
        }
        let users = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
        until("the old role has no connection", async || {
            admin.query_one(users, &[&old]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }
}
