//! Where a visitor goes after a log-in or a log-out: `RedirectURLMixin` of `django.contrib.auth.views`.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION};

use super::redirect::{REDIRECT_FIELD_NAME, Visited, location_of};
use crate::{auth::DjangoSite, url::url_has_allowed_host_and_scheme};

impl DjangoSite {
    /// Where the request asks to be sent after a log-in, in its field `next`, if a visitor may be sent
    /// there: to a path of this site, or to a URL of this host by a scheme that is as safe as that of the
    /// request. `posted` is the field of the form, if it had one: then the query is not looked at, as in
    /// Django, however unsafe the field may be.
    ///
    /// Never send a visitor to a `next` that this has not let pass: the link to the log-in page may come
    /// from anybody. What it answers is the text as it came, and no header yet: see
    /// [`redirect_after_login`](Self::redirect_after_login). For the hidden field of a form, escape it.
    ///
    /// A URL with a host passes only if the settings have
    /// [`allowed_hosts`](crate::DjangoSettings::allowed_hosts): without, whoever sends the request says
    /// which host it is.
    #[doc(alias = "url_has_allowed_host_and_scheme")]
    #[doc(alias = "get_redirect_url")]
    #[must_use]
    pub fn safe_next(&self, req: &HttpRequest, posted: Option<&str>) -> Option<String> {
        Visited::of(req, self.settings()).and_then(|visited| safe_next(&visited, posted))
    }

    /// The answer after a log-in: a redirect to [`safe_next`](Self::safe_next), or to
    /// `LOGIN_REDIRECT_URL`. A 400 if the host of the request is none of the `ALLOWED_HOSTS`, or if
    /// that is no URL that a browser is sent to.
    ///
    /// ```
    /// use actix_django_session::{DjangoSessionMut, DjangoSite, Error};
    /// use actix_web::{HttpRequest, HttpResponse, web};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct LogIn {
    ///     username: String,
    ///     password: String,
    ///     next: Option<String>,
    /// }
    ///
    /// async fn log_in(
    ///     req: HttpRequest,
    ///     site: DjangoSite,
    ///     session: DjangoSessionMut,
    ///     form: web::Form<LogIn>,
    /// ) -> Result<HttpResponse, Error> {
    ///     match site.authenticate(form.username.trim(), &form.password).await? {
    ///         Some(user) => {
    ///             session.login(&user).await?;
    ///             Ok(site.redirect_after_login(&req, form.next.as_deref()))
    ///         }
    ///         None => Ok(HttpResponse::Ok().body("wrong name or password")),
    ///     }
    /// }
    /// ```
    #[doc(alias = "get_success_url")]
    #[doc(alias = "LOGIN_REDIRECT_URL")]
    pub fn redirect_after_login(&self, req: &HttpRequest, posted: Option<&str>) -> HttpResponse {
        let Some(visited) = Visited::of(req, self.settings()) else {
            return HttpResponse::BadRequest().finish();
        };
        let next = safe_next(&visited, posted);
        redirect(next.as_deref().unwrap_or(&self.settings().login_redirect_url))
    }

    /// The answer after a log-out: a redirect to [`safe_next`](Self::safe_next), to
    /// `LOGOUT_REDIRECT_URL`, or to the path of the request. `None` where that would lead to the very
    /// request that was made: then it is for a page to say that nobody is logged in any more.
    #[doc(alias = "LOGOUT_REDIRECT_URL")]
    pub fn redirect_after_logout(
        &self,
        req: &HttpRequest,
        posted: Option<&str>,
    ) -> Option<HttpResponse> {
        let Some(visited) = Visited::of(req, self.settings()) else {
            return Some(HttpResponse::BadRequest().finish());
        };
        let default = || self.settings().logout_redirect_url.clone();
        let url = safe_next(&visited, posted).or_else(default);
        let url = url.unwrap_or_else(|| visited.quoted_path());
        (url != visited.full_path()).then(|| redirect(&url))
    }
}

/// `get_redirect_url`
fn safe_next(visited: &Visited<'_>, posted: Option<&str>) -> Option<String> {
    let next = match posted {
        Some(posted) => posted.to_owned(),
        None => visited.query_field(REDIRECT_FIELD_NAME)?,
    };
    let host = visited.is_checked.then_some(&visited.host);
    let is_safe = url_has_allowed_host_and_scheme(&next, host, visited.scheme == "https");
    is_safe.then_some(next)
}

fn redirect(url: &str) -> HttpResponse {
    match location_of(url) {
        Some(location) => HttpResponse::Found().insert_header((LOCATION, location)).finish(),
        None => HttpResponse::BadRequest().finish(),
    }
}
