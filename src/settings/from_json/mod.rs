//! Settings made of what `export_settings.py` printed.

use super::{
    AuthenticationBackend, DjangoSettings, ManyToMany, MessageLevel, MessageStorage,
    PasswordHasher, SessionAuthHash, SessionEngine, UserModel,
    exported::{
        Exported, ExportedBackend, ExportedEngine, ExportedHasher, ExportedMessageStorage,
        ExportedMessages, ExportedSession, ExportedSessionAuthHash, ExportedUserModel, Level,
        NotHonoured,
    },
    fingerprint::Fingerprints,
    site::{Site, SiteSessions},
};
use crate::error::Error;

impl DjangoSettings {
    /// The settings of a Django site, from what `export_settings.py` printed there, and the site's
    /// `SECRET_KEY`. Keys are in no file: fallbacks go to
    /// [`secret_key_fallbacks`](Self::secret_key_fallbacks), as many as the site has.
    ///
    /// ```sh
    /// cargo run --example export_settings | python manage.py shell -v 0 > django-settings.json
    /// ```
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_django_session::DjangoSettings;
    ///
    /// let json = std::fs::read_to_string("django-settings.json")?;
    /// let settings = DjangoSettings::from_json(&json, std::env::var("DJANGO_SECRET_KEY")?)?
    ///     .secret_key_fallbacks(["last year's key"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Every setter works on the result. This service writes no sessions until
    /// [`writes_sessions`](Self::writes_sessions) says so.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the text is of another version, if the key is not the
    /// site's (and how it differs: a line break at its end, quotes around it, a fallback), and if
    /// the site does something that would be unsafe here or cannot be read, such as sessions in a
    /// cache; all of that in one message.
    pub fn from_json(json: &str, secret_key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let improper = |reason| Error::ImproperlyConfigured(format!("exported settings: {reason}"));
        let (settings, faults) = made_of(Exported::parse(json).map_err(improper)?, secret_key);
        match faults.is_empty() {
            true => Ok(settings),
            false => Err(improper(faults.join("; "))),
        }
    }

    /// Changes the user model that these settings have: for further columns of the one that was
    /// exported, say.
    ///
    /// ```
    /// # use actix_django_session::DjangoSettings;
    /// # fn f(settings: DjangoSettings) -> DjangoSettings {
    /// settings.map_user_model(|model| model.columns(["plan"]))
    /// # }
    /// ```
    pub fn map_user_model(self, change: impl FnOnce(UserModel) -> UserModel) -> Self {
        let model = change(self.user_model.clone());
        self.user_model(model)
    }
}

/// The settings, and why they are refused, if they are.
fn made_of(exported: Exported, secret_key: impl AsRef<[u8]>) -> (DjangoSettings, Vec<String>) {
    // Without `..`, so that no member is forgotten.
    let Exported {
        _format,
        django_version,
        fingerprint_salt,
        secret_key_fingerprint,
        secret_key_fallbacks_fingerprints,
        allowed_hosts,
        _auth_user_model,
        authentication_backends,
        csrf_cookie_age,
        csrf_cookie_domain,
        csrf_cookie_httponly,
        csrf_cookie_name,
        csrf_cookie_path,
        csrf_cookie_samesite,
        csrf_cookie_secure,
        csrf_header_name,
        csrf_trusted_origins,
        csrf_use_sessions,
        data_upload_max_memory_size,
        data_upload_max_number_fields,
        data_upload_max_number_files,
        force_script_name,
        login_url,
        login_redirect_url,
        logout_redirect_url,
        password_hashers,
        secure_proxy_ssl_header,
        session_cookie_age,
        session_cookie_domain,
        session_cookie_httponly,
        session_cookie_name,
        session_cookie_path,
        session_cookie_samesite,
        session_cookie_secure,
        _session_engine,
        session_expire_at_browser_close,
        session_save_every_request,
        _session_serializer,
        time_zone,
        use_tz,
        use_x_forwarded_host,
        use_x_forwarded_port,
        session,
        messages,
        user_model,
        rest_framework,
        mut not_honoured,
    } = exported;

    let mut settings = DjangoSettings::new(&secret_key)
        .allowed_hosts(allowed_hosts)
        .authentication_backends(authentication_backends.into_iter().map(backend))
        .csrf_cookie_age(csrf_cookie_age)
        .csrf_cookie_domain(csrf_cookie_domain.as_deref())
        .csrf_cookie_httponly(csrf_cookie_httponly)
        .csrf_cookie_name(csrf_cookie_name)
        .csrf_cookie_path(csrf_cookie_path.as_deref())
        .csrf_cookie_samesite(csrf_cookie_samesite.as_deref())
        .csrf_cookie_secure(csrf_cookie_secure)
        .csrf_trusted_origins(csrf_trusted_origins)
        .csrf_use_sessions(csrf_use_sessions)
        .data_upload_max_memory_size(data_upload_max_memory_size)
        .data_upload_max_number_fields(data_upload_max_number_fields)
        .data_upload_max_number_files(data_upload_max_number_files)
        .login_url(login_url)
        .session_cookie_age(session_cookie_age)
        .session_cookie_domain(session_cookie_domain.unwrap_or_default())
        .session_cookie_httponly(session_cookie_httponly)
        .session_cookie_name(session_cookie_name)
        .session_cookie_path(session_cookie_path.unwrap_or_default())
        .session_cookie_samesite(session_cookie_samesite.unwrap_or_default())
        .session_cookie_secure(session_cookie_secure)
        .session_expire_at_browser_close(session_expire_at_browser_close)
        .session_save_every_request(session_save_every_request)
        .use_tz(use_tz)
        .use_x_forwarded_host(use_x_forwarded_host)
        .use_x_forwarded_port(use_x_forwarded_port);
    settings = with_messages(settings, messages);
    if let Some(url) = login_redirect_url {
        settings = settings.login_redirect_url(url);
    }
    if let Some(url) = logout_redirect_url {
        settings = settings.logout_redirect_url(url);
    }
    // Not by the setter, which says that the user table matters here.
    settings.user_model = self::user_model(user_model);
    if let Some(rest_framework) = rest_framework {
        settings.rest_framework = rest_framework.into_settings(&fingerprint_salt);
    }
    if let Some(path) = force_script_name {
        settings = settings.force_script_name(path);
    }
    if let Some(name) = csrf_header_name {
        settings = settings.csrf_header_name(name);
    }
    if let Some((name, value)) = secure_proxy_ssl_header {
        settings = settings.secure_proxy_ssl_header(name, value);
    }
    if let Some(name) = time_zone {
        settings = settings.time_zone(name);
    }
    let mut sessions = SiteSessions::default();
    if let Some(session) = session {
        (settings, sessions) = with_session(settings, session);
    }
    settings = with_hashers(settings, password_hashers, &mut not_honoured);

    let fingerprints = Fingerprints {
        salt: fingerprint_salt,
        secret_key: secret_key_fingerprint,
        fallbacks: secret_key_fallbacks_fingerprints,
    };
    let is_refused = |each: &&NotHonoured| each.level == Level::Unsafe && each.power.is_none();
    let unsafes = not_honoured.iter().filter(is_refused);
    let faults = fingerprints
        .fault_of_secret_key(secret_key.as_ref())
        .into_iter()
        .chain(unsafes.map(ToString::to_string))
        .collect();
    // Django 5.0 was the first to refuse them.
    settings.upload_limits.reads_charsets = django_version.starts_with("4.");
    settings.site = Some(Site { fingerprints, django_version, sessions, not_honoured });
    (settings, faults)
}

fn backend(exported: ExportedBackend) -> AuthenticationBackend {
    let ExportedBackend {
        path,
        reads_users,
        grants_permissions,
        admits_inactive,
        checks_passwords,
    } = exported;
    let mut backend = AuthenticationBackend::new(path)
        .reads_users(reads_users)
        .grants_permissions(grants_permissions);
    if let Some(yes) = checks_passwords {
        backend = backend.checks_passwords(yes);
    }
    if admits_inactive { backend.admits_inactive() } else { backend }
}

fn with_session(
    settings: DjangoSettings,
    exported: ExportedSession,
) -> (DjangoSettings, SiteSessions) {
    let ExportedSession { engine, table, key_length, further_columns, key_salt, cache_key } =
        exported;
    let engine = match engine {
        ExportedEngine::Db => SessionEngine::Db,
        ExportedEngine::CachedDb => SessionEngine::CachedDb,
        ExportedEngine::SignedCookies => SessionEngine::SignedCookies,
    };
    let mut settings = settings.session_engine(engine).key_salt(key_salt);
    if let Some(table) = table {
        settings = settings.session_table(table);
    }
    (settings, SiteSessions { key_length, further_columns, cache_key })
}

fn with_messages(settings: DjangoSettings, exported: ExportedMessages) -> DjangoSettings {
    let ExportedMessages { storage, level, tags } = exported;
    let storage = match storage {
        ExportedMessageStorage::Fallback => MessageStorage::Fallback,
        ExportedMessageStorage::Cookie => MessageStorage::Cookie,
        ExportedMessageStorage::Session => MessageStorage::Session,
        ExportedMessageStorage::Other(path) => MessageStorage::Other(path),
    };
    settings
        .message_storage(storage)
        .message_level(MessageLevel(level))
        .message_tags(tags.into_iter().map(|(level, tag)| (MessageLevel(level), tag)))
}

fn user_model(exported: ExportedUserModel) -> UserModel {
    let ExportedUserModel {
        table,
        primary_key,
        parents,
        username,
        password,
        is_active,
        is_staff,
        is_superuser,
        last_login,
        condition,
        permission_tables,
        session_auth_hash,
    } = exported;
    let mut model = UserModel::new(table)
        .primary_key(primary_key)
        .username_column(username)
        .password_column(password)
        .is_active_column(is_active.as_deref())
        .is_staff_column(is_staff.as_deref())
        .is_superuser_column(is_superuser.as_deref())
        .last_login_column(last_login.as_deref());
    for parent in parents {
        model = model.parent(parent.table, parent.primary_key, parent.link);
    }
    if let Some(sql) = condition {
        model = model.condition(sql);
    }
    model = match permission_tables {
        Some(tables) => {
            let groups = ManyToMany::from(tables.group_permissions);
            model
                .auth_tables(groups.table.clone(), tables.permission, tables.content_type)
                .group_table(tables.group)
                .many_to_many(tables.user_groups.into(), tables.user_permissions.into(), groups)
        }
        None => model.without_permissions(),
    };
    match session_auth_hash {
        Some(hash) => model.session_auth_hash(self::session_auth_hash(&hash)),
        None => model.without_session_auth_hash(),
    }
}

/// What the methods do that are overridden has to be said by a setter.
fn session_auth_hash(exported: &ExportedSessionAuthHash) -> SessionAuthHash {
    let mut hash = SessionAuthHash::default();
    for method in &exported.overrides {
        hash = match method.as_str() {
            "get_session_auth_hash" => hash.overrides_get_session_auth_hash(),
            _ => hash.overrides_private_get_session_auth_hash(),
        };
    }
    hash
}

/// The hashers of the site, in their order. What this build lacks, and what is the site's own, the
/// service has to compute.
fn with_hashers(
    settings: DjangoSettings,
    exported: Vec<ExportedHasher>,
    not_honoured: &mut Vec<NotHonoured>,
) -> DjangoSettings {
    let mut missing = Vec::new();
    let hashers: Vec<_> = exported
        .into_iter()
        .map(|each| {
            match hasher(&each).filter(|hasher| hasher.is_built_in() && hasher.is_affordable()) {
                Some(hasher) if each.overrides.is_empty() => hasher,
                found => {
                    if found.is_none() && each.overrides.is_empty() {
                        missing.push(each.algorithm.clone());
                    }
                    PasswordHasher::Custom { algorithm: each.algorithm }
                }
            }
        })
        .collect();
    if !missing.is_empty() {
        not_honoured.push(NotHonoured {
            level: Level::Hook,
            setting: "PASSWORD_HASHERS".into(),
            value: missing.join(", "),
            reason: "cannot be checked here: see the feature `hashers`".into(),
            hook: Some("password_hasher".into()),
            power: None,
        });
    }
    match hashers.is_empty() {
        true => settings,
        false => settings.password_hashers(hashers),
    }
}

fn hasher(exported: &ExportedHasher) -> Option<PasswordHasher> {
    let ExportedHasher { algorithm, costs, overrides: _ } = exported;
    let (iterations, rounds) = (costs.iterations, costs.rounds);
    let (time_cost, memory_cost, parallelism) =
        (costs.time_cost, costs.memory_cost, costs.parallelism);
    let (work_factor, block_size) = (costs.work_factor, costs.block_size);
    Some(match algorithm.as_str() {
        "pbkdf2_sha256" => PasswordHasher::Pbkdf2Sha256 { iterations },
        "pbkdf2_sha1" => PasswordHasher::Pbkdf2Sha1 { iterations },
        "argon2" => PasswordHasher::Argon2 { time_cost, memory_cost, parallelism },
        "bcrypt_sha256" => PasswordHasher::BcryptSha256 { rounds },
        "bcrypt" => PasswordHasher::Bcrypt { rounds },
        "scrypt" => PasswordHasher::Scrypt { work_factor, block_size, parallelism },
        "md5" => PasswordHasher::Md5,
        "sha1" => PasswordHasher::Sha1,
        "unsalted_md5" => PasswordHasher::UnsaltedMd5,
        "unsalted_sha1" => PasswordHasher::UnsaltedSha1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
