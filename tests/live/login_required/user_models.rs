//! Custom user models: the crate finds and checks the users of every model of the test site.

use std::time::SystemTime;

use actix_django_session::{
    AuthenticationBackend, DjangoSite, DjangoUser, Error, ParentModel, PermissionTables,
    SessionAuthHash, SessionKey, UserModel, signing::Algorithm,
};
use serde_json::{Value, json};
use testbed::{Django, Oracle, Settings, With};

use crate::{
    beds::{ALLOW_ALL, Bed, MODEL_BACKEND, Rng, seed, settings},
    login_required::sessions::{
        odd_backend, odd_hash, odd_id, quoted, session, session_json, session_of,
    },
    probe::probe,
};

/// User ids in JSON, for models whose keys the test chooses.
type OwnKeys<'a> = &'a [(&'a str, &'a [&'a str])];

/// Checks users of this model with right and wrong sessions: the crate finds the users whom Django finds.
async fn check_model(name: &str, model: UserModel, key_field: &str, own_keys: OwnKeys<'_>) {
    check_model_with(|site| site, name, model, key_field, own_keys).await;
}

/// As [`check_model`], for a site with hooks.
async fn check_model_with(
    hooked: fn(DjangoSite) -> DjangoSite,
    name: &str,
    model: UserModel,
    key_field: &str,
    own_keys: OwnKeys<'_>,
) {
    let bed = Bed::of_model(name).await;
    let rng = &mut Rng(seed());
    let fields = |more: Value| {
        let mut fields = json!({ "password_column": "pbkdf2_sha256$1000$salt$hash=" });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // A model without `PermissionsMixin` has no columns for them.
        if name == "bare.BareUser" {
            fields.as_object_mut().unwrap().retain(|name, _| name == "password_column");
        }
        fields
    };
    let groups = json!({ "editors": ["shop.weird.name", "blog.add_post"] });
    let mut users = vec![
        bed.user("ada", fields(json!({ "permissions": ["shop.add_item"], "groups": groups })))
            .await,
        bed.user("root", fields(json!({ "is_superuser": true, "is_staff": true }))).await,
        bed.user("idle", fields(json!({ "is_active": false }))).await,
        bed.user("gone", fields(json!({}))).await,
        bed.user("plain", fields(json!({ "password_column": "" }))).await,
    ];
    bed.ask(json!({ "cmd": "delete_user", "username": "gone" })).await;

    let backend = quoted(MODEL_BACKEND);
    let hash_of = |user: &Value| quoted(user["session_auth_hash"].as_str().unwrap());
    let mut sessions = Vec::new();
    for (pk, ids) in own_keys {
        let user = bed.user(pk, fields(json!({ key_field: pk }))).await;
        sessions.extend(ids.iter().map(|id| session(id, &backend, &hash_of(&user))));
        users.push(user);
    }
    for user in &users {
        let pk = user["pk"].as_str().unwrap();
        let hash = user["session_auth_hash"].as_str().unwrap();
        sessions.push(session_of(pk, hash));
        let right = [Some(quoted(pk)), Some(backend.clone()), Some(quoted(hash))];
        for _ in 0..30 {
            let [mut id, mut backend, mut hash_entry] = right.clone();
            match rng.below(5) {
                0 => backend = odd_backend(rng, &[ALLOW_ALL]),
                1 => hash_entry = odd_hash(rng, hash, &["0".repeat(64)]),
                _ => id = odd_id(rng, pk),
            }
            sessions.push(session_json("", &id, &backend, &hash_entry));
        }
    }
    let mut keys = Vec::new();
    for json_text in &sessions {
        keys.push(bed.session(json_text).await);
    }
    // A session of Django's `login()`, before and after a change of the password.
    keys.push(bed.login("ada").await);
    keys.push(bed.login("plain").await);
    sessions.extend(["login of ada".to_owned(), "login of plain, changed since".to_owned()]);
    bed.user("plain", json!({ "password_column": "new" })).await;

    let app = probe(hooked(bed.site_of(model)));
    let mut found = 0;
    for ((key, json_text), verdict) in keys.iter().zip(&sessions).zip(bed.verdicts(&keys).await) {
        let expected = &verdict["user"];
        assert_eq!(&app.json("/who", key).await, expected, "{json_text}: {verdict}");
        let status = if expected.is_null() { 302 } else { 200 };
        assert_eq!(app.status("/user", key).await, status, "{json_text}");
        found += usize::from(expected.is_object());
    }
    assert!(found > 10 && found < keys.len() - 20, "{found} of {}", keys.len());
    if name != "bare.BareUser" {
        let ada = app.json("/who", &keys[keys.len() - 2]).await;
        let permissions = json!(["blog.add_post", "shop.add_item", "shop.weird.name"]);
        assert_eq!(ada["permissions"], permissions);
    }
}

#[testbed::test]
async fn a_bigint_primary_key() {
    let far = "9223372036854775807";
    let ids: &[_] = &["\"9223372036854775807\"", "9223372036854775807", "\"+9223372036854775807\""];
    check_model("bigint.BigUser", UserModel::new("bigint_biguser"), "id", &[(far, ids)]).await;
}

#[testbed::test]
async fn a_child_of_multi_table_inheritance() {
    let mut child = UserModel::new("bigint_child");
    child.primary_key = "biguser_ptr_id".into();
    child.parents.push(ParentModel::new("bigint_biguser", "id", "biguser_ptr_id"));
    child.permission_tables = Some(PermissionTables::of("bigint_biguser"));
    child.columns = vec!["nickname".into()];
    check_model("bigint.Child", child, "id", &[]).await;
}

#[testbed::test]
async fn a_uuid_primary_key() {
    let own: OwnKeys<'_> = &[
        (
            "01234567-89ab-cdef-0123-456789abcdef",
            &[
                "\"0123456789ABCDEF0123456789abcdef\"",
                "\"{01234567-89ab-cdef-0123-456789abcdef}\"",
                "\"urn:uuid:01234567-89ab-cdef-0123-456789abcdef\"",
                "\"\u{ff10}123456789abcdef0123456789abcdef\"",
                "\"0-1-2-3456789abcdef0123456789abcdef\"",
                "\"01234567-89ab-cdef-0123-456789abcdeg\"",
                "\" 01234567-89ab-cdef-0123-456789abcdef\"",
            ],
        ),
        ("00000000-0000-0000-0000-000000000000", &["0", "-0", "false", "0.0", "\"0\""]),
        ("00000000-0000-0000-0000-000000000001", &["1", "true", "1.0", "\"1\"", "-1"]),
        (
            "00000000-0000-0001-1111-111111111111",
            &["\"1_1_1_1_1_1_1_1_1_1_1_1_1_1_1_11\"", "\"0x_11111111111111111111111111111\""],
        ),
        (
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            &["340282366920938463463374607431768211455", "340282366920938463463374607431768211456"],
        ),
    ];
    check_model("uuids.UuidUser", UserModel::new("uuids_uuiduser"), "id", own).await;
}

#[testbed::test]
async fn a_text_primary_key() {
    let own: OwnKeys<'_> = &[
        ("5", &["5", "\"5\"", "5.0", "\"5 \"", "\" 5\"", "\"\u{ff15}\""]),
        ("5.0", &["5.0", "5.00", "50e-1"]),
        ("True", &["true", "\"true\""]),
        ("None", &["null", "\"None\""]),
        ("nan", &["NaN"]),
        ("inf", &["Infinity", "1E400"]),
        ("-inf", &["-Infinity"]),
        ("1e+16", &["1e16", "10000000000000000"]),
        ("0", &["-0", "0", "false"]),
        ("-0.0", &["-0.0"]),
        ("caf\u{e9}", &["\"caf\\u00e9\"", "\"cafe\\u0301\"", "\"CAF\\u00c9\""]),
        ("100000000000000000000000000000000000000", &["100000000000000000000000000000000000000"]),
    ];
    let mut model = UserModel::new("texts_textuser");
    model.primary_key = "code".into();
    check_model("texts.TextUser", model, "code", own).await;
}

#[testbed::test]
async fn a_table_and_columns_by_other_names() {
    let mut renamed = UserModel::new("people");
    renamed.primary_key = "person_id".into();
    renamed.password = "pw_hash".into();
    renamed.is_active = Some("enabled".into());
    let mut tables = PermissionTables::of("people");
    tables.user_groups.from_column = "renameduser_id".into();
    tables.user_permissions.from_column = "renameduser_id".into();
    renamed.permission_tables = Some(tables);
    check_model("renamed.RenamedUser", renamed, "id", &[]).await;
}

fn bare() -> UserModel {
    UserModel::new("bare_bareuser").with(|m| {
        m.is_active = None;
        m.is_staff = None;
        m.is_superuser = None;
        m.permission_tables = None;
    })
}

#[testbed::test]
async fn a_model_without_is_active_and_permissions() {
    check_model("bare.BareUser", bare(), "id", &[]).await;
}

#[testbed::test]
async fn a_one_to_one_primary_key() {
    let mut account = UserModel::new("onetoone_account");
    account.primary_key = "person_id".into();
    check_model("onetoone.Account", account, "person_id", &[]).await;
}

/// The user model of the test site that includes a version in the session auth hash.
fn versioned() -> UserModel {
    UserModel::new("versioned_versioneduser").with(|m| {
        m.columns = vec!["auth_version".into()];
        m.condition = Some("deleted_at IS NULL".into());
        m.session_auth_hash = Some(SessionAuthHash::default().with(|h| {
            h.overrides_private_get_session_auth_hash = true;
            h.key_salt = "versioned.session_auth_hash".into();
            h.algorithm = Algorithm::Sha512;
        }));
    })
}

/// A site with the hook for these users.
fn with_auth_version(site: DjangoSite) -> DjangoSite {
    site.session_auth_hash_message(|password, user| {
        Ok(format!("{password}{}", user.get::<i32>("auth_version")?))
    })
}

#[testbed::test]
async fn a_session_auth_hash_with_another_message_salt_and_algorithm() {
    check_model_with(with_auth_version, "versioned.VersionedUser", versioned(), "id", &[]).await;
}

#[testbed::test]
async fn another_auth_version_ends_the_sessions_and_a_manager_hides_users() {
    let settings = Settings::default()
        .auth_user_model("versioned.VersionedUser")
        .secret_key_fallbacks(["old"]);
    let bed = Bed::without_users(Django::default(), &settings).await;
    let site = bed.site_with(self::settings().with(|s| {
        s.secret_key_fallbacks = vec!["old".into()];
        s.user_model = versioned();
    }));
    let app = probe(with_auth_version(site));
    let agree = async |key: &str, is_user: bool| {
        let verdict = bed.verdict(key).await;
        assert_eq!(verdict["user"].is_object(), is_user, "{verdict}");
        assert_eq!(app.json("/who", key).await, verdict["user"]);
    };

    let ada = bed.user("ada", json!({ "password": "lovelace", "auth_version": 1 })).await;
    let key = bed.login("ada").await;
    agree(&key, true).await;
    // Django's default hash is wrong here; a hash that was made with the old secret is right.
    let pk = ada["pk"].as_str().unwrap();
    let fallback = ada["fallback_hashes"][0].as_str().unwrap();
    agree(&bed.session(&session_of(pk, fallback)).await, true).await;
    let default = DjangoSite::new(
        bed.pool(),
        self::settings().with(|s| s.user_model = UserModel::new("versioned_versioneduser")),
    );
    assert_eq!(probe(default.unwrap()).status("/user", &key).await, 302);

    bed.user("ada", json!({ "auth_version": 2 })).await;
    agree(&key, false).await;
    bed.user("ada", json!({ "auth_version": 1 })).await;
    agree(&key, true).await;
    bed.user("ada", json!({ "deleted_at": "2020-01-01T00:00:00Z" })).await;
    agree(&key, false).await;
}

#[testbed::test]
async fn a_model_without_get_session_auth_hash_takes_any_hash() {
    let bed = Bed::of_model("bare.BareUser").await;
    let ada = bed.user("ada", json!({ "password": "lovelace" })).await;
    let pk = quoted(ada["pk"].as_str().unwrap());
    let backend = quoted(MODEL_BACKEND);
    // The model of the test site has the method, so Django cannot be compared here.
    let app = probe(bed.site_of(bare().with(|m| m.session_auth_hash = None)));
    for hash in [Some("\"whatever\"".to_owned()), Some("null".to_owned()), None] {
        let json_text = session_json("", &Some(pk.clone()), &Some(backend.clone()), &hash);
        let key = bed.session(&json_text).await;
        assert_eq!(app.json("/who", &key).await["username"], "ada", "{json_text}");
    }
    let other = bed.session(&session(&pk, "\"no.such.Backend\"", "\"\"")).await;
    assert_eq!(app.status("/user", &other).await, 302);
}

#[testbed::test]
async fn tables_in_a_schema_of_their_own() {
    let settings = Settings::default();
    let bed = Bed::without_users(Django::default(), &settings).await;
    bed.user("ada", json!({ "password": "lovelace", "permissions": ["shop.add_item"] })).await;
    let key = bed.login("ada").await;
    bed.sql("CREATE SCHEMA people").await;
    for table in [
        "auth_user",
        "auth_user_groups",
        "auth_user_user_permissions",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
        "django_session",
    ] {
        bed.sql(&format!("ALTER TABLE {table} SET SCHEMA people")).await;
    }
    let url = format!("{}?options=-csearch_path%3Dpeople,public", bed.url());
    let oracle = Oracle::start(bed.django, &url, &settings).await.unwrap();
    let visit = oracle.visit(format!("sessionid={key}").as_bytes()).await.unwrap();
    assert_eq!(visit["verdict"]["username"], "ada");

    let mut settings = self::settings();
    settings.session_table = "people.django_session".into();
    settings.user_model = UserModel::new("people.auth_user");
    let site = bed.site_with(settings);
    site.check().await.unwrap();
    let who = probe(site).json("/who", &key).await;
    assert_eq!(who["permissions"], json!(["shop.add_item"]));
    // A quoted name with a dot and capital letters is one name.
    bed.sql("ALTER TABLE people.auth_user RENAME TO \"Auth.User\"").await;
    let mut model = UserModel::new(("people", "Auth.User"));
    model.permission_tables = Some(PermissionTables::of("people.auth_user"));
    let mut settings = self::settings();
    settings.session_table = "people.django_session".into();
    settings.user_model = model;
    let who = probe(bed.site_with(settings)).json("/who", &key).await;
    assert_eq!(who["permissions"], json!(["shop.add_item"]));
}

#[testbed::test]
async fn some_backends_let_inactive_users_in() {
    let own = "site.backends.Lenient";
    for django in Django::available().unwrap() {
        let settings = Settings::default().authentication_backends([ALLOW_ALL]);
        let bed = Bed::without_users(django, &settings).await;
        let fields = json!({ "password": "x", "is_active": false, "is_superuser": true });
        let idle = bed.user("idle", fields).await;
        let key = bed.login("idle").await;
        let verdict = bed.verdict(&key).await;
        assert_eq!(verdict["user"]["is_active"], false, "{verdict}");

        let site = bed.site_with(
            self::settings().with(|s| s.authentication_backends = vec![ALLOW_ALL.into()]),
        );
        let app = probe(site);
        // An inactive superuser has no permission.
        assert_eq!(app.json("/who", &key).await, verdict["user"]);
        assert_eq!(app.status("/user", &key).await, 200);
        assert_eq!(app.status("/perms", &key).await, 403);

        // The site's own backend admits inactive users if the settings say so.
        let hash = quoted(idle["session_auth_hash"].as_str().unwrap());
        let pk = quoted(idle["pk"].as_str().unwrap());
        let key = bed.session(&session(&pk, &quoted(own), &hash)).await;
        for (backend, status) in [
            (AuthenticationBackend::new(own), 302),
            (AuthenticationBackend::new(own).with(|b| b.admits_inactive = true), 200),
        ] {
            let mut settings = self::settings();
            settings.authentication_backends = vec![backend];
            let app = probe(bed.site_with(settings));
            assert_eq!(app.status("/user", &key).await, status);
        }
    }
}

async fn user_of(site: &DjangoSite, key: &str) -> Result<DjangoUser, Error> {
    let session = site.load(&SessionKey::new(key).unwrap()).await?;
    site.get_user(&session).await
}

#[testbed::test]
async fn further_columns_come_by_name_and_type() {
    let bed = Bed::new().await;
    let fields = json!({ "password": "x", "email": "ada@example.com", "first_name": "Ada" });
    bed.user("ada", fields).await;
    let key = bed.login("ada").await;
    let mut model = UserModel::default();
    model.columns = vec!["email".into(), "date_joined".into(), "last_login".into(), "id".into()];
    let user = user_of(&bed.site_of(model), &key).await.unwrap();
    assert_eq!(user.get::<String>("email").unwrap(), "ada@example.com");
    assert!(user.get::<SystemTime>("date_joined").unwrap() < SystemTime::now());
    assert_eq!(user.get::<Option<SystemTime>>("last_login").unwrap(), None);
    assert_eq!(user.get::<i32>("id").unwrap(), user.parse_id::<i32>().unwrap());
    for refused in [
        user.get::<String>("first_name").map(drop), // not in `columns`
        user.get::<i64>("email").map(drop),         // of another type
        user.get::<SystemTime>("last_login").map(drop), // NULL
        user.get::<String>("no such column").map(drop),
    ] {
        assert!(matches!(refused, Err(Error::UserColumn { .. })), "{refused:?}");
    }
}

#[testbed::test]
async fn a_column_that_a_child_has_beside_its_parents() {
    let bed = Bed::of_model("bigint.Child").await;
    bed.user("ada", json!({ "password": "x", "nickname": "countess" })).await;
    let key = bed.login("ada").await;
    let mut model = UserModel::new("bigint_child");
    model.primary_key = "biguser_ptr_id".into();
    model.parents.push(ParentModel::new("bigint_biguser", "id", "biguser_ptr_id"));
    model.permission_tables = Some(PermissionTables::of("bigint_biguser"));
    model.columns = vec!["nickname".into(), "last_login".into()];
    let user = user_of(&bed.site_of(model), &key).await.unwrap();
    assert_eq!(user.get::<String>("nickname").unwrap(), "countess");
    assert_eq!(user.username(), "ada");
}

/// Legacy tables have keys of all types; Django reads them with `managed = False`.
#[testbed::test]
async fn a_primary_key_of_fixed_width() {
    let bed = Bed::of_model("texts.TextUser").await;
    for code in ["a", "abc"] {
        bed.user(code, json!({ "code": code, "password_column": code })).await;
    }
    let (a, abc) = (bed.login("a").await, bed.login("abc").await);
    bed.sql("CREATE TABLE legacy AS SELECT * FROM texts_textuser").await;
    bed.sql("ALTER TABLE legacy ALTER code TYPE char(8)").await;
    let mut model = UserModel::new("legacy");
    model.primary_key = "code".into();
    model.permission_tables = None;
    let site = bed.site_of(model);
    assert_eq!(user_of(&site, &a).await.unwrap().username(), "a");
    assert_eq!(user_of(&site, &abc).await.unwrap().username(), "abc");
}
