//! Random settings of a site and random requests to it.

use actix_django_session::{AuthenticationClass, RestFramework};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testbed::Rng;

use super::bed::{Bed, CSRF, PASSWORD, TOKENS};

const AUTHENTICATION: &str = "rest_framework.authentication";
const JWT: &str = "rest_framework_simplejwt.authentication.JWTAuthentication";
const OTHER_KEY: &str = "a signing key of its own, that is no SECRET_KEY";

/// The values of `REST_FRAMEWORK` and `SIMPLE_JWT`.
#[derive(Debug)]
pub(crate) struct RestSite {
    pub(crate) rest_framework: Value,
    pub(crate) simple_jwt: Value,
    /// The name or text of the key that tokens of the site are signed with.
    key: String,
}

impl RestSite {
    fn algorithm(&self) -> &str {
        self.simple_jwt["ALGORITHM"].as_str().unwrap_or("HS256")
    }

    fn text<'a>(&'a self, setting: &str, default: &'a str) -> Option<&'a str> {
        match self.simple_jwt.get(setting) {
            None => Some(default),
            Some(value) => value.as_str(),
        }
    }

    pub(crate) fn hand_over_signing_key(&self, rest: &mut RestFramework) {
        for each in &mut rest.default_authentication_classes {
            if let AuthenticationClass::Jwt(jwt) = &mut each.class
                && self.key == OTHER_KEY
            {
                jwt.signing_key = Some(OTHER_KEY.into());
            }
        }
    }
}

pub(crate) fn random_site(rng: &mut Rng, algorithms: &[(&str, &str)]) -> RestSite {
    let basic = format!("{AUTHENTICATION}.BasicAuthentication");
    let session = format!("{AUTHENTICATION}.SessionAuthentication");
    let token = format!("{AUTHENTICATION}.TokenAuthentication");
    let classes = [
        &*session,
        &*session,
        &*basic,
        "rest.RealmBasic",
        "rest.QuietBasic",
        &*token,
        "rest.BearerToken",
        JWT,
        JWT,
        JWT,
        JWT,
    ];
    let count = [0, 1, 1, 2, 2, 2, 3, 3, 4][rng.below(9)];
    let mut listed: Vec<&str> = Vec::new();
    for _ in 0..count {
        let class = rng.pick(&classes);
        if !listed.contains(&class) {
            listed.push(class);
        }
    }
    let mut jwt = json!({});
    let mut set = |rng: &mut Rng, name: &str, values: &[Value]| {
        if once_in(rng, 4) {
            jwt[name] = values[rng.below(values.len())].clone();
        }
    };
    set(rng, "AUDIENCE", &[json!(null), json!("shop"), json!(["shop", "app"]), json!("")]);
    set(rng, "ISSUER", &[json!(null), json!("login"), json!(["login", "sso"]), json!("")]);
    set(
        rng,
        "LEEWAY",
        &[json!(0), json!(2000), json!(30.5), json!(null), json!(-500), json!(true)],
    );
    set(rng, "JTI_CLAIM", &[json!(null), json!("jti"), json!("id")]);
    set(rng, "TOKEN_TYPE_CLAIM", &[json!(null), json!("type")]);
    set(rng, "USER_ID_CLAIM", &[json!("sub"), json!("uid")]);
    set(rng, "USER_ID_FIELD", &[json!("username"), json!("email"), json!("id")]);
    let types =
        [json!("Bearer"), json!(["JWT"]), json!(["Bearer", "Token"]), json!(["be arer", "x"])];
    set(rng, "AUTH_HEADER_TYPES", &types);
    set(rng, "AUTH_HEADER_NAME", &[json!("HTTP_X_ACCESS_TOKEN"), json!("HTTP_AUTHORIZATION")]);
    set(rng, "CHECK_USER_IS_ACTIVE", &[json!(false), json!(true)]);
    set(rng, "CHECK_REVOKE_TOKEN", &[json!(true), json!(true), json!(false)]);
    set(rng, "REVOKE_TOKEN_CLAIM", &[json!("hash_password"), json!("rev")]);
    let tokens = "rest_framework_simplejwt.tokens";
    let of_type = [
        json!([format!("{tokens}.UntypedToken")]),
        json!(["rest.ShopToken", format!("{tokens}.AccessToken")]),
        json!([format!("{tokens}.SlidingToken")]),
        json!([]),
    ];
    set(rng, "AUTH_TOKEN_CLASSES", &of_type);
    let mut key = testbed::Settings::SECRET_KEY.to_owned();
    match rng.below(12) {
        0 | 1 => jwt["ALGORITHM"] = json!(rng.pick(&["HS384", "HS512"])),
        2 => {
            key = OTHER_KEY.into();
            jwt["SIGNING_KEY"] = json!(key);
        }
        3..=7 => {
            let (algorithm, name) = algorithms[rng.below(algorithms.len())];
            jwt["ALGORITHM"] = json!(algorithm);
            jwt["VERIFYING_KEY"] = json!(name);
            key = name.into();
        }
        _ => {}
    }
    let rest_framework = json!({ "DEFAULT_AUTHENTICATION_CLASSES": listed });
    RestSite { rest_framework, simple_jwt: jwt, key }
}

pub(crate) fn random_request(rng: &mut Rng, bed: &Bed, site: &RestSite) -> Value {
    let method =
        rng.pick(&["GET", "GET", "GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PURGE"]);
    let view = rng.pick(&["me", "me", "me", "open", "staff", "read"]);
    let mut headers = Vec::<(String, String)>::new();
    let mut jwt = Value::Null;
    for _ in 0..[1, 1, 1, 1, 0, 2][rng.below(6)] {
        let name = rng.pick(&["Authorization", "Authorization", "authorization", "X-Access-Token"]);
        let is_jwt = site.rest_framework.to_string().contains("JWT") && !once_in(rng, 4);
        let value = match (is_jwt, rng.below(2)) {
            (true, _) => {
                jwt = random_jwt(rng, bed, site);
                let name = site.text("AUTH_HEADER_NAME", "HTTP_AUTHORIZATION").unwrap();
                let own = if name.ends_with("TOKEN") { "X-Access-Token" } else { "Authorization" };
                headers.push((own.into(), in_scheme(rng, site, "JWT")));
                continue;
            }
            (_, 0) => basic(rng),
            _ => token(rng),
        };
        headers.push((name.into(), value));
    }
    let mut cookies = Vec::new();
    if once_in(rng, 2) {
        let session = &bed.sessions[[0, 0, 0, 1, 2, 3][rng.below(6)]];
        let session = if once_in(rng, 10) { "unknown00" } else { session };
        cookies.push(format!("sessionid={session}"));
    }
    if !once_in(rng, 3) {
        cookies.push(format!("csrftoken={}", if once_in(rng, 8) { "short" } else { CSRF }));
    }
    if !cookies.is_empty() {
        headers.push(("Cookie".into(), cookies.join("; ")));
    }
    if !once_in(rng, 3) {
        let token = rng.pick(&[CSRF, CSRF, CSRF, "short", "zJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR"]);
        headers.push(("X-CSRFToken".into(), token.into()));
    }
    if once_in(rng, 8) {
        let origin = rng.pick(&["http://example.com", "https://evil.example", "null"]);
        headers.push(("Origin".into(), origin.into()));
    }
    headers.push(("Host".into(), "example.com".into()));
    json!({ "method": method, "view": view, "headers": headers, "jwt": jwt })
}

/// True once in so many calls.
fn once_in(rng: &mut Rng, times: usize) -> bool {
    rng.below(times) == 0
}

/// Text as its UTF-8 bytes, one character for each byte.
fn latin1(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

fn basic(rng: &mut Rng) -> String {
    let (name, password) = match rng.below(9) {
        0..=3 => ("ada", PASSWORD),
        4 => ("staff", "st\u{e4}ff: y"),
        5 => ("idle", PASSWORD),
        6 => ("ada", "wrong"),
        7 => ("unknown", PASSWORD),
        _ => ("Ada", ""),
    };
    let text = match rng.below(10) {
        0 => name.to_owned(),
        _ => format!("{name}:{password}"),
    };
    let bytes = match once_in(rng, 4) {
        true => text.chars().map(|c| u8::try_from(c).unwrap()).collect(),
        false => text.into_bytes(),
    };
    let code = STANDARD.encode(bytes);
    let code = match rng.below(10) {
        0 => code.trim_end_matches('=').to_owned(),
        1 => format!("{code}=="),
        2 => format!("{}-!{}", &code[..3], &code[3..]),
        3 => format!("{} {}", &code[..3], &code[3..]),
        4 => "%%%".into(),
        5 => String::new(),
        6 => format!("{code}\u{e9}"),
        _ => code,
    };
    let scheme = rng.pick(&["Basic", "Basic", "Basic", "basic", "BASIC", "Basic:", "Basi"]);
    let blank = rng.pick(&[" ", " ", "  ", "\t"]);
    format!("{scheme}{blank}{code}")
}

fn token(rng: &mut Rng) -> String {
    let (key, _) = TOKENS[[0, 0, 0, 1, 2, 3][rng.below(6)]];
    let key = match rng.below(10) {
        0 => key.to_uppercase(),
        1 => format!("{key} x"),
        2 => String::new(),
        3 => format!("{key},"),
        4 => "\u{e9}".into(),
        5 => "x".repeat(5000),
        6 => format!("'{key}'"),
        _ => latin1(key),
    };
    // A header cannot have a character beyond Latin-1.
    let key: String = key.chars().filter(|c| u32::from(*c) < 256).collect();
    let scheme = rng.pick(&["Token", "Token", "token", "Bearer", "bearer", "Token=", "T\u{f6}ken"]);
    format!("{scheme} {key}")
}

fn in_scheme(rng: &mut Rng, site: &RestSite, token: &str) -> String {
    let own = match &site.simple_jwt["AUTH_HEADER_TYPES"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names[rng.below(names.len())].as_str().unwrap().to_owned(),
        _ => "Bearer".into(),
    };
    match rng.below(16) {
        0 => format!("{} {token}", own.to_lowercase()),
        1 => own,
        2 => format!("{own} {token} x"),
        3 => format!("  {own}\t{token} "),
        4 => format!("Token {token}"),
        _ => format!("{own} {token}"),
    }
}

/// The values of which a token is made.
fn random_jwt(rng: &mut Rng, bed: &Bed, site: &RestSite) -> Value {
    let mut claims = Vec::<(String, String)>::new();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let times = [
        "PAST",
        "SOON",
        "SOON.5",
        "PAST.5",
        "\"PAST\"",
        "\"SOON\"",
        "1e400",
        "NaN",
        "Infinity",
        "null",
        "[]",
        "{}",
        "true",
        "false",
        "-1",
        "0",
        "253402300800",
        "9223372036854775808",
        "\"\"",
        "\" PAST\\n\"",
        "\"soon\"",
        "1e300",
        "-0.0",
        "\"1.5\"",
    ];
    // Half of them are as the site itself would issue them, except for the user.
    let odd = once_in(rng, 2);
    let any = |rng: &mut Rng, good: &str, all: &[&str]| -> Option<String> {
        match odd {
            false => Some(good.to_owned()),
            true if once_in(rng, 10) => None,
            true if once_in(rng, 2) => Some(good.to_owned()),
            true => Some(rng.pick(all).to_owned()),
        }
    };
    let mut put = |name: &str, json: Option<String>| {
        json.into_iter().for_each(|json| claims.push((name.into(), json)));
    };
    put("exp", any(rng, "SOON", &times));
    for claim in ["iat", "nbf"] {
        put(claim, any(rng, "PAST", &times));
    }
    let jti = site.text("JTI_CLAIM", "jti").unwrap_or("jti");
    put(jti, any(rng, "\"j1\"", &["\"\"", "1", "null"]));
    let name = site.text("TOKEN_TYPE_CLAIM", "token_type").unwrap_or("token_type");
    let kinds = ["\"refresh\"", "\"shop\"", "\"sliding\"", "null", "\"Access\""];
    let classes = site.simple_jwt["AUTH_TOKEN_CLASSES"].to_string();
    let kind = if classes.contains("Sliding") { "\"sliding\"" } else { "\"access\"" };
    put(name, any(rng, kind, &kinds));
    if !odd || !once_in(rng, 12) {
        let name = site.text("USER_ID_CLAIM", "user_id").unwrap();
        let ids = match site.text("USER_ID_FIELD", "id").unwrap() {
            "username" => {
                vec!["\"ada\"", "\"ada\"", "\"Ada\"", "\"idle\"", "5", "null", "\"\"", "true"]
            }
            "email" => {
                vec!["\"ada@example.com\"", "\"ada@example.com\"", "\"twice\"", "\"x\"", "\"\""]
            }
            _ => vec![
                "\"1\"",
                "1",
                "\"1\"",
                "1",
                "\"1\"",
                "\"2\"",
                "\"3\"",
                "\"3\"",
                "\"4\"",
                "4",
                "\"99\"",
                "1.9",
                "1.0",
                "true",
                "false",
                "null",
                "\" 1\\n\"",
                "\"+1\"",
                "\"0001\"",
                "\"1.0\"",
                "\"\"",
                "\"abc\"",
                "[]",
                "{}",
                "1e400",
                "\"\u{ff11}\"",
                "99999999999",
                "9223372036854775808",
                "-1",
            ],
        };
        put(name, Some(rng.pick(&ids).into()));
    }
    let audiences = ["[\"x\",\"app\"]", "[]", "\"\"", "[\"shop\",1]", "{}", "null", "[\"\"]"];
    put("aud", any(rng, "\"shop\"", &audiences));
    put("iss", any(rng, "\"login\"", &["\"sso\"", "\"\"", "null", "[\"login\"]"]));
    if odd && once_in(rng, 5) {
        put("sub", Some(rng.pick(&["\"x\"", "1", "null"]).into()));
    }
    let revoke = site.text("REVOKE_TOKEN_CLAIM", "hash_password").unwrap();
    if !once_in(rng, 6) {
        let hash = quoted(&bed.revoke_claim);
        put(
            revoke,
            Some(match rng.below(6) {
                0 => hash.to_lowercase(),
                1 => "null".into(),
                _ => hash,
            }),
        );
    }
    // In any order.
    for at in (1..claims.len()).rev() {
        claims.swap(at, rng.below(at + 1));
    }
    let members: Vec<_> =
        claims.iter().map(|(name, json)| format!("{}:{json}", quoted(name))).collect();
    let mut claims = format!("{{{}}}", members.join(","));
    match rng.below(if odd { 40 } else { 1_000 }) {
        0 => claims = "[]".into(),
        1 => claims = "{".into(),
        2 => claims = format!("\u{feff}{claims}"),
        3 => claims.insert_str(1, "\"exp\":1,"),
        _ => {}
    }
    let algorithm = site.algorithm();
    let header = match rng.below(if odd { 20 } else { 500 }) {
        0 => json!({ "alg": "none" }),
        1 => json!({ "alg": algorithm.to_lowercase() }),
        2 => json!({ "typ": "JWT" }),
        3 => json!({ "alg": algorithm, "kid": 1 }),
        4 => json!({ "alg": algorithm, "kid": "k", "jku": "http://127.0.0.1/" }),
        5 => json!({ "alg": algorithm, "crit": ["exp"], "exp": 1 }),
        6 => json!({ "alg": algorithm, "crit": ["b64"], "b64": true }),
        7 => json!({ "alg": algorithm, "b64": false }),
        8 => json!({ "alg": [algorithm] }),
        9 => json!([algorithm]),
        _ => json!({ "alg": algorithm, "typ": "JWT" }),
    };
    let (mut algorithm, mut key) = (algorithm, site.key.as_str());
    let mut header = header.to_string();
    match rng.below(if odd { 24 } else { 500 }) {
        0 => (algorithm, key) = ("none", ""),
        1 => {
            key = rng.pick(match algorithm {
                a if a.starts_with("HS") => &["another", "", "rsa"],
                "ES256" => &["other p256"],
                "ES384" => &["other p384"],
                "EdDSA" => &["other ed25519"],
                _ => &["other rsa"],
            })
        }
        2 if !algorithm.starts_with("HS") => {
            // The public key used as an HMAC secret.
            algorithm = "HS256";
            header = json!({ "alg": "HS256" }).to_string();
        }
        _ => {}
    }
    let mangles = [
        "cut",
        "no signature",
        "two parts",
        "four parts",
        "one changed",
        "plus",
        "padded",
        "one pad too many",
        "beyond ASCII",
        "empty",
    ];
    let mangle = (odd && once_in(rng, 4)).then(|| rng.pick(&mangles));
    json!({ "header": header, "claims": claims, "key": key, "algorithm": algorithm, "mangle": mangle })
}
