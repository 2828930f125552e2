//! The site's own constraints and triggers that permit no change of a session.

use serde_json::json;
use testbed::{Django, Settings};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{django, operate},
};

/// How often the trigger has run. A rollback does not reset a sequence.
const TRIES: &str = "SELECT last_value::int FROM tries";

/// The trigger of an audit table may raise such an error; another session key does not avoid it.
#[testbed::test]
async fn a_failure_that_a_new_key_cannot_cure_is_tried_at_most_twice() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    for statement in [
        "CREATE SEQUENCE tries",
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF nextval(''tries'') < 100 THEN RAISE unique_violation; END IF; RETURN NULL; END'",
    ] {
        bed.sql(statement).await;
    }
    let key = bed.session(r#"{"a":1}"#).await;
    bed.sql(
        "CREATE TRIGGER audit AFTER UPDATE ON django_session FOR EACH ROW EXECUTE FUNCTION audit()",
    )
    .await;
    let cookie = format!("sessionid={key}");
    let insert = json!([["insert", "b", 1]]);
    let refused = django(&bed, Some(&cookie), &insert, 200).await;
    assert_eq!((refused.status, refused.set_cookie), (500, vec![]));

    // Without prepared statements, each try is one statement.
    let mut settings = settings();
    settings.write_sessions = true;
    settings.prepared_statements = false;
    let site = bed.site_with(settings);
    // Another key is tried only if the operation creates a new key.
    for (ops, most) in [(insert, 1), (json!([["cycle_key"], ["insert", "b", 1]]), 2)] {
        bed.sql("SELECT setval('tries', 1)::int").await;
        let refused = operate(&site, Some(&cookie), &ops, 200).await;
        assert_eq!((refused.status, refused.set_cookie), (503, vec![]), "{ops}");
        let tries = bed.sql(TRIES).await;
        assert_eq!(tries, json!([[1 + most]]), "{ops}");
        let row = bed.ask(json!({ "cmd": "read_row", "key": key })).await;
        assert_eq!(row["json"], r#"{"a": 1}"#, "{ops}");
    }
}
