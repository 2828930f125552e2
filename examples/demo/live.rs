//! A page that opens the WebSocket of `examples/websocket.rs`, and shows why it was closed.

use actix_web::HttpResponse;

use super::html::Page;

/// Sends and shows the messages, in the browser.
const SCRIPT: &str = "<script>
const of = id => document.getElementById(id);
const socket = new WebSocket(`ws://${location.host}/live/socket`);
const end = { 1001: 'the service ends', 1008: 'you are no longer logged in', 1013: 'the database is away' };
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
