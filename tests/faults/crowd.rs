//! Many callers that ask at the same time.

use actix_django_session::{DjangoSite, SessionKey};
use futures_util::future::join_all;
use testbed::Proxy;

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

/// One query for each caller would be as many executions.
#[tokio::test]
async fn many_callers_share_one_query_and_no_key_is_asked_twice() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    for prepared in [true, false] {
        let proxy = Proxy::before(scene.database.url()).await;
        let mut settings = settings();
        settings.prepared_statements = prepared;
        let site = DjangoSite::new(pool(proxy.url(), 1), settings).unwrap();
        let known: Vec<_> =
            scene.visitors.iter().filter_map(|visitor| visitor.key.clone()).collect();
        site.load(&SessionKey::new(known[0].clone()).unwrap()).await.unwrap_err();

        // A busy machine may hedge a query, which is not tested here.
        let connections = proxy.accepted();
        let executions = || proxy.executions().into_iter().take(connections).max().unwrap();
        proxy.forget();
        let same = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
        for answer in join_all((0..1_000).map(|_| site.load(&same))).await {
            answer.unwrap();
        }
        assert_eq!(executions(), 1, "prepared: {prepared}");

        proxy.forget();
        let unknown = (0..500).map(|number| format!("unknown-number-{number}"));
        let keys: Vec<_> = unknown.chain(known.clone()).collect();
        let keys: Vec<_> = keys.into_iter().map(|key| SessionKey::new(key).unwrap()).collect();
        let answers = join_all(keys.iter().map(|key| site.load(key))).await;
        // There are 509 keys, at most 256 for each query.
        assert!(executions() <= 3, "{} executions, prepared: {prepared}", executions());
        assert!(answers[..500].iter().all(Result::is_err));
        for (key, answer) in keys.iter().zip(answers).skip(500) {
            if let Ok(session) = answer {
                assert_eq!(session.key().as_str(), key.as_str());
            }
        }
    }
}
