//! A server that reports everything that the crate knows about a visitor.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, OptionalDjangoUser,
};
use actix_web::web::{self, Json};
use serde_json::{Value, json};
use testbed::TestApp;

/// The permissions that each test checks with `has_perm`, in Django and in the crate.
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

/// The app labels that each test checks with `has_module_perms`.
pub(crate) const MODULES: [&str; 8] =
    ["shop", "shop.weird", "sho", "Shop", "auth", "blog", "", "nothing"];

/// Starts a server with one route for each way to get the user.
pub(crate) fn probe(site: DjangoSite) -> TestApp {
    TestApp::with_routes(move |config| {
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

/// Reports a user in the form of the oracle's `request_users`.
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
