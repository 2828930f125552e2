//! Session tables that differ from Django's: if Django can write to one, so can this crate.

use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{Outcome, django, operate},
};

/// Changes that a site may have made to its table, and their SQL statements.
const TABLES: [(&str, &[&str]); 7] = [
    ("Django's own", &[]),
    (
        "partitioned by its end",
        &[
            "DROP TABLE django_session",
            "CREATE TABLE django_session (session_key varchar(40) NOT NULL, session_data text \
             NOT NULL, expire_date timestamptz NOT NULL, PRIMARY KEY (session_key, expire_date)) \
             PARTITION BY RANGE (expire_date)",
            "CREATE TABLE past PARTITION OF django_session FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
            "CREATE TABLE present PARTITION OF django_session DEFAULT",
        ],
    ),
    (
        "without a constraint",
        &["ALTER TABLE django_session DROP CONSTRAINT django_session_pkey CASCADE"],
    ),
    (
        "with a constraint that is checked later",
        &[
            "ALTER TABLE django_session DROP CONSTRAINT django_session_pkey CASCADE",
            "ALTER TABLE django_session ADD PRIMARY KEY (session_key) DEFERRABLE",
        ],
    ),
    (
        "a trigger has new rows put into another table",
        &[
            "CREATE TABLE newer () INHERITS (django_session)",
            "CREATE FUNCTION divert() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN INSERT INTO newer SELECT NEW.*; RETURN NULL; END'",
            "CREATE TRIGGER divert BEFORE INSERT ON django_session \
             FOR EACH ROW EXECUTE FUNCTION divert()",
        ],
    ),
    (
        "a view",
        &[
            "ALTER TABLE django_session RENAME TO base",
            "CREATE VIEW django_session AS SELECT session_key, session_data, expire_date FROM base",
        ],
    ),
    (
        // Django never changes the key of a row, so the trigger does not handle it.
        "a view with triggers",
        &[
            "ALTER TABLE django_session RENAME TO base",
            "CREATE VIEW django_session AS SELECT session_key || '' AS session_key, \
             reverse(session_data) AS session_data, expire_date FROM base",
            "CREATE FUNCTION written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF TG_OP = 'DELETE' THEN DELETE FROM base WHERE session_key = OLD.session_key; \
             RETURN OLD; END IF; \
             IF TG_OP = 'INSERT' THEN INSERT INTO base VALUES \
             (NEW.session_key, reverse(NEW.session_data), NEW.expire_date); \
             ELSE UPDATE base SET session_data = reverse(NEW.session_data), \
             expire_date = NEW.expire_date WHERE session_key = OLD.session_key; END IF; \
             RETURN NEW; END $$",
            "CREATE TRIGGER written INSTEAD OF INSERT OR UPDATE OR DELETE ON django_session \
             FOR EACH ROW EXECUTE FUNCTION written()",
        ],
    ),
];

/// The session key in the cookie of a response.
fn key_of(outcome: &Outcome) -> Option<&str> {
    let (key, _) = outcome.set_cookie.first()?.strip_prefix("sessionid=")?.split_once(';')?;
    Some(key).filter(|key| !matches!(*key, "" | "\"\""))
}

async fn row(bed: &Bed, key: &str) -> Value {
    bed.ask(json!({ "cmd": "read_row", "key": key })).await
}

async fn count(bed: &Bed) -> Value {
    bed.sql("SELECT count(*)::int FROM django_session").await[0][0].clone()
}

#[testbed::test]
async fn writes_behave_as_in_django_on_every_form_of_the_table() {
    for version in Django::available().unwrap() {
        for (what, statements) in TABLES {
            let bed = Bed::start(version, Settings::default()).await;
            for statement in statements {
                bed.sql(statement).await;
            }
            let mut writes = settings();
            writes.write_sessions = true;
            let site = bed.site_with(writes.clone());
            let site = &site;
            let what = &format!("{version}, {what}");

            // Both do the same operations, each on its own session and on the session of the other.
            let made = json!([["insert", "a", 1]]);
            let ours = operate(site, None, &made, 200).await;
            let theirs = django(&bed, None, &made, 200).await;
            assert_eq!((ours.status, theirs.status), (200, 200), "{what}");
            let [mut ours, mut theirs] =
                [&theirs, &ours].map(|outcome| key_of(outcome).expect(what).to_owned());
            for ops in [
                json!([["insert", "b", 2]]),
                json!([["set_expiry", 3600]]),
                json!([["cycle_key"]]),
                json!([["insert", "c", 3], ["cycle_key"]]),
                json!([["insert", "d", 4]]),
                json!([["flush"], ["insert", "e", 5]]),
            ] {
                let before = [ours.clone(), theirs.clone()];
                let [a, b] = before.each_ref().map(|key| format!("sessionid={key}"));
                let done = [
                    operate(site, Some(&a), &ops, 200).await,
                    django(&bed, Some(&b), &ops, 200).await,
                ];
                assert_eq!(done[0].status, done[1].status, "{what}: {ops}");
                ours = key_of(&done[0]).unwrap_or(&ours).to_owned();
                theirs = key_of(&done[1]).unwrap_or(&theirs).to_owned();
                assert_eq!(ours == before[0], theirs == before[1], "{what}: {ops}");
                let [a, b] = [row(&bed, &ours).await, row(&bed, &theirs).await];
                assert_eq!((a.is_object(), &a), (true, &b), "{what}: {ops}");
                // The old session key of the cookie has no row now.
                for (key, now) in before.iter().zip([&ours, &theirs]) {
                    assert_eq!(row(&bed, key).await.is_null(), key != now, "{what}: {ops}");
                }
                assert_eq!(count(&bed).await, 2, "{what}: {ops}");
            }

            // Extends a session.
            bed.sql("UPDATE django_session SET expire_date = now() + interval '1 minute'").await;
            let slides = bed.site_with(writes.with(|s| s.session_save_every_request = true));
            let cookie = format!("sessionid={ours}");
            let slid = operate(&slides, Some(&cookie), &json!([["get", "e"]]), 200).await;
            assert_eq!((slid.results, slid.set_cookie.len()), (json!([5]), 1), "{what}");
            assert_eq!(row(&bed, &ours).await["lives"], 14 * 24 * 3600, "{what}");

            // Flushes a session, and clears expired ones.
            let ended = operate(site, Some(&cookie), &json!([["flush"]]), 200).await;
            assert_eq!((ended.status, row(&bed, &ours).await), (200, Value::Null), "{what}");
            bed.sql("UPDATE django_session SET expire_date = now() - interval '1 minute'").await;
            let live = bed.session("{}").await;
            assert_eq!(site.clear_expired().await.unwrap(), 1, "{what}");
            assert!(row(&bed, &live).await.is_object(), "{what}");
            assert_eq!(count(&bed).await, 1, "{what}");
        }
    }
}
