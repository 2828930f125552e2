//! That the setters and the JSON say the same things, all of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::settings::{
    AuthenticationClass, CookieSettings, CsrfSettings, MessageSettings, RestAuthentication,
    RestFramework, SessionSettings, SimpleJwt, TokenAuthentication, TokenClass, UploadLimits,
    fingerprint::Fingerprint, permission_tables::PermissionTables,
};

const KEY: &str = "the key";

/// An export in which nothing is as Django has it by default.
fn exported() -> Value {
    serde_json::from_str(include_str!("example.json")).unwrap()
}

fn read(exported: &Value) -> Result<DjangoSettings, Error> {
    DjangoSettings::from_json(&exported.to_string(), KEY)
}

#[test]
fn the_setters_make_the_same() {
    let by_hand = DjangoSettings::new(KEY)
        .allowed_hosts(["shop.example.com"])
        .authentication_backends([AuthenticationBackend::new("shop.Backend")
            .reads_users(false)
            .grants_permissions(true)
            .checks_passwords(true)
            .admits_inactive()])
        .csrf_cookie_age(60)
        .csrf_cookie_domain(".example.com")
        .csrf_cookie_httponly(true)
        .csrf_cookie_name("token")
        .csrf_cookie_path("/shop")
        .csrf_cookie_samesite("Strict")
        .csrf_cookie_secure(true)
        .csrf_header_name("X-Token")
        .csrf_trusted_origins(["https://example.org"])
        .csrf_use_sessions(true)
        .data_upload_max_memory_size(1000)
        .data_upload_max_number_fields(10)
        .data_upload_max_number_files(None)
        .force_script_name("/shop")
        .key_salt("django.contrib.sessions.ShopStore")
        .login_url("/shop/in/")
        .login_redirect_url("/shop/mine/")
        .logout_redirect_url("/shop/")
        .message_storage(MessageStorage::Other("shop.Storage".into()))
        .message_level(MessageLevel::SUCCESS)
        .message_tags([(MessageLevel::ERROR, "danger")])
        .password_hashers([PasswordHasher::Pbkdf2Sha1 { iterations: 1000 }])
        .secure_proxy_ssl_header("X-Forwarded-Proto", "https")
        .session_cookie_age(3600)
        .session_cookie_domain(".example.com")
        .session_cookie_httponly(false)
        .session_cookie_name("session")
        .session_cookie_path("/shop")
        .session_cookie_samesite("")
        .session_cookie_secure(true)
        .session_engine(SessionEngine::CachedDb)
        .session_expire_at_browser_close(true)
        .session_save_every_request(true)
        .session_table("web.session")
        .time_zone("Europe/Berlin")
        .use_tz(false)
        .use_x_forwarded_host(true)
        .use_x_forwarded_port(true)
        .user_model(
            UserModel::new("shop.member")
                .primary_key("user_ptr_id")
                .parent("auth_user", "id", "user_ptr_id")
                .username_column("email")
                .password_column("pw")
                .is_active_column(None)
                .is_staff_column("staff")
                .is_superuser_column("root")
                .last_login_column(None)
                .condition("gone IS NULL")
                .auth_tables("g", "web.permission", "web.content_type")
                .group_table("web.group")
                .many_to_many(
                    ManyToMany::new("a", "b", "c"),
                    ManyToMany::new("d", "e", "f"),
                    ManyToMany::new("g", "h", "i"),
                )
                .session_auth_hash(
                    SessionAuthHash::default()
                        .overrides_get_session_auth_hash()
                        .overrides_private_get_session_auth_hash(),
                ),
        );
    let jwt = SimpleJwt {
        algorithm: "HS512".into(),
        signing_key_fingerprint: Some(Fingerprint::new("site.urls", "fb7b".into())),
        audience: Some(vec!["shop".into()]),
        issuer: Some(vec!["login".into()]),
        leeway_microseconds: 1_500_000,
        jti_claim: None,
        token_type_claim: Some("type".into()),
        auth_token_classes: vec![TokenClass::new("ShopToken", "shop").of_any_type()],
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
    let by_hand = by_hand.rest_framework(RestFramework {
        default_authentication_classes: vec![
            RestAuthentication::jwt(jwt),
            token,
            RestAuthentication::other("shop.ApiKey", None),
            RestAuthentication::session(),
            RestAuthentication::basic(),
        ],
    });
    let mut exported = exported();
    // A bare name is a name, dots and all; by hand, a pair says so.
    exported["user_model"]["table"] = json!(["shop", "member"]);
    let from_json =
        DjangoSettings { site: None, user_model_is_set: true, ..read(&exported).unwrap() };
    assert!(from_json == by_hand, "{from_json:?}\n{by_hand:?}");
}

/// A field that is added to the settings does not compile here until it is said where it comes from.
#[test]
fn every_field_comes_from_the_json_or_is_for_this_service_alone() {
    let default = DjangoSettings::new("another key");
    let DjangoSettings {
        secret_key,
        secret_key_fallbacks: _, // by its setter
        session_cookie_name,
        login_url,
        login_redirect_url,
        logout_redirect_url,
        allowed_hosts,
        force_script_name,
        use_x_forwarded_host,
        use_x_forwarded_port,
        secure_proxy_ssl_header,
        server_port: _, // what a server hands to Django, its settings do not say
        session_table,
        key_salt,
        max_age: _,
        max_decompressed_size: _,
        max_memo_size: _,
        timeout: _,
        max_connections: _,
        prepared_statements: _,
        sessions,
        user_model,
        user_model_is_set,
        authentication_backends,
        csrf,
        upload_limits,
        password_hashers,
        upgrade_passwords: _,
        accepted_overrides: _, // by its setter
        rest_framework,
        messages,
        site,
    } = read(&exported()).unwrap();
    assert_ne!(rest_framework, default.rest_framework);
    assert_ne!(secret_key, default.secret_key);
    assert_ne!(session_cookie_name, default.session_cookie_name);
    assert_ne!(login_url, default.login_url);
    assert_ne!(login_redirect_url, default.login_redirect_url);
    assert_ne!(logout_redirect_url, default.logout_redirect_url);
    let MessageSettings { storage, level, tags } = messages;
    assert_ne!(storage, default.messages.storage);
    assert_ne!(level, default.messages.level);
    assert_ne!(tags, default.messages.tags);
    assert_ne!(allowed_hosts, default.allowed_hosts);
    assert_ne!(force_script_name, default.force_script_name);
    assert_ne!(use_x_forwarded_host, default.use_x_forwarded_host);
    assert_ne!(use_x_forwarded_port, default.use_x_forwarded_port);
    assert_ne!(secure_proxy_ssl_header, default.secure_proxy_ssl_header);
    assert_ne!(session_table, default.session_table);
    assert_ne!(key_salt, default.key_salt);
    // Whether the user table matters, a middleware says.
    assert_eq!(user_model_is_set, default.user_model_is_set);
    assert_ne!(password_hashers, default.password_hashers);
    assert_eq!(site.unwrap().not_honoured.len(), 1);

    let SessionSettings {
        engine,
        cookie_age,
        cookie_domain,
        cookie_path,
        cookie_secure,
        cookie_httponly,
        cookie_samesite,
        expire_at_browser_close,
        save_every_request,
        slide_at_most_every: _,
        use_tz,
        time_zone,
        writes: _,
    } = sessions;
    assert_ne!(engine, default.sessions.engine);
    assert_ne!(cookie_age, default.sessions.cookie_age);
    assert_ne!(cookie_domain, default.sessions.cookie_domain);
    assert_ne!(cookie_path, default.sessions.cookie_path);
    assert_ne!(cookie_secure, default.sessions.cookie_secure);
    assert_ne!(cookie_httponly, default.sessions.cookie_httponly);
    assert_ne!(cookie_samesite, default.sessions.cookie_samesite);
    assert_ne!(expire_at_browser_close, default.sessions.expire_at_browser_close);
    assert_ne!(save_every_request, default.sessions.save_every_request);
    assert_ne!(use_tz, default.sessions.use_tz);
    assert_ne!(time_zone, default.sessions.time_zone);

    let CsrfSettings { cookie, header_name, trusted_origins, use_sessions } = csrf;
    assert_ne!(header_name, default.csrf.header_name);
    assert_ne!(trusted_origins, default.csrf.trusted_origins);
    assert_ne!(use_sessions, default.csrf.use_sessions);
    let CookieSettings { name, age, domain, path, samesite, secure, httponly } = cookie;
    assert_ne!(name, default.csrf.cookie.name);
    assert_ne!(age, default.csrf.cookie.age);
    assert_ne!(domain, default.csrf.cookie.domain);
    assert_ne!(path, default.csrf.cookie.path);
    assert_ne!(samesite, default.csrf.cookie.samesite);
    assert_ne!(secure, default.csrf.cookie.secure);
    assert_ne!(httponly, default.csrf.cookie.httponly);
    let UploadLimits { memory_size, number_fields, number_files, reads_charsets } = upload_limits;
    assert!(!reads_charsets);
    assert_ne!(memory_size, default.upload_limits.memory_size);
    assert_ne!(number_fields, default.upload_limits.number_fields);
    assert_ne!(number_files, default.upload_limits.number_files);

    let UserModel {
        table,
        parents,
        primary_key,
        username,
        username_iexact: _, // by its setter: what an overridden method does, Django cannot say
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
        key_salt: _, // by their setters: what an overridden method does, Django cannot say
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
        let said = refusal(|exported| {
            let (name, value) = change.as_object().unwrap().iter().next().unwrap();
            match (&mut exported[name.as_str()], value) {
                (Value::Object(inside), Value::Object(more)) => inside.extend(more.clone()),
                (old, new) => *old = new.clone(),
            }
        });
        assert!(said.contains(named), "{said}");
    }
    for name in exported().as_object().unwrap().keys() {
        let said = refusal(|exported| drop(exported.as_object_mut().unwrap().remove(name)));
        assert!(said.contains(&format!("missing field `{name}`")), "{said}");
        assert!(said.contains("older version"), "{said}");
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
    let said = refusal(|exported| {
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
                "reason": "is no PostgreSQL",
                "hook": null,
                "power": null,
            },
        ]);
    });
    for named in [
        "SECRET_KEY: this is not the key",
        "SESSION_ENGINE: django.contrib.sessions.backends.file keeps no rows",
        "DATABASES: is no PostgreSQL",
    ] {
        assert!(said.contains(named), "{named}: {said}");
    }
    assert!(!said.contains("MIDDLEWARE"), "{said}");
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
        "reason": "reads sessions in its own way",
        "hook": null,
        "power": "load",
    }]);
    let settings = read(&exported).unwrap();
    let said = settings.validate().unwrap_err().to_string();
    assert!(said.contains("shop.Store.load") && said.contains("accept_override"), "{said}");
    for accepted in ["shop.Store.load", "shop.Store", "shop"] {
        assert!(settings.clone().accept_override(accepted).validate().is_ok(), "{accepted}");
    }
    for another in ["shop.Store.save", "shop.Stor", "", "Store.load"] {
        assert!(settings.clone().accept_override(another).validate().is_err(), "{another:?}");
    }
}

#[test]
fn fallbacks_are_held_against_the_sites_when_a_store_is_made() {
    let mut exported = exported();
    exported["SECRET_KEY_FALLBACKS_FINGERPRINTS"] = json!(["16b2"]);
    let settings = read(&exported).unwrap();
    let said = settings.clone().validate().unwrap_err().to_string();
    assert!(said.contains("SECRET_KEY_FALLBACKS: the site has 1, and here are 0"), "{said}");
    assert!(settings.clone().secret_key_fallbacks(["last year's"]).validate().is_ok());
    let said = settings.secret_key_fallbacks(["another"]).validate().unwrap_err().to_string();
    assert!(said.contains("number 1 is none of the 1"), "{said}");
    assert!(!said.contains("another"), "{said}");
}

#[test]
fn a_further_column_can_be_added_to_the_model() {
    let settings = read(&exported()).unwrap().map_user_model(|model| model.columns(["plan"]));
    assert_eq!(settings.user_model.columns, ["plan"]);
    assert_eq!(settings.user_model.username, "email");
    assert_eq!(settings.timeout, Duration::from_secs(5));
}

#[test]
fn debug_output_has_no_secret() {
    let mut exported = exported();
    exported["SECRET_KEY_FALLBACKS_FINGERPRINTS"] = json!([]);
    let settings = read(&exported).unwrap();
    let shown = format!("{settings:?} {:?}", settings.site);
    assert!(!shown.contains(KEY), "{shown}");
}
