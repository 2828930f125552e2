//! That fields and the JSON say the same things, all of them.

use super::*;
use crate::settings::{
    AuthenticationClass, ManyToMany, ParentModel, PermissionTables, RestAuthentication,
    RestFramework, SimpleJwt, TokenAuthentication, TokenClass, With, fingerprint::Fingerprint,
};
use serde_json::{Value, json};

const KEY: &str = "the key";

/// An export in which nothing is as Django has it by default.
fn exported() -> Value {
    serde_json::from_str(include_str!("example.json")).unwrap()
}

fn read(exported: &Value) -> Result<DjangoSettings, Error> {
    DjangoSettings::from_json(&exported.to_string(), KEY)
}

#[test]
fn the_fields_say_the_same() {
    let hash = SessionAuthHash {
        overrides_get_session_auth_hash: true,
        overrides_private_get_session_auth_hash: true,
        ..SessionAuthHash::default()
    };
    let tables = PermissionTables {
        user_groups: ManyToMany::new("a", "b", "c"),
        user_permissions: ManyToMany::new("d", "e", "f"),
        group_permissions: ManyToMany::new("g", "h", "i"),
        permission: "web.permission".into(),
        content_type: "web.content_type".into(),
        group: "web.group".into(),
    };
    let user_model = UserModel {
        primary_key: "user_ptr_id".into(),
        parents: vec![ParentModel::new("auth_user", "id", "user_ptr_id")],
        username: "email".into(),
        password: "pw".into(),
        is_active: None,
        is_staff: Some("staff".into()),
        is_superuser: Some("root".into()),
        last_login: None,
        condition: Some("gone IS NULL".into()),
        permission_tables: Some(tables),
        session_auth_hash: Some(hash),
        ..UserModel::new("shop.member")
    };
    let backend = AuthenticationBackend {
        reads_users: false,
        grants_permissions: Some(true),
        checks_passwords: Some(true),
        admits_inactive: true,
        ..AuthenticationBackend::new("shop.Backend")
    };
    let jwt = SimpleJwt {
        algorithm: "HS512".into(),
        signing_key_fingerprint: Some(Fingerprint::new("site.urls", "fb7b".into())),
        audience: Some(vec!["shop".into()]),
        issuer: Some(vec!["login".into()]),
        leeway_microseconds: 1_500_000,
        jti_claim: None,
        token_type_claim: Some("type".into()),
        auth_token_classes: vec![TokenClass {
            any_type: true,
            ..TokenClass::new("ShopToken", "shop")
        }],
        user_id_claim: "uid".into(),
        user_id_column: Some("email".into()),
        auth_header_types: vec!["JWT".into()],
        auth_header_name: "X-Token".into(),
        check_user_is_active: false,
        revoke_token_claim: Some("hash".into()),
        tells_expired: false,
        jwk_url: true,
        signing_key: None,
        verifying_key: String::new(),
    };
    let token = TokenAuthentication {
        keyword: "Bearer".into(),
        table: "web.token".into(),
        key_column: "token".into(),
        user_column: "member_id".into(),
    };
    let token = RestAuthentication {
        class: AuthenticationClass::Token(token),
        www_authenticate: Some("Bearer".into()),
    };
    let rest_framework = RestFramework {
        default_authentication_classes: vec![
            RestAuthentication::jwt(jwt),
            token,
            RestAuthentication::other("shop.ApiKey", None),
            RestAuthentication::session(),
            RestAuthentication::basic(),
        ],
    };
    let by_hand = DjangoSettings {
        allowed_hosts: vec!["shop.example.com".into()],
        authentication_backends: vec![backend],
        csrf_cookie_age: Some(60),
        csrf_cookie_domain: Some(".example.com".into()),
        csrf_cookie_httponly: true,
        csrf_cookie_name: "token".into(),
        csrf_cookie_path: Some("/shop".into()),
        csrf_cookie_samesite: Some("Strict".into()),
        csrf_cookie_secure: true,
        csrf_header_name: "X-Token".into(),
        csrf_trusted_origins: vec!["https://example.org".into()],
        csrf_use_sessions: true,
        data_upload_max_memory_size: Some(1000),
        data_upload_max_number_fields: Some(10),
        data_upload_max_number_files: None,
        force_script_name: Some("/shop".into()),
        login_url: "/shop/in/".into(),
        login_redirect_url: "/shop/mine/".into(),
        logout_redirect_url: Some("/shop/".into()),
        message_storage: MessageStorage::Other("shop.Storage".into()),
        message_level: MessageLevel::SUCCESS,
        message_tags: [(MessageLevel::ERROR, "danger".into())].into(),
        password_hashers: Some(vec![PasswordHasher::Pbkdf2Sha1 { iterations: 1000 }]),
        rest_framework,
        secure_proxy_ssl_header: Some(("X-Forwarded-Proto".into(), "https".into())),
        session_cookie_age: 3600,
        session_cookie_domain: Some(".example.com".into()),
        session_cookie_httponly: false,
        session_cookie_name: "session".into(),
        session_cookie_path: Some("/shop".into()),
        session_cookie_samesite: None,
        session_cookie_secure: true,
        session_engine: SessionEngine::CachedDb,
        session_expire_at_browser_close: true,
        session_key_salt: "django.contrib.sessions.ShopStore".into(),
        session_save_every_request: true,
        session_table: "web.session".into(),
        time_zone: "Europe/Berlin".into(),
        use_tz: false,
        use_x_forwarded_host: true,
        use_x_forwarded_port: true,
        user_model,
        ..DjangoSettings::new(KEY)
    };
    let mut exported = exported();
    // A bare name is a name, dots and all; by hand, a pair says so.
    exported["user_model"]["table"] = json!(["shop", "member"]);
    let from_json = DjangoSettings { site: None, ..read(&exported).unwrap() };
    assert!(from_json == by_hand, "{from_json:?}\n{by_hand:?}");
}

/// A field that is added to the settings does not compile here until it is message where it comes from.
#[test]
fn every_field_comes_from_the_json_or_is_for_this_service_alone() {
    let default = DjangoSettings::new("another key");
    let DjangoSettings {
        secret_key,
        secret_key_fallbacks: _, // keys are in no file
        allowed_hosts,
        force_script_name,
        use_x_forwarded_host,
        use_x_forwarded_port,
        secure_proxy_ssl_header,
        use_tz,
        time_zone,
        login_url,
        login_redirect_url,
        logout_redirect_url,
        session_engine,
        session_table,
        session_key_salt,
        session_cookie_name,
        session_cookie_age,
        session_cookie_domain,
        session_cookie_path,
        session_cookie_secure,
        session_cookie_httponly,
        session_cookie_samesite,
        session_expire_at_browser_close,
        session_save_every_request,
        csrf_use_sessions,
        csrf_trusted_origins,
        csrf_header_name,
        csrf_cookie_name,
        csrf_cookie_age,
        csrf_cookie_domain,
        csrf_cookie_path,
        csrf_cookie_samesite,
        csrf_cookie_secure,
        csrf_cookie_httponly,
        data_upload_max_memory_size,
        data_upload_max_number_fields,
        data_upload_max_number_files,
        password_hashers,
        message_storage,
        message_level,
        message_tags,
        rest_framework,
        user_model,
        authentication_backends,
        server_port: _, // what a server hands to Django, its settings do not say
        session_save_interval: _,
        write_sessions: _,
        session_data_max_age: _,
        max_decompressed_size: _,
        max_memo_size: _,
        upgrade_passwords: _,
        accepted_overrides: _, // the service decides
        timeout: _,
        max_connections: _,
        prepared_statements: _,
        form_timeout: _,
        max_form_memory: _,
        max_form_spool: _,
        file_upload_temp_dir: _, // a directory of another machine
        site,
    } = read(&exported()).unwrap();
    assert_ne!(secret_key, default.secret_key);
    assert_ne!(allowed_hosts, default.allowed_hosts);
    assert_ne!(force_script_name, default.force_script_name);
    assert_ne!(use_x_forwarded_host, default.use_x_forwarded_host);
    assert_ne!(use_x_forwarded_port, default.use_x_forwarded_port);
    assert_ne!(secure_proxy_ssl_header, default.secure_proxy_ssl_header);
    assert_ne!(use_tz, default.use_tz);
    assert_ne!(time_zone, default.time_zone);
    assert_ne!(login_url, default.login_url);
    assert_ne!(login_redirect_url, default.login_redirect_url);
    assert_ne!(logout_redirect_url, default.logout_redirect_url);
    assert_ne!(session_engine, default.session_engine);
    assert_ne!(session_table, default.session_table);
    assert_ne!(session_key_salt, default.session_key_salt);
    assert_ne!(session_cookie_name, default.session_cookie_name);
    assert_ne!(session_cookie_age, default.session_cookie_age);
    assert_ne!(session_cookie_domain, default.session_cookie_domain);
    assert_ne!(session_cookie_path, default.session_cookie_path);
    assert_ne!(session_cookie_secure, default.session_cookie_secure);
    assert_ne!(session_cookie_httponly, default.session_cookie_httponly);
    assert_ne!(session_cookie_samesite, default.session_cookie_samesite);
    assert_ne!(session_expire_at_browser_close, default.session_expire_at_browser_close);
    assert_ne!(session_save_every_request, default.session_save_every_request);
    assert_ne!(csrf_use_sessions, default.csrf_use_sessions);
    assert_ne!(csrf_trusted_origins, default.csrf_trusted_origins);
    assert_ne!(csrf_header_name, default.csrf_header_name);
    assert_ne!(csrf_cookie_name, default.csrf_cookie_name);
    assert_ne!(csrf_cookie_age, default.csrf_cookie_age);
    assert_ne!(csrf_cookie_domain, default.csrf_cookie_domain);
    assert_ne!(csrf_cookie_path, default.csrf_cookie_path);
    assert_ne!(csrf_cookie_samesite, default.csrf_cookie_samesite);
    assert_ne!(csrf_cookie_secure, default.csrf_cookie_secure);
    assert_ne!(csrf_cookie_httponly, default.csrf_cookie_httponly);
    assert_ne!(data_upload_max_memory_size, default.data_upload_max_memory_size);
    assert_ne!(data_upload_max_number_fields, default.data_upload_max_number_fields);
    assert_ne!(data_upload_max_number_files, default.data_upload_max_number_files);
    assert_ne!(password_hashers, default.password_hashers);
    assert_ne!(message_storage, default.message_storage);
    assert_ne!(message_level, default.message_level);
    assert_ne!(message_tags, default.message_tags);
    assert_ne!(rest_framework, default.rest_framework);
    assert_eq!(site.unwrap().not_honoured.len(), 1);

    let UserModel {
        table,
        parents,
        primary_key,
        username,
        username_iexact: _, // what an overridden method does, Django cannot say
        password,
        is_active,
        is_staff,
        is_superuser,
        last_login,
        columns: _, // which ones a handler reads, Django cannot know
        condition,
        permission_tables,
        session_auth_hash,
    } = user_model;
    let of_default = default.user_model;
    assert_ne!(table, of_default.table);
    assert_ne!(parents, of_default.parents);
    assert_ne!(primary_key, of_default.primary_key);
    assert_ne!(username, of_default.username);
    assert_ne!(password, of_default.password);
    assert_ne!(is_active, of_default.is_active);
    assert_ne!(is_staff, of_default.is_staff);
    assert_ne!(is_superuser, of_default.is_superuser);
    assert_ne!(last_login, of_default.last_login);
    assert_ne!(condition, of_default.condition);
    let SessionAuthHash {
        key_salt: _, // what an overridden method does, Django cannot say
        algorithm: _,
        overrides_get_session_auth_hash,
        overrides_private_get_session_auth_hash,
    } = session_auth_hash.unwrap();
    assert!(overrides_get_session_auth_hash && overrides_private_get_session_auth_hash);
    let (found, default) = (permission_tables.unwrap(), of_default.permission_tables.unwrap());
    let PermissionTables {
        user_groups,
        user_permissions,
        group_permissions,
        permission,
        content_type,
        group,
    } = found;
    assert_ne!(user_groups, default.user_groups);
    assert_ne!(user_permissions, default.user_permissions);
    assert_ne!(group_permissions, default.group_permissions);
    assert_ne!(permission, default.permission);
    assert_ne!(content_type, default.content_type);
    assert_ne!(group, default.group);

    let [backend] = &authentication_backends[..] else { panic!("{authentication_backends:?}") };
    let AuthenticationBackend {
        path,
        reads_users,
        grants_permissions,
        admits_inactive,
        checks_passwords,
    } = backend;
    assert_eq!(path, "shop.Backend");
    assert!(!reads_users && *grants_permissions == Some(true) && *admits_inactive);
    assert_eq!(*checks_passwords, Some(true));
}

/// The sentence with which a change of the export is refused.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut exported = exported();
    change(&mut exported);
    match read(&exported) {
        Err(Error::ImproperlyConfigured(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_version_says_which_side_is_older() {
    for (change, named) in [
        (json!({ "format": 2 }), "from a newer version of actix-django-session; update"),
        (json!({ "format": 0 }), "from an older version"),
        (json!({ "NEW": 1 }), "unknown field `NEW`: they come from a newer version"),
        (json!({ "session": { "new": 1 } }), "unknown field `new`: they come from a newer version"),
        (json!({ "LOGIN_URL": 1 }), "not what `export_settings.py` prints: invalid type"),
    ] {
        let message = refusal(|exported| {
            let (name, value) = change.as_object().unwrap().iter().next().unwrap();
            match (&mut exported[name.as_str()], value) {
                (Value::Object(inside), Value::Object(more)) => inside.extend(more.clone()),
                (old, new) => *old = new.clone(),
            }
        });
        assert!(message.contains(named), "{message}");
    }
    for name in exported().as_object().unwrap().keys() {
        let message = refusal(|exported| drop(exported.as_object_mut().unwrap().remove(name)));
        assert!(message.contains(&format!("missing field `{name}`")), "{message}");
        assert!(message.contains("older version"), "{message}");
    }
}

#[test]
fn what_a_shell_says_around_the_json_is_no_part_of_it() {
    let json = exported().to_string();
    for before in
        ["", "\n", "12 objects imported automatically (use -v 2 for details).\n\n", ">>> \n"]
    {
        let text = format!("{before}{json}\n");
        assert!(DjangoSettings::from_json(&text, KEY).is_ok(), "{before}");
    }
    for nothing in ["", "Traceback (most recent call last):\n", "{", "[]", &format!("{json}>>> ")] {
        let refused = DjangoSettings::from_json(nothing, KEY).unwrap_err().to_string();
        assert!(refused.contains("export_settings.py"), "{refused}");
    }
}

#[test]
fn all_that_is_unsafe_is_refused_at_once() {
    let message = refusal(|exported| {
        exported["SECRET_KEY_FINGERPRINT"] = json!("0000");
        exported["session"] = Value::Null;
        exported["not_honoured"] = json!([
            {
                "level": "unsafe",
                "setting": "SESSION_ENGINE",
                "value": "django.contrib.sessions.backends.file",
                "reason": "keeps no rows",
                "hook": null,
                "power": null,
            },
            {
                "level": "hook",
                "setting": "MIDDLEWARE",
                "value": "OTP",
                "reason": "asks for more",
                "hook": "after_get_user",
                "power": null,
            },
            {
                "level": "unsafe",
                "setting": "DATABASES",
                "value": "",
                "reason": "is not PostgreSQL",
                "hook": null,
                "power": null,
            },
        ]);
    });
    for named in [
        "SECRET_KEY: this is not the key",
        "SESSION_ENGINE: django.contrib.sessions.backends.file keeps no rows",
        "DATABASES: is not PostgreSQL",
    ] {
        assert!(message.contains(named), "{named}: {message}");
    }
    assert!(!message.contains("MIDDLEWARE"), "{message}");
}

#[test]
fn a_hasher_of_the_sites_own_keeps_its_place_and_is_the_services() {
    let mut exported = exported();
    let pbkdf2 =
        json!({ "algorithm": "pbkdf2_sha256", "costs": { "iterations": 7 }, "overrides": [] });
    let own = json!({ "algorithm": "own", "costs": {}, "overrides": ["shop.Own"] });
    let mut peppered = pbkdf2.clone();
    peppered["overrides"] = json!(["shop.Peppered.encode"]);
    let custom = |algorithm: &str| PasswordHasher::Custom { algorithm: algorithm.into() };
    exported["PASSWORD_HASHERS"] = json!([own, pbkdf2, peppered]);
    let settings = read(&exported).unwrap();
    let kept =
        [custom("own"), PasswordHasher::Pbkdf2Sha256 { iterations: 7 }, custom("pbkdf2_sha256")];
    assert_eq!(settings.hashers(), kept);
    // One of Django's that this build lacks, or that would take ages, likewise.
    exported["PASSWORD_HASHERS"] =
        json!([{ "algorithm": "bcrypt", "costs": { "rounds": 31 }, "overrides": [] }]);
    let settings = read(&exported).unwrap();
    assert_eq!(settings.hashers(), [custom("bcrypt")]);
    assert!(settings.site.unwrap().not_honoured.iter().any(|each| each.value == "bcrypt"));
}

#[test]
fn what_is_unsafe_for_one_power_switches_off_that_power_and_can_be_accepted() {
    let mut exported = exported();
    exported["not_honoured"] = json!([{
        "level": "unsafe",
        "setting": "SESSION_ENGINE",
        "value": "shop.Store.load",
        "reason": "reads sessions itself",
        "hook": null,
        "power": "load",
    }]);
    let settings = read(&exported).unwrap();
    let message = settings.validate().unwrap_err().to_string();
    assert!(
        message.contains("shop.Store.load") && message.contains("accepted_overrides"),
        "{message}"
    );
    let accepting = |path: &str| settings.clone().with(|s| s.accepted_overrides.push(path.into()));
    for accepted in ["shop.Store.load", "shop.Store", "shop"] {
        assert!(accepting(accepted).validate().is_ok(), "{accepted}");
    }
    for another in ["shop.Store.save", "shop.Stor", "", "Store.load"] {
        assert!(accepting(another).validate().is_err(), "{another:?}");
    }
}

#[test]
fn fallbacks_are_held_against_the_sites_when_a_store_is_made() {
    let mut exported = exported();
    exported["SECRET_KEY_FALLBACKS_FINGERPRINTS"] = json!(["16b2"]);
    let settings = read(&exported).unwrap();
    let with = |key: &str| settings.clone().with(|s| s.secret_key_fallbacks = vec![key.into()]);
    let message = settings.validate().unwrap_err().to_string();
    assert!(
        message.contains("SECRET_KEY_FALLBACKS: the site has 1, and the service has 0"),
        "{message}"
    );
    assert!(with("last year's").validate().is_ok());
    let message = with("another").validate().unwrap_err().to_string();
    assert!(message.contains("number 1 is not one of the 1"), "{message}");
    assert!(!message.contains("another"), "{message}");
}

#[test]
fn a_user_model_that_was_changed_is_one_that_somebody_names() {
    let mut settings = read(&exported()).unwrap();
    assert!(!settings.names_user_model());
    settings.user_model.columns.push("plan".into());
    assert!(settings.names_user_model());
    let mut settings = DjangoSettings::new(KEY);
    assert!(!settings.names_user_model());
    settings.user_model = UserModel::new("shop_member");
    assert!(settings.names_user_model());
}

#[test]
fn debug_output_has_no_secret() {
    let mut exported = exported();
    exported["SECRET_KEY_FALLBACKS_FINGERPRINTS"] = json!([]);
    let settings = read(&exported).unwrap();
    let shown = format!("{settings:?} {:?}", settings.site);
    assert!(!shown.contains(KEY), "{shown}");
}
