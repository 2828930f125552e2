//! Sites that override something: the service gives Django's answer, or an error that names the
//! override.

use actix_django_session::{
    DjangoSettings, DjangoSite, DjangoUser, Error, Expiry, PasswordHasher, SessionData, SessionKey,
};
use serde_json::{Value, json};
use testbed::{Django, Postgres, Settings, Site, With};

use super::{check::in_use, export::SCRIPT};
use crate::beds::{Bed, MODEL_BACKEND};

const KEY: &str = Settings::SECRET_KEY;

pub(crate) async fn exported(bed: &Bed) -> DjangoSettings {
    DjangoSettings::from_json(&bed.export().await, KEY).unwrap().with(|s| s.write_sessions = true)
}

/// Whether Django logs in the user of this name with the password "pw".
async fn django_lets_in(bed: &Bed, username: &str) -> bool {
    let question = json!({ "cmd": "authenticate", "username": username, "password": "pw" });
    bed.ask(question).await["user"] != Value::Null
}

/// The error of something that is off.
pub(crate) fn refusal<T: std::fmt::Debug>(found: Result<T, Error>) -> String {
    match found {
        Err(Error::ImproperlyConfigured(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn assert_reported(sentence: &str, named: &[&str]) {
    for each in named {
        assert!(sentence.contains(each), "{each}: {sentence}");
    }
}

#[testbed::test]
async fn a_custom_password_check_and_a_custom_username_lookup_need_hooks() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().auth_user_model("natural.NaturalUser");
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada@example.com", json!({ "password": "pw" })).await;
        bed.user("locked@example.com", json!({ "password": "pw", "locked": true })).await;
        bed.user("closed@example.com", json!({ "password": "pw", "closed": true })).await;
        let settings = exported(&bed).await;
        let site = in_use(bed.site_with(settings.clone()));
        let manager = "users.natural.models.AnyCase.get_by_natural_key";
        let model = "users.natural.models.NaturalUser.check_password";
        let refused = refusal(site.user_by_username("ada@example.com").await);
        assert_reported(
            &refused,
            &[manager, "username_to_column", "username_iexact", "accepted_overrides"],
        );
        let settings = settings.with(|s| {
            s.user_model.username_iexact = true;
            s.user_model.columns = vec!["locked".into(), "closed".into()];
        });
        let site = in_use(bed.site_with(settings));
        let refused = refusal(site.authenticate("ada@example.com", "pw").await);
        assert_reported(&refused, &[model, "after_check_password"]);
        let warnings = format!("{:?}", site.check().await.unwrap().warnings());
        assert!(warnings.contains(model) && !warnings.contains(manager), "{warnings}");

        let site = site.after_check_password(|user, _| async move {
            let is_out = user.get::<bool>("locked")? || user.get::<bool>("closed")?;
            Ok((!is_out).then_some(user))
        });
        for name in
            ["ada@example.com", "Ada@Example.COM", "locked@example.com", "closed@example.com", "x"]
        {
            let found = site.authenticate(name, "pw").await.unwrap();
            assert_eq!(found.is_some(), django_lets_in(&bed, name).await, "{name}");
            assert!(site.authenticate(name, "another").await.unwrap().is_none(), "{name}");
        }
        assert_eq!(site.check().await.unwrap().warnings().len(), 0);
        // A hook that fails refuses the user.
        let failing = site.after_check_password(|_, _| async { Err(Error::PermissionDenied) });
        assert!(failing.authenticate("ada@example.com", "pw").await.is_err());
    }
}

#[testbed::test]
async fn a_username_field_that_converts_names_needs_a_hook() {
    let bed = Bed::of_model("lower.LowerUser").await;
    bed.user("ada@x.com", json!({ "password": "pw" })).await;
    let site = bed.site_with(exported(&bed).await);
    let refused = refusal(site.authenticate("ada@x.com", "pw").await);
    assert_reported(
        &refused,
        &["users.lower.models.LowerField.get_prep_value", "username_to_column"],
    );
    let site = site.username_to_column(|typed| Ok(Some(typed.to_lowercase())));
    for name in ["ada@x.com", "Ada@X.com", "ada@y.com"] {
        let found = site.authenticate(name, "pw").await.unwrap();
        assert_eq!(found.is_some(), django_lets_in(&bed, name).await, "{name}");
    }
    let unknown = site.clone().username_to_column(|_| Ok(None));
    assert!(unknown.authenticate("ada@x.com", "pw").await.unwrap().is_none());
}

async fn has_perms(user: &DjangoUser) -> Result<Vec<bool>, Error> {
    Ok(vec![user.has_perm("auth.view_user").await?, user.has_perm("auth.add_user").await?])
}

#[testbed::test]
async fn a_backend_that_refuses_a_permission_needs_a_hook() {
    let settings =
        Settings::default().authentication_backends(["own.backends.Denying", MODEL_BACKEND]);
    let bed = Bed::without_users(Django::default(), &settings).await;
    let held = json!({ "permissions": ["auth.view_user", "auth.add_user"] });
    bed.user("ada", held).await;
    bed.user("root", json!({ "is_superuser": true })).await;
    let site = bed.site_with(exported(&bed).await);
    let ada = site.user_by_username("ada").await.unwrap();
    let refused = refusal(ada.has_perm("auth.add_user").await);
    assert_reported(&refused, &["own.backends.Denying.has_perm", "after_has_perm"]);
    refusal(ada.has_module_perms("auth").await);
    refusal(ada.permissions().await);

    let site = site.after_has_perm(|user, permission, has| async move {
        Ok(has && (user.is_superuser() || !permission.ends_with("view_user")))
    });
    for name in ["ada", "root"] {
        let user = site.user_by_username(name).await.unwrap();
        let question = json!({
            "cmd": "get_user", "username": name, "has_perms": ["auth.view_user", "auth.add_user"],
        });
        let django = &bed.ask(question).await["has_perms"];
        let django = json!([django["auth.view_user"], django["auth.add_user"]]);
        assert_eq!(json!(has_perms(&user).await.unwrap()), django, "{name}");
        assert!(user.has_module_perms("auth").await.unwrap());
    }
    let ada = site.user_by_username("ada").await.unwrap();
    let held: Vec<_> = ada.permissions().await.unwrap().iter().collect();
    assert_eq!(held, ["auth.add_user"]);
    let failing = site.after_has_perm(|_, _, _| async { Err(Error::PermissionDenied) });
    let ada = failing.user_by_username("ada").await.unwrap();
    assert!(ada.has_perm("auth.add_user").await.is_err());
}

#[testbed::test]
async fn a_custom_hasher_with_the_name_of_djangos_needs_a_hook() {
    let settings =
        Settings::default().set("PASSWORD_HASHERS", json!(["testsite.hashers.Peppered"]));
    let bed = Bed::without_users(Django::default(), &settings).await;
    bed.user("pep", json!({ "password": "pw" })).await;
    let site = bed.site_with(exported(&bed).await);
    let named = ["testsite.hashers.Peppered.encode", "password_hasher"];
    assert_reported(&refusal(site.authenticate("pep", "pw").await), &named);
    assert_reported(&refusal(site.make_password("pw").await), &named);

    let django = PasswordHasher::Pbkdf2Sha256 { iterations: 1000 };
    let same = django.clone();
    let site = site.password_hasher(
        "pbkdf2_sha256",
        move |password| django.encode(&format!("pepper{password}")),
        move |password, encoded| same.verify(&format!("pepper{password}"), encoded),
    );
    assert!(site.authenticate("pep", "pw").await.unwrap().is_some());
    assert!(site.authenticate("pep", "pepperpw").await.unwrap().is_none());
    assert!(site.authenticate("unknown", "pw").await.unwrap().is_none());
    let encoded = site.make_password("pw").await.unwrap();
    bed.user("pep", json!({ "password_column": encoded })).await;
    assert!(django_lets_in(&bed, "pep").await);
}

#[testbed::test]
async fn a_custom_session_class_works_once_the_service_accepts_its_overrides() {
    let settings = Settings::default().set("SESSION_ENGINE", "own.sessions");
    let bed = Bed::without_users(Django::default(), &settings).await;
    let settings = exported(&bed).await;
    let refused = refusal(DjangoSite::new(bed.pool(), settings.clone()));
    assert_reported(
        &refused,
        &["own.sessions.SessionStore._validate_session_key", "accepted_overrides"],
    );
    let mut settings = settings;
    settings.accepted_overrides.push("own.sessions.SessionStore._validate_session_key".into());
    let site = bed.site_with(settings.clone());
    let refused = refusal(site.delete(&SessionKey::generate()).await);
    let own = ["_get_new_session_key", "save", "delete"];
    assert_reported(
        &refused,
        &own.map(|name| format!("own.sessions.SessionStore.{name}")).each_ref().map(|s| &**s),
    );
    let site = bed.site_with(
        settings.with(|s| s.accepted_overrides.push("own.sessions.SessionStore".into())),
    );
    assert!(!site.delete(&SessionKey::generate()).await.unwrap());
}

#[testbed::test]
async fn further_session_columns_are_written_with_the_session() {
    for django in Django::available().unwrap() {
        let settings =
            Settings::default().extra_apps(["devices"]).set("SESSION_ENGINE", "devices.sessions");
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada", json!({ "password": "pw" })).await;
        let site = bed.site_with(exported(&bed).await);
        let data = SessionData::new();
        let refused = refusal(site.create(&data, Expiry::Default).await);
        assert_reported(
            &refused,
            &["devices.sessions.DeviceStore.create_model_instance", "session_columns"],
        );
        let site = site.session_columns(["user_id", "device"], |data, _| {
            Ok(json!({ "user_id": data.user_id(), "device": "here" }))
        });
        let mut data = data;
        let session = site.create(&data, Expiry::Default).await.unwrap();
        let columns = || async {
            let statement = "SELECT user_id, device FROM device_session".to_owned();
            bed.sql(&statement).await[0].clone()
        };
        assert_eq!(columns().await, json!([null, "here"]));
        assert!(site.delete(session.key()).await.unwrap());
        data.insert("_auth_user_id", &"7").unwrap();
        site.create(&data, Expiry::Default).await.unwrap();
        assert_eq!(columns().await, json!(["7", "here"]));
        let failing =
            site.session_columns(["user_id"], |_, _| Err::<Value, _>(Error::InvalidExpiry));
        assert!(failing.create(&data, Expiry::Default).await.is_err());
    }
}

#[testbed::test]
async fn a_site_with_random_replicas_exports_the_same_file_each_time() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let address: tokio_postgres::Config = database.url().parse().unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().into()).unwrap();
    let host = match address.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        _ => String::new(),
    };
    let primary = json!({
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.get_dbname(),
        "USER": address.get_user(),
        "PASSWORD": text(address.get_password()),
        "HOST": host,
        "PORT": address.get_ports().first(),
    });
    let settings = Settings::default()
        .set(
            "DATABASES",
            json!({ "default": {}, "primary": primary, "replica1": primary, "replica2": primary }),
        )
        .set("DATABASE_ROUTERS", json!(["own.routers.PrimaryReplicaRouter"]));
    let mut files = Vec::new();
    for _ in 0..4 {
        // Each in a Python of its own: forks of one have the same order of sets.
        let (django, arguments) = (Django::default(), ["-v", "0"]);
        let file = Site::shell(django, database.url(), &settings, &arguments, SCRIPT).await;
        files.push(file.unwrap());
    }
    assert!(files.iter().all(|file| *file == files[0]), "{files:?}");
    assert!(DjangoSettings::from_json(&files[0], KEY).is_ok());
    assert_eq!(serde_json::from_str::<Value>(&files[0]).unwrap()["not_honoured"], json!([]));
}

#[testbed::test]
async fn a_site_that_does_not_write_last_login_gets_none_from_the_service() {
    let settings = Settings::default().extra_apps(["own.apps.Own"]);
    let bed = Bed::without_users(Django::default(), &settings).await;
    bed.user("ada", json!({ "password": "pw" })).await;
    let site = bed.site_with(exported(&bed).await);
    let ada = site.authenticate("ada", "pw").await.unwrap().unwrap();
    site.update_last_login(&ada).await.unwrap();
    let rows = bed.sql("SELECT last_login FROM auth_user").await;
    assert_eq!(rows, json!([[null]]));
}

#[testbed::test]
async fn a_user_model_without_groups_is_exported_and_read() {
    let bed = Bed::of_model("nogroups.PlainUser").await;
    bed.user("ada", json!({ "password": "pw" })).await;
    bed.user("root", json!({ "is_superuser": true })).await;
    let site = bed.site_with(exported(&bed).await);
    assert!(site.authenticate("ada", "pw").await.unwrap().is_some());
    let [ada, root] = [site.user_by_username("ada").await, site.user_by_username("root").await];
    assert!(!ada.unwrap().has_perm("auth.view_user").await.unwrap());
    assert!(root.unwrap().has_perm("auth.view_user").await.unwrap());
}

#[testbed::test]
async fn every_override_of_a_django_method_is_reported() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let seed = crate::beds::seed();
    let script = format!("from own.walk import silent; print(*silent({seed}))\n");
    let arguments = ["-v", "0", "-c", &script];
    for django in Django::available().unwrap() {
        let settings = Settings::default();
        let assert_reported =
            Site::shell(django, database.url(), &settings, &arguments, "").await.unwrap();
        let (found, count) = assert_reported.trim().rsplit_once(' ').unwrap();
        assert_eq!(found, "[]", "{django}");
        assert!(count.parse::<usize>().unwrap() > 200, "{count}");
    }
}

/// Sites as most are: nothing is to be said of them.
#[testbed::test]
async fn ordinary_sites_export_no_complaint() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let plain = Settings::default;
    let hasher = |name: &str| json!([format!("django.contrib.auth.hashers.{name}PasswordHasher")]);
    let backend = |name: &str| json!([format!("django.contrib.auth.backends.{name}")]);
    let middleware = |name: &str| json!([format!("django.middleware.{name}")]);
    let ordinary = [
        plain(),
        plain().set("USE_TZ", false),
        plain().set("TIME_ZONE", "Europe/Berlin"),
        plain().set("USE_I18N", false).login_url("login"),
        plain().login_url("login"),
        plain().login_url("https://id.example.com/"),
        plain().set("LANGUAGE_CODE", "de"),
        plain().set("EXTRA_MIDDLEWARE", middleware("locale.LocaleMiddleware")),
        plain().set("EXTRA_MIDDLEWARE", middleware("gzip.GZipMiddleware")),
        plain().set("EXTRA_MIDDLEWARE", middleware("http.ConditionalGetMiddleware")),
        plain().set(
            "EXTRA_MIDDLEWARE",
            json!(["django.contrib.messages.middleware.MessageMiddleware"]),
        ),
        plain().extra_apps(["django.contrib.messages", "django.contrib.staticfiles"]),
        plain().extra_apps(["django.contrib.sites", "django.contrib.humanize"]),
        plain().set("SESSION_COOKIE_SECURE", true).set("CSRF_COOKIE_SECURE", true),
        plain().set("SESSION_COOKIE_AGE", 3600).set("SESSION_SAVE_EVERY_REQUEST", true),
        plain().set("SESSION_EXPIRE_AT_BROWSER_CLOSE", true),
        plain().session_cookie_name("sid"),
        plain().set("CSRF_TRUSTED_ORIGINS", json!(["https://*.example.com"])),
        plain().set("CSRF_USE_SESSIONS", true),
        plain().set("SECURE_PROXY_SSL_HEADER", json!(["HTTP_X_FORWARDED_PROTO", "https"])),
        plain().set("USE_X_FORWARDED_HOST", true).set("USE_X_FORWARDED_PORT", true),
        plain().set("SESSION_ENGINE", "django.contrib.sessions.backends.signed_cookies"),
        plain().set("PASSWORD_HASHERS", hasher("PBKDF2SHA1")),
        plain().set("PASSWORD_HASHERS", hasher("Scrypt")),
        plain().set("PASSWORD_HASHERS", hasher("MD5")),
        plain().set("AUTHENTICATION_BACKENDS", backend("AllowAllUsersModelBackend")),
        plain().set("AUTHENTICATION_BACKENDS", backend("RemoteUserBackend")),
        plain().secret_key_fallbacks(["last year's"]),
        plain().auth_user_model("uuids.UuidUser"),
        plain().auth_user_model("members.Member"),
        plain().set("DATA_UPLOAD_MAX_MEMORY_SIZE", Value::Null),
    ];
    assert!(ordinary.len() > 30);
    for (number, settings) in ordinary.iter().enumerate() {
        let exported = Site::export_settings(Django::default(), database.url(), settings).await;
        let exported: Value = serde_json::from_str(&exported.unwrap()).unwrap();
        assert_eq!(exported["not_honoured"], json!([]), "{number}: {settings:?}");
    }
}

/// Values that are not stored as Django's own fields store them cannot be read, so they let no user
/// in.
#[testbed::test]
async fn properties_instead_of_columns_are_refused_by_name() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let settings = Settings::default().auth_user_model("computed.ComputedUser");
    for django in Django::available().unwrap() {
        let exported = Site::export_settings(django, database.url(), &settings).await.unwrap();
        let refused = DjangoSettings::from_json(&exported, KEY).unwrap_err().to_string();
        for named in [
            "`is_active` that is not a column",
            "users.computed.models.ComputedUser.is_authenticated",
        ] {
            assert!(refused.contains(named), "{django}, {named}: {refused}");
        }
        assert!(refused.contains("computed.ComputedUser.is_staff"), "{django}: {refused}");
    }
}

/// A site whose code raises an exception: the export is complete and reports the exception.
#[testbed::test]
async fn the_export_of_a_site_that_raises_is_complete_and_reports_the_exception() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let settings = Settings::default().set("DATABASE_ROUTERS", json!(["own.routers.NoTenant"]));
    let exported = Site::export_settings(Django::default(), database.url(), &settings).await;
    let exported = exported.unwrap();
    let refused = DjangoSettings::from_json(&exported, KEY).unwrap_err().to_string();
    assert!(refused.contains("could not be examined (RuntimeError)"), "{refused}");
}
