//! Case 77: a change at the Django site takes effect on the next request to the Rust service.

use serde_json::json;
use testbed::{Browser, Django, Settings, TestBed};

use crate::{
    app::TestApp,
    beds::{ALLOW_ALL, MODEL_BACKEND, pool, settings},
    probe::probe,
};

async fn status(browser: &Browser, app: &TestApp) -> u16 {
    browser.get(&format!("{}/user", app.url())).await.unwrap().status().as_u16()
}

#[testbed::test]
async fn a_login_that_ends_at_django_ends_here_at_the_next_request() {
    for django in Django::available().unwrap() {
        let site = Settings::default().user("ada", "lovelace");
        let bed = TestBed::with_settings(django, site.clone()).await.unwrap();
        let site = |backends: &[&str]| {
            let mut settings = settings();
            settings.authentication_backends = backends.iter().copied().map(Into::into).collect();
            let pool = pool(bed.database_url());
            actix_django_session::DjangoSite::new(pool, settings).unwrap()
        };
        let app = probe(site(&[MODEL_BACKEND]));
        let (here, there) = (Browser::new(), Browser::new());
        let both = async || (status(&here, &app).await, status(&there, &app).await);
        here.login(bed.site().await.unwrap(), "ada", "lovelace").await.unwrap();
        there.login(bed.site().await.unwrap(), "ada", "lovelace").await.unwrap();
        assert_eq!(both().await, (200, 200), "{django}");

        // The browser that changes the password stays logged in; the user's other browsers do not.
        let url = format!("{}/accounts/password_change/", bed.site().await.unwrap().url());
        let new = "Menabrea-1842";
        let form = [("old_password", "lovelace"), ("new_password1", new), ("new_password2", new)];
        assert_eq!(here.submit(&url, &form).await.unwrap().status(), 302);
        assert_eq!(both().await, (200, 302), "{django}");
        assert_eq!(
            there.whoami(bed.site().await.unwrap()).await.unwrap()["is_authenticated"],
            false
        );
        there.login(bed.site().await.unwrap(), "ada", new).await.unwrap();
        assert_eq!(both().await, (200, 200));

        // The user becomes inactive and active again: the row still exists.
        let oracle = bed.oracle().await.unwrap();
        let set = async |fields: [(&str, bool); 1]| {
            let (name, value) = fields[0];
            let question = json!({ "cmd": "set_user", "username": "ada", name: value });
            oracle.ask(question).await.unwrap();
        };
        set([("is_active", false)]).await;
        assert_eq!(both().await, (302, 302), "{django}");
        assert_eq!(
            here.whoami(bed.site().await.unwrap()).await.unwrap()["is_authenticated"],
            false
        );
        set([("is_active", true)]).await;
        assert_eq!(both().await, (200, 200));
        assert_eq!(here.whoami(bed.site().await.unwrap()).await.unwrap()["is_authenticated"], true);

        // The backend is removed from the setting.
        let without = probe(site(&[ALLOW_ALL]));
        assert_eq!(status(&here, &without).await, 302);
        assert_eq!(status(&here, &probe(site(&[ALLOW_ALL, MODEL_BACKEND]))).await, 200);

        // A logout ends the session of one browser.
        there.logout(bed.site().await.unwrap()).await.unwrap();
        assert_eq!(both().await, (200, 302));

        // Permissions are granted and removed at once too.
        let staff = format!("{}/staff", app.url());
        assert_eq!(here.get(&staff).await.unwrap().status(), 403);
        set([("is_staff", true)]).await;
        assert_eq!(here.get(&staff).await.unwrap().status(), 200);

        oracle.ask(json!({ "cmd": "delete_user", "username": "ada" })).await.unwrap();
        assert_eq!(status(&here, &app).await, 302, "{django}");
        assert_eq!(
            here.whoami(bed.site().await.unwrap()).await.unwrap()["is_authenticated"],
            false
        );
    }
}
