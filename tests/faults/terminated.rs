//! Backends are ended one by one.

use testbed::Postgres;

use crate::{
    beside_others,
    load::Load,
    scene::{Scene, connect},
    service::{APPLICATION_NAME, Service, patient, pool},
};

#[tokio::test]
async fn no_visitor_notices_when_backends_end() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 8), patient());
    let load = Load::start(&service, &scene, 200);
    load.serve(1_000).await;

    let admin = connect(Postgres::shared().await.unwrap().url()).await;
    let mut ended = 0;
    while ended < 30 {
        let backends = "SELECT pid FROM pg_stat_activity \
                        WHERE datname = $1 AND application_name = $2";
        let backends =
            admin.query(backends, &[&scene.database.name(), &APPLICATION_NAME]).await.unwrap();
        for backend in backends {
            let pid: i32 = backend.get(0);
            let done = admin.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
            ended += i32::from(done.get::<_, bool>(0));
            load.serve(50).await;
        }
    }

    // All at once: then every connection in the pool is dead.
    for _ in 0..5 {
        scene.database.terminate_backends().await.unwrap();
        load.serve(300).await;
    }
    let counts = load.stop(&format!("{ended} backends ended one by one, and all five times")).await;
    assert_eq!(counts.unavailable(), 0);
}
