//! A site remembers the primary keys of a middleware's permissions for a second, also that a name has none. What
//! changes meanwhile counts at once, but for one thing: a permission that gets another name keeps the old one for
//! that second.

use actix_django_session::{DjangoSessionMiddleware, DjangoUser};
use actix_web::web;
use serde_json::json;
use testbed::{Django, Settings, until};

use crate::{app::TestApp, beds::Bed};

const NAMES: [&str; 3] = ["shop.one", "shop.two", "store.one"];

/// The id of a permission of the app "shop".
fn id(codename: &str) -> String {
    format!(
        "(SELECT p.id FROM auth_permission p JOIN django_content_type c ON c.id = content_type_id \
         WHERE c.app_label = 'shop' AND codename = '{codename}')"
    )
}

fn creation(codename: &str) -> String {
    format!(
        "INSERT INTO auth_permission (name, content_type_id, codename) \
         SELECT 'x', id, '{codename}' FROM django_content_type WHERE app_label = 'shop'"
    )
}

/// Grants a permission of the app "shop" to ada.
fn grant(codename: &str) -> String {
    format!(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) \
         SELECT id, {} FROM auth_user",
        id(codename)
    )
}

#[testbed::test]
async fn a_permission_that_was_granted_a_moment_ago_is_found_though_its_name_was_unknown() {
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        bed.user("ada", json!({ "password": "x" })).await;
        bed.sql("INSERT INTO django_content_type (app_label, model) VALUES ('shop', 'item')").await;
        let key = bed.login("ada").await;
        let site = bed.site();
        let app = TestApp::with_routes(move |config| {
            for name in NAMES {
                let middleware = DjangoSessionMiddleware::login_required(site.clone());
                let page = web::resource(format!("/{name}"))
                    .wrap(middleware.permission_required(name))
                    .to(async |user: DjangoUser| user.username().to_owned());
                config.service(page);
            }
        });
        let statuses = async || {
            let mut statuses = [0; NAMES.len()];
            for (status, name) in statuses.iter_mut().zip(NAMES) {
                *status = app.status(&format!("/{name}"), &key).await;
            }
            statuses
        };
        let djangos = async || {
            let question = json!({ "cmd": "get_user", "username": "ada", "has_perms": NAMES });
            let has = bed.ask(question).await["has_perms"].take();
            NAMES.map(|name| if has[name].as_bool().unwrap() { 200 } else { 403 })
        };

        let rename = |from: &str, to: &str| {
            format!("UPDATE auth_permission SET codename = '{to}' WHERE id = {}", id(from))
        };
        let no_user =
            format!("DELETE FROM auth_user_user_permissions WHERE permission_id = {}", id("one"));
        let app_label = |label: &str| {
            format!(
                "UPDATE django_content_type SET app_label = '{label}' WHERE model = 'item' AND app_label IN ('shop', 'store')"
            )
        };
        assert_eq!(statuses().await, [403; 3], "{django}");
        for change in [
            vec![creation("one")],
            vec![grant("one")],
            vec![no_user.clone()],
            vec![grant("one")],
            // Deleted, and created with another id.
            vec![no_user, format!("DELETE FROM auth_permission WHERE id = {}", id("one"))],
            vec![creation("one"), grant("one")],
            vec![creation("two"), grant("two")],
            // Another name, of the permission and of its app.
            vec![rename("one", "three")],
            vec![rename("three", "one")],
            vec![rename("one", "three"), rename("two", "one")],
            vec![rename("one", "two"), rename("three", "one")],
            // A new permission with the name that the held one had.
            vec![rename("one", "three"), creation("one")],
            vec![
                format!("DELETE FROM auth_permission WHERE id = {}", id("one")),
                rename("three", "one"),
            ],
            vec![app_label("store")],
            vec![app_label("shop")],
        ] {
            // What was remembered before the change is a moment old.
            let before = statuses().await;
            for statement in &change {
                bed.sql(statement).await;
            }
            let now = statuses().await;
            let expected = djangos().await;
            for (number, name) in NAMES.iter().enumerate() {
                let context = format!("{django} {change:?} {name}");
                let is_late = change[0].starts_with("UPDATE") && before[number] == 200;
                match now[number] == expected[number] {
                    true => {}
                    // Only the name that a permission had may count for longer.
                    false => {
                        assert!(is_late && now[number] == 200, "{context} {now:?} {expected:?}")
                    }
                }
            }
            until("the old name no longer counts", async || statuses().await == expected).await;
        }
    }
}
