//! A visitor's browser in a test: `django.test.Client`.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, fmt};

use actix_http::Request;
use actix_web::{
    dev::{Service, ServiceResponse},
    http::{
        Method,
        header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE},
    },
    test::{TestRequest, call_service},
};
use serde::Serialize;

use crate::{
    csrf::Secret,
    error::Error,
    messages::{COOKIE_NAME, Item, Message, MessageSource, SESSION_KEY, Storage, StoredMessages},
    session::{SessionData, SessionKey},
    site::DjangoSite,
    web::{cookie_header::last_cookie, csrf_check::SESSION_KEY as CSRF_SESSION_KEY},
};

/// A visitor's browser: it keeps the cookies of the answers and sends them with the next request. Django's
/// `django.test.Client`.
///
/// ```
/// use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, Error, test};
/// use actix_web::{App, test::{TestRequest, init_service}, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// async fn choose(session: DjangoSessionMut) -> Result<&'static str, Error> {
///     session.insert("language", "de")?;
///     Ok("Deutsch")
/// }
/// let site = test::site().build();
/// let middleware = DjangoSessionMiddleware::optional(site.clone());
/// let app = init_service(App::new().wrap(middleware).route("/", web::post().to(choose))).await;
///
/// let client = test::Client::new(&site);
/// assert_eq!(client.send(&app, TestRequest::post()).await.status(), 200);
/// let session = client.session().await;
/// assert_eq!(session.get::<String>("language").unwrap().as_deref(), Some("de"));
/// # });
/// ```
///
/// It also works with a site on a real database, whose tables it then reads and writes.
pub struct Client {
    site: DjangoSite,
    cookies: RefCell<BTreeMap<String, String>>,
    brings_token: bool,
}

impl Client {
    /// Makes a browser without cookies. `site` is the site of the middlewares under test.
    #[must_use]
    pub fn new(site: &DjangoSite) -> Self {
        Self { site: site.clone(), cookies: RefCell::default(), brings_token: true }
    }

    /// Makes a browser whose visitor is logged in: [`new`](Self::new) and
    /// [`force_login`](Self::force_login).
    ///
    /// # Panics
    /// If there is no such user, or PostgreSQL does not answer.
    pub async fn logged_in(site: &DjangoSite, username: &str) -> Self {
        let client = Self::new(site);
        client.force_login(username).await;
        client
    }

    /// Sends no CSRF token by itself, for tests of forms: Django's `Client(enforce_csrf_checks=True)`.
    ///
    /// Default: every request but GET, HEAD, OPTIONS and TRACE has a valid token in its header, as from a page
    /// of the site.
    #[must_use]
    pub fn enforce_csrf_checks(self) -> Self {
        Self { brings_token: false, ..self }
    }

    /// Sends a request with the browser's cookies, keeps the cookies of the answer, and returns the answer.
    ///
    /// # Panics
    /// If a middleware around this crate's fails, as
    /// [`call_service`](actix_web::test::call_service); if PostgreSQL does not answer.
    pub async fn send<S, B, E>(&self, app: &S, request: TestRequest) -> ServiceResponse<B>
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = E>,
        E: fmt::Debug,
    {
        let mut request = request.to_request();
        if self.brings_token && !is_safe(request.method()) {
            self.add_token(request.headers_mut()).await;
        }
        self.add_cookies(request.headers_mut());
        let answer = call_service(app, request).await;
        self.keep_cookies(answer.headers());
        answer
    }

    /// Logs a user in without a password: Django's `client.force_login(user)`. It writes the row that Django's
    /// `login()` writes, and sets its cookie. The data of an anonymous session is kept. The setting
    /// `write_sessions` is not needed.
    ///
    /// # Panics
    /// If there is no such user, or PostgreSQL does not answer.
    pub async fn force_login(&self, username: &str) {
        let mut data = self.session().await;
        if data.user_id().is_some() {
            data = SessionData::new();
        }
        let data = async {
            let user = self.site.user_by_username(username).await?;
            self.site.logged_in(&user, data).await
        };
        let data = data.await.unwrap_or_else(|error| panic!("no login: {}", error.chain()));
        self.replace_session(data).await;
    }

    /// Returns the data of the visitor's session, empty if there is none: Django's `client.session`.
    ///
    /// # Panics
    /// If PostgreSQL does not answer, or the data cannot be decoded.
    pub async fn session(&self) -> SessionData {
        let Some(key) = self.session_key() else { return SessionData::new() };
        let data = match self.site.load(&key).await {
            Ok(session) => session.data().cloned().map_err(Error::from),
            Err(Error::SessionNotFound | Error::SessionExpired) => Ok(SessionData::new()),
            Err(error) => Err(error),
        };
        data.unwrap_or_else(|error| panic!("no session: {}", error.chain()))
    }

    /// Adds the members of a JSON object to the visitor's session: Python's `session.update(..)`. The session
    /// gets a new key.
    ///
    /// ```
    /// # use actix_django_session::test;
    /// # actix_web::rt::System::new().block_on(async {
    /// # let site = test::site().build();
    /// let client = test::Client::new(&site);
    /// client.update_session(&serde_json::json!({ "cart": [1, 2] })).await;
    /// assert_eq!(client.session().await.to_json(), r#"{"cart":[1,2]}"#);
    /// # });
    /// ```
    ///
    /// # Panics
    /// If `members` is not an object, or PostgreSQL does not answer.
    pub async fn update_session<T: Serialize + ?Sized>(&self, members: &T) {
        let members = SessionData::from_object(members).expect("members of an object");
        let mut data = self.session().await;
        for (key, json) in members.iter() {
            data.insert_json(&key, json).expect("it was JSON before");
        }
        self.replace_session(data).await;
    }

    /// Returns the messages for the visitor's next page. This does not count them as shown.
    ///
    /// ```
    /// use actix_django_session::{DjangoSessionMiddleware, Messages, test};
    /// use actix_web::{App, test::{TestRequest, init_service}, web};
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// async fn save(messages: Messages) -> &'static str {
    ///     messages.success("Your profile is saved.");
    ///     "done"
    /// }
    /// let site = test::site().build();
    /// let middleware = DjangoSessionMiddleware::optional(site.clone());
    /// let app = init_service(App::new().wrap(middleware).route("/", web::get().to(save))).await;
    ///
    /// let client = test::Client::new(&site);
    /// client.send(&app, TestRequest::get()).await;
    /// assert_eq!(client.messages().await[0].text(), "Your profile is saved.");
    /// # });
    /// ```
    ///
    /// # Panics
    /// As [`session`](Self::session).
    pub async fn messages(&self) -> Vec<Message> {
        let session = self.session().await;
        let mut headers = HeaderMap::new();
        self.add_cookies(&mut headers);
        let kept = BrowserMessages {
            cookie: last_cookie(&headers, COOKIE_NAME).map(Cow::into_owned),
            session: session.get_json(SESSION_KEY).map(str::to_owned),
        };
        let mut storage = Storage::default();
        let items = storage.read(&MessageSource { kept: &kept, site: self.site.messages() });
        items.iter().filter_map(Item::message).cloned().collect()
    }

    /// The value of a cookie in the browser, or `None`.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// Sets a cookie in the browser, and replaces one with the same name.
    pub fn set_cookie(&self, name: impl Into<String>, value: impl Into<String>) {
        self.cookies.borrow_mut().insert(name.into(), value.into());
    }

    fn session_key(&self) -> Option<SessionKey> {
        SessionKey::new(self.cookie(&self.site.settings().session_cookie_name)?)
    }

    /// Replaces the visitor's session.
    async fn replace_session(&self, data: SessionData) {
        let stored = async {
            if let Some(key) = self.session_key() {
                let database = self.site.database();
                database.delete_session(&key, database.deadline()).await?;
            }
            self.site.create_as_django(data).await
        };
        let session: Result<_, Error> = stored.await;
        let session = session.unwrap_or_else(|error| panic!("no session: {}", error.chain()));
        self.set_cookie(&self.site.settings().session_cookie_name, session.key().as_str());
    }

    /// Adds a valid CSRF token, unless the request has one.
    async fn add_token(&self, headers: &mut HeaderMap) {
        let settings = self.site.settings();
        let name =
            HeaderName::try_from(&*settings.csrf_header_name).expect("settings were checked");
        if headers.contains_key(&name) {
            return;
        }
        let stored = match settings.csrf_use_sessions {
            true => self.session().await.get(CSRF_SESSION_KEY).ok().flatten(),
            false => self.cookie(&settings.csrf_cookie_name),
        };
        let secret = match stored.and_then(|text| Secret::read(&text).ok()) {
            Some(secret) => secret,
            None => {
                let new = Secret::new();
                match settings.csrf_use_sessions {
                    true => {
                        let member = BTreeMap::from([(CSRF_SESSION_KEY, new.as_str())]);
                        self.update_session(&member).await;
                    }
                    false => self.set_cookie(&settings.csrf_cookie_name, new.as_str()),
                }
                new
            }
        };
        headers.insert(name, HeaderValue::try_from(secret.masked()).expect("a token is ASCII"));
    }

    /// Adds the browser's cookies to those of the request.
    fn add_cookies(&self, headers: &mut HeaderMap) {
        let kept = self.cookies.borrow();
        let pairs: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if let Ok(value) = HeaderValue::try_from(pairs.join("; "))
            && !pairs.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut kept = self.cookies.borrow_mut();
        for cookie in headers.get_all(SET_COOKIE).filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let mut attributes = parts.map(str::trim);
            match attributes.any(|attribute| attribute.eq_ignore_ascii_case("Max-Age=0")) {
                true => kept.remove(name.trim()),
                false => kept.insert(name.trim().into(), value.trim().into()),
            };
        }
    }
}

/// Shows no cookie.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The browser's messages in the cookie and in the session.
struct BrowserMessages {
    cookie: Option<String>,
    session: Option<String>,
}

impl StoredMessages for BrowserMessages {
    fn cookie(&self) -> Option<String> {
        self.cookie.clone()
    }

    fn session(&self) -> Option<String> {
        self.session.clone()
    }
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}
