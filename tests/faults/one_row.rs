//! One row that the server cannot read, or that a function refuses.

use actix_django_session::{DjangoSite, SessionKey};
use futures_util::future::join_all;

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

/// The table is a view that decrypts a column, and the function raises an error for one row. A damaged page
/// has the same effect, with the code `XX001`.
#[tokio::test]
async fn only_its_owner_sees_that_a_row_cannot_be_read() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let bad = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    for code in ["39000", "XX001", "P0001", "53200"] {
        let sql = format!(
            "DROP VIEW IF EXISTS decrypted; \
             CREATE OR REPLACE FUNCTION decrypt(key text, data text) RETURNS text LANGUAGE plpgsql AS \
             $$BEGIN IF key = '{}' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF; \
             RETURN data; END$$; \
             CREATE VIEW decrypted AS SELECT session_key, \
             decrypt(session_key, session_data) AS session_data, expire_date FROM django_session",
            bad.as_str()
        );
        admin.batch_execute(&sql).await.unwrap();
        let mut settings = settings();
        settings.session_table = "decrypted".into();
        let site = DjangoSite::new(pool(scene.database.url(), 1), settings).unwrap();
        let known = scene.visitors.iter().filter_map(|visitor| visitor.key.clone());
        let others = (0..100).map(|number| format!("unknown-{number:03}"));
        let keys: Vec<_> = known.chain(others).map(|key| SessionKey::new(key).unwrap()).collect();
        // Before they are looked up together.
        drop(site.load(&keys[0]).await);
        for (key, answer) in keys.iter().zip(join_all(keys.iter().map(|key| site.load(key))).await)
        {
            let is_unavailable = answer.is_err_and(|error| !error.wants_login());
            assert_eq!(is_unavailable, key.as_str() == bad.as_str(), "{code}");
        }
    }
}
