//! Prepared statements that get lost, and the mode without them.

use actix_django_session::{DjangoSite, SessionKey, UserModel};
use futures_util::future::join_all;
use testbed::{Log, Proxy};

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

#[tokio::test]
async fn a_lost_statement_is_sent_again_and_later_not_prepared() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let proxy = Proxy::before(scene.database.url()).await;
    let site = DjangoSite::new(pool(proxy.url(), 1), settings()).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    let log = Log::of_this_thread();
    site.load(&key).await.unwrap();
    for _ in 0..5 {
        proxy.inject("DEALLOCATE ALL").await;
        for _ in 0..20 {
            site.load(&key).await.unwrap();
        }
    }
    let warnings = log.of_this_crate(&["WARN"]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("going on without them"), "{warnings:#?}");
    proxy.forget();
    site.load(&key).await.unwrap();
    assert_eq!(named_statements(&proxy), Vec::<String>::new());
}

/// Types that are not built into PostgreSQL matter too: tokio-postgres prepares statements to look them
/// up.
#[tokio::test]
async fn without_prepared_statements_there_are_none_for_any_column_type() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let columns = "CREATE TYPE plan AS ENUM ('free', 'pro'); \
        CREATE DOMAIN level AS integer CHECK (VALUE > 0); \
        CREATE DOMAIN higher AS level CHECK (VALUE > 1); \
        CREATE TYPE span AS RANGE (subtype = float8); \
        ALTER TABLE auth_user ADD plan plan DEFAULT 'pro', ADD level higher DEFAULT 7, \
        ADD span span DEFAULT '[1,2)', ADD plans plan[] DEFAULT '{free,pro}'";
    admin.batch_execute(columns).await.unwrap();
    let columns = ["plan", "level", "span", "plans"];
    let mut model = UserModel::default();
    model.columns = columns.map(Into::into).into();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    for prepared in [false, true] {
        let proxy = Proxy::before(scene.database.url()).await;
        let mut settings = settings();
        settings.user_model = model.clone();
        settings.prepared_statements = prepared;
        let site = DjangoSite::new(pool(proxy.url(), 1), settings).unwrap();
        site.check().await.unwrap();
        let session = site.load(&key).await.unwrap();
        let users = join_all((0..20).map(|_| site.get_user(&session))).await;
        for user in users {
            let user = user.unwrap();
            assert_eq!(user.get::<String>("plan").unwrap(), "pro");
            assert_eq!(user.get::<i32>("level").unwrap(), 7);
            assert_eq!(user.get::<String>("span").unwrap(), "[1,2)");
            assert_eq!(user.get::<String>("plans").unwrap(), "{free,pro}");
            assert!(user.has_perm("shop.ada").await.unwrap());
        }
        assert_eq!(named_statements(&proxy).is_empty(), !prepared);
    }
}

/// The names of statements that were prepared or executed.
fn named_statements(proxy: &Proxy) -> Vec<String> {
    let parsed = proxy.messages().into_iter().filter(|(kind, _)| *kind == 'P');
    parsed.map(|(_, name)| name).filter(|name| !name.is_empty()).collect()
}
