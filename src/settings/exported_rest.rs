//! What `export_settings.py` prints of `REST_FRAMEWORK` and `SIMPLE_JWT`.

use serde::{Deserialize, Deserializer};

use super::{
    AuthenticationClass, RestAuthentication, RestFramework, SimpleJwt, TableName,
    TokenAuthentication, TokenClass, fingerprint::Fingerprint,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportedRestFramework {
    authentication_classes: Vec<ExportedAuthentication>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedAuthentication {
    kind: ExportedKind,
    path: String,
    #[serde(deserialize_with = "nullable")]
    www_authenticate: Option<String>,
    #[serde(deserialize_with = "nullable")]
    token: Option<ExportedToken>,
    #[serde(deserialize_with = "nullable")]
    jwt: Option<ExportedJwt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExportedKind {
    Session,
    Basic,
    Token,
    Jwt,
    Other,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedToken {
    keyword: String,
    table: ExportedTokenTable,
    key_column: String,
    user_column: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedJwt {
    algorithm: String,
    #[serde(deserialize_with = "nullable")]
    signing_key_fingerprint: Option<String>,
    verifying_key: String,
    #[serde(deserialize_with = "nullable")]
    audience: Option<Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    issuer: Option<Vec<String>>,
    leeway_microseconds: i64,
    #[serde(deserialize_with = "nullable")]
    jti_claim: Option<String>,
    #[serde(deserialize_with = "nullable")]
    token_type_claim: Option<String>,
    token_classes: Vec<ExportedTokenClass>,
    user_id_claim: String,
    #[serde(deserialize_with = "nullable")]
    user_id_column: Option<String>,
    auth_header_types: Vec<String>,
    auth_header_name: String,
    check_user_is_active: bool,
    #[serde(deserialize_with = "nullable")]
    revoke_token_claim: Option<String>,
    tells_expired: bool,
    jwk_url: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedTokenClass {
    name: String,
    token_type: String,
    any_type: bool,
}

/// A table: its name, or its schema and its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum ExportedTokenTable {
    Bare(String),
    InSchema(String, String),
}

/// A value that can be null but not absent.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

impl ExportedRestFramework {
    /// Returns the settings. `salt` is the salt of the fingerprints.
    pub(super) fn into_settings(self, salt: &str) -> RestFramework {
        let classes = self.authentication_classes.into_iter();
        let default_authentication_classes = classes.map(|each| each.into_settings(salt)).collect();
        RestFramework { default_authentication_classes }
    }
}

impl ExportedAuthentication {
    fn into_settings(self, salt: &str) -> RestAuthentication {
        let Self { kind, path, www_authenticate, token, jwt } = self;
        let class = match (kind, token, jwt) {
            (ExportedKind::Session, ..) => AuthenticationClass::Session,
            (ExportedKind::Basic, ..) => AuthenticationClass::Basic,
            (ExportedKind::Token, Some(token), _) => AuthenticationClass::Token(token.into()),
            (ExportedKind::Jwt, _, Some(jwt)) => {
                AuthenticationClass::Jwt(Box::new(jwt.into_settings(salt)))
            }
            (ExportedKind::Token | ExportedKind::Jwt | ExportedKind::Other, ..) => {
                AuthenticationClass::Other(path)
            }
        };
        RestAuthentication { class, www_authenticate }
    }
}

impl From<ExportedToken> for TokenAuthentication {
    fn from(exported: ExportedToken) -> Self {
        let ExportedToken { keyword, table, key_column, user_column } = exported;
        let table = match table {
            ExportedTokenTable::Bare(table) => TableName::exactly(None, table),
            ExportedTokenTable::InSchema(schema, table) => TableName::exactly(Some(schema), table),
        };
        Self { keyword, table, key_column, user_column }
    }
}

impl ExportedJwt {
    fn into_settings(self, salt: &str) -> SimpleJwt {
        let class = |each: ExportedTokenClass| {
            let ExportedTokenClass { name, token_type, any_type } = each;
            TokenClass { name, token_type, any_type }
        };
        let fingerprint = self.signing_key_fingerprint;
        SimpleJwt {
            algorithm: self.algorithm,
            signing_key: None,
            signing_key_fingerprint: fingerprint.map(|found| Fingerprint::new(salt, found)),
            verifying_key: self.verifying_key,
            audience: self.audience,
            issuer: self.issuer,
            leeway_microseconds: self.leeway_microseconds,
            jti_claim: self.jti_claim,
            token_type_claim: self.token_type_claim,
            auth_token_classes: self.token_classes.into_iter().map(class).collect(),
            user_id_claim: self.user_id_claim,
            user_id_column: self.user_id_column,
            auth_header_types: self.auth_header_types,
            auth_header_name: self.auth_header_name,
            check_user_is_active: self.check_user_is_active,
            revoke_token_claim: self.revoke_token_claim,
            tells_expired: self.tells_expired,
            jwk_url: self.jwk_url,
        }
    }
}
