//! The hooks of the application, and the faults that are found at the start.

use std::time::Duration;

use actix_django_session::{
    AuthenticationClass, AuthenticationFailed, DjangoSessionMiddleware, DjangoSettings, DjangoSite,
    DjangoUserId, Error, NotLoggedIn, RestAuthentication, RestFramework, SimpleJwt,
    TokenAuthentication,
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use super::bed::{Bed, TOKENS, describe};

async fn get(view: DjangoSessionMiddleware, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let id = async |DjangoUserId(id): DjangoUserId<i64>| id.to_string();
    let app =
        App::new().wrap(view).route("/", web::get().to(describe)).route("/id", web::get().to(id));
    let app = init_service(app).await;
    let mut request = TestRequest::with_uri(path);
    for header in headers {
        request = request.insert_header(*header);
    }
    let response = call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

fn with_classes(classes: Vec<RestAuthentication>) -> DjangoSettings {
    let mut rest = RestFramework::default();
    rest.default_authentication_classes = classes;
    DjangoSettings::new(Settings::SECRET_KEY).with(|s| s.rest_framework = rest)
}

#[testbed::test]
async fn hooks_can_change_the_user_and_the_permissions() {
    let bed = Bed::start(Django::default()).await;
    let site = bed.site(with_classes(vec![
        RestAuthentication::other("shop.ApiKey", Some("ApiKey")),
        RestAuthentication::token(),
    ]));
    let token = format!("Token {}", TOKENS[0].0);
    let by_token = [("Authorization", token.as_str())];

    // No hook for the first class is set.
    let view = || DjangoSessionMiddleware::rest_framework(site.clone());
    assert_eq!(get(view(), "/", &by_token).await.0, 500);

    let view = |site: DjangoSite| {
        DjangoSessionMiddleware::rest_framework(site).authenticator(
            "shop.ApiKey",
            |req, site: DjangoSite| async move {
                match req.headers().get("X-Api-Key").map(|key| key.as_bytes()) {
                    None => Ok(None),
                    Some(b"ada") => site.user(1).await.map(Some),
                    Some(b"idle") => site.user(3).await.map(Some),
                    Some(b"hangs") => std::future::pending().await,
                    Some(_) => Err(AuthenticationFailed::InvalidToken.into()),
                }
            },
        )
    };
    let outcome = |by: &str| (200, format!(r#"{{"by":"{by}","user_id":"1"}}"#));
    assert_eq!(get(view(site.clone()), "/", &by_token).await, outcome("token"));
    assert_eq!(get(view(site.clone()), "/", &[("X-Api-Key", "ada")]).await, outcome("other"));
    assert_eq!(get(view(site.clone()), "/id", &by_token).await, (200, "1".into()));
    // A hook that hangs is a 503 after the timeout, and lets no client in.
    let mut impatient = site.settings().clone();
    impatient.timeout = Duration::from_millis(100);
    let hangs = [("X-Api-Key", "hangs"), by_token[0]];
    assert_eq!(get(view(bed.site(impatient)).allow_any(), "/", &hangs).await.0, 503);
    // A refused credential does not fall through to a valid token.
    for (key, detail) in
        [("wrong", "Invalid token."), ("idle", "Incorrect authentication credentials.")]
    {
        let both = [("X-Api-Key", key), by_token[0]];
        let refused = (401, format!(r#"{{"detail":"{detail}"}}"#));
        assert_eq!(get(view(site.clone()).allow_any(), "/", &both).await, refused);
    }

    // The hook receives the user of a token, with an empty session, and refuses.
    let vetoes = site.clone().after_get_user(|session, user, _| async move {
        assert!(session.data()?.is_empty());
        match user.id() {
            "1" => Err(NotLoggedIn::RefusedByHook.into()),
            _ => Ok(Some(user)),
        }
    });
    let refused = (401, r#"{"detail":"Incorrect authentication credentials."}"#.to_owned());
    assert_eq!(get(view(vetoes.clone()).allow_any(), "/", &by_token).await, refused);
    let staff = format!("Token {}", TOKENS[2].0);
    let answer = get(view(vetoes), "/", &[("Authorization", &staff)]).await;
    assert_eq!(answer, (200, r#"{"by":"token","user_id":"2"}"#.into()));

    // A predicate, and a permission that ada does not have.
    let odd =
        view(site.clone()).has_permission(|_, user| user.is_some_and(|user| user.id() == "2"));
    assert_eq!(get(odd.clone(), "/", &by_token).await.0, 403);
    assert_eq!(get(odd, "/", &[("Authorization", &staff)]).await.0, 200);
    let held = view(site).permission_required("auth.add_group");
    assert_eq!(get(held, "/", &by_token).await.0, 403);
}

/// Handlers can only change a session that authenticated the request.
#[testbed::test]
async fn a_session_cookie_beside_a_token_is_not_used() {
    let bed = Bed::start(Django::default()).await;
    let site =
        bed.site(with_classes(vec![RestAuthentication::token(), RestAuthentication::session()]));
    let view = || DjangoSessionMiddleware::rest_framework(site.clone());
    let token = format!("Token {}", TOKENS[2].0);
    let cookie = format!("sessionid={}", bed.sessions[0]);
    let both = [("Authorization", token.as_str()), ("Cookie", cookie.as_str())];
    assert_eq!(get(view(), "/id", &both).await, (200, "2".into()));
    assert_eq!(get(view(), "/id", &both[1..]).await, (200, "1".into()));
    // The same inside a middleware that knows the session's user.
    let outer = DjangoSessionMiddleware::optional(site.clone());
    let app = App::new().wrap(view()).wrap(outer).default_service(web::to(describe));
    let app = init_service(app).await;
    for (headers, outcome) in [
        (&both[..], json!({ "user_id": "2", "by": "token" })),
        (&both[1..], json!({ "user_id": "1", "by": "session" })),
    ] {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.insert_header(*header);
        }
        let answer = read_body(call_service(&app, request.to_request()).await).await;
        assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap(), outcome);
    }
}

#[testbed::test]
async fn check_reports_classes_that_cannot_work() {
    let bed = Bed::start(Django::default()).await;
    let message = async |class: RestAuthentication| {
        let site = bed.site(with_classes(vec![class]));
        drop(DjangoSessionMiddleware::rest_framework(site.clone()));
        match site.check().await {
            Ok(report) => report.to_string(),
            Err(Error::CheckFailed(report)) => format!("failed: {report}"),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!message(RestAuthentication::token()).await.contains("failed"));
    let mut table = TokenAuthentication::default();
    table.table = "no_such_table".into();
    let mut class = RestAuthentication::token();
    class.class = AuthenticationClass::Token(table);
    let problem = message(class).await;
    assert!(problem.starts_with("failed") && problem.contains("no_such_table"), "{problem}");
    let mut jwt = SimpleJwt::default();
    jwt.algorithm = "RS256".into();
    let problem = message(RestAuthentication::jwt(jwt.clone())).await;
    assert!(problem.starts_with("failed") && problem.contains("VERIFYING_KEY"), "{problem}");
    jwt.jwk_url = true;
    assert!(message(RestAuthentication::jwt(jwt)).await.contains("JWK_URL"));
    let own = || RestAuthentication::other("shop.ApiKey", None);
    assert!(message(own()).await.contains("shop.ApiKey"));
    // A hook replaces the class: there is nothing left to report.
    let site = bed.site(with_classes(vec![own()]));
    let view = DjangoSessionMiddleware::rest_framework(site.clone());
    drop(view.authenticator("shop.ApiKey", |_, _| async { Ok(None) }));
    assert!(!site.check().await.unwrap().to_string().contains("shop.ApiKey"));
}

/// A custom class, and other settings of the site that the service does not follow.
#[testbed::test]
async fn the_export_treats_custom_classes_as_unknown() {
    let bed = Bed::start(Django::default()).await;
    let question = json!({
        "cmd": "rest_answers", "requests": [], "jwt": { "AUTH_TOKEN_CLASSES": ["rest.ShopToken"] },
        "rest_framework": {
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "rest.ApiKey", "rest.BearerToken", "rest.QuietBasic",
                "rest_framework.authentication.RemoteUserAuthentication",
                "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
                "rest_framework_simplejwt.authentication.JWTAuthentication",
            ],
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
            "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        },
    });
    let exported = &bed.ask(question).await["exported"];
    let classes = exported["found"]["authentication_classes"].as_array().unwrap();
    let kinds: Vec<_> = classes.iter().map(|class| class["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["other", "token", "basic", "other", "other", "jwt"]);
    assert_eq!(classes[1]["token"]["keyword"], "Bearer");
    assert_eq!(classes[2]["www_authenticate"], Value::Null);
    assert_eq!(classes[5]["jwt"]["token_classes"][0]["token_type"], "shop");
    let complaints = exported["complaints"].to_string();
    for message in [
        "overrides `authenticate_credentials`",
        "DEFAULT_THROTTLE_CLASSES",
        "DEFAULT_VERSIONING_CLASS",
        "DEFAULT_PERMISSION_CLASSES",
    ] {
        assert!(complaints.contains(message), "{message}: {complaints}");
    }
    // Unknown classes are a 500, and let no user in.
    let site = bed.site(bed.settings(&exported["found"]));
    let view = DjangoSessionMiddleware::rest_framework(site).allow_any();
    assert_eq!(get(view, "/", &[]).await.0, 500);
}
