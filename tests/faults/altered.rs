//! A migration alters tables while lookups run.

use actix_django_session::UserModel;
use testbed::With;

use crate::{
    beside_others,
    load::Load,
    scene::Scene,
    service::{Service, patient, pool},
    until,
};

#[tokio::test]
async fn no_visitor_notices_a_migration() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let mut settings = patient();
    settings.user_model = UserModel::default().with(|m| m.columns = vec!["first_name".into()]);
    let service = Service::start(pool(scene.database.url(), 8), settings);
    let load = Load::start(&service, &scene, 200);
    load.serve(1_000).await;

    let admin = scene.client().await;
    let before = failed_transactions(&admin).await;
    for _ in 0..10 {
        for change in [
            "ADD COLUMN extra integer",
            "ALTER COLUMN session_data TYPE varchar",
            "DROP COLUMN extra",
            "ALTER COLUMN session_data TYPE text",
        ] {
            admin.batch_execute(&format!("ALTER TABLE django_session {change}")).await.unwrap();
            load.serve(50).await;
        }
        // Another type of a column that is read fails with "cached plan must not change result type".
        for type_name in ["text", "varchar(150)"] {
            let change = format!("ALTER TABLE auth_user ALTER COLUMN first_name TYPE {type_name}");
            admin.batch_execute(&change).await.unwrap();
            load.serve(50).await;
        }
    }
    let counts = load.stop("60 migrations").await;
    assert_eq!(counts.unavailable(), 0);
    // The server updates its counters late.
    until("plans were stale", async || failed_transactions(&admin).await > before).await;
    println!("migrations: {} stale plans", failed_transactions(&admin).await - before);
}

async fn failed_transactions(client: &tokio_postgres::Client) -> i64 {
    let sql = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}
