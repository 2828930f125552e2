//! One request to a service of this crate, whose handler does what a list says.

use std::{cell::RefCell, rc::Rc};
use testbed::With;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Message, MessageLevel,
    MessageStorage, Messages, signing::TimestampSigner,
};
use actix_web::{
    App, HttpResponse,
    http::{StatusCode, header},
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};

pub(crate) const SECRET_KEY: &str = "s3cr3t-key";

/// What a request came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) results: Vec<Value>,
    /// `Set-Cookie` headers without the values of cookies that are set.
    pub(crate) set_cookie: Vec<String>,
    /// The value of the messages cookie, if it is set; empty if it is deleted.
    pub(crate) cookie: Option<String>,
    pub(crate) session_key: Option<String>,
}

pub(crate) fn storage(name: &str) -> MessageStorage {
    match name {
        "cookie" => MessageStorage::Cookie,
        "session" => MessageStorage::Session,
        "fallback" => MessageStorage::Fallback,
        other => panic!("{other}"),
    }
}

pub(crate) fn settings(name: &str) -> DjangoSettings {
    DjangoSettings::new(SECRET_KEY).with(|s| {
        s.message_storage = storage(name);
        s.write_sessions = true;
    })
}

/// `django.core.signing.get_cookie_signer(salt="django.contrib.messages")`
pub(crate) fn signer() -> TimestampSigner {
    let key = format!("django.http.cookies{SECRET_KEY}");
    TimestampSigner::new(key).unwrap().salt("django.contrib.messages")
}

pub(crate) async fn request(
    site: &DjangoSite,
    ops: &[Value],
    status: u16,
    cookie: Option<&str>,
) -> Outcome {
    let results = Rc::new(RefCell::new(Vec::new()));
    let handler = {
        let (results, ops, site) = (Rc::clone(&results), ops.to_vec(), site.clone());
        move |messages: Messages, session: DjangoSessionMut| {
            let (results, ops, site) = (Rc::clone(&results), ops.clone(), site.clone());
            async move {
                for op in &ops {
                    if op[0] == "raise" {
                        let status = match op[1].as_str().unwrap() {
                            "Http404" => StatusCode::NOT_FOUND,
                            "PermissionDenied" => StatusCode::FORBIDDEN,
                            _ => StatusCode::INTERNAL_SERVER_ERROR,
                        };
                        let error = actix_web::error::InternalError::new("raised", status);
                        return Err(actix_web::Error::from(error));
                    }
                    let result = operate(op, &messages, &session, &site).await;
                    results.borrow_mut().push(result);
                }
                Ok(HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish())
            }
        }
    };
    let middleware = DjangoSessionMiddleware::optional(site.clone()).csrf_exempt();
    let app = App::new().route("/", web::get().to(handler)).wrap(middleware);
    let app = init_service(app).await;
    let mut request = TestRequest::get();
    if let Some(cookie) = cookie {
        request = request.insert_header((header::COOKIE, cookie));
    }
    let response = call_service(&app, request.to_request()).await;
    let mut outcome = Outcome {
        status: response.status().as_u16(),
        results: results.take(),
        set_cookie: Vec::new(),
        cookie: None,
        session_key: None,
    };
    for header in response.headers().get_all(header::SET_COOKIE) {
        let (cookie, attributes) = header.to_str().unwrap().split_once(';').unwrap();
        let (name, value) = cookie.split_once('=').unwrap();
        let value = value.trim_matches('"').to_owned();
        match name {
            "messages" => outcome.cookie = Some(value),
            // A login replaces the secret; the Django of the vectors has no check for CSRF.
            "csrftoken" => continue,
            _ => outcome.session_key = Some(value),
        }
        outcome.set_cookie.push(format!("{name}=;{attributes}"));
    }
    outcome
}

async fn operate(
    op: &Value,
    messages: &Messages,
    session: &DjangoSessionMut,
    site: &DjangoSite,
) -> Value {
    let text = |index: usize| text(&op[index]);
    let key = || op[1].as_str().unwrap();
    match op[0].as_str().unwrap() {
        "add" | "add_lazy" | "add_silently" => messages.add(level(&op[1]), text(2), &text(3)),
        "add_safe" => messages.add_safe(level(&op[1]), text(2), &text(3)),
        "debug" => messages.debug(text(1)),
        "info" if op[2].is_null() => messages.info(text(1)),
        "success" if op[2].is_null() => messages.success(text(1)),
        "warning" if op[2].is_null() => messages.warning(text(1)),
        "error" if op[2].is_null() => messages.error(text(1)),
        "info" => messages.add(MessageLevel::INFO, text(1), &text(2)),
        "success" => messages.add(MessageLevel::SUCCESS, text(1), &text(2)),
        "warning" => messages.add(MessageLevel::WARNING, text(1), &text(2)),
        "error" => messages.add(MessageLevel::ERROR, text(1), &text(2)),
        "read" => return messages.read().iter().map(described).collect(),
        "read_first" => return messages.read().first().map(described).unwrap_or_default(),
        "read_adding" => {
            let read = messages.read();
            if !read.is_empty() {
                messages.add(level(&op[1]), text(2), "");
            }
            return read.iter().map(described).collect();
        }
        "len" => return messages.len().into(),
        "bool" => return (!messages.is_empty()).into(),
        "set_level" => messages.set_level((!op[1].is_null()).then(|| level(&op[1]))),
        "get_level" => return messages.level().0.into(),
        "render" => return rendered(op[1].as_str().unwrap(), messages).into(),
        "flags" => {}
        "session_set" => session.insert(key(), &op[2]).unwrap(),
        "session_pop" => drop(session.remove(key())),
        "cycle_key" => session.cycle_key(),
        "flush" => session.flush(),
        "clear" => session.clear(),
        "save" => session.save().await.unwrap(),
        "logout" => session.logout().await.unwrap(),
        "login" => {
            let alice = site.user_by_username("alice").await.unwrap();
            session.login(&alice).await.unwrap();
        }
        other => panic!("{other}"),
    }
    Value::Null
}

fn level(value: &Value) -> MessageLevel {
    let level = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    MessageLevel(level.unwrap_or_else(|| value.as_f64().unwrap() as i64))
}

/// What a handler in Rust hands over where one in Python hands over this.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value if *value == 0 => String::new(),
        value => value.to_string(),
    }
}

fn described(message: &Message) -> Value {
    json!({
        "level": message.level().0,
        "text": message.text(),
        "extra_tags": message.extra_tags(),
        "safe": message.is_safe(),
        "level_tag": message.level_tag(),
        "tags": message.tags(),
    })
}

/// What a handler in Rust would do where a page has one of these templates.
fn rendered(template: &str, messages: &Messages) -> String {
    let escaped =
        |text: String| text.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let lines = |line: &dyn Fn(&Message) -> String| messages.read().iter().map(line).collect();
    let full = |each: &Message| {
        let (level, tags, html) = (each.level().0, each.tags(), each.html());
        let (extra, level_tag) = (each.extra_tags(), each.level_tag());
        format!("[{level}|{tags}|{extra}|{level_tag}|{html}|{html}]")
    };
    match template {
        "no mention" => template.into(),
        "{% if messages %}{{ messages|length }}{% else %}none{% endif %}" => {
            messages.len().to_string()
        }
        _ if template.starts_with("{% if messages %}yes") && messages.is_empty() => "none".into(),
        _ if template.starts_with("{{ DEFAULT") => {
            let mark =
                |each: &Message| if each.level() == MessageLevel::WARNING { "!" } else { "" };
            let lines: String = lines(&|each| format!("{}{};", mark(each), each.html()));
            format!("40{lines}")
        }
        _ if template.contains("<li class") => {
            lines(&|each| format!("<li class=\"{}\">{}</li>", escaped(each.tags()), each.html()))
        }
        _ => lines(&full),
    }
}
