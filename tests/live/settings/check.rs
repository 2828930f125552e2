//! `DjangoSite::check()`: a clear sentence for everything that would fail every request.

use std::time::Duration;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error, SessionKey, TableName,
};
use serde_json::json;
use testbed::{Django, Settings, With, until};

use crate::beds::{Bed, nowhere, pool, settings};

async fn own_bed() -> Bed {
    Bed::start(Django::default(), Settings::default()).await
}

async fn complaint(bed: &Bed, settings: DjangoSettings) -> String {
    match bed.site_with(settings).check().await.unwrap_err() {
        Error::CheckFailed(report) => report.problems().join("\n"),
        other => panic!("{other:?}"),
    }
}

/// A site with a middleware that asks for sessions alone.
pub(crate) fn in_use(site: DjangoSite) -> DjangoSite {
    drop(DjangoSessionMiddleware::required(site.clone()));
    site
}

async fn user_id(site: &DjangoSite, key: &str) -> Option<String> {
    let session = site.load(&SessionKey::new(key).unwrap()).await.unwrap();
    session.user_id().unwrap().map(Into::into)
}

#[testbed::test]
async fn check_names_each_fault_of_the_session_table() {
    let bed = own_bed().await;
    let no_table = complaint(&bed, settings().with(|s| s.session_table = "sesions".into())).await;
    assert!(
        no_table.contains("no table \"sesions\"") && no_table.contains("migrate"),
        "{no_table}"
    );
    let elsewhere =
        complaint(&bed, settings().with(|s| s.session_table = "web.django_session".into())).await;
    assert!(elsewhere.contains(r#"no table "web"."django_session""#), "{elsewhere}");
    assert!(elsewhere.contains(r#"one in the schema "public""#), "{elsewhere}");

    bed.sql(
        "CREATE TABLE other (session_key varchar(40), session_data bytea, expire_date timestamptz)",
    )
    .await;
    let wrong_type = complaint(&bed, settings().with(|s| s.session_table = "other".into())).await;
    let message = r#"the column "session_data" of "public"."other" is of type bytea, not text"#;
    assert!(wrong_type.contains(message), "{wrong_type}");
    bed.sql(
        "ALTER TABLE other ALTER session_data TYPE text USING '', ALTER expire_date TYPE timestamp",
    )
    .await;
    let wrong_type = complaint(&bed, settings().with(|s| s.session_table = "other".into())).await;
    let message =
        r#"the column "expire_date" of "public"."other" is of type timestamp, not timestamptz"#;
    assert!(wrong_type.contains(message), "{wrong_type}");
    bed.sql("ALTER TABLE other DROP expire_date").await;
    let no_column = complaint(&bed, settings().with(|s| s.session_table = "other".into())).await;
    assert!(no_column.contains(r#""public"."other" has no column "expire_date""#), "{no_column}");
}

#[testbed::test]
async fn check_fails_without_a_server() {
    let site = DjangoSite::new(pool(&nowhere()), settings()).unwrap();
    let error = site.check().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(format!("{error:?}").contains("refused"), "{error:?}");
}

#[testbed::test]
async fn check_requires_only_the_right_to_read_the_table() {
    let bed = own_bed().await;
    let key = bed.login("ada").await;
    // Roles belong to the whole server: the name is this database's.
    let role = format!("role_{}", bed.bed().database().name());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    let (_, rest) = bed.bed().database_url().split_once('@').unwrap();
    let site = DjangoSite::new(pool(&format!("postgres://{role}:secret@{rest}")), settings());
    let site = site.unwrap();

    let error = site.check().await.unwrap_err().to_string();
    let grant = format!("GRANT SELECT ON \"public\".\"django_session\" TO \"{role}\";");
    assert!(error.contains(&grant), "{error}");
    let load = site.load(&SessionKey::new(&*key).unwrap()).await.unwrap_err();
    assert!(matches!(load, Error::Unavailable(_)), "{load:?}");

    bed.sql(&format!("GRANT SELECT (session_key, expire_date) ON django_session TO {role}")).await;
    let error = site.check().await.unwrap_err().to_string();
    assert!(error.contains(&grant), "{error}");

    bed.sql(&format!("GRANT SELECT ON django_session TO {role}")).await;
    site.check().await.unwrap();
    assert_eq!(user_id(&site, &key).await.as_deref(), Some("1"));

    bed.sql("CREATE SCHEMA hidden").await;
    bed.sql("CREATE TABLE hidden.sessions AS TABLE django_session").await;
    let site = DjangoSite::new(
        pool(&format!("postgres://{role}:secret@{rest}")),
        settings().with(|s| s.session_table = "hidden.sessions".into()),
    );
    let error = site.unwrap().check().await.unwrap_err().to_string();
    assert!(error.contains("GRANT USAGE ON SCHEMA \"hidden\""), "{error}");
    assert!(error.contains("GRANT SELECT ON \"hidden\".\"sessions\""), "{error}");
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}

/// Django's constraint is to be checked at the end of a transaction, and then refuses.
#[testbed::test]
async fn foreign_keys_to_sessions_must_allow_their_deletion() {
    let bed = own_bed().await;
    let writing = || in_use(bed.site_with(settings().with(|s| s.write_sessions = true)));
    assert_eq!(writing().check().await.unwrap().warnings(), [""; 0]);
    bed.sql("CREATE SCHEMA web").await;
    for (table, then) in [
        ("\"Us)er\"", "DEFERRABLE INITIALLY DEFERRED"),
        ("web.deletes", "ON DELETE CASCADE"),
        ("web.updates", "ON UPDATE CASCADE ON DELETE RESTRICT"),
        ("lets", "ON DELETE SET NULL ON UPDATE CASCADE"),
        ("web.empties", "MATCH FULL ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"),
        ("web.resets", "ON UPDATE RESTRICT ON DELETE SET DEFAULT"),
    ] {
        bed.sql(&format!(
            "CREATE TABLE {table} (id int, \"session key\" varchar(40) CONSTRAINT \"to session\" \
             REFERENCES django_session {then})"
        ))
        .await;
    }
    // A service that does not write is not affected.
    assert_eq!(in_use(bed.site()).check().await.unwrap().warnings(), [""; 0]);

    let key = bed.login("ada").await;
    bed.sql("INSERT INTO \"Us)er\" SELECT 1, session_key FROM django_session").await;
    let session = SessionKey::new(&*key).unwrap();
    let refused = writing().delete(&session).await.unwrap_err();
    assert!(refused.chain().to_string().contains("constraint \"to session\""), "{refused:?}");

    // A row that was there before, and is not asked about.
    bed.sql("INSERT INTO web.empties SELECT 1, session_key FROM django_session").await;
    bed.sql(
        "ALTER TABLE web.empties DROP CONSTRAINT \"to session\", ADD CONSTRAINT \"to session\" \
         FOREIGN KEY (\"session key\") REFERENCES django_session (session_key) MATCH FULL \
         ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
    )
    .await;
    let [both, end, cycle] = [
        "be deleted, or get another key, as a login does. Django's",
        "be deleted. Django's",
        "get another key, as a login does. Let",
    ];
    let report = writing().check().await.unwrap();
    assert_eq!(report.warnings().len(), 5, "{report}");
    for (warning, (table, refused, then)) in report.warnings().iter().zip([
        ("\"Us)er\"", both, "ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"),
        ("web.deletes", cycle, "ON UPDATE CASCADE ON DELETE CASCADE"),
        (
            "web.empties",
            cycle,
            "MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
        ),
        ("web.resets", cycle, "ON UPDATE CASCADE ON DELETE SET DEFAULT"),
        ("web.updates", end, "ON UPDATE CASCADE ON DELETE CASCADE"),
    ]) {
        let message = format!(
            "the constraint \"to session\" of {table} lets no session to which a row there refers \
             {refused}"
        );
        assert!(warning.contains(&message), "{warning}");
        assert!(warning.ends_with(&format!("django_session(session_key) {then};")), "{warning}");
        // It is there to be pasted.
        bed.sql(&warning[warning.find("ALTER TABLE").unwrap()..]).await;
    }
    assert_eq!(writing().check().await.unwrap().warnings(), [""; 0]);
    assert!(writing().delete(&session).await.unwrap());
    // What was to be emptied is not deleted.
    bed.sql("DO $$ BEGIN ASSERT (SELECT \"session key\" IS NULL FROM web.empties); END $$").await;
}

#[testbed::test]
async fn session_tables_can_have_schemas_and_unusual_names() {
    let bed = own_bed().await;
    let key = bed.login("ada").await;
    bed.sql(r#"CREATE SCHEMA "We.b""#).await;
    bed.sql(r#"CREATE TABLE "We.b"."Ses""sions" AS TABLE django_session"#).await;
    bed.sql("CREATE SCHEMA web").await;
    bed.sql("CREATE TABLE web.sessions AS TABLE django_session").await;
    bed.sql("TRUNCATE django_session").await;
    for table in
        [TableName::from(("We.b", "Ses\"sions")), "web.sessions".into(), ("web", "sessions").into()]
    {
        let site = bed.site_with(settings().with(|s| s.session_table = table.clone()));
        site.check().await.unwrap();
        assert_eq!(user_id(&site, &key).await.as_deref(), Some("1"), "{table:?}");
    }
}

#[testbed::test]
async fn check_works_without_prepared_statements() {
    let bed = own_bed().await;
    let site = bed.site_with(settings().with(|s| s.prepared_statements = false));
    site.check().await.unwrap();
    assert_eq!(user_id(&site, &bed.login("grace").await).await.as_deref(), Some("2"));
    let load = site.load(&SessionKey::generate()).await;
    assert!(matches!(load, Err(Error::SessionNotFound)), "{load:?}");
}

#[testbed::test]
async fn a_session_store_with_another_name_has_another_salt() {
    let bed = Bed::shared().await;
    let salt = "django.contrib.sessions.CustomStore";
    let key = SessionKey::generate();
    bed.ask(json!({
        "cmd": "sign_row", "key": key.as_str(), "salt": salt, "obj_json": r#"{"_auth_user_id":"7"}"#,
    }))
    .await;
    let site = bed.site_with(settings().with(|s| s.session_key_salt = salt.into()));
    assert_eq!(user_id(&site, key.as_str()).await.as_deref(), Some("7"));
    assert!(bed.site().load(&key).await.unwrap().data().is_err());
}

#[testbed::test]
async fn a_table_whose_type_changed_is_read_after_the_change() {
    let bed = own_bed().await;
    let key = bed.login("ada").await;
    let site = bed.site();
    assert_eq!(user_id(&site, &key).await.as_deref(), Some("1"));
    // What a migration may do: the prepared statement is stale now.
    bed.sql("ALTER TABLE django_session ALTER session_data TYPE varchar").await;
    assert_eq!(user_id(&site, &key).await.as_deref(), Some("1"));
}

/// A database whose clock is an hour off, before PostgreSQL's own function is found.
#[testbed::test]
async fn check_reports_a_wrong_clock() {
    let bed = own_bed().await;
    assert_eq!(in_use(bed.site()).check().await.unwrap().warnings(), [""; 0]);
    let path = "options=-csearch_path%3Doff,pg_catalog,public";
    let url = format!("{}?{path}", bed.bed().database_url());
    bed.sql("CREATE SCHEMA off").await;
    for distance in ["1 hour", "-1 hour"] {
        bed.sql(&format!(
            "CREATE OR REPLACE FUNCTION off.clock_timestamp() RETURNS timestamptz LANGUAGE sql \
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '{distance}' $$"
        ))
        .await;
        let site = in_use(DjangoSite::new(pool(&url), settings()).unwrap());
        let report = site.check().await.unwrap();
        let [warning] = report.warnings() else { panic!("{report}") };
        let seconds = warning.strip_prefix("the clock of this machine is ").unwrap();
        let (seconds, rest) = seconds.split_once(' ').unwrap();
        // Longer or shorter by as long as the answer took.
        assert!((3000..4200).contains(&seconds.parse::<u64>().unwrap()), "{warning}");
        assert_eq!(
            rest,
            "seconds off the database's, so sessions end too early or too late: synchronize the clocks"
        );
    }
}

/// As in a huge table whose index is gone; what visitors ask for has one.
#[testbed::test]
async fn check_warns_if_the_newest_sessions_are_not_found_in_time() {
    let bed = own_bed().await;
    bed.login("ada").await;
    bed.sql("ALTER TABLE django_session RENAME TO slow").await;
    bed.sql("CREATE VIEW django_session AS SELECT slow.* FROM slow, (SELECT pg_sleep(600)) asleep")
        .await;
    let site = in_use(bed.site_with(settings().with(|s| s.timeout = Duration::from_secs(10))));
    let report = site.check().await.unwrap();
    let [warning] = report.warnings() else { panic!("{report}") };
    assert!(warning.starts_with("SESSION_ENGINE: the newest sessions cannot be found in time"));
}

/// The server's own limit is for all tests: those of the role and of the database say enough.
#[testbed::test]
async fn check_warns_of_too_few_connections() {
    let bed = own_bed().await;
    let database = bed.bed().database().name().to_owned();
    let role = format!("role_{database}");
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    bed.sql(&format!("GRANT SELECT ON django_session TO {role}")).await;
    let (_, rest) = bed.bed().database_url().split_once('@').unwrap();
    // A new one each time: on a busy machine a check may leave a connection that stays idle for a minute.
    let site = || {
        let pool = pool(&format!("postgres://{role}:secret@{rest}"));
        in_use(DjangoSite::new(pool, settings()).unwrap())
    };
    let fact = async |start: &str| {
        let report = site().check().await.unwrap().to_string();
        let fact = report.lines().find(|line| line.starts_with("connections: "));
        fact.unwrap().split(", ").find(|part| part.contains(start)).map(str::to_owned)
    };
    // The server may still count a connection that a check has closed.
    let all_are_closed = || {
        until("only the oracle is connected", async || {
            let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
            bed.sql(others).await == json!([[0]])
        })
    };
    assert!(fact("the server has ").await.is_some());
    assert_eq!((fact("the role").await, fact("the database").await), (None, None));

    for (alter, giver, raise) in [
        (format!("ALTER ROLE {role}"), "the role", "ALTER ROLE"),
        (format!("ALTER DATABASE \"{database}\""), "the database", "ALTER DATABASE"),
    ] {
        bed.sql(&format!("{alter} CONNECTION LIMIT 1000")).await;
        assert_eq!(site().check().await.unwrap().warnings(), [""; 0]);
        all_are_closed().await;
        let fact = fact(giver).await.unwrap();
        let words: Vec<_> = fact.split(' ').collect();
        let [.., left, "of", most, "left"] = words[..] else { panic!("{fact}") };
        assert_eq!(most, "1000", "{fact}");
        all_are_closed().await;
        let used = 1000 - left.parse::<usize>().unwrap();
        // This bed's own, at least those of the oracle, count for the database and not for the role.
        assert_eq!(used > 0, giver == "the database", "{fact}");
        // Room for check() itself, and for no worker after that.
        bed.sql(&format!("{alter} CONNECTION LIMIT {}", used + 1)).await;
        let most = used + 1;
        let report = site().check().await.unwrap();
        let is_said = |warning: &String| {
            warning.contains(&format!("{giver} has 1 left: {used} of {most} are in use: raise"))
                && warning.contains(raise)
        };
        let several = std::thread::available_parallelism().unwrap().get() > 1;
        assert_eq!(report.warnings().iter().any(is_said), several, "{report}");
        bed.sql(&format!("{alter} CONNECTION LIMIT -1")).await;
    }
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}
