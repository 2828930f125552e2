//! The settings that this service shares with Django's `settings.py`, under Django's names.

mod backend;
mod cookie;
mod django_settings;
mod exported;
mod exported_rest;
mod fingerprint;
mod from_json;
mod login_urls;
mod message_settings;
mod messages;
mod overrides;
mod password_hashers;
mod permission_tables;
mod rest_framework;
mod secret_key;
mod session_auth_hash;
mod session_engine;
mod session_policy;
mod site;
mod table_name;
mod upload_limits;
mod user_model;
mod validate;
#[cfg(test)]
mod with;

pub use backend::AuthenticationBackend;
pub(crate) use cookie::CookieSettings;
pub(crate) use django_settings::DEFAULT_UPLOAD_MEMORY_SIZE;
pub use django_settings::DjangoSettings;
pub(crate) use exported::{Level, NotHonoured, Power};
pub(crate) use login_urls::LoginUrls;
pub(crate) use message_settings::MessageSettings;
pub use messages::{MessageLevel, MessageStorage};
pub(crate) use password_hashers::DEFAULT_PASSWORD_HASHERS;
pub use password_hashers::PasswordHasher;
pub use permission_tables::{ManyToMany, PermissionTables};
pub use rest_framework::{
    AuthenticationClass, RestAuthentication, RestFramework, SimpleJwt, TokenAuthentication,
    TokenClass,
};
pub use secret_key::SecretKey;
pub use session_auth_hash::SessionAuthHash;
pub use session_engine::SessionEngine;
pub(crate) use site::{ExportedSite, SiteSessions};
pub use table_name::TableName;
pub(crate) use table_name::quote_name;
pub(crate) use upload_limits::UploadLimits;
pub use user_model::{ParentModel, UserModel};
pub(crate) use validate::is_url;
#[cfg(test)]
pub(crate) use with::With;
