//! `REST_FRAMEWORK` and `SIMPLE_JWT`: how the site's API authenticates its clients.

use super::{SecretKey, TableName, fingerprint::Fingerprint};

/// How the views of the REST framework authenticate clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestFramework {
    /// `DEFAULT_AUTHENTICATION_CLASSES`, in their order. The first one decides whether a request
    /// without credentials gets a 401 or a 403: see
    /// [`www_authenticate`](RestAuthentication::www_authenticate).
    ///
    /// Defaults to session and basic, as in the framework.
    pub default_authentication_classes: Vec<RestAuthentication>,
}

impl Default for RestFramework {
    fn default() -> Self {
        Self {
            default_authentication_classes: vec![
                RestAuthentication::session(),
                RestAuthentication::basic(),
            ],
        }
    }
}

/// One entry of a view's `authentication_classes`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestAuthentication {
    /// What the class does.
    pub class: AuthenticationClass,
    /// The value of its `authenticate_header`. If the first class of a view has one, a refusal is a
    /// 401; otherwise it is a 403.
    pub www_authenticate: Option<String>,
}

/// The kinds of authentication classes of the REST framework.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationClass {
    /// `SessionAuthentication`: Django's session. Checks the CSRF token of a logged-in user.
    Session,
    /// `BasicAuthentication`: username and password.
    Basic,
    /// `TokenAuthentication`, or a subclass that changes only its keyword and its model.
    Token(TokenAuthentication),
    /// `JWTAuthentication` of `rest_framework_simplejwt`.
    Jwt(Box<SimpleJwt>),
    /// A custom class, by its dotted path. The service says what it does with
    /// [`authenticator`](crate::DjangoSessionMiddleware::authenticator) of a middleware.
    Other(String),
}

impl RestAuthentication {
    /// Creates `rest_framework.authentication.SessionAuthentication`.
    pub fn session() -> Self {
        Self { class: AuthenticationClass::Session, www_authenticate: None }
    }

    /// Creates `rest_framework.authentication.BasicAuthentication`.
    pub fn basic() -> Self {
        Self::new(AuthenticationClass::Basic, "Basic realm=\"api\"")
    }

    /// Creates `rest_framework.authentication.TokenAuthentication`.
    pub fn token() -> Self {
        Self::new(AuthenticationClass::Token(TokenAuthentication::default()), "Token")
    }

    /// Creates `rest_framework_simplejwt.authentication.JWTAuthentication` with these settings.
    pub fn jwt(settings: SimpleJwt) -> Self {
        let scheme = settings.auth_header_types.first().map_or("", String::as_str);
        let challenge = format!("{scheme} realm=\"api\"");
        Self::new(AuthenticationClass::Jwt(Box::new(settings)), &challenge)
    }

    /// Creates a custom class, by its dotted path, with the value of its `authenticate_header`.
    pub fn other(path: impl Into<String>, www_authenticate: Option<&str>) -> Self {
        let www_authenticate = www_authenticate.map(Into::into);
        Self { class: AuthenticationClass::Other(path.into()), www_authenticate }
    }

    fn new(class: AuthenticationClass, www_authenticate: &str) -> Self {
        Self { class, www_authenticate: Some(www_authenticate.into()) }
    }
}

/// `TokenAuthentication` or a class that derives from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenAuthentication {
    /// The word before the token, compared without regard to case. Defaults to `Token`.
    pub keyword: String,
    /// The table of its `model`. Defaults to `authtoken_token`.
    pub table: TableName,
    /// The column of the token. Defaults to `key`.
    pub key_column: String,
    /// The column of the user's primary key. Defaults to `user_id`.
    pub user_column: String,
}

impl Default for TokenAuthentication {
    fn default() -> Self {
        Self {
            keyword: "Token".into(),
            table: "authtoken_token".into(),
            key_column: "key".into(),
            user_column: "user_id".into(),
        }
    }
}

/// `SIMPLE_JWT`: what an access token must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimpleJwt {
    /// `ALGORITHM`, the only one that a token can name: `HS256`, `HS384`, `HS512`, `RS..`, `PS..`,
    /// `ES256`, `ES384` or `EdDSA` (Ed25519). Defaults to `HS256`.
    pub algorithm: String,
    /// `SIGNING_KEY`, the secret of the algorithms `HS..`. No exported file contains it. Defaults
    /// to `None`, which means the `SECRET_KEY`.
    pub signing_key: Option<SecretKey>,
    /// The fingerprint of the site's `SIGNING_KEY`, if that is not the `SECRET_KEY`.
    pub(crate) signing_key_fingerprint: Option<Fingerprint>,
    /// `VERIFYING_KEY`, the public key of the other algorithms, in PEM (`BEGIN PUBLIC KEY`).
    pub verifying_key: String,
    /// `AUDIENCE`: `aud` must contain one of these. Defaults to `None`, which does not check it.
    pub audience: Option<Vec<String>>,
    /// `ISSUER`: `iss` must be one of these. Defaults to `None`, which does not check it.
    pub issuer: Option<Vec<String>>,
    /// `LEEWAY` in microseconds, for `exp`, `nbf` and `iat`. Defaults to 0.
    pub leeway_microseconds: i64,
    /// `JTI_CLAIM`, a claim that must be present. Defaults to `jti`; `None` requires no such claim.
    pub jti_claim: Option<String>,
    /// `TOKEN_TYPE_CLAIM`. Defaults to `token_type`. With `None`, a refresh token is accepted as an
    /// access token, as in SimpleJWT.
    pub token_type_claim: Option<String>,
    /// `AUTH_TOKEN_CLASSES`, in the same order. Defaults to `AccessToken`.
    pub auth_token_classes: Vec<TokenClass>,
    /// `USER_ID_CLAIM`. Defaults to `user_id`.
    pub user_id_claim: String,
    /// The column of `USER_ID_FIELD`. Defaults to `None`, the primary key.
    pub user_id_column: Option<String>,
    /// `AUTH_HEADER_TYPES`: the words before a token, compared exactly. Defaults to `Bearer`.
    pub auth_header_types: Vec<String>,
    /// `AUTH_HEADER_NAME`, by its HTTP name (`X-Access-Token`, not `HTTP_X_ACCESS_TOKEN`). Defaults to
    /// `Authorization`.
    pub auth_header_name: String,
    /// `CHECK_USER_IS_ACTIVE`. Defaults to `true`.
    pub check_user_is_active: bool,
    /// `REVOKE_TOKEN_CLAIM` if `CHECK_REVOKE_TOKEN` is on: the claim with the MD5 of the encoded
    /// password. Defaults to `None`, which does not check it.
    pub revoke_token_claim: Option<String>,
    /// Whether the error names an expired token as expired. Defaults to `true`; SimpleJWT before
    /// 5.5 says `invalid or expired` for all tokens.
    pub tells_expired: bool,
    /// `JWK_URL`, which is not supported: with one, no token can be verified here.
    pub jwk_url: bool,
}

/// One entry of `AUTH_TOKEN_CLASSES`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenClass {
    /// The name of the class: `AccessToken`.
    pub name: String,
    /// The required value of the `TOKEN_TYPE_CLAIM`: `access`.
    pub token_type: String,
    /// Whether it accepts tokens of every type, as `UntypedToken` does.
    pub any_type: bool,
}

impl TokenClass {
    /// Creates a class that accepts tokens of this type.
    pub fn new(name: impl Into<String>, token_type: impl Into<String>) -> Self {
        Self { name: name.into(), token_type: token_type.into(), any_type: false }
    }
}

impl Default for SimpleJwt {
    fn default() -> Self {
        Self {
            algorithm: "HS256".into(),
            signing_key: None,
            signing_key_fingerprint: None,
            verifying_key: String::new(),
            audience: None,
            issuer: None,
            leeway_microseconds: 0,
            jti_claim: Some("jti".into()),
            token_type_claim: Some("token_type".into()),
            auth_token_classes: vec![TokenClass::new("AccessToken", "access")],
            user_id_claim: "user_id".into(),
            user_id_column: None,
            auth_header_types: vec!["Bearer".into()],
            auth_header_name: "Authorization".into(),
            check_user_is_active: true,
            revoke_token_claim: None,
            tells_expired: true,
            jwk_url: false,
        }
    }
}
