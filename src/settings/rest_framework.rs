//! `REST_FRAMEWORK` and `SIMPLE_JWT`: how the site's API recognises its clients.

use super::{SecretKey, TableName, fingerprint::Fingerprint};

/// How the views of the REST framework recognise who asks.
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

/// One of the `authentication_classes` of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestAuthentication {
    /// What it looks at.
    pub class: AuthenticationClass,
    /// What its `authenticate_header` answers: with it, the first of the classes makes a 401 of what
    /// is a 403 otherwise.
    pub www_authenticate: Option<String>,
}

/// What an authentication class of the REST framework looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationClass {
    /// `SessionAuthentication`: Django's session. Checks CSRF tokens of whoever it recognises.
    Session,
    /// `BasicAuthentication`: name and password.
    Basic,
    /// `TokenAuthentication`, or a subclass that changes no more than its keyword and its model.
    Token(TokenAuthentication),
    /// `JWTAuthentication` of `rest_framework_simplejwt`.
    Jwt(Box<SimpleJwt>),
    /// A class of the site's own, by its dotted path, which is not known here:
    /// [`authenticator`](crate::DjangoSessionMiddleware::authenticator) of a middleware says what it does.
    Other(String),
}

impl RestAuthentication {
    /// `rest_framework.authentication.SessionAuthentication`.
    pub fn session() -> Self {
        Self { class: AuthenticationClass::Session, www_authenticate: None }
    }

    /// `rest_framework.authentication.BasicAuthentication`.
    pub fn basic() -> Self {
        Self::new(AuthenticationClass::Basic, "Basic realm=\"api\"")
    }

    /// `rest_framework.authentication.TokenAuthentication`.
    pub fn token() -> Self {
        Self::new(AuthenticationClass::Token(TokenAuthentication::default()), "Token")
    }

    /// `rest_framework_simplejwt.authentication.JWTAuthentication` with these settings.
    pub fn jwt(settings: SimpleJwt) -> Self {
        let scheme = settings.auth_header_types.first().map_or("", String::as_str);
        let challenge = format!("{scheme} realm=\"api\"");
        Self::new(AuthenticationClass::Jwt(Box::new(settings)), &challenge)
    }

    /// A class of the site's own, by its dotted path, and what its `authenticate_header` answers.
    pub fn other(path: impl Into<String>, www_authenticate: Option<&str>) -> Self {
        let www_authenticate = www_authenticate.map(Into::into);
        Self { class: AuthenticationClass::Other(path.into()), www_authenticate }
    }

    fn new(class: AuthenticationClass, www_authenticate: &str) -> Self {
        Self { class, www_authenticate: Some(www_authenticate.into()) }
    }
}

/// A class that derives from `TokenAuthentication`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenAuthentication {
    /// The word in front of the token: `Token`, in any case of its letters.
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

/// `SIMPLE_JWT`: what an access token has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimpleJwt {
    /// `ALGORITHM`, the only one that a token may name: `HS256`, `HS384`, `HS512`, `RS..`, `PS..`,
    /// `ES256`, `ES384` or `EdDSA` (Ed25519). Defaults to `HS256`.
    pub algorithm: String,
    /// `SIGNING_KEY`, for the algorithms `HS..`: a secret, which is in no exported file. Defaults to
    /// `None`, the `SECRET_KEY`.
    pub signing_key: Option<SecretKey>,
    /// That of the site's, if it is another key than the `SECRET_KEY`.
    pub(crate) signing_key_fingerprint: Option<Fingerprint>,
    /// `VERIFYING_KEY`, for all others: the public key in PEM (`BEGIN PUBLIC KEY`).
    pub verifying_key: String,
    /// `AUDIENCE`: one of these has to be in `aud`. Defaults to `None`, which does not look at it.
    pub audience: Option<Vec<String>>,
    /// `ISSUER`: `iss` has to be one of these. Defaults to `None`, which does not look at it.
    pub issuer: Option<Vec<String>>,
    /// `LEEWAY` in microseconds, for `exp`, `nbf` and `iat`. Defaults to none.
    pub leeway_microseconds: i64,
    /// `JTI_CLAIM`, which has to be there. Defaults to `jti`; `None` asks for none.
    pub jti_claim: Option<String>,
    /// `TOKEN_TYPE_CLAIM`. Defaults to `token_type`. With `None`, as in SimpleJWT, a refresh token passes
    /// for an access token.
    pub token_type_claim: Option<String>,
    /// `AUTH_TOKEN_CLASSES`, in their order. Defaults to `AccessToken`.
    pub auth_token_classes: Vec<TokenClass>,
    /// `USER_ID_CLAIM`. Defaults to `user_id`.
    pub user_id_claim: String,
    /// The column of `USER_ID_FIELD`. Defaults to `None`, the primary key.
    pub user_id_column: Option<String>,
    /// `AUTH_HEADER_TYPES`: the words in front of a token, exactly. Defaults to `Bearer`.
    pub auth_header_types: Vec<String>,
    /// `AUTH_HEADER_NAME`, by its HTTP name (`X-Access-Token`, not `HTTP_X_ACCESS_TOKEN`). Defaults to
    /// `Authorization`.
    pub auth_header_name: String,
    /// `CHECK_USER_IS_ACTIVE`. Defaults to `true`.
    pub check_user_is_active: bool,
    /// `REVOKE_TOKEN_CLAIM` where `CHECK_REVOKE_TOKEN` is on: the claim with the MD5 of the encoded
    /// password. Defaults to `None`, which does not look at it.
    pub revoke_token_claim: Option<String>,
    /// Whether a token that has expired is said to be so. Defaults to `true`; SimpleJWT before 5.5 says
    /// of all alike that they are `invalid or expired`.
    pub tells_expired: bool,
    /// `JWK_URL`, which is not supported: with one, no token can be checked here.
    pub jwk_url: bool,
}

/// One of the `AUTH_TOKEN_CLASSES`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenClass {
    /// Its name: `AccessToken`.
    pub name: String,
    /// What has to be in the `TOKEN_TYPE_CLAIM`: `access`.
    pub token_type: String,
    /// Whether it takes tokens of every type, as `UntypedToken`.
    pub any_type: bool,
}

impl TokenClass {
    /// A class that takes tokens of this type.
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
