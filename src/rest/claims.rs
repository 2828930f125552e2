//! Checks the claims of a token: in PyJWT's order, then in SimpleJWT's.

use super::jws::{is_text, text};
use crate::{
    database::python_int,
    session::SessionData,
    settings::{SimpleJwt, TokenClass},
    signing::json,
};

/// The first second after Python's last date: SimpleJWT fails on an `exp` from there on.
const YEAR_10000: i128 = 253_402_300_800;

/// The claims of a token.
pub(crate) type Claims = SessionData;

/// Checks the claims as PyJWT does, in its order: the error names the first fault.
pub(super) fn check(settings: &SimpleJwt, claims: &Claims, now: i128) -> Result<(), Fault> {
    let leeway = i128::from(settings.leeway_microseconds);
    for claim in ["iat", "nbf"] {
        let is_future = |json| seconds(json).is_none_or(|at| at > now + leeway);
        if claims.get_json(claim).is_some_and(is_future) {
            return Err(Fault::Invalid);
        }
    }
    let exp = claims.get_json("exp");
    if let Some(json) = exp {
        let ends = seconds(json).ok_or(Fault::Invalid)?;
        if ends <= now - leeway {
            return Err(Fault::Expired);
        }
    }
    let is_issuer =
        |allowed: &Vec<String>| text(claims, "iss").is_some_and(|iss| allowed.contains(&iss));
    if !settings.issuer.as_ref().is_none_or(is_issuer) {
        return Err(Fault::Invalid);
    }
    if !settings.audience.as_ref().is_none_or(|allowed| is_for(claims, allowed)) {
        return Err(Fault::Invalid);
    }
    for claim in ["sub", "jti"] {
        if claims.get_json(claim).is_some() && !is_text(claims, claim) {
            return Err(Fault::Invalid);
        }
    }
    // SimpleJWT converts it to a date, and fails on text and on values that no date can have.
    let json = exp.ok_or(Fault::NoExp)?;
    let is_date = seconds(json).is_some_and(|at| at < YEAR_10000 * 1_000_000);
    if json.starts_with('"') || !is_date { Err(Fault::Invalid) } else { Ok(()) }
}

/// Checks the claims as SimpleJWT's own class does.
pub(super) fn check_class(
    settings: &SimpleJwt,
    claims: &Claims,
    class: &TokenClass,
) -> Result<(), Fault> {
    if settings.jti_claim.as_ref().is_some_and(|name| claims.get_json(name).is_none()) {
        return Err(Fault::NoId);
    }
    match &settings.token_type_claim {
        Some(_) if class.any_type => Ok(()),
        None => Ok(()),
        Some(name) if claims.get_json(name).is_none() => Err(Fault::NoType),
        Some(name) if text(claims, name).as_ref() != Some(&class.token_type) => {
            Err(Fault::WrongType)
        }
        Some(_) => Ok(()),
    }
}

/// What is wrong with a token.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    Invalid,
    Expired,
    NoExp,
    NoId,
    NoType,
    WrongType,
}

impl Fault {
    pub(super) fn message(self, tells_expired: bool) -> &'static str {
        match self {
            Self::Invalid | Self::Expired if !tells_expired => "Token is invalid or expired",
            Self::Invalid => "Token is invalid",
            Self::Expired => "Token is expired",
            Self::NoExp => "Token has no 'exp' claim",
            Self::NoId => "Token has no id",
            Self::NoType => "Token has no type",
            Self::WrongType => "Token has wrong type",
        }
    }
}

/// Whether `aud` contains one of these, and only texts.
fn is_for(claims: &Claims, allowed: &[String]) -> bool {
    let audience: Vec<String> = match text(claims, "aud") {
        // An empty value counts as absent.
        Some(one) => Some(one).filter(|one| !one.is_empty()).into_iter().collect(),
        None => claims.get("aud").ok().flatten().unwrap_or_default(),
    };
    allowed.iter().any(|name| audience.contains(name))
}

/// Python's `int()` of a claim, in microseconds; `None` if it fails.
fn seconds(text: &str) -> Option<i128> {
    let whole = match text.as_bytes() {
        b"true" => 1,
        b"false" => 0,
        [b'"', inside @ .., b'"'] => {
            let inside = str::from_utf8(inside).ok()?;
            python_int(&json::unescape_to_str(inside)?)?
        }
        [b'-' | b'0'..=b'9', ..] if text != "-Infinity" => {
            match text.contains(['.', 'e', 'E']) {
                true => {
                    let float: f64 = text.parse().ok()?;
                    float.is_finite().then_some(float as i128)?
                }
                // A greater number counts as the greatest that fits.
                false => text.parse().unwrap_or(if text.starts_with('-') {
                    i128::MIN
                } else {
                    i128::MAX
                }),
            }
        }
        _ => return None,
    };
    Some(whole.saturating_mul(1_000_000))
}
