//! PostgreSQL is killed and started again.

use std::time::Instant;

use testbed::Postgres;

use crate::{
    beside_others,
    load::Load,
    scene::Scene,
    service::{Service, patient, pool},
};

#[tokio::test]
async fn a_killed_server_means_503_until_it_is_back() {
    let _turn = beside_others().await;
    let postgres = Postgres::start().await.unwrap();
    let scene = Scene::on(&postgres).await;
    let service = Service::start(pool(scene.database.url(), 8), patient());
    let load = Load::start(&service, &scene, 200);
    load.serve(1_000).await;
    for round in 1..=2 {
        postgres.kill9().await.unwrap();
        load.fail(300).await;
        postgres.restart().await.unwrap();
        let resumed = load.recover(Instant::now()).await;
        println!("killed, round {round}: the last 503 came {resumed:?} after the server was back");
    }
    load.stop("PostgreSQL killed and started again").await;
}
