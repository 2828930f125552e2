//! The way to the login page, written as Django writes it.

use std::borrow::Cow;

use actix_web::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::host::Address;
use crate::{settings::DjangoSettings, url::UrlParts};

/// `REDIRECT_FIELD_NAME` of `django.contrib.auth`.
pub(crate) const REDIRECT_FIELD_NAME: &str = "next";

/// `MAX_URL_REDIRECT_LENGTH` of `django.utils.http`, in characters: a longer one is refused.
const MAX_REDIRECT_LENGTH: usize = 16_384;

// What `urllib.parse.quote` leaves alone, with the `safe` of each caller.
const PYTHON_SAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
/// `urlencode(safe="/")`.
const VALUE: &AsciiSet = &PYTHON_SAFE.remove(b'/');
/// `escape_uri_path`.
const PATH: &AsciiSet = &VALUE
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// `iri_to_uri`.
const URI: &AsciiSet = &PATH
    .remove(b'#')
    .remove(b'%')
    .remove(b'[')
    .remove(b']')
    .remove(b'=')
    .remove(b';')
    .remove(b'?');

/// `LOGIN_URL` and the name of the field that leads back, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct LoginUrl {
    scheme: String,
    netloc: String,
    path: String,
    /// The query, grouped by name as a `QueryDict` does.
    query: Vec<(String, Vec<String>)>,
    raw_query: String,
    fragment: String,
    field_name: String,
}

impl LoginUrl {
    /// An empty field name means no way back.
    pub(crate) fn new(url: &str, field_name: &str) -> Self {
        let UrlParts { scheme, netloc, path, query, fragment } = UrlParts::split_any(url);
        let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in query_pairs(&query) {
            match grouped.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => values.push(value),
                None => grouped.push((name, vec![value])),
            }
        }
        Self {
            scheme,
            netloc,
            path,
            query: grouped,
            raw_query: query,
            fragment,
            field_name: field_name.to_owned(),
        }
    }

    /// `user_passes_test`, up to the `Location` header it sends: where to log in, and the way back
    /// to this request. `None` if the URL is longer than Django allows, or the host is not one of the
    /// `allowed_hosts`.
    pub(crate) fn location(&self, req: &HttpRequest, settings: &DjangoSettings) -> Option<String> {
        Visited::of(req, settings).and_then(|visited| self.redirect_from(&visited))
    }

    fn redirect_from(&self, visited: &Visited<'_>) -> Option<String> {
        let same_scheme = self.scheme.is_empty() || self.scheme == visited.scheme;
        let same_netloc = self.netloc.is_empty() || self.netloc == visited.host;
        let next = match same_scheme && same_netloc {
            true => Some(visited.full_path()),
            // The client chooses the host of its request, so an unchecked host must not become a redirect.
            false => visited.is_checked.then(|| visited.absolute_uri()),
        };
        let url = self.with_next(next.as_deref());
        (url.chars().count() <= MAX_REDIRECT_LENGTH).then(|| quote(&url, URI))
    }

    /// `redirect_to_login`.
    fn with_next(&self, next: Option<&str>) -> String {
        let mut url = String::new();
        if !self.scheme.is_empty() {
            url += &self.scheme;
            url.push(':');
        }
        if !self.netloc.is_empty() || (!self.scheme.is_empty() && !self.path.starts_with("//")) {
            url += "//";
            url += &self.netloc;
            if !self.path.is_empty() && !self.path.starts_with('/') {
                url.push('/');
            }
        }
        url += &self.path;
        let query = match next {
            Some(next) if !self.field_name.is_empty() => self.query_with_next(next),
            _ => self.raw_query.clone(),
        };
        if !query.is_empty() {
            url.push('?');
            url += &query;
        }
        if !self.fragment.is_empty() {
            url.push('#');
            url += &self.fragment;
        }
        url
    }

    /// `querystring[redirect_field_name] = next`: in the place of one that is there.
    fn query_with_next(&self, next: &str) -> String {
        let mut pairs = Vec::new();
        let mut push = |name: &str, value: &str| {
            pairs.push(format!("{}={}", quote(name, VALUE), quote(value, VALUE)));
        };
        let mut placed = false;
        for (name, values) in &self.query {
            if *name == self.field_name {
                push(name, next);
                placed = true;
            } else {
                values.iter().for_each(|value| push(name, value));
            }
        }
        if !placed {
            push(&self.field_name, next);
        }
        pairs.join("&")
    }
}

/// The request as Django's `HttpRequest` tells where it went: what `next` is made of.
pub(super) struct Visited<'a> {
    /// `FORCE_SCRIPT_NAME`
    script_name: &'a str,
    /// As in the request line, percent-encoded.
    path: &'a str,
    query: &'a str,
    pub(super) scheme: &'a str,
    pub(super) host: Cow<'a, str>,
    /// Whether the host is one of the `ALLOWED_HOSTS`.
    pub(super) is_checked: bool,
}

impl<'a> Visited<'a> {
    /// `None` if the host is not one of the `allowed_hosts`.
    pub(super) fn of(req: &'a HttpRequest, settings: &'a DjangoSettings) -> Option<Self> {
        let address = Address::of(req, settings);
        let is_checked = !settings.allowed_hosts.is_empty();
        let host = if is_checked { address.host()? } else { address.raw_host() };
        Some(Self {
            script_name: settings.force_script_name.as_deref().unwrap_or_default(),
            path: req.uri().path(),
            query: req.uri().query().unwrap_or_default(),
            scheme: if address.is_secure() { "https" } else { "http" },
            host,
            is_checked,
        })
    }
}

impl Visited<'_> {
    /// The last value of a field in the query.
    pub(super) fn query_field(&self, name: &str) -> Option<String> {
        query_pairs(self.query).filter(|(field, _)| field == name).last().map(|(_, value)| value)
    }

    /// `HttpRequest.get_full_path()`.
    pub(super) fn full_path(&self) -> String {
        let mut full_path = self.quoted_path();
        self.push_query(&mut full_path);
        full_path
    }

    /// `HttpRequest.build_absolute_uri()`.
    fn absolute_uri(&self) -> String {
        let mut path = self.quoted_path();
        if path.contains("/./") || path.contains("/../") {
            path = without_dot_segments(&path);
        }
        self.push_query(&mut path);
        quote(&format!("{}://{}{path}", self.scheme, self.host), URI)
    }

    pub(super) fn quoted_path(&self) -> String {
        // An invalid byte stays percent-encoded, as text (`repercent_broken_unicode`).
        let decoded: Vec<u8> = percent_decode_str(self.path).collect();
        let script_name = self.script_name.trim_end_matches('/');
        let mut path = String::with_capacity(script_name.len() + decoded.len());
        path += script_name;
        for chunk in decoded.utf8_chunks() {
            path += chunk.valid();
            for byte in chunk.invalid() {
                path += percent_encoding::percent_encode_byte(*byte);
            }
        }
        if decoded.is_empty() {
            path.push('/');
        }
        quote(&path, PATH)
    }

    fn push_query(&self, url: &mut String) {
        if !self.query.is_empty() {
            url.push('?');
            *url += &quote(self.query, URI);
        }
    }
}

/// What `urljoin` of `urllib.parse` does to an absolute path.
fn without_dot_segments(path: &str) -> String {
    let mut resolved = Vec::new();
    for segment in path.split('/') {
        match segment {
            ".." => drop(resolved.pop()),
            "." => {}
            _ => resolved.push(segment),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        resolved.push("");
    }
    let resolved = resolved.join("/");
    if resolved.starts_with('/') { resolved } else { format!("/{resolved}") }
}

/// The `Location` that `HttpResponseRedirect` sends to this URL. `None` for one that Django refuses: by
/// its scheme, or too long.
pub(super) fn location_of(url: &str) -> Option<String> {
    let scheme = UrlParts::split(url)?.scheme;
    let location = quote(url, URI);
    let is_allowed = ["", "http", "https", "ftp"].contains(&&*scheme);
    (is_allowed && location.len() <= MAX_REDIRECT_LENGTH).then_some(location)
}

fn quote(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// `parse_qsl` with `keep_blank_values`, as `QueryDict` calls it.
fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited<'a>(script_name: &'a str, path: &'a str, query: &'a str) -> Visited<'a> {
        let host = "example.com".into();
        Visited { script_name, path, query, scheme: "http", host, is_checked: true }
    }

    /// The `Location` for a request to `http://example.com`, as `path?query`.
    fn location(login_url: &str, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let visited = visited("", path, query);
        LoginUrl::new(login_url, REDIRECT_FIELD_NAME).redirect_from(&visited).unwrap()
    }

    #[test]
    fn next_is_quoted_as_django_quotes_it() {
        // L2: what six Django versions answer.
        for (target, next) in [
            ("/a?x=1&y=2", "/a%3Fx%3D1%26y%3D2"),
            ("/a%20b", "/a%2520b"),
            ("/%C3%A9", "/%25C3%25A9"),
            ("/%FF", "/%2525FF"),
            ("/%2F%2fx", "///x"),
            ("//evil.com/x", "//evil.com/x"),
            ("/a%3Fb", "/a%253Fb"),
            ("/a%2525", "/a%252525"),
            ("/[x]?a[]=1", "/%255Bx%255D%3Fa%5B%5D%3D1"),
            (
                "/a;b,c=d:e@f&g$h!i*j'k(l)m~n",
                "/a%253Bb%2Cc%253Dd%3Ae%40f%26g%24h%21i%2Aj%27k%28l%29m~n",
            ),
            ("/?a=%", "/%3Fa%3D%25"),
            ("/?x=a%20b+c", "/%3Fx%3Da%2520b%2Bc"),
            ("/a?", "/a"),
            ("", "/"),
        ] {
            assert_eq!(
                location("/accounts/login/", target),
                format!("/accounts/login/?next={next}")
            );
        }
    }

    #[test]
    fn the_login_url_keeps_what_it_has() {
        // L3.
        for (login_url, expected) in [
            ("/login?a=%20+", "/login?a=%20%20&next=/x"),
            ("/login?a&b", "/login?a=&b=&next=/x"),
            ("/login?n\u{e9}=\u{e9}", "/login?n%C3%A9=%C3%A9&next=/x"),
            ("/login?next=/old&foo=bar", "/login?next=/x&foo=bar"),
            ("/login?a=1&b=2&a=3", "/login?a=1&a=3&b=2&next=/x"),
            ("/login/#frag", "/login/?next=/x#frag"),
            ("/login?", "/login?next=/x"),
            ("/l\u{f6}gin", "/l%C3%B6gin?next=/x"),
            ("/login;p=1", "/login;p=1?next=/x"),
            ("//example.com/login", "//example.com/login?next=/x"),
            ("HTTP://example.com/login", "http://example.com/login?next=/x"),
            ("http://Other.com/login", "http://Other.com/login?next=http%3A//example.com/x"),
            ("https://example.com/login", "https://example.com/login?next=http%3A//example.com/x"),
            ("http://example.com:80/", "http://example.com:80/?next=http%3A//example.com/x"),
        ] {
            assert_eq!(location(login_url, "/x"), expected);
        }
    }

    #[test]
    fn an_absolute_next_has_no_dot_segments() {
        let next = |target| {
            location("http://sso/", target).replace("http://sso/?next=http%3A//example.com", "")
        };
        assert_eq!(next("/a/../b"), "/b");
        assert_eq!(next("/a/./b/.."), "/a/");
        assert_eq!(next("/../../b"), "/b");
        assert_eq!(next("/a/.."), "/a/..");
    }

    #[test]
    fn next_begins_where_the_site_lies() {
        for (script_name, path, next) in [
            ("/shop", "/account", "/shop/account%3Fx%3D1"),
            ("/shop/", "/account", "/shop/account%3Fx%3D1"),
            ("/", "/account", "/account%3Fx%3D1"),
            ("/sh\u{f6}p", "", "/sh%25C3%25B6p/%3Fx%3D1"),
            ("/shop", "//evil.com", "/shop//evil.com%3Fx%3D1"),
        ] {
            let url = LoginUrl::new("/login/", "next");
            let location = url.redirect_from(&visited(script_name, path, "x=1")).unwrap();
            assert_eq!(location, format!("/login/?next={next}"));
        }
    }

    #[test]
    fn no_redirect_leads_to_a_host_that_was_not_checked() {
        let unchecked = Visited { is_checked: false, ..visited("", "/x", "") };
        let to = |url: &str| LoginUrl::new(url, "next").redirect_from(&unchecked).unwrap();
        assert_eq!(to("https://sso.example.com/login?a=b"), "https://sso.example.com/login?a=b");
        assert_eq!(to("http://example.com/login"), "http://example.com/login?next=/x");
    }

    #[test]
    fn without_a_field_name_there_is_no_way_back() {
        let visited = visited("", "/x", "");
        let url = |url| LoginUrl::new(url, "").redirect_from(&visited).unwrap();
        assert_eq!(url("/login?a=+&b"), "/login?a=+&b");
        assert_eq!(url("/login"), "/login");
    }

    #[test]
    fn a_redirect_longer_than_django_allows_is_not_made() {
        let path = format!("/{}", "a".repeat(MAX_REDIRECT_LENGTH));
        let visited = visited("", &path, "");
        assert!(LoginUrl::new("/login", "next").redirect_from(&visited).is_none());
    }

    /// What Django 4.2, 5.2 and 6.1 send.
    #[test]
    fn redirect_to_login_is_djangos() {
        for (login_url, field, next, expected) in [
            ("/accounts/login/", "next", "/next/page/", "/accounts/login/?next=/next/page/"),
            (
                "/accounts/login/",
                "next",
                "/next/page/?x=1&y=%C3%A9",
                "/accounts/login/?next=/next/page/%3Fx%3D1%26y%3D%25C3%25A9",
            ),
            ("/accounts/login/", "next", "/\u{e9} b/", "/accounts/login/?next=/%C3%A9%20b/"),
            (
                "/accounts/login/",
                "next",
                "http://example.com/x?a=1&b=2#c",
                "/accounts/login/?next=http%3A//example.com/x%3Fa%3D1%26b%3D2%23c",
            ),
            ("/accounts/login/", "next", "", "/accounts/login/?next="),
            ("/in/", "next", "/next/page/", "/in/?next=/next/page/"),
            ("/in/?a=1", "next", "/next/page/", "/in/?a=1&next=/next/page/"),
            ("/in/?next=/old/&a=\u{e9}", "next", "/next/page/", "/in/?next=/next/page/&a=%C3%A9"),
            ("/in/#f", "next", "/next/page/", "/in/?next=/next/page/#f"),
            (
                "https://sso.test/in?x",
                "next",
                "/next/page/",
                "https://sso.test/in?x=&next=/next/page/",
            ),
            ("/in/", "to", "/next/page/", "/in/?to=/next/page/"),
            ("/in/", "", "/next/page/", "/in/"),
            ("/in/", "", "/next/page/", "/in/"),
            (
                "/accounts/login/",
                "next",
                "/a+b/%20/~'()*!;:@&=$,",
                "/accounts/login/?next=/a%2Bb/%2520/~%27%28%29%2A%21%3B%3A%40%26%3D%24%2C",
            ),
            ("/in/;p?x=1", "next", "/next/page/", "/in/;p?x=1&next=/next/page/"),
            ("/in/?a=&b", "next", "/next/page/", "/in/?a=&b=&next=/next/page/"),
            ("/in/?a=1&a=2", "next", "/next/page/", "/in/?a=1&a=2&next=/next/page/"),
        ] {
            let url = LoginUrl::new(login_url, field).with_next(Some(next));
            assert_eq!(location_of(&url).as_deref(), Some(expected), "{login_url} {next}");
        }
    }
}
