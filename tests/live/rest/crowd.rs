//! Many clients at the same time, with several classes of tokens.

use actix_django_session::{
    AuthenticationClass, DjangoSessionMiddleware, DjangoSettings, DjangoSite, RestAuthentication,
    RestFramework, TokenAuthentication,
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use deadpool_postgres::{Config, PoolConfig, Runtime};
use futures_util::future::join_all;
use serde_json::json;
use testbed::{Django, Proxy, Settings, With};
use tokio_postgres::NoTls;

use super::bed::{Bed, TOKENS, describe};

/// A token and its user are one query, and concurrent lookups share one query for each table.
#[testbed::test]
async fn concurrent_token_lookups_share_a_query_for_every_class() {
    let bed = Bed::start(Django::default()).await;
    for statement in [
        "CREATE TABLE app_token (token text PRIMARY KEY, owner int REFERENCES auth_user)",
        "INSERT INTO app_token SELECT 'app' || n, 1 + n % 2 FROM generate_series(0, 199) n",
    ] {
        bed.ask(json!({ "cmd": "sql", "statement": statement })).await;
    }
    let proxy = Proxy::before(bed.database_url()).await;
    let config = Config {
        url: Some(proxy.url().to_owned()),
        pool: Some(PoolConfig::new(1)),
        ..Config::default()
    };
    let mut of_apps = TokenAuthentication::default();
    of_apps.keyword = "App".into();
    of_apps.table = "app_token".into();
    of_apps.key_column = "token".into();
    of_apps.user_column = "owner".into();
    let mut rest = RestFramework::default();
    let mut second = RestAuthentication::token();
    second.class = AuthenticationClass::Token(of_apps);
    rest.default_authentication_classes = vec![RestAuthentication::token(), second];
    let settings = DjangoSettings::new(Settings::SECRET_KEY).with(|s| s.rest_framework = rest);
    let site = DjangoSite::new(config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap(), settings)
        .unwrap();
    let view = DjangoSessionMiddleware::rest_framework(site);
    let app = init_service(App::new().wrap(view).default_service(web::to(describe))).await;
    let get = |token: String| {
        let request = TestRequest::get().insert_header(("Authorization", token));
        call_service(&app, request.to_request())
    };
    let first = || format!("Token {}", TOKENS[0].0);
    assert_eq!(get(first()).await.status(), 200);
    assert_eq!(get("App app1".into()).await.status(), 200);

    // A busy machine can send a query on a second connection; this test does not count that.
    let connections = proxy.accepted();
    proxy.forget();
    let all = (0..200).flat_map(|n| [format!("App app{n}"), format!("App none{n}"), first()]);
    let statuses = join_all(all.map(&get)).await.into_iter().map(|answer| answer.status().as_u16());
    let executions: usize = proxy.executions().into_iter().take(connections).sum();
    // 400 tokens, at most 256 in one query, and one token that all the others use.
    assert!(executions <= 4, "{executions} executions");
    for (at, status) in statuses.enumerate() {
        assert_eq!(status, if at % 3 == 1 { 401 } else { 200 }, "{at}");
    }
}
