//! `DjangoSite::check` names what is wrong with the tables of users and permissions.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, Error, ParentModel, PermissionTables, UserModel,
};
use serde_json::json;
use testbed::{Log, With, until};

use crate::{
    beds::{Bed, new_key, pool, settings},
    probe::probe,
};

/// The report, line by line, of a check that finds problems.
async fn complaint(site: &DjangoSite) -> String {
    match site.check().await {
        Err(Error::CheckFailed(report)) => report.problems().join("\n"),
        other => panic!("{other:?}"),
    }
}

#[testbed::test]
async fn check_names_a_missing_user_table_or_column() {
    let bed = Bed::new().await;
    let with_tables = |change: fn(&mut PermissionTables)| {
        UserModel::default().with(|m| m.permission_tables.iter_mut().for_each(change))
    };
    let sessions = [
        (UserModel::new("people"), "no table \"people\""),
        (UserModel::default().with(|m| m.primary_key = "nr".into()), "no column \"nr\""),
        (
            UserModel::default().with(|m| m.username = "email_address".into()),
            "no column \"email_address\"",
        ),
        (UserModel::default().with(|m| m.password = "pw".into()), "no column \"pw\""),
        (
            UserModel::default().with(|m| m.is_active = Some("enabled".into())),
            "no column \"enabled\"",
        ),
        (UserModel::default().with(|m| m.columns = vec!["plan".into()]), "no column \"plan\""),
        (
            UserModel::default().with(|m| m.condition = Some("gone IS NULL".into())),
            "column \"gone\" does not exist",
        ),
        (
            UserModel::default()
                .with(|m| m.parents.push(ParentModel::new("parent", "id", "parent_ptr_id"))),
            "no table \"parent\"",
        ),
        (
            UserModel::default()
                .with(|m| m.permission_tables = Some(PermissionTables::of("people"))),
            "no table \"people_groups\"",
        ),
        (
            with_tables(|tables| tables.user_groups.from_column = "member_id".into()),
            "no column \"member_id\"",
        ),
        (with_tables(|tables| tables.group_permissions.table = "a".into()), "no table \"a\""),
        (UserModel::new("elsewhere.auth_user"), "one in the schema \"public\""),
    ];
    for (model, named) in sessions {
        let site = bed.site_of(model);
        let _middleware =
            DjangoSessionMiddleware::login_required(site.clone()).permission_required("a.b");
        let complaint = complaint(&site).await;
        assert!(complaint.contains(named), "{named}: {complaint}");
        assert!(complaint.starts_with("AUTH_USER_MODEL: "), "{complaint}");
    }
    bed.site_of(UserModel::default()).check().await.unwrap();
    // A wrong name of the permission tables does not matter without permissions.
    let mut model = UserModel::default();
    model.permission_tables = None;
    bed.site_of(model).check().await.unwrap();
}

#[testbed::test]
async fn check_reads_the_user_tables_only_if_something_uses_them() {
    let bed = Bed::new().await;
    bed.sql("ALTER TABLE auth_user RENAME TO away").await;
    let site = bed.site();
    let _required = DjangoSessionMiddleware::required(site.clone());
    site.check().await.unwrap();
    let _middleware = DjangoSessionMiddleware::login_required(site.clone());
    assert!(complaint(&site).await.contains("auth_user"));

    let site = bed.site();
    let _middleware = DjangoSessionMiddleware::optional(site.clone()).staff_required();
    assert!(complaint(&site).await.contains("auth_user"));
    let site = bed.site();
    let _middleware = DjangoSessionMiddleware::required(site.clone()).permission_required("a.b");
    assert!(complaint(&site).await.contains("auth_user"));
}

#[testbed::test]
async fn a_role_needs_only_select_on_seven_tables() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    bed.user("root", json!({ "password": "x", "is_superuser": true })).await;
    let keys = [bed.login("ada").await, bed.login("root").await];

    let role = format!("reader_{}", new_key());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    let pool = pool(&format!("postgres://{role}:reader@{address}"));
    let site =
        DjangoSite::new(pool, settings().with(|s| s.user_model = UserModel::default())).unwrap();
    let _middleware =
        DjangoSessionMiddleware::login_required(site.clone()).permission_required("a.b");
    let tables = [
        "django_session",
        "auth_user",
        "auth_user_groups",
        "auth_user_user_permissions",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
    ];
    for (index, table) in tables.iter().enumerate() {
        let complaint = complaint(&site).await;
        let grants: Vec<_> = complaint.matches("GRANT SELECT ON").collect();
        assert_eq!(grants.len(), tables.len() - index, "before {table}: {complaint}");
        let grant = format!("GRANT SELECT ON \"public\".\"{table}\" TO \"{role}\";");
        assert!(complaint.contains(&grant), "{grant}: {complaint}");
        bed.sql(&grant).await;
    }
    site.check().await.unwrap();
    let app = probe(site);
    for key in &keys {
        assert_eq!(app.json("/who", key).await, bed.verdict(key).await["user"]);
        assert_eq!(app.status("/user", key).await, 200);
    }
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}

#[testbed::test]
async fn check_leaves_no_connection_open() {
    let bed = Bed::new().await;
    let name = new_key();
    let url = format!("{}?application_name={name}", bed.url());
    let sound = DjangoSite::new(pool(&url), settings()).unwrap();
    sound.check().await.unwrap();
    let mut wrong = settings();
    wrong.user_model = UserModel::new("people");
    complaint(&DjangoSite::new(pool(&url), wrong).unwrap()).await;
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    // PostgreSQL takes a moment to notice a closed connection.
    until("no connection is left", async || bed.sql(&count).await == json!([[0]])).await;
}

/// As in the closure of `HttpServer::new`, where each worker makes its own.
#[testbed::test]
async fn check_reports_what_it_skipped_and_a_later_middleware_that_needs_it() {
    let log = Log::default();
    log.listen();
    let bed = Bed::new().await;
    let site = bed.site();
    let message = async || {
        let report = site.check().await.unwrap();
        let found = report
            .to_string()
            .lines()
            .find(|line| {
                line.contains("not looked at: ") || line.contains("they were not looked at")
            })
            .map(str::to_owned);
        found.unwrap_or_default()
    };
    let later = || {
        let lines = log.of_this_crate(&["WARN"]);
        lines.into_iter().filter(|line| line.contains("made after check()")).collect::<Vec<_>>()
    };
    let warning = message().await;
    let start = "warning: no middleware was made yet: users, permissions and groups were not \
                 looked at";
    assert!(warning.starts_with(start), "{warning}");

    // It needs nothing more.
    let sessions = DjangoSessionMiddleware::required(site.clone());
    assert_eq!(later(), [""; 0]);
    let fact = "no middleware asks for users, permissions and groups: they were not looked at";
    assert_eq!(message().await, fact);

    for _ in 0..3 {
        drop(DjangoSessionMiddleware::login_required(site.clone()));
    }
    let [line] = &later()[..] else { panic!("{:?}", later()) };
    assert!(line.contains("users") && !line.contains("permissions"), "{line}");
    let fact = "no middleware asks for permissions and groups: they were not looked at";
    assert_eq!(message().await, fact);
    for _ in 0..3 {
        drop(sessions.clone().permission_required("a.b"));
    }
    let [_, line] = &later()[..] else { panic!("{:?}", later()) };
    assert!(line.contains("permissions") && !line.contains("users"), "{line}");
    assert_eq!(message().await, "no middleware asks for groups: they were not looked at");
    for _ in 0..3 {
        drop(sessions.clone().group_required("editors"));
    }
    let [_, _, line] = &later()[..] else { panic!("{:?}", later()) };
    assert!(line.contains("groups") && !line.contains("permissions"), "{line}");
    assert_eq!(message().await, "");

    // And now it is looked at.
    let role = format!("reader_{}", new_key());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'")).await;
    bed.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    bed.sql(&format!("REVOKE SELECT ON auth_permission, auth_group FROM {role}")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    let pool = pool(&format!("postgres://{role}:reader@{address}"));
    let site = DjangoSite::new(pool, settings()).unwrap();
    let early = site.check().await.unwrap();
    assert!(early.warnings().iter().any(|warning| warning.contains("permissions")), "{early}");
    let _middleware =
        DjangoSessionMiddleware::login_required(site.clone()).permission_required("a.b");
    let message = complaint(&site).await;
    assert!(message.contains("may not read \"public\".\"auth_permission\""), "{message}");
    assert!(!message.contains("auth_group\""), "{message}");
    let _middleware = DjangoSessionMiddleware::login_required(site.clone()).group_required("a");
    let message = complaint(&site).await;
    assert!(message.contains("may not read \"public\".\"auth_group\""), "{message}");
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}
