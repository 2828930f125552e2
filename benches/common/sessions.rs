//! Sessions as Django sites have them.

use actix_django_session::signing::{Algorithm, SaltedHmac};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use super::SECRET_KEY;

/// `get_session_auth_hash` of Django's users.
pub(crate) fn session_auth_hash_maker() -> SaltedHmac {
    let salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    SaltedHmac::new(salt, SECRET_KEY, Algorithm::Sha256)
}

/// An access token of SimpleJWT, which has no end in sight.
pub(crate) fn jwt(user_id: usize) -> String {
    let jti = format!("{:032x}", user_id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let claims = format!(
        r#"{{"token_type":"access","exp":99999999999,"iat":1700000000,"jti":"{jti}","user_id":"{user_id}"}}"#
    );
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET_KEY.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A typical session, some 300 bytes of JSON: a cart, a language, and who is logged in.
pub(crate) fn typical(user_id: usize, hash: &str) -> String {
    let (sku, quantity) = (10_000 + user_id * 7919 % 90_000, user_id % 3 + 1);
    format!(
        r#"{{"_language":"en-gb","cart":{{"{sku}":{{"quantity":{quantity},"price":"12.90"}}}},{}}}"#,
        login(user_id, hash)
    )
}

/// A session of about this many bytes of JSON, whose cart was filled before the login.
pub(crate) fn of_size(size: usize, user_id: usize, hash: &str) -> String {
    if size < 200 {
        let backend = "django.contrib.auth.backends.ModelBackend";
        return format!(r#"{{"_auth_user_id":"{user_id}","_auth_user_backend":"{backend}"}}"#);
    }
    if size < 500 {
        return typical(user_id, hash);
    }
    let login = login(user_id, hash);
    let mut json = String::from(r#"{"_language":"en-gb","cart":["#);
    let mut number = user_id;
    while json.len() + login.len() + 3 < size {
        number = (number * 7919 + 104_729) % 1_000_003;
        if !json.ends_with('[') {
            json.push(',');
        }
        json += &format!(
            r#"{{"sku":"A-{number:06}","quantity":{},"price":"{}.{:02}","name":"Chair no. {}","gift":{}}}"#,
            number % 9 + 1,
            number % 500,
            number % 100,
            number % 1009,
            number.is_multiple_of(5),
        );
    }
    format!("{json}],{login}}}")
}

/// What `login()` of `django.contrib.auth` puts into a session.
fn login(user_id: usize, hash: &str) -> String {
    format!(
        r#""_auth_user_id":"{user_id}","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"{hash}""#
    )
}
