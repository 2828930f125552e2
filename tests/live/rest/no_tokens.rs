//! The log contains no token, password or key.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, RestAuthentication, RestFramework, SimpleJwt,
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use testbed::{Django, Settings};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::bed::{Bed, PASSWORD, TOKENS, describe};

/// All that is logged while this thread does something, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for &Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut &*self);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut &*self);
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[testbed::test]
async fn no_log_line_or_debug_output_has_a_token_a_password_or_a_key() {
    let bed = Bed::start(Django::default()).await;
    let mut jwt = SimpleJwt::default();
    jwt.signing_key = Some("hush-the-signing-key".into());
    let mut rest = RestFramework::default();
    rest.default_authentication_classes = vec![
        RestAuthentication::session(),
        RestAuthentication::basic(),
        RestAuthentication::token(),
        RestAuthentication::jwt(jwt),
    ];
    let mut settings = DjangoSettings::new(Settings::SECRET_KEY);
    settings.rest_framework = rest;
    let log = Log::default();
    let _heard = tracing::subscriber::set_default(log.clone());
    let mut text = format!("{settings:?}");
    let basic = STANDARD.encode(format!("ada:{PASSWORD}"));
    let header = "eyJhbGciOiJIUzI1NiJ9";
    let headers = [
        format!("Token {}", TOKENS[0].0),
        format!("Token {}", TOKENS[1].0),
        "Token hush-an-unknown-token".into(),
        format!("Basic {basic}"),
        format!("Basic {}", STANDARD.encode("ada:hush-a-wrong-one")),
        format!("Bearer {header}.e30.hush-a-signature"),
        "Bearer hush a b".into(),
    ];
    let mut broken = settings.clone();
    broken.user_model = actix_django_session::UserModel::new("no_such_table");
    for settings in [settings, broken] {
        let view = DjangoSessionMiddleware::rest_framework(bed.site(settings));
        text += &format!("{view:?}");
        let app = init_service(App::new().wrap(view).default_service(web::to(describe))).await;
        for header in &headers {
            let request = TestRequest::get().insert_header(("Authorization", header.as_str()));
            let response = call_service(&app, request.to_request()).await;
            text += &format!("{:?}{:?}", response.headers(), response.response().error());
        }
    }
    text += &log.0.lock().unwrap();
    assert!(text.contains("authentication_failed") && text.contains("unavailable"), "{text}");
    for secret in [TOKENS[0].0, TOKENS[1].0, "hush", &basic, PASSWORD, header, Settings::SECRET_KEY]
    {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
