use std::sync::Arc;

use reqwest::{
    Client, ClientBuilder, Response, Url,
    cookie::{CookieStore, Jar},
    header::{CONTENT_TYPE, ORIGIN},
    redirect::Policy,
};
use serde_json::Value;

use crate::{Error, Result, Site};

/// A builder of HTTP clients for servers of tests: no proxy, and a connection of its own for each request. A
/// server may close an idle connection in the moment in which the next request is sent on it.
pub fn http_client() -> ClientBuilder {
    Client::builder().no_proxy().pool_max_idle_per_host(0)
}

/// A browser without a screen: it keeps cookies and does not follow redirects.
///
/// Cookies know no ports, so what a site on 127.0.0.1 sets is sent to a Rust service there as well.
#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    jar: Arc<Jar>,
}

impl Browser {
    /// A browser without cookies.
    ///
    /// # Panics
    /// When the HTTP client cannot be built, which without TLS does not happen.
    #[must_use]
    pub fn new() -> Self {
        let jar = Arc::new(Jar::default());
        let client = http_client()
            .cookie_provider(jar.clone())
            .redirect(Policy::none())
            .build()
            .expect("a client without TLS needs nothing");
        Self { client, jar }
    }

    /// The HTTP client, for requests that have no method here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Gets a page.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn get(&self, url: &str) -> Result<Response> {
        Ok(self.client.get(url).send().await?)
    }

    /// Gets the page with the form, then posts the fields with the token that Django put into it.
    ///
    /// # Errors
    /// When the server cannot be reached or the page has no form of Django's.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> Result<Response> {
        self.post(url, url, fields).await
    }

    /// Logs in through Django's form.
    ///
    /// # Errors
    /// When the site cannot be reached or refuses.
    pub async fn login(&self, site: &Site, username: &str, password: &str) -> Result<()> {
        let url = format!("{}/accounts/login/", site.url());
        let answer = self.submit(&url, &[("username", username), ("password", password)]).await?;
        redirected("login", &answer)
    }

    /// Logs out through Django's form.
    ///
    /// # Errors
    /// When the site cannot be reached or refuses.
    pub async fn logout(&self, site: &Site) -> Result<()> {
        let home = format!("{}/", site.url());
        let answer = self.post(&home, &format!("{}/accounts/logout/", site.url()), &[]).await?;
        redirected("logout", &answer)
    }

    /// How Django itself recognises this visitor.
    ///
    /// # Errors
    /// When the site cannot be reached.
    pub async fn whoami(&self, site: &Site) -> Result<Value> {
        let text = self.get(&format!("{}/whoami/", site.url())).await?.text().await?;
        serde_json::from_str(&text).map_err(|error| Error::new(format!("{error} in {text}")))
    }

    /// The `Cookie` header that it would send to this address.
    pub fn cookies(&self, url: &str) -> Option<String> {
        let header = self.jar.cookies(&Url::parse(url).ok()?)?;
        header.to_str().ok().map(str::to_owned)
    }

    async fn post(&self, page: &str, url: &str, fields: &[(&str, &str)]) -> Result<Response> {
        let html = self.get(page).await?.text().await?;
        let token = html
            .split_once(r#"name="csrfmiddlewaretoken" value=""#)
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(token, _)| token)
            .ok_or_else(|| Error::new(format!("no form in {page}")))?;
        let origin = Url::parse(page).map_err(|error| Error::new(error.to_string()))?.origin();
        let mut form = Url::parse("form:").map_err(|error| Error::new(error.to_string()))?;
        form.query_pairs_mut().append_pair("csrfmiddlewaretoken", token).extend_pairs(fields);
        let body = form.query().unwrap_or_default().to_owned();
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, origin.ascii_serialization())
            .body(body);
        Ok(request.send().await?)
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

fn redirected(what: &str, answer: &Response) -> Result<()> {
    if answer.status().is_redirection() {
        return Ok(());
    }
    Err(Error::new(format!("{what} answered {}", answer.status())))
}
