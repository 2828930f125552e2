//! Which vectors are left out, and why.

use serde_json::Value;

/// Why this vector is not replayed. `of_newer` is the answer of the newer packages.
pub(super) fn why_not(vector: &Value, of_newer: Option<&Value>) -> Option<&'static str> {
    let settings = &vector["settings"];
    let (rest, jwt) = (&settings["REST_FRAMEWORK"], &settings["SIMPLE_JWT"]);
    let classes = rest["DEFAULT_AUTHENTICATION_CLASSES"].to_string();
    let has = |names: &[&str]| names.iter().any(|name| classes.contains(name));
    let path = vector["path"].as_str().unwrap();
    let header =
        |name: &str| vector["headers"].as_array().unwrap().iter().any(|header| header[0] == name);
    let tokens = jwt["AUTH_TOKEN_CLASSES"].to_string();
    let token_classes = [".Token\"", "RefreshToken"];
    let is = [
        (
            has(&["Stateless", "TokenUser"]),
            "left out: users that are in no table, of a class that is not known here",
        ),
        (has(&["RemoteUser"]), "left out: RemoteUserAuthentication is not known here"),
        (has(&["Bomb", "FalsyUser"]), "left out: a class of the site's own"),
        (!jwt["JWK_URL"].is_null(), "left out: JWK_URL is not supported"),
        (
            ["/model/", "/modelro/", "/both/", "/either/", "/negated/", "/two/", "/custom/"]
                .contains(&path),
            "left out: a permission class that is a predicate of the application here",
        ),
        (path == "/untouched/", "left out: a view of its own"),
        (
            header("Accept") || vector["expect"]["content_type"].is_string(),
            "left out: negotiation of the content, HTML",
        ),
        (
            settings.get("LANGUAGE_CODE").is_some() || header("Accept-Language"),
            "left out: another language than English",
        ),
        (
            settings.get("MIDDLEWARE").is_some(),
            "left out: a site without sessions, or with middleware of its own",
        ),
        (settings.get("EXTRA_APPS").is_some(), "left out: the list of blocked tokens"),
        (
            rest.get("UNAUTHENTICATED_USER").is_some(),
            "left out: this crate has no UNAUTHENTICATED_USER",
        ),
        (
            token_classes.iter().any(|name| tokens.contains(name)),
            "left out: a token class that the export does not know",
        ),
        (
            vector["expect"]["startup"].is_string()
                || jwt["LEEWAY"].is_string()
                || jwt["USER_ID_FIELD"] == "nofield"
                || jwt["AUTH_HEADER_NAME"] == "X-Access-Token",
            "left out: settings that the export refuses",
        ),
        (
            [400, 415].iter().any(|status| vector["expect"]["status"] == *status),
            "left out: a body that the view parses",
        ),
        (
            vector["headers"].as_array().unwrap().iter().any(|header| !comes_in(&header[1])),
            "left out: a header with control characters, that no server lets in",
        ),
        (vector.get("environ").is_some(), "left out: variables of WSGI"),
    ];
    if let Some((_, reason)) = is.into_iter().find(|(is, _)| *is) {
        return Some(reason);
    }
    // The older packages accept more, or fail on tokens that the newer ones refuse.
    let outcome = |vector: &Value| {
        let expect = &vector["expect"];
        (expect["status"].clone(), expect["body"]["detail"].clone())
    };
    let differs = |newer: &Value| outcome(newer) != outcome(vector);
    (!super::is_of_newer_packages(vector) && of_newer.is_none_or(differs))
        .then_some("left out: older packages, that are more lenient or fail")
}

fn comes_in(value: &Value) -> bool {
    value.as_str().unwrap().bytes().all(|byte| byte >= b' ' && byte != 0x7f || byte == b'\t')
}
