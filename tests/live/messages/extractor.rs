//! What handlers receive, without a database.

use std::{cell::RefCell, rc::Rc};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error, MessageLevel, MessageStorage,
    Messages,
    test::{Client, TestSite},
};
use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::ServiceResponse,
    http::header::{COOKIE, SET_COOKIE},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};

use super::operations::SECRET_KEY;

fn site(storage: MessageStorage) -> DjangoSite {
    let mut settings = DjangoSettings::new(SECRET_KEY);
    settings.message_storage = storage;
    TestSite::new(settings).build()
}

fn cookie<B>(answer: &ServiceResponse<B>) -> Option<String> {
    let mut cookies = answer.headers().get_all(SET_COOKIE);
    let ours = cookies.find_map(|cookie| cookie.to_str().unwrap().strip_prefix("messages="));
    ours.map(|cookie| cookie.split(';').next().unwrap().trim_matches('"').to_owned())
}

async fn text(answer: ServiceResponse<impl MessageBody>) -> String {
    String::from_utf8(read_body(answer).await.to_vec()).unwrap()
}

async fn show(messages: Messages) -> String {
    let messages = messages.read();
    messages.iter().map(|each| format!("[{}: {}]", each.tags(), each.html())).collect()
}

#[testbed::test]
async fn messages_are_stored_with_every_kind_of_response() {
    let middleware = DjangoSessionMiddleware::optional(site(MessageStorage::Cookie));
    let app = App::new().wrap(middleware.clone()).route("/show", web::get().to(show));
    let app = app
        .route(
            "/redirect",
            web::get().to(async |messages: Messages| {
                messages.success("Saved.");
                HttpResponse::Found().insert_header(("Location", "/show")).finish()
            }),
        )
        .route(
            "/error",
            web::get().to(async |messages: Messages| -> Result<&str, Error> {
                messages.add(MessageLevel::ERROR, "No <b>luck</b>.", "modal");
                Err(Error::PermissionDenied)
            }),
        )
        // Two middlewares, one list of messages.
        .service(web::resource("/nested").wrap(middleware).to(async |messages: Messages| {
            messages.add_safe(MessageLevel::INFO, "<b>1</b>", "");
            "nested"
        }));
    let app = init_service(app).await;
    for (uri, status, shown) in [
        ("/redirect", 302, "[success: Saved.]"),
        ("/error", 403, "[modal error: No &lt;b&gt;luck&lt;/b&gt;.]"),
        ("/nested", 200, "[info: <b>1</b>]"),
    ] {
        let answer = call_service(&app, TestRequest::with_uri(uri).to_request()).await;
        assert_eq!(answer.status(), status, "{uri}");
        let kept = cookie(&answer).unwrap();
        let page =
            TestRequest::with_uri("/show").insert_header((COOKIE, format!("messages={kept}")));
        let page = call_service(&app, page.to_request()).await;
        assert_eq!(cookie(&page).as_deref(), Some(""), "{uri}");
        assert_eq!(text(page).await, shown);
    }
}

/// A client cannot make messages: the cookie is signed.
#[testbed::test]
async fn a_forged_cookie_contains_no_messages() {
    let middleware = DjangoSessionMiddleware::optional(site(MessageStorage::Cookie));
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(show))).await;
    let long = "x".repeat(100_000);
    for forged in
        ["W1siX19qc29uX21lc3NhZ2UiLDEsMjAsIng8eSIsIiJdXQ:1r31eq:AAAA", "x", ".", "..", &long]
    {
        let request = TestRequest::get().insert_header((COOKIE, format!("messages={forged}")));
        let answer = call_service(&app, request.to_request()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(cookie(&answer).as_deref(), Some(""));
        assert_eq!(text(answer).await, "");
    }
}

#[testbed::test]
async fn a_storage_that_cannot_be_used_is_named_in_the_error() {
    for (storage, named) in [
        (MessageStorage::Other("shop.messages.Storage".into()), "shop.messages.Storage"),
        (MessageStorage::Session, "write_sessions"),
    ] {
        let message = Rc::new(RefCell::new(String::new()));
        let middleware = DjangoSessionMiddleware::optional(site(storage))
            .error_handler(|error, _| HttpResponse::InternalServerError().body(error.to_string()));
        let app = init_service(App::new().wrap(middleware).route("/", web::get().to(show))).await;
        let answer = call_service(&app, TestRequest::get().to_request()).await;
        assert_eq!(answer.status(), 500);
        *message.borrow_mut() = text(answer).await;
        assert!(message.borrow().contains(named), "{message:?}");
    }
}

#[testbed::test]
async fn a_test_can_read_the_messages_that_a_handler_added() {
    async fn save(messages: Messages) -> &'static str {
        messages.debug("not kept");
        messages.success("Saved.");
        "done"
    }
    for storage in [MessageStorage::Cookie, MessageStorage::Session, MessageStorage::Fallback] {
        let mut settings = DjangoSettings::new("k");
        settings.write_sessions = true;
        settings.message_storage = storage;
        let site = TestSite::new(settings).build();
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let app = init_service(
            App::new()
                .wrap(middleware)
                .route("/", web::get().to(save))
                .route("/show", web::get().to(show)),
        );
        let (app, client) = (app.await, Client::new(&site));
        assert!(client.messages().await.is_empty());
        client.send(&app, TestRequest::get()).await;
        for _ in 0..2 {
            let left = client.messages().await;
            assert_eq!(left.len(), 1);
            assert_eq!((left[0].level(), left[0].text()), (MessageLevel::SUCCESS, "Saved."));
        }
        // Messages that were shown are gone.
        client.send(&app, TestRequest::get().uri("/show")).await;
        assert!(client.messages().await.is_empty());
    }
}
