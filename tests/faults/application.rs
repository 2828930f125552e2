//! The application changes the state of its pool's connections. No answer changes.

use std::time::Duration;
use testbed::With;

use actix_django_session::{DjangoSite, Error, SessionKey};
use deadpool_postgres::{Hook, Manager, Pool, Runtime};
use futures_util::future::join_all;
use tokio_postgres::NoTls;

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

/// Two tenants have schemas in one database, and a visitor has a session in the first one only. Hooks and
/// handlers set the `search_path` back and forth.
#[tokio::test]
async fn a_session_of_one_tenant_opens_no_other() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    for tenant in ["tenant_a", "tenant_b"] {
        let sql = format!(
            "CREATE SCHEMA {tenant}; \
             CREATE TABLE {tenant}.django_session (LIKE public.django_session INCLUDING ALL)"
        );
        admin.batch_execute(&sql).await.unwrap();
    }
    let moved = "INSERT INTO tenant_a.django_session SELECT * FROM public.django_session; \
                 DELETE FROM public.django_session";
    admin.batch_execute(moved).await.unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();

    let to_tenant_a = || {
        Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move {
                client.batch_execute("SET search_path TO tenant_a").await.unwrap();
                Ok(())
            })
        })
    };
    let manager = Manager::new(scene.database.url().parse().unwrap(), NoTls);
    let pool = Pool::builder(manager).max_size(8).runtime(Runtime::Tokio1);
    let pool = pool.post_create(to_tenant_a()).pre_recycle(to_tenant_a()).build().unwrap();
    let store_of = |table: &str| {
        DjangoSite::new(pool.clone(), settings().with(|s| s.session_table = table.into())).unwrap()
    };
    let (a, b) = (store_of("tenant_a.django_session"), store_of("tenant_b.django_session"));
    let unqualified = store_of("django_session");
    for _ in 0..20 {
        let leftover = pool.get().await.unwrap();
        leftover
            .batch_execute("SET search_path TO tenant_a; SET row_security TO off")
            .await
            .unwrap();
        drop(leftover);
        let of_a = join_all((0..10).map(|_| a.load(&key))).await;
        assert!(of_a.iter().all(Result::is_ok));
        for site in [&b, &unqualified] {
            for answer in join_all((0..10).map(|_| site.load(&key))).await {
                assert!(matches!(answer, Err(Error::SessionNotFound)), "{answer:?}");
            }
        }
    }
}

/// A visitor who logs out is logged out, even if transactions are open.
#[tokio::test]
async fn an_open_transaction_keeps_no_user_logged_in() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let pool = pool(scene.database.url(), 2);
    let site = DjangoSite::new(pool.clone(), settings()).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    let session = site.load(&key).await.unwrap();
    site.get_user(&session).await.unwrap();
    let clients = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    for client in clients {
        // An early return leaves the transaction open.
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        client.query("SELECT count(*) FROM auth_user, django_session", &[]).await.unwrap();
    }
    let admin = scene.client().await;
    let locked_out = "UPDATE auth_user SET is_active = false; DELETE FROM django_session";
    admin.batch_execute(locked_out).await.unwrap();
    assert!(matches!(site.load(&key).await, Err(Error::SessionNotFound)));
    assert!(site.get_user(&session).await.unwrap_err().wants_login());
}

/// The connections of the application may be idle or busy: no lookup waits for them.
#[tokio::test]
async fn a_handler_that_forgets_its_statements_takes_none_from_a_lookup() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let pool = pool(scene.database.url(), 2);
    let mut settings = settings();
    settings.timeout = Duration::from_secs(5);
    let site = DjangoSite::new(pool.clone(), settings).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    for _ in 0..3 {
        site.load(&key).await.unwrap();
        pool.get().await.unwrap().batch_execute("DISCARD ALL").await.unwrap();
    }
}
