use actix_web::App;

use crate::{app::TestApp, beds::Bed};

mod sites {
    chapter::code!("tenants", "fn site_of");

    pub(super) fn of(tenant: &str, host: &str, pool: Pool) -> DjangoSite {
        site_of(tenant, host, pool, testbed::Settings::SECRET_KEY.as_bytes()).unwrap()
    }
}

chapter::code!("tenants", "async fn home");

#[testbed::test]
async fn each_host_has_its_own_schema_and_users() {
    let mut beds = Vec::new();
    let mut tenants = Vec::new();
    for tenant in ["north", "south"] {
        let mut bed = Bed::new().await;
        bed.move_to_schema(tenant).await;
        bed.user(tenant, serde_json::json!({ "password": "x" })).await;
        let host = format!("{tenant}.example");
        let site = sites::of(tenant, &host, bed.pool());
        tenants.push((host, site));
        beds.push((bed.login(tenant).await, bed));
    }
    let routes = routes(tenants);
    let app = TestApp::start(move || App::new().configure(routes.clone()));
    for (host, key, status) in [
        ("north.example", 0, 200),
        ("south.example", 1, 200),
        ("north.example", 1, 302),
        ("south.example", 0, 302),
        ("west.example", 0, 404),
    ] {
        let cookie = format!("sessionid={}", beds[key].0);
        let headers = [("Host", host.as_bytes()), ("Cookie", cookie.as_bytes())];
        let answer = app.get_with("/", &headers).await;
        assert_eq!(answer.status, status, "{host} {key}");
        if status == 200 {
            assert_eq!(answer.text(), format!("Hello, {}", host.split('.').next().unwrap()));
        }
    }
}
