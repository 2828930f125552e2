//! A WebSocket that closes when its visitor logs out, is deactivated or changes the password.

use std::{pin::pin, time::Duration};

use actix_django_session::{DjangoSession, DjangoSite, DjangoUser};
use actix_web::{HttpRequest, HttpResponse, Result, rt, web::Payload};
use actix_ws::{CloseCode, CloseReason, Message};
use tokio::time;

use super::html::Page;

/// How long it takes at most until somebody who logged out notices.
const EVERY: Duration = Duration::from_secs(1);

/// What comes in and goes out, in the browser.
const SCRIPT: &str = "<script>
const of = id => document.getElementById(id);
const socket = new WebSocket(`ws://${location.host}/live/socket`);
const end = { 1008: 'you are no longer logged in', 1013: 'the database is away' };
socket.onopen = () => of('state').textContent = 'open';
socket.onclose = ({ code }) => of('state').textContent = `closed by Rust: ${end[code] ?? 'code ' + code}`;
socket.onmessage = ({ data }) => of('said').append(Object.assign(document.createElement('li'), { textContent: data }));
of('say').onsubmit = event => {
  event.preventDefault();
  socket.send(of('text').value);
  of('text').value = '';
};
of('stay').onclick = event => {
  event.preventDefault();
  const form = event.target.form;
  fetch(form.action, { method: 'post', body: new URLSearchParams(new FormData(form)), redirect: 'manual' });
};
</script>";

pub(crate) async fn live_page(page: Page) -> HttpResponse {
    let logout =
        page.form("/logout", "<button id=\"stay\">Log out, and stay on this page</button>");
    let body = format!(
        "<p>The connection is <strong id=\"state\" role=\"status\">not open yet</strong>.</p>
<form id=\"say\" class=\"row\"><input id=\"text\" aria-label=\"Text\" required><button>Say it</button></form>
<ul id=\"said\" aria-live=\"polite\"></ul>
{logout}<p class=\"note\">Or log out in another tab, at Rust or at Django: within a second it closes. A changed \
password closes it too.</p>
{SCRIPT}"
    );
    page.show("Live", &body)
}

/// Says everything again.
pub(crate) async fn socket(
    req: HttpRequest,
    body: Payload,
    session: DjangoSession,
    user: DjangoUser,
    site: DjangoSite,
) -> Result<HttpResponse> {
    let (response, mut socket, mut messages) = actix_ws::handle(&req, body)?;
    let name = user.username().to_owned();
    rt::spawn(async move {
        // One future for all of its life: a new one for each message would let those stay who never
        // stop sending.
        let mut end = pin!(end(&site, session, user));
        let code = loop {
            let message = tokio::select! {
                code = &mut end => break code,
                message = messages.recv() => message,
            };
            let sent = match message {
                Some(Ok(Message::Text(text))) => socket.text(format!("{name}: {text}")).await,
                Some(Ok(Message::Ping(bytes))) => socket.pong(&bytes).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => break CloseCode::Normal,
                Some(Ok(_)) => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        };
        drop(socket.close(Some(CloseReason::from(code))).await);
    });
    Ok(response)
}

/// Waits until a visitor who stays has to go, and says why.
async fn end(site: &DjangoSite, session: DjangoSession, user: DjangoUser) -> CloseCode {
    let mut timer = time::interval(EVERY);
    loop {
        timer.tick().await;
        match site.revalidate(&session, &user).await {
            Ok(_) => {}
            Err(error) if error.is_rejection() => {
                tracing::info!(user_id = user.id(), "closed a WebSocket");
                return CloseCode::Policy;
            }
            // The database is away: whether the session still stands cannot be told.
            Err(_) => return CloseCode::Again,
        }
    }
}
