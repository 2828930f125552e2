//! `JWTAuthentication` of `rest_framework_simplejwt`: a signed dictionary that names its user.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use md5::{Digest, Md5};

use super::{
    claims::{Claims, Fault, check, check_class},
    header::{AfterScheme, words},
    jws::{text, verified},
    keys::VerifyingKey,
    verified::Verified,
};
use crate::{
    crypto::constant_time_compare,
    error::{AuthenticationFailed, TokenMessage},
    settings::{DjangoSettings, SecretKey, SimpleJwt},
};

/// The rules for a token, and the tokens that were already verified.
pub(crate) struct Jwt {
    settings: SimpleJwt,
    key: VerifyingKey,
    verified: Verified,
}

impl Jwt {
    /// Reads the key from the settings. The error names the setting that is wrong.
    pub(crate) fn of(settings: &SimpleJwt, site: &DjangoSettings) -> Result<Self, String> {
        if settings.revoke_token_claim.is_some() && site.user_model.session_auth_hash.is_none() {
            return Err("CHECK_REVOKE_TOKEN needs a user model with a session auth hash: without \
                        one no password is read"
                .into());
        }
        Self::new(settings, site.secret_key.as_bytes())
    }

    fn new(settings: &SimpleJwt, secret_key: &[u8]) -> Result<Self, String> {
        if settings.jwk_url {
            return Err("JWK_URL is not supported: give the public key as VERIFYING_KEY".into());
        }
        let secret = settings.signing_key.as_ref().map_or(secret_key, SecretKey::as_bytes);
        if settings.signing_key_fingerprint.as_ref().is_some_and(|found| !found.fits(secret)) {
            return Err(match settings.signing_key {
                Some(_) => {
                    "SIGNING_KEY: this is not the key that the site had when its settings were \
                            exported"
                        .into()
                }
                None => "SIGNING_KEY differs from the SECRET_KEY: set it in \
                         `SimpleJwt::signing_key`"
                    .into(),
            });
        }
        let key = VerifyingKey::new(&settings.algorithm, secret, &settings.verifying_key)?;
        Ok(Self { settings: settings.clone(), key, verified: Verified::new() })
    }

    pub(crate) fn settings(&self) -> &SimpleJwt {
        &self.settings
    }

    /// Reads the token in a header.
    pub(crate) fn read<'a>(
        &self,
        header: &'a [u8],
    ) -> Result<Option<&'a [u8]>, AuthenticationFailed> {
        let mut words = words(header);
        let types = &self.settings.auth_header_types;
        // The bytes are Latin-1, as in Python. They are compared exactly, unlike those of other
        // schemes.
        let is_type = |word: &[u8]| {
            types.iter().any(|name| name.chars().eq(word.iter().copied().map(char::from)))
        };
        if !words.next().is_some_and(is_type) {
            return Ok(None);
        }
        match AfterScheme::of(words) {
            AfterScheme::One(token) => Ok(Some(token)),
            AfterScheme::Nothing | AfterScheme::Several => {
                Err(AuthenticationFailed::BadAuthorizationHeader)
            }
        }
    }

    /// Returns the claims of a token that is valid now.
    pub(crate) fn validated(
        &self,
        token: &[u8],
        now: SystemTime,
    ) -> Result<Arc<Claims>, AuthenticationFailed> {
        let digest = self.verified.digest(token);
        let known = self.verified.get(&digest);
        let is_known = known.is_some();
        let decoded =
            known.or_else(|| verified(token, &self.settings.algorithm, &self.key).map(Arc::new));
        let times = decoded
            .as_deref()
            .ok_or(Fault::Invalid)
            .and_then(|claims| check(&self.settings, claims, microseconds(now)));
        let mut messages = Vec::new();
        for class in &self.settings.auth_token_classes {
            let verdict = match (&decoded, times) {
                (Some(claims), Ok(())) => {
                    check_class(&self.settings, claims, class).map(|()| claims)
                }
                (_, Err(fault)) => Err(fault),
                (None, Ok(())) => Err(Fault::Invalid),
            };
            match verdict {
                Ok(claims) => {
                    if !is_known {
                        self.verified.remember(digest, claims, token.len());
                    }
                    return Ok(Arc::clone(claims));
                }
                Err(fault) => {
                    let message = fault.message(self.settings.tells_expired);
                    messages.push(TokenMessage::new(&class.name, &class.token_type, message));
                }
            }
        }
        if is_known {
            // The token has expired.
            self.verified.forget(&digest);
        }
        Err(AuthenticationFailed::TokenNotValid(messages))
    }

    /// The JSON of the claim that names the user.
    pub(crate) fn user_id<'a>(&self, claims: &'a Claims) -> Result<&'a str, AuthenticationFailed> {
        claims
            .get_json(&self.settings.user_id_claim)
            .ok_or(AuthenticationFailed::NoUserIdentification)
    }

    /// Checks a user who was found, by the encoded password and whether the account is active.
    pub(crate) fn check_user(
        &self,
        claims: &Claims,
        is_active: bool,
        password: &str,
    ) -> Result<(), AuthenticationFailed> {
        if self.settings.check_user_is_active && !is_active {
            return Err(AuthenticationFailed::UserInactive);
        }
        let Some(name) = &self.settings.revoke_token_claim else { return Ok(()) };
        let digest: String =
            Md5::digest(password).iter().map(|byte| format!("{byte:02X}")).collect();
        match text(claims, name).is_some_and(|claim| constant_time_compare(claim, digest)) {
            true => Ok(()),
            false => Err(AuthenticationFailed::PasswordChanged),
        }
    }
}

fn microseconds(now: SystemTime) -> i128 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_micros().try_into().unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::hmac;

    use super::{
        super::verified::{LONGEST_REMEMBERED, REMEMBERED_BYTES},
        *,
    };

    fn token(claims: &str) -> Vec<u8> {
        signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims)
    }

    fn signed(header: &str, claims: &str) -> Vec<u8> {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let signature = hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes()
    }

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    fn jwt() -> Jwt {
        Jwt::new(&SimpleJwt::default(), b"secret").unwrap()
    }

    fn message(jwt: &Jwt, token: &[u8], now: f64) -> Option<&'static str> {
        match jwt.validated(token, at(now)) {
            Ok(_) => None,
            Err(AuthenticationFailed::TokenNotValid(messages)) => Some(messages[0].message),
            Err(other) => panic!("{other}"),
        }
    }

    const GOOD: &str = r#"{"token_type":"access","exp":100,"jti":"a","user_id":"1"}"#;

    #[test]
    fn a_remembered_token_still_expires() {
        let (jwt, token) = (jwt(), token(GOOD));
        assert_eq!(message(&jwt, &token, 1.0), None);
        let digest = jwt.verified.digest(&token);
        assert!(jwt.verified.get(&digest).is_some());
        assert_eq!(message(&jwt, &token, 99.9), None);
        assert_eq!(message(&jwt, &token, 100.0), Some("Token is expired"));
        assert!(jwt.verified.get(&digest).is_none(), "it is not kept");
    }

    #[test]
    fn a_changed_token_is_not_taken_for_the_remembered_one() {
        let (jwt, token) = (jwt(), token(GOOD));
        assert_eq!(message(&jwt, &token, 1.0), None);
        for place in 0..token.len() {
            let mut other = token.clone();
            other[place] ^= 1;
            assert_eq!(message(&jwt, &other, 1.0), Some("Token is invalid"), "{place}");
        }
        for bad in [&b"=="[..], b" ", b".", b"A"] {
            let longer = [&token[..], bad].concat();
            assert_eq!(message(&jwt, &longer, 1.0), Some("Token is invalid"));
        }
        // With the right padding the token is valid, as in PyJWT, because its own signature is.
        let padded = [&token[..], b"="].concat();
        assert!(jwt.verified.get(&jwt.verified.digest(&padded)).is_none());
        assert_eq!(message(&jwt, &padded, 1.0), None);
    }

    #[test]
    fn the_memory_of_tokens_is_bounded() {
        let jwt = jwt();
        for number in 0..20_000 {
            let claims = format!(
                r#"{{"token_type":"access","exp":100,"jti":"{number}","user_id":"{number:0300}"}}"#
            );
            assert_eq!(message(&jwt, &token(&claims), 1.0), None);
        }
        let (tokens, bytes) = jwt.verified.size();
        assert!(bytes <= REMEMBERED_BYTES && tokens > 1_000, "{tokens} in {bytes}");
        let long = format!(
            r#"{{"token_type":"access","exp":100,"jti":"{}","user_id":"1"}}"#,
            "j".repeat(LONGEST_REMEMBERED)
        );
        assert_eq!(message(&jwt, &token(&long), 1.0), None);
        assert!(jwt.verified.get(&jwt.verified.digest(&token(&long))).is_none());
    }

    #[test]
    fn none_and_every_other_algorithm_than_that_of_the_settings_is_refused() {
        let jwt = jwt();
        for alg in ["none", "None", "NONE", "", "hs256", "HS384", "RS256", "HS256 "] {
            let token = signed(&format!(r#"{{"alg":"{alg}"}}"#), GOOD);
            assert_eq!(message(&jwt, &token, 1.0), Some("Token is invalid"), "{alg}");
            let cut = memchr::memrchr(b'.', &token).unwrap() + 1;
            assert_eq!(message(&jwt, &token[..cut], 1.0), Some("Token is invalid"), "{alg}");
        }
        for header in [r#"{"alg":null}"#, "{}", r#"{"alg":["HS256"]}"#, "[]", "1"] {
            assert_eq!(message(&jwt, &signed(header, GOOD), 1.0), Some("Token is invalid"));
        }
    }

    #[test]
    fn a_token_on_which_simplejwt_fails_is_refused() {
        for exp in [
            "\"2000\"",
            "1e400",
            "Infinity",
            "NaN",
            "null",
            "[]",
            "{}",
            "253402300800",
            "99999999999999999999999999999999999999999999999999",
        ] {
            let claims = GOOD.replace("100", exp);
            assert_eq!(message(&jwt(), &token(&claims), 1.0), Some("Token is invalid"), "{exp}");
        }
        assert_eq!(
            message(&jwt(), &token(&GOOD.replace("100", "\" 0_1 \"")), 1.0),
            Some("Token is expired")
        );
    }

    #[test]
    fn debug_output_has_no_key() {
        let settings = SimpleJwt { signing_key: Some("hush".into()), ..SimpleJwt::default() };
        assert!(!format!("{settings:?}").contains("hush"));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            cases: 2_000,
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            failure_persistence: None,
            ..Default::default()
        })]

        /// No signed text panics, and a valid token has an end in the future.
        #[test]
        fn a_valid_token_ends_in_the_future(
            header in "\\{\"alg\":\"HS256\"(,\"(kid|crit|b64)\":(1|\"k\"|true|\\[\"b64\"\\]))?\\}|\\PC{0,20}",
            exp in "-?[0-9]{0,20}(\\.[0-9]{1,3})?(e[0-9]{1,3})?|\"[ 0-9_]{0,5}\"|null|true|NaN",
            more in "(,\"[a-z]{1,5}\":(\"\\PC{0,5}\"|[0-9]{1,5}|\\[\\]))?",
        ) {
            let claims = format!(
                r#"{{"exp":{exp},"token_type":"access","jti":"a","user_id":"1"{more}}}"#
            );
            let (jwt, token) = (jwt(), signed(&header, &claims));
            if let Ok(claims) = jwt.validated(&token, at(1_000.0)) {
                let exp: f64 = claims.get("exp").unwrap().unwrap();
                proptest::prop_assert!(exp >= 1_001.0, "{exp}");
                proptest::prop_assert!(jwt.validated(&token, at(exp + 1.0)).is_err());
            }
        }

        /// No header panics, and no token is valid without a signature.
        #[test]
        fn a_token_without_a_signature_is_never_valid(header in proptest::collection::vec(0_u8.., 0..80)) {
            let with_scheme = |scheme: &str| [scheme.as_bytes(), b" ", &header].concat();
            for header in [header.clone(), with_scheme("Bearer"), with_scheme("Basic"), with_scheme("Token")] {
                let _ = crate::rest::Credentials::read(&header);
                let _ = crate::rest::read_token("Token", &header);
                if let Ok(Some(token)) = jwt().read(&header) {
                    proptest::prop_assert!(jwt().validated(token, at(0.0)).is_err());
                }
            }
        }
    }
}
