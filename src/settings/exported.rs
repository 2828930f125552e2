//! The format of what `export_settings.py` prints, and the messages for text that does not fit it.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::{
    ManyToMany, ParentModel, PermissionTables, TableName, exported_rest::ExportedRestFramework,
    login_urls::LoginUrls,
};

/// The version of the format; `FORMAT` in `export_settings.py` is the same number.
const FORMAT: u64 = 1;

/// A Django site as it was exported. Every member is required, and no other is allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Exported {
    #[serde(rename = "format")]
    pub(super) _format: u64,
    #[serde(rename = "django_version")]
    pub(super) django_version: String,
    #[serde(rename = "fingerprint_salt")]
    pub(super) fingerprint_salt: String,
    pub(super) secret_key_fingerprint: String,
    pub(super) secret_key_fallbacks_fingerprints: Vec<String>,
    pub(super) allowed_hosts: Vec<String>,
    #[serde(rename = "AUTH_USER_MODEL")]
    pub(super) _auth_user_model: String,
    pub(super) authentication_backends: Vec<ExportedBackend>,
    #[serde(deserialize_with = "nullable")]
    pub(super) csrf_cookie_age: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) csrf_cookie_domain: Option<String>,
    pub(super) csrf_cookie_httponly: bool,
    pub(super) csrf_cookie_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) csrf_cookie_path: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) csrf_cookie_samesite: Option<String>,
    pub(super) csrf_cookie_secure: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) csrf_header_name: Option<String>,
    pub(super) csrf_trusted_origins: Vec<String>,
    pub(super) csrf_use_sessions: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) data_upload_max_memory_size: Option<usize>,
    #[serde(deserialize_with = "nullable")]
    pub(super) data_upload_max_number_fields: Option<usize>,
    #[serde(deserialize_with = "nullable")]
    pub(super) data_upload_max_number_files: Option<usize>,
    #[serde(deserialize_with = "nullable")]
    pub(super) force_script_name: Option<String>,
    pub(super) login_url: String,
    #[serde(rename = "login_urls", deserialize_with = "nullable")]
    pub(super) login_urls: Option<LoginUrls>,
    #[serde(deserialize_with = "nullable")]
    pub(super) login_redirect_url: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) logout_redirect_url: Option<String>,
    pub(super) password_hashers: Vec<ExportedHasher>,
    #[serde(deserialize_with = "nullable")]
    pub(super) secure_proxy_ssl_header: Option<(String, String)>,
    pub(super) session_cookie_age: i64,
    #[serde(deserialize_with = "nullable")]
    pub(super) session_cookie_domain: Option<String>,
    pub(super) session_cookie_httponly: bool,
    pub(super) session_cookie_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) session_cookie_path: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) session_cookie_samesite: Option<String>,
    pub(super) session_cookie_secure: bool,
    #[serde(rename = "SESSION_ENGINE")]
    pub(super) _session_engine: String,
    pub(super) session_expire_at_browser_close: bool,
    pub(super) session_save_every_request: bool,
    #[serde(rename = "SESSION_SERIALIZER")]
    pub(super) _session_serializer: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) time_zone: Option<String>,
    pub(super) use_tz: bool,
    pub(super) use_x_forwarded_host: bool,
    pub(super) use_x_forwarded_port: bool,
    #[serde(rename = "session")]
    #[serde(deserialize_with = "nullable")]
    pub(super) session: Option<ExportedSession>,
    #[serde(rename = "messages")]
    pub(super) messages: ExportedMessages,
    #[serde(rename = "user_model")]
    pub(super) user_model: ExportedUserModel,
    #[serde(rename = "rest_framework")]
    #[serde(deserialize_with = "nullable")]
    pub(super) rest_framework: Option<ExportedRestFramework>,
    #[serde(rename = "not_honoured")]
    pub(super) not_honoured: Vec<NotHonoured>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedBackend {
    pub(super) path: String,
    pub(super) reads_users: bool,
    pub(super) grants_permissions: bool,
    pub(super) admits_inactive: bool,
    /// `None`: the site finds users by code of its own.
    #[serde(deserialize_with = "nullable")]
    pub(super) checks_passwords: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedHasher {
    pub(super) algorithm: String,
    pub(super) costs: ExportedCosts,
    /// The paths of the methods that are not Django's.
    pub(super) overrides: Vec<String>,
}

/// The costs that the hasher has; the others are 0.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExportedCosts {
    pub(super) iterations: u32,
    pub(super) rounds: u32,
    pub(super) time_cost: u32,
    pub(super) memory_cost: u32,
    pub(super) parallelism: u32,
    pub(super) work_factor: u32,
    pub(super) block_size: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedSession {
    pub(super) engine: ExportedEngine,
    #[serde(deserialize_with = "nullable")]
    pub(super) table: Option<ExportedTable>,
    #[serde(deserialize_with = "nullable")]
    pub(super) key_length: Option<u32>,
    pub(super) further_columns: Vec<String>,
    pub(super) key_salt: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) cache_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExportedEngine {
    Db,
    CachedDb,
    SignedCookies,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedMessages {
    pub(super) storage: ExportedMessageStorage,
    pub(super) level: i64,
    pub(super) tags: Vec<(i64, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExportedMessageStorage {
    Fallback,
    Cookie,
    Session,
    /// The dotted path of the site's own class.
    Other(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedUserModel {
    pub(super) table: ExportedTable,
    pub(super) primary_key: String,
    pub(super) parents: Vec<ExportedParent>,
    pub(super) username: String,
    pub(super) password: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) is_active: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) is_staff: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) is_superuser: Option<String>,
    #[serde(rename = "last_login")]
    #[serde(deserialize_with = "nullable")]
    pub(super) last_login: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) condition: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) permission_tables: Option<ExportedPermissionTables>,
    #[serde(deserialize_with = "nullable")]
    pub(super) session_auth_hash: Option<ExportedSessionAuthHash>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedParent {
    pub(super) table: ExportedTable,
    pub(super) primary_key: String,
    pub(super) link: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedPermissionTables {
    pub(super) user_groups: ExportedManyToMany,
    pub(super) user_permissions: ExportedManyToMany,
    pub(super) group_permissions: ExportedManyToMany,
    pub(super) permission: ExportedTable,
    pub(super) content_type: ExportedTable,
    pub(super) group: ExportedTable,
}

impl From<ExportedParent> for ParentModel {
    fn from(exported: ExportedParent) -> Self {
        Self::new(exported.table, exported.primary_key, exported.link)
    }
}

impl From<ExportedPermissionTables> for PermissionTables {
    fn from(exported: ExportedPermissionTables) -> Self {
        Self {
            user_groups: exported.user_groups.into(),
            user_permissions: exported.user_permissions.into(),
            group_permissions: exported.group_permissions.into(),
            permission: exported.permission.into(),
            content_type: exported.content_type.into(),
            group: exported.group.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedManyToMany {
    table: ExportedTable,
    from_column: String,
    to_column: String,
}

impl From<ExportedManyToMany> for ManyToMany {
    fn from(exported: ExportedManyToMany) -> Self {
        Self::new(exported.table, exported.from_column, exported.to_column)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedSessionAuthHash {
    /// The names of the methods.
    pub(super) overrides: Vec<String>,
}

/// Reads a value that can be null but not absent: serde would read an absent member as null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// A table: its name, dots included, or its schema and its name.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ExportedTable {
    Bare(String),
    InSchema(String, String),
}

impl From<ExportedTable> for TableName {
    fn from(table: ExportedTable) -> Self {
        match table {
            ExportedTable::Bare(table) => Self::exactly(None, table),
            ExportedTable::InSchema(schema, table) => Self::exactly(Some(schema), table),
        }
    }
}

/// Something that the site does and this crate does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotHonoured {
    pub(crate) level: Level,
    pub(crate) setting: String,
    pub(crate) value: String,
    pub(crate) reason: String,
    /// For [`Level::Hook`]: the name of the hook.
    #[serde(deserialize_with = "nullable")]
    pub(crate) hook: Option<String>,
    /// For [`Level::Unsafe`]: what is switched off because of it. `None`: everything.
    #[serde(deserialize_with = "nullable")]
    pub(crate) power: Option<Power>,
}

/// Something that this crate does as Django's own classes do it. It is switched off if the site has
/// other classes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Power {
    /// Read sessions.
    Load,
    /// Find the user of a session.
    GetUser,
    /// Find a user by name.
    FindUser,
    /// Check a password.
    Authenticate,
    /// Encode a password.
    MakePassword,
    /// Look up permissions.
    Permissions,
    /// Create, change and end sessions.
    WriteSessions,
}

/// How much the difference matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The service might log in a user whom Django rejects, or can read nothing at all. So what it
    /// concerns is switched off.
    Unsafe,
    /// Code of the service can do it.
    Hook,
    /// For information only.
    Note,
}

impl fmt::Display for NotHonoured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level: _, setting, value, reason, hook: _, power: _ } = self;
        let space = if value.is_empty() { "" } else { " " };
        write!(f, "{setting}: {value}{space}{reason}")
    }
}

impl Exported {
    /// Reads the text of a file. Text that a shell printed before the JSON is skipped.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let json = if text.starts_with('{') { Some(0) } else { text.find("\n{") };
        let json = json.map(|start| &text[start..]).ok_or(
            "they have no line that starts with `{`: did `export_settings.py` end with an \
             error?",
        )?;

        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let Version { format } = serde_json::from_str(json).map_err(misfit)?;
        if format != FORMAT {
            let (age, remedy) = match format > FORMAT {
                true => ("a newer", "update this service, or export with its own script"),
                false => ("an older", "export again"),
            };
            return Err(format!(
                "they are of format {format}, and this service reads format {FORMAT}: they come from \
                 {age} version of actix-django-session; {remedy}"
            ));
        }
        serde_json::from_str(json).map_err(misfit)
    }
}

/// Says which side is older. serde_json says which member does not fit, and where.
fn misfit(error: serde_json::Error) -> String {
    let message = error.to_string();
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        // The rest of the text lists every expected name.
        let (unknown, _) = message.split_once(", expected").unwrap_or((&message, ""));
        format!(
            "{unknown}: they come from a newer version of actix-django-session; update this service, \
             or export with its own script"
        )
    } else if message.starts_with("missing field") {
        format!("{message}: they come from an older version of actix-django-session; export again")
    } else {
        format!("they are not what `export_settings.py` prints: {message}")
    }
}
