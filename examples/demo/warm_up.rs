//! A first visit, so that the times on the pages are those of a service that has been running: connections are open,
//! statements are prepared, templates are read.

use std::error::Error;

use actix_web::http::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use awc::Client;
use futures_util::future::try_join_all;

use super::account::{PASSWORD, USERNAME};

/// A few more at once than a browser sends.
const AT_ONCE: usize = 8;
const ROUNDS: usize = 3;

/// Logs in and out at Django, and opens pages of both sides in between.
pub(crate) async fn warm_up(address: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::builder().disable_redirects().finish();
    let (login, logout) = ("/accounts/login/", "/accounts/logout/");
    let page = client.get(format!("{address}{login}")).send().await?;
    let token = cookie(page.headers(), "csrftoken")?;
    let post = |path, cookies: String| {
        let request = client.post(format!("{address}{path}"));
        request.insert_header((ORIGIN, address)).insert_header((COOKIE, cookies))
    };
    let fields = [("csrfmiddlewaretoken", &*token), ("username", USERNAME), ("password", PASSWORD)];
    let answer = post(login, format!("csrftoken={token}")).send_form(&fields).await?;
    let (token, key) =
        (cookie(answer.headers(), "csrftoken")?, cookie(answer.headers(), "sessionid")?);
    let cookies = format!("csrftoken={token}; sessionid={key}");
    for _ in 0..ROUNDS {
        for path in ["/", "/dashboard", "/cart/", "/api/me"] {
            let visit = || {
                let request = client.get(format!("{address}{path}"));
                request.insert_header((COOKIE, &*cookies)).send()
            };
            for mut answer in try_join_all((0..AT_ONCE).map(|_| visit())).await? {
                answer.body().await?;
            }
        }
    }
    post(logout, cookies).send_form(&[("csrfmiddlewaretoken", &*token)]).await?;
    Ok(())
}

/// The value of a cookie that a response sets.
fn cookie(headers: &HeaderMap, name: &str) -> Result<String, String> {
    headers
        .get_all(SET_COOKIE)
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next()?.split_once('='))
        .find(|(set, _)| *set == name)
        .map(|(_, value)| value.to_owned())
        .ok_or_else(|| format!("Django sets no cookie {name}"))
}
