//! Which host, port and scheme a request was sent to: `get_host`, `get_port`, `is_secure`.

use std::borrow::Cow;

use actix_web::{
    HttpRequest,
    dev::AppConfig,
    http::{
        Uri,
        header::{HOST, HeaderMap, HeaderName},
    },
};

use crate::{
    csrf::{Provenance, is_same_domain},
    settings::DjangoSettings,
};

/// The host, port and scheme of a request, as Django's `HttpRequest` sees them.
pub(crate) struct Address<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    pub(crate) connection: HostAndScheme,
    pub(crate) settings: &'a DjangoSettings,
}

/// The connection that a request came by.
pub(crate) struct HostAndScheme {
    /// `SERVER_NAME`: a server knows its address, not its name.
    pub(crate) name: String,
    /// `SERVER_PORT`
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
}

impl HostAndScheme {
    pub(crate) fn of(config: &AppConfig) -> Self {
        let local = config.local_addr();
        Self { name: local.ip().to_string(), port: local.port(), is_secure: config.secure() }
    }
}

impl<'a> Address<'a> {
    pub(crate) fn of(req: &'a HttpRequest, settings: &'a DjangoSettings) -> Self {
        let mut connection = HostAndScheme::of(req.app_config());
        connection.port = settings.server_port.unwrap_or(connection.port);
        Self { headers: req.headers(), uri: req.uri(), connection, settings }
    }

    /// `HttpRequest.is_secure()`.
    pub(crate) fn is_secure(&self) -> bool {
        let named = self.settings.secure_proxy_ssl_header.as_ref();
        let trusted = named.and_then(|(name, secure)| {
            let value = header(self.headers, name)?;
            let first = value.split(',').next().unwrap_or_default();
            Some(first.trim() == secure)
        });
        trusted.unwrap_or(self.connection.is_secure)
    }

    /// `HttpRequest.get_port()`.
    pub(crate) fn port(&self) -> Cow<'a, str> {
        let forwarded = self.settings.use_x_forwarded_port;
        let forwarded = forwarded.then(|| header(self.headers, "x-forwarded-port")).flatten();
        forwarded.unwrap_or_else(|| self.connection.port.to_string().into())
    }

    /// `HttpRequest.get_host()`, the text as it was sent; `None` for a host that is not allowed.
    pub(crate) fn host(&self) -> Option<Cow<'a, str>> {
        let host = self.raw_host();
        let domain = domain_of(&host)?;
        let allowed = &self.settings.allowed_hosts;
        let matches = |pattern: &String| pattern == "*" || is_same_domain(&domain, pattern);
        allowed.iter().any(matches).then_some(host)
    }

    /// The same without a look at whether it is allowed.
    pub(crate) fn raw_host(&self) -> Cow<'a, str> {
        let forwarded = self.settings.use_x_forwarded_host;
        let forwarded = forwarded.then(|| header(self.headers, "x-forwarded-host")).flatten();
        if let Some(host) = forwarded.or_else(|| header(self.headers, HOST.as_str())) {
            return host;
        }
        // HTTP/2 names the host in the request target.
        if let Some(authority) = self.uri.authority() {
            return Cow::Borrowed(authority.as_str());
        }
        let (name, port) = (&self.connection.name, self.port());
        let default = if self.is_secure() { "443" } else { "80" };
        if port == default { name.clone().into() } else { format!("{name}:{port}").into() }
    }
}

impl<'a> From<&Address<'a>> for Provenance<'a> {
    fn from(address: &Address<'a>) -> Self {
        Self {
            origin: header(address.headers, "origin"),
            referer: header(address.headers, "referer"),
            is_secure: address.is_secure(),
            host: address.host(),
            port: address.port(),
        }
    }
}

/// The value of a header as Django sees it: latin-1, several headers joined by commas.
// C16, C29: repeated headers, and bytes that are not ASCII.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let name = HeaderName::try_from(name).ok()?;
    let mut values = headers.get_all(name).map(|value| latin1(value.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |joined, value| Cow::Owned(format!("{joined},{value}"))))
}

fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// `split_domain_port` of `django.http.request`, without the port: the domain in lower case. `None`
/// for text that is not a host.
fn domain_of(host: &str) -> Option<String> {
    let host = host.to_lowercase();
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (domain, port) = host.split_at(end);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_sound = match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.split_once(':').is_some_and(|(first, rest)| {
            is_hex(first) && !rest.is_empty() && is_hex(&rest.replace([':', '.'], ""))
        }),
        None => domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    (is_sound && has_port && !domain.is_empty()).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::csrf::{
        CsrfCheck,
        vectors::{list, of_kind},
    };

    /// Asks about the request of a vector.
    fn ask<T>(vector: &Value, question: impl Fn(&Address<'_>) -> T) -> Option<T> {
        let setting = |name: &str| &vector["settings"][name];
        let mut settings = DjangoSettings::new("k");
        settings.use_x_forwarded_host = setting("USE_X_FORWARDED_HOST") == true;
        settings.use_x_forwarded_port = setting("USE_X_FORWARDED_PORT") == true;
        settings.allowed_hosts = match list(vector, "ALLOWED_HOSTS") {
            // What Django itself takes then.
            Some(none) if none.is_empty() && *setting("DEBUG") == true => {
                [".localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec()
            }
            Some(hosts) => hosts,
            None => vec!["example.com".into()],
        };
        if let Some(header) = setting("SECURE_PROXY_SSL_HEADER").as_array() {
            let name = header[0].as_str().unwrap().replace("HTTP_", "").replace('_', "-");
            settings.secure_proxy_ssl_header = Some((name, header[1].as_str().unwrap().into()));
        }
        let is_secure = vector["scheme"] == "https";
        let server = &vector["server"];
        let default = if is_secure { 443 } else { 80 };
        let connection = HostAndScheme {
            name: server[0].as_str().unwrap_or("127.0.0.1").to_owned(),
            port: server[1].as_u64().map_or(default, |port| port.try_into().unwrap()),
            is_secure,
        };
        let mut headers = HeaderMap::new();
        for header in vector["headers"].as_array().unwrap() {
            let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
            let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
            // What no server lets in.
            let Ok(value) = HeaderValue::from_bytes(&bytes) else {
                println!("{}: skipped: the header cannot come in", vector["id"]);
                return None;
            };
            headers.append(HeaderName::try_from(name).unwrap(), value);
        }
        let uri = Uri::from_static("/");
        Some(question(&Address { headers: &headers, uri: &uri, connection, settings: &settings }))
    }

    #[test]
    fn hosts_are_djangos() {
        let mut seen = 0;
        for vector in of_kind("host") {
            let found = ask(&vector, |address| {
                json!({
                    "host": address.host(),
                    "port": address.port(),
                    "secure": address.is_secure(),
                })
            });
            let Some(found) = found else { continue };
            assert_eq!(found, vector["expect"], "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 78);
    }

    /// `"ok"` or the reason.
    fn page(vector: &Value) -> Option<String> {
        let setting = |name: &str| &vector["settings"][name];
        let mut settings = DjangoSettings::new("k");
        settings.csrf_trusted_origins = list(vector, "CSRF_TRUSTED_ORIGINS").unwrap_or_default();
        settings.csrf_cookie_domain = setting("CSRF_COOKIE_DOMAIN").as_str().map(str::to_owned);
        settings.csrf_use_sessions = setting("CSRF_USE_SESSIONS") == true;
        if let Some(domain) = setting("SESSION_COOKIE_DOMAIN").as_str() {
            settings.session_cookie_domain = Some(domain.into());
        }
        let check = CsrfCheck::new(&settings);
        let verdict = ask(vector, |address| check.page(&Provenance::from(address)))?;
        Some(verdict.map_or_else(|reason| reason.to_string(), |()| "ok".into()))
    }

    #[test]
    fn origins_and_referers_are_judged_as_django_judges_them() {
        let (mut seen, mut stricter) = (0, 0);
        for (kind, ok) in [("origin", json!(true)), ("referer", json!("ok"))] {
            for vector in of_kind(kind) {
                let Some(found) = page(&vector) else { continue };
                let is_right = match &vector["expect"] {
                    Value::Bool(expected) => *expected == (found == "ok"),
                    Value::String(expected) => *expected == found,
                    // An origin that is no URL: nothing comes from there.
                    raises => raises["raises"] == "ValueError",
                };
                if !is_right && vector["expect"] == ok {
                    println!("{}: stricter than Django: {}", vector["id"], vector["headers"]);
                    stricter += 1;
                    continue;
                }
                assert!(is_right, "{found}: {vector}");
                seen += 1;
            }
        }
        println!("{seen} as in Django, {stricter} stricter");
        // CD1: a backslash, a comma and the like are part of no host.
        assert_eq!((seen, stricter), (236, 12));
    }
}
