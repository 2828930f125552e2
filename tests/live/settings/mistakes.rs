//! What people get wrong, made in the settings of a site as production has them: start-up names the
//! setting at fault.

use std::time::Duration;

use actix_django_session::{
    AuthenticationBackend, CheckReport, DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error,
    ManyToMany, ParentModel, PermissionTables, SessionAuthHash, UserModel, signing::Algorithm,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use super::sites::install_packages;
use crate::{
    beds::{Bed, MODEL_BACKEND, new_key, pool},
    login_required::sessions::{quoted, session},
};

const KEY: &str = Settings::SECRET_KEY;
const FALLBACKS: [&str; 2] = ["last year's", "the year before"];
const BY_ADDRESS: &str = "accounts.backends.ByAddress";

/// The site: login by e-mail, UUIDs, two backends, its own table names, in a schema; and who is
/// logged in to it.
async fn production() -> Bed {
    let settings = Settings::default()
        .auth_user_model("members.Member")
        .secret_key_fallbacks(FALLBACKS)
        .authentication_backends([BY_ADDRESS, MODEL_BACKEND])
        .login_url("login");
    let mut bed = Bed::without_users(Django::default(), &settings).await;
    bed.move_to_schema("shop").await;
    for (name, backend, secret) in [
        ("ada@example.com", BY_ADDRESS, KEY),
        ("bob@example.com", MODEL_BACKEND, KEY),
        ("cyd@example.com", BY_ADDRESS, FALLBACKS[0]),
    ] {
        let user = bed.user(name, json!({ "password_column": format!("of {name}") })).await;
        let hash = match secret {
            KEY => &user["session_auth_hash"],
            _ => &user["fallback_hashes"][0],
        };
        let [pk, hash] = [&user["pk"], hash].map(|value| quoted(value.as_str().unwrap()));
        let json_text = session(&pk, &quoted(backend), &hash);
        let key = new_key();
        let row = json!({ "cmd": "sign_row", "key": key, "obj_json": json_text, "secret": secret });
        bed.ask(row).await;
        assert_eq!(bed.verdict(&key).await["user"]["username"], name);
    }
    bed.session("{\"cart\":1}").await;
    bed
}

/// The right settings, said by hand.
fn right() -> DjangoSettings {
    without_fallbacks(KEY).with(|s| s.secret_key_fallbacks = FALLBACKS.map(Into::into).into())
}

fn without_fallbacks(key: &str) -> DjangoSettings {
    DjangoSettings::new(key).with(|s| {
        s.session_table = "shop.django_session".into();
        s.authentication_backends = vec![
            AuthenticationBackend::new(BY_ADDRESS).with(|b| b.grants_permissions = Some(true)),
            MODEL_BACKEND.into(),
        ];
        s.user_model = member();
    })
}

fn member() -> UserModel {
    let mut tables = PermissionTables::of("shop.member");
    tables.user_groups = ManyToMany::new("shop.member_of_team", "person", "team");
    tables.user_permissions = ManyToMany::new("shop.member_rights", "member_id", "permission_id");
    UserModel::new("shop.member").with(|m| {
        m.primary_key = "member_id".into();
        m.username = "email".into();
        m.password = "pw".into();
        m.is_active = Some("enabled".into());
        m.condition = Some("NOT (\"member\".\"status\" = 'it''s gone 100%')".into());
        m.permission_tables = Some(tables);
    })
}

/// What `check()` says to a service with these settings, as a user of that pool's database.
async fn start(url: &str, settings: Result<DjangoSettings, Error>) -> Result<CheckReport, Error> {
    let site = DjangoSite::new(pool(url), settings?)?;
    let _middleware =
        DjangoSessionMiddleware::login_required(site.clone()).permission_required("shop.add_item");
    site.check().await
}

/// What it is, the settings with it, how it shows, and what has to be said.
type Mistake<'a> = (&'a str, Result<DjangoSettings, Error>, Shows, &'a [&'a str]);

/// How a mistake shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shows {
    /// The service does not start.
    Refused,
    /// It starts with a warning: some sessions are sound.
    Warned,
}
use Shows::{Refused, Warned};

#[testbed::test]
async fn every_detectable_mistake_is_named_at_start() {
    let bed = production().await;
    let exported = bed.export().await;
    let report = start(bed.url(), Ok(right())).await.unwrap();
    assert_eq!(report.warnings(), [""; 0], "{report}");
    let json = |key: &str| DjangoSettings::from_json(&exported, key);
    let report = start(
        bed.url(),
        json(KEY).map(|s| s.with(|s| s.secret_key_fallbacks = FALLBACKS.map(Into::into).into())),
    );
    let report = report.await.unwrap();
    assert_eq!(report.warnings(), [""; 0], "{report}");
    println!("{report}");

    // Tables beside the right ones, as a database of many years has them.
    for statement in [
        "CREATE TABLE shop.visits (id uuid, email text, pw text, enabled boolean, \
         is_staff boolean, is_superuser boolean)",
        "CREATE TABLE shop.customer (id integer, email text, pw text, enabled boolean, \
         is_staff boolean, is_superuser boolean)",
        "CREATE TABLE shop.old_session (session_key varchar(40), session_data bytea, \
         expire_date timestamp)",
    ] {
        bed.sql(statement).await;
    }

    let on = |change: fn(&mut DjangoSettings)| Ok(right().with(change));
    let of_model = |change: fn(&mut UserModel)| Ok(right().with(|s| change(&mut s.user_model)));
    let changed = |pointer: &str, value: Value| {
        let mut changed: Value = serde_json::from_str(&exported).unwrap();
        *changed.pointer_mut(pointer).unwrap() = value;
        DjangoSettings::from_json(&changed.to_string(), KEY)
    };
    let right_but = |pointer: &str, value: Value| {
        changed(pointer, value).map(|settings| {
            settings.with(|s| s.secret_key_fallbacks = FALLBACKS.map(Into::into).into())
        })
    };
    let beside_a_cache = json!({
        "engine": "cached_db", "table": ["shop", "django_session"], "key_length": 40,
        "further_columns": [], "key_salt": "django.contrib.sessions.SessionStore",
        "cache_key": "shop:1:{session_key}",
    });
    let hash = SessionAuthHash::default;
    #[rustfmt::skip]
    let mistakes: Vec<Mistake<'_>> = vec![
        // The keys, by hand: the sessions tell.
        ("another key", Ok(without_fallbacks("another")), Refused, &["SECRET_KEY", "opened by no key"]),
        ("a line break at its end", Ok(without_fallbacks("test-bed-secret-key\n")), Refused, &["SECRET_KEY has white space or a line break at its end"]),
        ("quotes around it", Ok(without_fallbacks("'test-bed-secret-key'")), Refused, &["SECRET_KEY is in quotes"]),
        ("a fallback as the key", Ok(without_fallbacks(FALLBACKS[0])), Warned, &["SECRET_KEY", "3 of 4 live sessions are opened by no key"]),
        ("no fallbacks", Ok(without_fallbacks(KEY)), Warned, &["SECRET_KEY_FALLBACKS", "1 of 4 live sessions are opened by no key"]),
        ("one fallback is missing", Ok(without_fallbacks(KEY).with(|s| s.secret_key_fallbacks = vec![FALLBACKS[1].into()])), Warned, &["SECRET_KEY_FALLBACKS"]),
        ("an empty key", Ok(without_fallbacks("")), Refused, &["SECRET_KEY"]),
        ("an empty fallback", on(|s| s.secret_key_fallbacks = vec!["".into()]), Refused, &["SECRET_KEY_FALLBACKS"]),
        // The keys, with an export: their fingerprints tell.
        ("export: another key", json("another"), Refused, &["SECRET_KEY: this is not the key"]),
        ("export: a line break", json("test-bed-secret-key\n"), Refused, &["SECRET_KEY", "with a line break at its end"]),
        ("export: quotes", json("\"test-bed-secret-key\""), Refused, &["SECRET_KEY", "in quotes"]),
        ("export: a fallback", json(FALLBACKS[0]), Refused, &["SECRET_KEY", "number 1 of the site's SECRET_KEY_FALLBACKS"]),
        ("export: no fallbacks", json(KEY), Refused, &["SECRET_KEY_FALLBACKS: the site has 2, and the service has 0"]),
        ("export: fallbacks in one", json(KEY).map(|s| s.with(|s| s.secret_key_fallbacks = vec!["last year's,the year before".into()])), Refused, &["SECRET_KEY_FALLBACKS: number 1 is not one"]),
        // What else an export may be.
        ("export: of a newer version", changed("/format", json!(2)), Refused, &["a newer version"]),
        ("export: of a site with a cache", changed("/not_honoured", json!([{"level": "unsafe", "setting": "SESSION_ENGINE", "value": "cache", "reason": "keeps", "hook": null, "power": null}])), Refused, &["SESSION_ENGINE: cache keeps"]),
        // Sessions.
        ("another salt", on(|s| s.session_key_salt = "django.contrib.sessions.Other".into()), Refused, &["`session_key_salt` is not the site's: Django's default opens them"]),
        ("a table that is not there", on(|s| s.session_table = "shop.sessions".into()), Refused, &["SESSION_ENGINE", "no table \"shop\".\"sessions\"", "session_table"]),
        ("a table without its schema", on(|s| s.session_table = "django_session".into()), Refused, &["SESSION_ENGINE", "one in the schema \"shop\"", "(\"shop\", \"django_session\")"]),
        ("a table in another schema", on(|s| s.session_table = "web.django_session".into()), Refused, &["SESSION_ENGINE", "one in the schema \"shop\""]),
        ("a table of other types", on(|s| s.session_table = "shop.old_session".into()), Refused, &["\"session_data\" of \"shop\".\"old_session\" is of type bytea", "\"expire_date\" of \"shop\".\"old_session\" is of type timestamp"]),
        ("a table without sessions", on(|s| s.session_table = "shop.member".into()), Refused, &["\"shop\".\"member\" has no column \"session_key\"", "session_table"]),
        ("export: a table with shorter keys", right_but("/session/key_length", json!(64)), Warned, &["SESSION_ENGINE", "\"django_session\" takes session keys of 40 characters, and not of 64"]),
        ("export: a table that was not migrated", right_but("/session/further_columns", json!(["device"])), Warned, &["SESSION_ENGINE", "\"django_session\" has no column \"device\"", "`migrate`"]),
        ("export: sessions that slide, and nothing is written", right_but("/SESSION_SAVE_EVERY_REQUEST", json!(true)), Warned, &["SESSION_SAVE_EVERY_REQUEST", "write_sessions"]),
        ("export: a cache, and no hook", right_but("/session", beside_a_cache).map(|s| s.with(|s| s.write_sessions = true)), Refused, &["on_session_change", "\"shop:1:{session_key}\" in the cache"]),
        // Users.
        ("the default user model", Ok(right().with(|s| s.user_model = UserModel::default())), Refused, &["AUTH_USER_MODEL", "no table \"auth_user\"", "UserModel::new"]),
        ("the user table without its schema", Ok(right().with(|s| s.user_model = UserModel::new("member"))), Refused, &["AUTH_USER_MODEL", "one in the schema \"shop\""]),
        ("the primary key", of_model(|m| m.primary_key = "id".into()), Refused, &["AUTH_USER_MODEL", "no column \"id\"", "UserModel::primary_key"]),
        ("the username", of_model(|m| m.username = "username".into()), Refused, &["no column \"username\"", "UserModel::username"]),
        ("the password", of_model(|m| m.password = "password".into()), Refused, &["no column \"password\"", "UserModel::password"]),
        ("another column as the password", of_model(|m| m.password = "email".into()), Refused, &["3 of 3 live sessions", "another session auth hash", "UserModel::password"]),
        ("who is active", of_model(|m| m.is_active = Some("is_active".into())), Refused, &["no column \"is_active\"", "UserModel::is_active"]),
        ("who is staff", of_model(|m| m.is_staff = Some("staff".into())), Refused, &["no column \"staff\"", "UserModel::is_staff"]),
        ("a further column", of_model(|m| m.columns = vec!["plan".into()]), Refused, &["no column \"plan\"", "UserModel::columns"]),
        ("a parent", of_model(|m| m.parents.push(ParentModel::new("shop.person", "id", "person_id"))), Refused, &["no table \"shop\".\"person\"", "UserModel::parents"]),
        ("an impossible condition", of_model(|m| m.condition = Some("deleted_at IS NULL".into())), Refused, &["AUTH_USER_MODEL", "deleted_at", "`condition`"]),
        ("a condition that hides all", of_model(|m| m.condition = Some("status = 'active'".into())), Refused, &["AUTH_USER_MODEL", "3 of 3 live sessions", "not found", "`condition`"]),
        ("another table with such a key", of_model(|m| *m = UserModel::new("shop.visits").with(|m| { m.username = "email".into(); m.password = "pw".into(); m.is_active = Some("enabled".into()); m.permission_tables = Some(PermissionTables::of("shop.member")); })), Refused, &["AUTH_USER_MODEL", "not found in \"shop\".\"visits\""]),
        ("another table with another key", of_model(|m| *m = UserModel::new("shop.customer").with(|m| { m.username = "email".into(); m.password = "pw".into(); m.is_active = Some("enabled".into()); m.permission_tables = Some(PermissionTables::of("shop.member")); })), Refused, &["AUTH_USER_MODEL", "an id that cannot be a \"id\" of \"shop\".\"customer\""]),
        ("the hash's salt", Ok(right().with(|s| s.user_model = member().with(|m| m.session_auth_hash = Some(hash().with(|h| { h.overrides_get_session_auth_hash = true; h.key_salt = "own".into(); }))))), Warned, &["another session auth hash", "UserModel::session_auth_hash"]),
        ("the hash's algorithm", Ok(right().with(|s| s.user_model = member().with(|m| m.session_auth_hash = Some(hash().with(|h| { h.overrides_private_get_session_auth_hash = true; h.algorithm = Algorithm::Sha512; }))))), Refused, &["another session auth hash"]),
        ("an unknown session auth hash", Ok(right().with(|s| s.user_model = member().with(|m| m.session_auth_hash = Some(hash().with(|h| h.key_salt = "own".into()))))), Refused, &["session_auth_hash must say which method"]),
        // Permissions.
        ("the usual permission tables", Ok(right().with(|s| s.user_model = UserModel::new("shop.member").with(|m| { m.primary_key = "member_id".into(); m.username = "email".into(); m.password = "pw".into(); m.is_active = Some("enabled".into()); }))), Refused, &["AUTH_USER_MODEL", "no table \"shop\".\"member_groups\"", "UserModel::permission_tables"]),
        ("their columns", of_model(|m| if let Some(tables) = &mut m.permission_tables { tables.user_groups.from_column = "user_id".into(); tables.user_permissions.from_column = "user_id".into(); }), Refused, &["\"shop\".\"member_of_team\" has no column \"user_id\"", "\"shop\".\"member_rights\" has no column \"user_id\""]),
        ("Django's own tables", of_model(|m| if let Some(tables) = &mut m.permission_tables { tables.permission = "auth_permission".into(); tables.content_type = "django_content_type".into(); }), Refused, &["no table \"auth_permission\"", "no table \"django_content_type\""]),
        // Backends.
        ("the default backends", on(|s| s.authentication_backends = vec![MODEL_BACKEND.into()]), Warned, &["AUTHENTICATION_BACKENDS", BY_ADDRESS, "2 of 3"]),
        ("misspelt", on(|s| s.authentication_backends = vec!["accounts.backend.ByAddress".into()]), Refused, &["AUTHENTICATION_BACKENDS", BY_ADDRESS, MODEL_BACKEND]),
        ("none", Ok(right().with(|s| s.authentication_backends = Vec::new())), Refused, &["AUTHENTICATION_BACKENDS must not be empty"]),
        ("no path", on(|s| s.authentication_backends = vec!["ByAddress".into()]), Refused, &["is not a dotted path (AUTHENTICATION_BACKENDS)"]),
        ("one that reads no users", on(|s| s.authentication_backends = vec![AuthenticationBackend::new(BY_ADDRESS).with(|b| { b.reads_users = false; b.grants_permissions = Some(true); })]), Refused, &["AUTHENTICATION_BACKENDS", "reads_users"]),
        ("unknown permissions of a backend", on(|s| s.authentication_backends = vec![BY_ADDRESS.into(), MODEL_BACKEND.into()]), Warned, &["AUTHENTICATION_BACKENDS", "grants_permissions"]),
        // What is wrong whatever the data.
        ("an impossible cookie name", on(|s| s.session_cookie_name = "session key".into()), Refused, &["SESSION_COOKIE_NAME"]),
        ("the name of a URL", on(|s| s.login_url = "login".into()), Refused, &["LOGIN_URL"]),
        ("a blank LOGIN_URL", on(|s| s.login_url = " ".into()), Refused, &["LOGIN_URL"]),
        ("an origin without a scheme", on(|s| s.csrf_trusted_origins = vec!["example.com".into()]), Refused, &["CSRF_TRUSTED_ORIGINS"]),
        ("a header by its name in WSGI", on(|s| s.secure_proxy_ssl_header = Some(("HTTP_X_FORWARDED_PROTO".into(), "https".into()))), Refused, &["SECURE_PROXY_SSL_HEADER"]),
        ("no time", on(|s| s.timeout = Duration::ZERO), Refused, &["timeout"]),
        ("an impossible SameSite", on(|s| s.session_cookie_samesite = Some("yes".into())), Refused, &["SESSION_COOKIE_SAMESITE"]),
    ];
    assert!(mistakes.len() >= 33, "{}", mistakes.len());
    let mut unnamed = Vec::new();
    for (mistake, settings, shows, named) in mistakes {
        let (shown, message) = match start(bed.url(), settings).await {
            Err(error) => (Refused, error.to_string()),
            Ok(report) if report.warnings().is_empty() => {
                unnamed.push(format!("{mistake}: not noticed\n{report}"));
                continue;
            }
            Ok(report) => (Warned, report.to_string()),
        };
        let missing: Vec<_> = named.iter().filter(|name| !message.contains(**name)).collect();
        if shown != shows || !missing.is_empty() {
            unnamed.push(format!("{mistake}: {shown:?}, without {missing:?}:\n{message}"));
        }
        for secret in [KEY, FALLBACKS[0], FALLBACKS[1], "of ada"] {
            assert!(!message.contains(secret), "{mistake}: {message}");
        }
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n\n"));
}

#[testbed::test]
async fn missing_rights_are_reported_together_as_statements_to_paste() {
    let bed = production().await;
    let role = format!("reader_{}", new_key());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    let url = format!("postgres://{role}:reader@{address}");

    // Nothing here asks for users or permissions.
    let mut sessions_alone = right();
    sessions_alone.user_model = member();
    let message = start(&url, Ok(sessions_alone.clone())).await.unwrap_err().to_string();
    let grants: Vec<_> = message.lines().filter_map(|line| line.split_once(": GRANT ")).collect();
    assert_eq!(grants.len(), 8, "{message}");
    assert!(
        message.contains(&format!("GRANT USAGE ON SCHEMA \"shop\" TO \"{role}\";")),
        "{message}"
    );
    assert!(!message.contains("migrate"), "{message}");
    // Pasted, they are what is missing.
    for (_, grant) in grants {
        bed.sql(&format!("GRANT {grant}")).await;
    }
    let report = start(&url, Ok(sessions_alone.clone())).await.unwrap();
    assert_eq!(report.warnings(), [""; 0], "{report}");

    let mut writes = sessions_alone;
    writes.write_sessions = true;
    let message = start(&url, Ok(writes.clone())).await.unwrap_err().to_string();
    let grant = message
        .lines()
        .find_map(|line| line.split_once("write_sessions: this role may not change sessions: "));
    bed.sql(grant.unwrap().1).await;
    let report = start(&url, Ok(writes.clone())).await.unwrap();
    let [last_login] = report.warnings() else { panic!("{report}") };
    bed.sql(last_login.split_once("does: ").unwrap().1).await;
    assert_eq!(start(&url, Ok(writes)).await.unwrap().warnings(), [""; 0]);
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}

/// The role that the guide recommends for a service without permissions.
#[testbed::test]
async fn a_role_needs_only_the_rights_that_the_middlewares_use() {
    let bed = production().await;
    let role = format!("reader_{}", new_key());
    for statement in [
        "CREATE ROLE {} LOGIN PASSWORD 'reader'",
        "GRANT USAGE ON SCHEMA shop TO {}",
        "GRANT SELECT ON shop.django_session TO {}",
    ] {
        bed.sql(&statement.replace("{}", &role)).await;
    }
    let (_, address) = bed.url().split_once('@').unwrap();
    let url = format!("postgres://{role}:reader@{address}");
    // What a site exported says nothing of what this service needs.
    let mut settings = DjangoSettings::from_json(&bed.export().await, KEY).unwrap();
    settings.secret_key_fallbacks = FALLBACKS.map(Into::into).into();
    let site = || DjangoSite::new(pool(&url), settings.clone()).unwrap();

    let sessions = site();
    let _middleware = DjangoSessionMiddleware::required(sessions.clone());
    assert_eq!(sessions.check().await.unwrap().problems(), [""; 0]);

    let users = site();
    let _middleware = DjangoSessionMiddleware::login_required(users.clone());
    let message = users.check().await.unwrap_err().to_string();
    assert!(
        message.contains(&format!("GRANT SELECT ON \"shop\".\"member\" TO \"{role}\";")),
        "{message}"
    );
    bed.sql(&format!("GRANT SELECT ON shop.member TO {role}")).await;
    assert_eq!(users.check().await.unwrap().warnings(), [""; 0]);

    let permissions = site();
    let _middleware =
        DjangoSessionMiddleware::login_required(permissions.clone()).permission_required("a.b");
    let message = permissions.check().await.unwrap_err().to_string();
    assert_eq!(
        message.lines().filter(|line| line.contains("GRANT SELECT")).count(),
        5,
        "{message}"
    );
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}

#[testbed::test]
async fn an_override_of_the_site_is_a_warning_until_a_hook_replaces_it() {
    install_packages(Django::default()).await;
    let middleware = json!(["django_otp.middleware.OTPMiddleware"]);
    let settings = Settings::default()
        .extra_apps(["django_otp", "django_otp.plugins.otp_totp"])
        .set("EXTRA_MIDDLEWARE", middleware);
    let bed = Bed::without_users(Django::default(), &settings).await;
    let settings = DjangoSettings::from_json(&bed.export().await, KEY).unwrap();
    let site = bed.site_with(settings);
    drop(DjangoSessionMiddleware::login_required(site.clone()));
    let report = site.check().await.unwrap();
    let [warning] = report.warnings() else { panic!("{report}") };
    assert!(warning.starts_with("MIDDLEWARE: django_otp.middleware.OTPMiddleware"), "{report}");
    let site = site.after_get_user(async |_, user, _| Ok(Some(user)));
    assert_eq!(site.check().await.unwrap().warnings(), [""; 0]);
}
