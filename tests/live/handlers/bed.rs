//! A database with Django's tables and two users, ada and bob, for handlers that read and write rows.
//! All tests share it, and so does a running Django.

use actix_django_session::{DjangoSettings, DjangoSite};
use testbed::{Django, Settings, TestBed};
use tokio::sync::OnceCell;

use crate::beds::pool;

pub(crate) async fn bed() -> &'static TestBed {
    static BED: OnceCell<TestBed> = OnceCell::const_new();

    BED.get_or_init(|| async {
        let bed = TestBed::start(Django::default()).await.unwrap();
        for name in ["ada", "bob"] {
            bed.oracle().await.unwrap().set_user(name, "lovelace").await.unwrap();
        }
        bed
    })
    .await
}

/// A site on this database that may write sessions.
pub(crate) async fn site() -> DjangoSite {
    let mut settings = DjangoSettings::new(Settings::SECRET_KEY);
    settings.write_sessions = true;
    DjangoSite::new(pool(bed().await.database_url()), settings).unwrap()
}
