//! A server that reports all it knows of a visitor, and a client of it.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, OptionalDjangoUser,
};
use actix_web::{
    App,
    web::{self, Json, ServiceConfig},
};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Value, json};

use crate::app;

/// What is asked of `has_perm` for every visitor, by Django and by the crate.
pub(crate) const PERMISSIONS: [&str; 12] = [
    "shop.add_item",
    "shop.change_item",
    "shop.weird.name",
    "blog.add_post",
    "auth.add_user",
    "Shop.add_item",
    "shop.Add_item",
    "add_item",
    "shop.",
    "",
    "shop",
    "no.such",
];

/// What is asked of `has_module_perms`.
pub(crate) const MODULES: [&str; 8] =
    ["shop", "shop.weird", "sho", "Shop", "auth", "blog", "", "nothing"];

/// A running server with one worker, and a client. It ends with this value.
pub(crate) struct TestApp {
    server: app::TestApp,
    cookie_name: String,
    client: Client,
}

impl TestApp {
    pub(crate) fn start(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let app = move || App::new().configure(routes.clone());
        let server = app::TestApp::serve(app::any_port(), 1, app);
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { server, cookie_name: "sessionid".into(), client }
    }

    /// Sends session keys in a cookie of that name.
    pub(crate) fn with_cookie_name(self, name: &str) -> Self {
        Self { cookie_name: name.into(), ..self }
    }

    /// Ends it and all that runs in it.
    pub(crate) fn stop(self) {
        drop(self.server);
    }

    /// One route for each way to ask who it is.
    pub(crate) fn probe(site: DjangoSite) -> Self {
        Self::start(move |config| {
            let optional = DjangoSessionMiddleware::optional(site.clone());
            let login_required = DjangoSessionMiddleware::login_required(site.clone());
            let permissions = login_required
                .clone()
                .permission_required("shop.add_item")
                .permission_required("shop.weird.name");
            let staff = login_required.clone().staff_required();
            config
                .service(web::resource("/who").wrap(optional).to(who))
                .service(web::resource("/user").wrap(login_required).to(user))
                .service(web::resource("/perms").wrap(permissions).to(page))
                .service(web::resource("/staff").wrap(staff).to(page));
        })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Gets a page as a visitor with this session cookie.
    pub(crate) async fn get(&self, path: &str, session_key: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url()));
        request
            .header("Cookie", format!("{}={session_key}", self.cookie_name))
            .send()
            .await
            .unwrap()
    }

    /// Gets a page as a visitor without a cookie.
    pub(crate) async fn get_without_cookie(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url())).send().await.unwrap()
    }

    pub(crate) async fn status(&self, path: &str, session_key: &str) -> u16 {
        self.get(path, session_key).await.status().as_u16()
    }

    pub(crate) async fn json(&self, path: &str, session_key: &str) -> Value {
        let answer = self.get(path, session_key).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path} answered {status}: {text}"))
    }
}

pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

pub(crate) async fn page() -> &'static str {
    "a page"
}

async fn who(OptionalDjangoUser(user): OptionalDjangoUser) -> Result<Json<Value>, Error> {
    Ok(Json(match user {
        Some(user) => report(&user).await?,
        None => Value::Null,
    }))
}

async fn user(user: DjangoUser) -> String {
    user.id().to_owned()
}

/// In the words of the judge's `request_users`.
pub(crate) async fn report(user: &DjangoUser) -> Result<Value, Error> {
    let mut has_perms = Vec::new();
    for permission in PERMISSIONS {
        has_perms.push(user.has_perm(permission).await?);
    }
    let mut has_module_perms = Vec::new();
    for label in MODULES {
        has_module_perms.push(user.has_module_perms(label).await?);
    }
    Ok(json!({
        "id": user.id(),
        "username": user.username(),
        "is_active": user.is_active(),
        "is_staff": user.is_staff(),
        "is_active_staff": user.is_active_staff(),
        "is_superuser": user.is_superuser(),
        "permissions": user.permissions().await?,
        "has_perms": has_perms,
        "has_module_perms": has_module_perms,
    }))
}
