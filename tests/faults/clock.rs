//! A session ends here at the same microsecond as for Django (R11).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_django_session::{DjangoSite, Error, SessionKey};
use serde_json::json;

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

#[tokio::test]
async fn a_session_ends_for_django_and_here_at_the_same_microsecond() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let site = DjangoSite::new(pool(scene.database.url(), 1), settings()).unwrap();
    let key = scene.oracle().await.login("ada").await.unwrap();
    let sql = "UPDATE django_session SET expire_date = to_timestamp(%s) + %s * interval '1 us' \
               WHERE session_key = %s";

    let mut sent = 0;
    for (seconds, micros) in
        [(1_900_000_000, 0), (1_900_000_000, 1), (2_000_000_000, 999_999), (1_999_999_999, 500_000)]
    {
        let ends = json!({ "cmd": "sql", "statement": sql, "parameters": [seconds, micros, key] });
        scene.oracle().await.ask(ends).await.unwrap();
        let ends = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
        for (now, live) in [
            (ends - Duration::from_micros(1), true),
            (ends, false),
            (ends + Duration::from_micros(1), false),
        ] {
            let found = site.load_at(&SessionKey::new(&*key).unwrap(), now).await;
            match &found {
                Ok(session) => assert_eq!(session.expire_date(), ends),
                Err(error) => assert!(matches!(error, Error::SessionExpired), "{error}"),
            }
            assert_eq!(found.is_ok(), live, "{seconds} s {micros} µs");
            let visit = json!({
                "cmd": "visit", "cookie": format!("sessionid={key}"), "now": iso(&scene, now).await,
            });
            let verdict = scene.oracle().await.ask(visit).await.unwrap();
            assert_eq!(verdict["verdict"]["is_authenticated"], live, "{verdict}");
            sent += 1;
        }
    }
    println!("the clock at expire_date: {sent} sent, {sent} right, 0 wrong, 0 lost");
}

/// The time of the oracle, to the microsecond.
async fn iso(scene: &Scene, moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap();
    let sql = "SELECT to_char(to_timestamp(%s) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')";
    let parameters = [since.as_secs()];
    let ask = json!({ "cmd": "sql", "statement": sql, "parameters": parameters });
    let answer = scene.oracle().await.ask(ask).await.unwrap();
    format!("{}.{:06}+00:00", answer["rows"][0][0].as_str().unwrap(), since.subsec_micros())
}
