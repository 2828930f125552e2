//! Clients hang up in the middle of a request.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    beside_others,
    load::{Connection, Load},
    scene::Scene,
    service::{APPLICATION_NAME, Service, patient, pool},
    until,
};

#[tokio::test]
async fn thousands_of_clients_that_hang_up_disturb_no_other() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), patient());
    let load = Load::start(&service, &scene, 100);
    load.serve(500).await;

    let cookie = scene.user().cookie();
    let mut hung_up = 0;
    // At any moment of a request.
    for round in 0..20_u64 {
        let mut hurried = Vec::new();
        for number in 0..100 {
            let (address, cookie) = (service.address, cookie.clone());
            let wait = Duration::from_micros((number * 37 + round * 101) % 3_000);
            hurried.push(tokio::spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                connection.send("/login_required", cookie.as_deref()).await.unwrap();
                sleep(wait).await;
                connection.hang_up();
            }));
        }
        for client in hurried {
            client.await.unwrap();
            hung_up += 1;
        }
    }
    // And surely while a query is in flight.
    let mut admin = scene.client().await;
    let watcher = scene.client().await;
    for _ in 0..5 {
        let transaction = admin.transaction().await.unwrap();
        transaction.batch_execute("LOCK TABLE django_session").await.unwrap();
        let mut hurried = Vec::new();
        for _ in 0..100 {
            let mut connection = Connection::open(service.address).await.unwrap();
            connection.send("/required", cookie.as_deref()).await.unwrap();
            hurried.push(connection);
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE application_name = $1 AND wait_event_type = 'Lock'";
        until("lookups wait for the table", async || {
            watcher.query_one(waiting, &[&APPLICATION_NAME]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        for connection in hurried {
            connection.hang_up();
            hung_up += 1;
        }
        transaction.commit().await.unwrap();
        load.serve(50).await;
    }
    let counts = load.stop(&format!("{hung_up} clients hung up")).await;
    assert_eq!(counts.unavailable(), 0);
    assert_eq!(service.pool.status().size, 0);
}
