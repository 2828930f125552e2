//! The users, tokens and sessions of the vectors, in a database.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use actix_django_session::{
    AuthenticationClass, DjangoSettings, DjangoSite, PasswordHasher, RestAuthentication,
    RestFramework, SessionData, SessionSigner, SimpleJwt, TokenAuthentication, TokenClass,
};
use deadpool_postgres::{Config, Pool, Runtime};
use serde_json::Value;
use testbed::{Django, Postgres, Settings, TestDatabase, With};
use tokio_postgres::NoTls;

const TOKENS: &str = "rest_framework_simplejwt.tokens.";

pub(super) struct World {
    line: Value,
    pool: Pool,
    /// By their settings: a site makes connections of its own.
    sites: RefCell<HashMap<(String, bool), DjangoSite>>,
    _database: TestDatabase,
}

impl World {
    pub(super) async fn new(line: &Value) -> Self {
        let postgres = Postgres::shared().await.unwrap();
        let database =
            postgres.django_database(Django::default(), &Settings::default()).await.unwrap();
        let url = Some(database.url().to_owned());
        let config = Config { url, ..Config::default() };
        let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
        let sites = RefCell::default();
        let this = Self { line: line.clone(), pool, sites, _database: database };
        this.fill().await;
        this
    }

    fn secret_key(&self) -> &str {
        self.line["secret_key"].as_str().unwrap()
    }

    async fn fill(&self) {
        let client = self.pool.get().await.unwrap();
        client
            .batch_execute(
                "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, \
                 created timestamptz NOT NULL DEFAULT now(), \
                 user_id integer NOT NULL UNIQUE REFERENCES auth_user (id))",
            )
            .await
            .unwrap();
        for user in self.line["users"].as_array().unwrap() {
            let text = |name: &str| user[name].as_str().unwrap();
            let flag = |name: &str| user[name].as_bool().unwrap();
            let id = i32::try_from(user["id"].as_i64().unwrap()).unwrap();
            let sql = "INSERT INTO auth_user (id, username, password, is_active, is_staff, \
                       is_superuser, first_name, last_name, email, date_joined) \
                       VALUES ($1, $2, $3, $4, $5, $6, '', '', '', now())";
            client
                .execute(
                    sql,
                    &[
                        &id,
                        &text("username"),
                        &text("password"),
                        &flag("is_active"),
                        &flag("is_staff"),
                        &flag("is_superuser"),
                    ],
                )
                .await
                .unwrap();
        }
        for token in self.line["tokens"].as_array().unwrap() {
            let id = i32::try_from(token["user"].as_i64().unwrap()).unwrap();
            let sql = "INSERT INTO authtoken_token (key, user_id) VALUES ($1, $2)";
            client.execute(sql, &[&token["key"].as_str().unwrap(), &id]).await.unwrap();
        }
        let settings = DjangoSettings::new(self.secret_key());
        let signer = SessionSigner::new(&settings).unwrap();
        let end = SystemTime::now() + Duration::from_secs(1_000_000);
        for session in self.line["sessions"].as_array().unwrap() {
            let mut data = session["data"].clone();
            if data["_auth_user_hash"] == "<hash>" {
                let id = data["_auth_user_id"].as_str().unwrap();
                let users = self.line["users"].as_array().unwrap().iter();
                let mut users = users.filter(|user| user["id"].as_i64() == id.parse().ok());
                let password = users.next().unwrap()["password"].as_str().unwrap();
                let salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
                let mac = actix_django_session::signing::salted_hmac(
                    salt,
                    password,
                    self.secret_key(),
                    actix_django_session::signing::Algorithm::Sha256,
                );
                let bytes: &[u8] = mac.as_ref();
                let hash: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                data["_auth_user_hash"] = hash.into();
            }
            let data = SessionData::from_object(&data).unwrap().encode(&signer);
            let sql = "INSERT INTO django_session VALUES ($1, $2, $3)";
            let key = session["key"].as_str().unwrap();
            client.execute(sql, &[&key, &data, &end]).await.unwrap();
        }
    }

    /// Undoes the change of the one password that a login encodes again.
    pub(super) async fn reset(&self) {
        let users = self.line["users"].as_array().unwrap();
        let gina = users.iter().find(|user| user["id"] == 17).unwrap();
        let client = self.pool.get().await.unwrap();
        let sql = "UPDATE auth_user SET password = $1 WHERE id = 17 AND password <> $1";
        client.execute(sql, &[&gina["password"].as_str().unwrap()]).await.unwrap();
    }

    /// The site of a vector. Older packages never name a token as expired.
    pub(super) fn site(&self, vector: &Value, is_of_older: bool) -> DjangoSite {
        let given = &vector["settings"];
        let mut sites = self.sites.borrow_mut();
        let site = sites.entry((given.to_string(), is_of_older));
        site.or_insert_with(|| self.new_site(given, is_of_older)).clone()
    }

    fn new_site(&self, given: &Value, is_of_older: bool) -> DjangoSite {
        let mut settings = DjangoSettings::new(self.secret_key());
        settings.allowed_hosts = vec!["*".into()];
        settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations: 1_000 }]);
        settings.secure_proxy_ssl_header = Some(("X-Forwarded-Proto".into(), "https".into()));
        settings.csrf_use_sessions = given["CSRF_USE_SESSIONS"] == true;
        if let Some(name) = given["CSRF_HEADER_NAME"].as_str() {
            let name = name.strip_prefix("HTTP_").unwrap().replace('_', "-");
            settings.csrf_header_name = name;
        }
        if let Some(name) = given["CSRF_COOKIE_NAME"].as_str() {
            settings.csrf_cookie_name = name.into();
        }
        if let Some(backends) = given["AUTHENTICATION_BACKENDS"].as_array() {
            let paths = backends.iter().map(|path| path.as_str().unwrap());
            settings.authentication_backends = paths.map(Into::into).collect();
        }
        if let Some(origins) = given["CSRF_TRUSTED_ORIGINS"].as_array() {
            let origins = origins.iter().map(|origin| origin.as_str().unwrap());
            settings.csrf_trusted_origins = origins.map(Into::into).collect();
        }
        let mut rest = RestFramework::default();
        let classes = given["REST_FRAMEWORK"]["DEFAULT_AUTHENTICATION_CLASSES"].as_array().unwrap();
        let class = |path: &Value| {
            let path = path.as_str().unwrap();
            authentication(path.rsplit('.').next().unwrap(), &given["SIMPLE_JWT"], is_of_older)
        };
        rest.default_authentication_classes = classes.iter().map(class).collect();
        DjangoSite::new(self.pool.clone(), settings.with(|s| s.rest_framework = rest)).unwrap()
    }
}

fn authentication(class: &str, simple_jwt: &Value, is_of_older: bool) -> RestAuthentication {
    let with_challenge = |mut class: RestAuthentication, challenge: Option<&str>| {
        class.www_authenticate = challenge.map(Into::into);
        class
    };
    let with_keyword = |keyword: &str| {
        let mut token = TokenAuthentication::default();
        token.keyword = keyword.into();
        let mut class = with_challenge(RestAuthentication::token(), Some(keyword));
        class.class = AuthenticationClass::Token(token);
        class
    };
    let basic = RestAuthentication::basic;
    match class {
        "SessionAuthentication" => RestAuthentication::session(),
        "BasicAuthentication" => basic(),
        "RealmBasic" => with_challenge(basic(), Some("Basic realm=\"staff area\"")),
        "QuietBasic" => with_challenge(basic(), None),
        "TokenAuthentication" => RestAuthentication::token(),
        "QuietToken" => with_challenge(RestAuthentication::token(), Some("")),
        "BearerToken" => with_keyword("Bearer"),
        "MixedToken" => with_keyword("ApiKey"),
        "JWTAuthentication" => RestAuthentication::jwt(jwt(simple_jwt, is_of_older)),
        "RealmJWT" => {
            let class = RestAuthentication::jwt(jwt(simple_jwt, is_of_older));
            with_challenge(class, Some("Bearer realm=\"shop\""))
        }
        other => panic!("{other}"),
    }
}

fn jwt(given: &Value, is_of_older: bool) -> SimpleJwt {
    let mut jwt = SimpleJwt::default();
    jwt.tells_expired = !is_of_older;
    let texts = |value: &Value| -> Option<Vec<String>> {
        match value {
            Value::Null => None,
            Value::String(one) => Some(vec![one.clone()]),
            many => serde_json::from_value(many.clone()).unwrap(),
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (name, value) in given.as_object().into_iter().flatten() {
        match name.as_str() {
            "ALGORITHM" => jwt.algorithm = text(value),
            "SIGNING_KEY" => jwt.signing_key = value.as_str().map(Into::into),
            "VERIFYING_KEY" => jwt.verifying_key = text(value),
            "AUDIENCE" => jwt.audience = texts(value),
            "ISSUER" => jwt.issuer = texts(value),
            "LEEWAY" => jwt.leeway_microseconds = leeway(value),
            "JTI_CLAIM" => jwt.jti_claim = value.as_str().map(Into::into),
            "TOKEN_TYPE_CLAIM" => jwt.token_type_claim = value.as_str().map(Into::into),
            "USER_ID_CLAIM" => jwt.user_id_claim = text(value),
            "USER_ID_FIELD" => {
                jwt.user_id_column = value.as_str().filter(|name| *name != "pk").map(Into::into);
            }
            "AUTH_HEADER_TYPES" => jwt.auth_header_types = texts(value).unwrap(),
            "AUTH_HEADER_NAME" => {
                jwt.auth_header_name = text(value).trim_start_matches("HTTP_").replace('_', "-");
            }
            "CHECK_USER_IS_ACTIVE" => jwt.check_user_is_active = value != false,
            "CHECK_REVOKE_TOKEN" => {
                jwt.revoke_token_claim = (value == true).then(|| "hash_password".into());
            }
            "AUTH_TOKEN_CLASSES" => {
                let class = |path: &String| match path.strip_prefix(TOKENS).unwrap_or(path) {
                    "AccessToken" => TokenClass::new("AccessToken", "access"),
                    "SlidingToken" => TokenClass::new("SlidingToken", "sliding"),
                    "UntypedToken" => TokenClass::new("UntypedToken", "untyped")
                        .with(|class| class.any_type = true),
                    "site_auth.OtherToken" => TokenClass::new("OtherToken", "other"),
                    other => panic!("{other}"),
                };
                jwt.auth_token_classes = texts(value).unwrap().iter().map(class).collect();
            }
            // Not a setting of SimpleJWT, or a setting of another class.
            "NO_SUCH" | "TOKEN_USER_CLASS" => {}
            other => panic!("{other}"),
        }
    }
    jwt
}

fn leeway(value: &Value) -> i64 {
    let seconds = match value {
        Value::Bool(one) => f64::from(u8::from(*one)),
        Value::Object(delta) => delta["timedelta"].as_f64().unwrap(),
        other => other.as_f64().unwrap_or_default(),
    };
    (seconds * 1e6) as i64
}
