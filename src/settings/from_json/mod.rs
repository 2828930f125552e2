//! Settings from the JSON that `export_settings.py` printed.

use super::{
    AuthenticationBackend, DjangoSettings, MessageLevel, MessageStorage, PasswordHasher,
    SessionAuthHash, SessionEngine, TableName, UserModel,
    exported::{
        Exported, ExportedBackend, ExportedEngine, ExportedHasher, ExportedMessageStorage,
        ExportedMessages, ExportedSession, ExportedSessionAuthHash, ExportedUserModel, Level,
        NotHonoured,
    },
    fingerprint::Fingerprints,
    site::{ExportedSite, SiteSessions},
};
use crate::error::Error;

impl DjangoSettings {
    /// Creates the settings of a Django site from the JSON that `export_settings.py` printed there
    /// and from the site's `SECRET_KEY`. The file holds no keys: set
    /// [`secret_key_fallbacks`](Self::secret_key_fallbacks) to all the fallback keys that the site
    /// has. In a checkout of this crate:
    ///
    /// ```sh
    /// cargo example export_settings | python manage.py shell -v 0 > django-settings.json
    /// ```
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_django_session::DjangoSettings;
    ///
    /// let json = std::fs::read_to_string("django-settings.json")?;
    /// let mut settings = DjangoSettings::from_json(&json, std::env::var("DJANGO_SECRET_KEY")?)?;
    /// settings.secret_key_fallbacks = vec!["last year's key".into()];
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The service writes no sessions unless you set [`write_sessions`](Self::write_sessions).
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`], with all reasons in one message:
    ///
    /// - The JSON has another format version.
    /// - The key is not the site's. The message says how it differs: a line break at its end, quotes
    ///   around it, or a key of the fallbacks.
    /// - The site does something that would be unsafe here or cannot be read, such as sessions in a
    ///   cache.
    pub fn from_json(json: &str, secret_key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let improper = |reason| Error::ImproperlyConfigured(format!("exported settings: {reason}"));
        let (settings, faults) = made_of(Exported::parse(json).map_err(improper)?, secret_key);
        match faults.is_empty() {
            true => Ok(settings),
            false => Err(improper(faults.join("; "))),
        }
    }
}

/// Returns the settings, and the reasons to refuse them.
fn made_of(exported: Exported, secret_key: impl AsRef<[u8]>) -> (DjangoSettings, Vec<String>) {
    // The pattern has no `..`, so that no member is forgotten.
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
        login_urls,
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

    let default = DjangoSettings::new(secret_key.as_ref());
    let (session_engine, session_table, session_key_salt, sessions) = match session {
        Some(exported) => session_of(exported),
        None => Default::default(),
    };
    let ExportedMessages { storage, level, tags } = messages;
    let user_model = self::user_model(user_model);
    let mut hashers_without_feature = Vec::new();
    let password_hashers =
        hashers(password_hashers, &mut hashers_without_feature, &mut not_honoured);
    let settings = DjangoSettings {
        allowed_hosts,
        authentication_backends: authentication_backends.into_iter().map(backend).collect(),
        csrf_cookie_age,
        csrf_cookie_domain,
        csrf_cookie_httponly,
        csrf_cookie_name,
        csrf_cookie_path,
        csrf_cookie_samesite,
        csrf_cookie_secure,
        csrf_header_name: csrf_header_name.unwrap_or(default.csrf_header_name),
        csrf_trusted_origins,
        csrf_use_sessions,
        data_upload_max_memory_size,
        data_upload_max_number_fields,
        data_upload_max_number_files,
        force_script_name,
        login_url,
        login_redirect_url: login_redirect_url.unwrap_or(default.login_redirect_url),
        // Django tests the truth of the value, and an empty text is false.
        logout_redirect_url: logout_redirect_url.filter(|url| !url.is_empty()),
        message_level: MessageLevel(level),
        message_storage: message_storage(storage),
        message_tags: tags.into_iter().map(|(level, tag)| (MessageLevel(level), tag)).collect(),
        password_hashers,
        rest_framework: match rest_framework {
            Some(rest_framework) => rest_framework.into_settings(&fingerprint_salt),
            None => default.rest_framework,
        },
        secure_proxy_ssl_header,
        session_cookie_age,
        session_cookie_domain,
        session_cookie_httponly,
        session_cookie_name,
        session_cookie_path,
        session_cookie_samesite,
        session_cookie_secure,
        session_engine,
        session_expire_at_browser_close,
        session_key_salt: session_key_salt.unwrap_or(default.session_key_salt),
        session_save_every_request,
        session_table: session_table.unwrap_or(default.session_table),
        time_zone: time_zone.unwrap_or(default.time_zone),
        use_tz,
        use_x_forwarded_host,
        use_x_forwarded_port,
        user_model: user_model.clone(),
        ..DjangoSettings::new(secret_key.as_ref())
    };

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
    let site = ExportedSite {
        fingerprints,
        django_version,
        sessions,
        user_model,
        login_urls,
        not_honoured,
        hashers_without_feature,
    };
    (DjangoSettings { site: Some(site), ..settings }, faults)
}

fn backend(exported: ExportedBackend) -> AuthenticationBackend {
    let ExportedBackend {
        path,
        reads_users,
        grants_permissions,
        admits_inactive,
        checks_passwords,
    } = exported;
    let known = AuthenticationBackend::new(path);
    AuthenticationBackend {
        reads_users,
        grants_permissions: Some(grants_permissions),
        admits_inactive: admits_inactive || known.admits_inactive,
        checks_passwords: checks_passwords.or(known.checks_passwords),
        ..known
    }
}

fn session_of(
    exported: ExportedSession,
) -> (SessionEngine, Option<TableName>, Option<String>, SiteSessions) {
    let ExportedSession { engine, table, key_length, further_columns, key_salt, cache_key } =
        exported;
    let engine = match engine {
        ExportedEngine::Db => SessionEngine::Db,
        ExportedEngine::CachedDb => SessionEngine::CachedDb,
        ExportedEngine::SignedCookies => SessionEngine::SignedCookies,
    };
    let sessions = SiteSessions { key_length, further_columns, cache_key };
    (engine, table.map(Into::into), Some(key_salt), sessions)
}

fn message_storage(exported: ExportedMessageStorage) -> MessageStorage {
    match exported {
        ExportedMessageStorage::Fallback => MessageStorage::Fallback,
        ExportedMessageStorage::Cookie => MessageStorage::Cookie,
        ExportedMessageStorage::Session => MessageStorage::Session,
        ExportedMessageStorage::Other(path) => MessageStorage::Other(path),
    }
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
    UserModel {
        primary_key,
        parents: parents.into_iter().map(Into::into).collect(),
        username,
        password,
        is_active,
        is_staff,
        is_superuser,
        last_login,
        condition,
        permission_tables: permission_tables.map(Into::into),
        session_auth_hash: session_auth_hash.map(self::session_auth_hash),
        ..UserModel::new(table)
    }
}

/// The service has to say what the overridden methods do.
fn session_auth_hash(exported: ExportedSessionAuthHash) -> SessionAuthHash {
    SessionAuthHash {
        overrides_get_session_auth_hash: exported
            .overrides
            .iter()
            .any(|method| method == "get_session_auth_hash"),
        // One of the methods that compute the hashes under fallback keys.
        overrides_private_get_session_auth_hash: exported
            .overrides
            .iter()
            .any(|method| method != "get_session_auth_hash"),
        ..SessionAuthHash::default()
    }
}

/// The hashers of the site, in the same order. The service has to compute the custom ones, those that
/// cost too much and, `without_feature`, those that this build lacks.
fn hashers(
    exported: Vec<ExportedHasher>,
    without_feature: &mut Vec<String>,
    not_honoured: &mut Vec<NotHonoured>,
) -> Option<Vec<PasswordHasher>> {
    let mut too_expensive = Vec::new();
    let mut hashers = Vec::new();
    for each in exported {
        let found = hasher(&each).filter(|_| each.overrides.is_empty());
        hashers.push(match found {
            Some(hasher) if hasher.is_affordable() && hasher.is_built_in() => hasher,
            found => {
                match found {
                    None => {}
                    Some(hasher) if !hasher.is_affordable() => {
                        too_expensive.push(each.algorithm.clone());
                    }
                    Some(_) => without_feature.push(each.algorithm.clone()),
                }
                PasswordHasher::Custom { algorithm: each.algorithm }
            }
        });
    }
    if !too_expensive.is_empty() {
        not_honoured.push(NotHonoured {
            level: Level::Hook,
            setting: "PASSWORD_HASHERS".into(),
            value: too_expensive.join(", "),
            reason: "costs more than this crate spends on a password: compute it with \
                     `DjangoSite::password_hasher`"
                .into(),
            hook: Some("password_hasher".into()),
            power: None,
        });
    }
    Some(hashers).filter(|hashers| !hashers.is_empty())
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
