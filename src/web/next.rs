//! Redirects after login and logout: `RedirectURLMixin` of `django.contrib.auth.views`.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION};

use super::redirect::{REDIRECT_FIELD_NAME, Visited, location_of};
use crate::{site::DjangoSite, url::url_has_allowed_host_and_scheme};

/// # Redirects after login and logout
impl DjangoSite {
    /// Returns the `next` field of a request if it is safe to redirect to: a path of this site, or a URL of
    /// this host with a scheme as safe as the request's. Otherwise it returns `None`. Mirrors
    /// `get_redirect_url` and `url_has_allowed_host_and_scheme`.
    ///
    /// `posted` is the form's field `next`, if it has one. As in Django, the query is used only if there is
    /// no such field, even if the field is unsafe.
    ///
    /// **Never redirect to a `next` that this method did not return:** an attacker may have made the link to
    /// the login page. The result is the text as it was sent, not yet a header value: use
    /// [`redirect_after_login`](Self::redirect_after_login) for that, and escape it in the hidden field of a
    /// form.
    ///
    /// A URL with a host is safe only if the settings have
    /// [`allowed_hosts`](crate::DjangoSettings::allowed_hosts): without them the client chooses the host.
    #[doc(alias = "url_has_allowed_host_and_scheme")]
    #[doc(alias = "get_redirect_url")]
    #[must_use]
    pub fn safe_next(&self, req: &HttpRequest, posted: Option<&str>) -> Option<String> {
        Visited::of(req, self.settings()).and_then(|visited| safe_next(&visited, posted))
    }

    /// Returns the answer after a login: a redirect to [`safe_next`](Self::safe_next) or, if that is `None`,
    /// to `LOGIN_REDIRECT_URL`. The answer is a 400 if the host of the request is not one of the
    /// `ALLOWED_HOSTS`, or if the URL cannot be redirected to. Mirrors `get_success_url` of `LoginView`.
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

    /// Returns the answer after a logout: a redirect to the first that exists of
    /// [`safe_next`](Self::safe_next), `LOGOUT_REDIRECT_URL` and the path of the request. It returns `None`
    /// if that is the URL of this very request: then show a page that says that the visitor is logged out.
    /// The answer is a 400 as for [`redirect_after_login`](Self::redirect_after_login). Mirrors `LogoutView`.
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
