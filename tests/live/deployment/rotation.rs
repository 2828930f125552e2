//! A rotation of `SECRET_KEY` while users are logged in: all of them stay logged in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error, Event,
    OptionalDjangoUser,
};
use actix_web::{App, web};
use testbed::{Browser, Django, Settings, Site, TestBed};

use crate::{app::TestApp, beds::pool};

/// The settings of one start of both sides: the key and the fallbacks.
type Step = (&'static str, &'static [&'static str]);

const BEFORE: Step = ("old", &[]);
const BOTH_KNOW_IT: Step = ("old", &["new"]);
const BOTH_USE_IT: Step = ("new", &["old"]);
const AFTER: Step = ("new", &[]);

struct Sides {
    django: Site,
    rust: TestApp,
    fallback_keys: Arc<AtomicUsize>,
}

impl Sides {
    async fn start(bed: &TestBed, django: Django, (key, fallbacks): Step) -> Self {
        let settings = Settings::default()
            .secret_key(key)
            .secret_key_fallbacks(fallbacks.iter().copied())
            .user("ada", "lovelace");
        let fallback_keys = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fallback_keys);
        let count = move |event: Event<'_>| {
            counted.fetch_add(usize::from(event == Event::FallbackKey), Ordering::SeqCst);
        };
        Self {
            django: Site::start(django, bed.database_url(), &settings).await.unwrap(),
            rust: rust(bed, (key, fallbacks), count),
            fallback_keys,
        }
    }
}

/// Returns the user's name, and signs the session again.
async fn visit(
    OptionalDjangoUser(user): OptionalDjangoUser,
    session: DjangoSessionMut,
) -> Result<String, Error> {
    session.update("visits", |visits: &mut u32| *visits += 1)?;
    Ok(user.map_or_else(|| "anonymous".to_owned(), |user| user.username().to_owned()))
}

fn rust(
    bed: &TestBed,
    (key, fallbacks): Step,
    count: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> TestApp {
    let mut settings = DjangoSettings::new(key);
    settings.secret_key_fallbacks = fallbacks.iter().copied().map(Into::into).collect();
    settings.write_sessions = true;
    let site = DjangoSite::new(pool(bed.database_url()), settings).unwrap().on_event(count);
    let middleware = DjangoSessionMiddleware::optional(site);
    TestApp::start(move || {
        App::new().service(web::resource("/").wrap(middleware.clone()).get(visit))
    })
}

async fn at_rust(visitor: &Browser, rust: &TestApp) -> String {
    visitor.get(&rust.url()).await.unwrap().text().await.unwrap()
}

#[testbed::test]
async fn a_key_rotation_logs_no_user_out() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().secret_key("old");
        let bed = TestBed::with_settings(django, settings).await.unwrap();
        let start = |step| Sides::start(&bed, django, step);
        let (before, know, uses, after) = (
            start(BEFORE).await,
            start(BOTH_KNOW_IT).await,
            start(BOTH_USE_IT).await,
            start(AFTER).await,
        );
        let mut visitors = Vec::new();
        // While processes are replaced, processes of two steps answer side by side.
        for answering in
            [vec![&before], vec![&before, &know], vec![&know], vec![&know, &uses], vec![&uses]]
        {
            for sides in &answering {
                let visitor = Browser::new();
                visitor.login(&sides.django, "ada", "lovelace").await.unwrap();
                visitors.push(visitor);
            }
            for visitor in &visitors {
                for sides in &answering {
                    assert_eq!(at_rust(visitor, &sides.rust).await, "ada", "{django}");
                }
                for sides in answering.iter().rev() {
                    let outcome = visitor.whoami(&sides.django).await.unwrap();
                    assert_eq!(outcome["username"], "ada", "{django}");
                    assert_eq!(at_rust(visitor, &sides.rust).await, "ada", "{django}");
                }
            }
        }
        assert!(uses.fallback_keys.load(Ordering::SeqCst) > 0);
        // When no session needs the fallback any more, the old key can be removed.
        uses.fallback_keys.store(0, Ordering::SeqCst);
        for visitor in &visitors {
            assert_eq!(at_rust(visitor, &uses.rust).await, "ada");
        }
        assert_eq!(uses.fallback_keys.load(Ordering::SeqCst), 0);
        for visitor in &visitors {
            assert_eq!(at_rust(visitor, &after.rust).await, "ada");
            assert_eq!(visitor.whoami(&after.django).await.unwrap()["username"], "ada");
        }
        // A rotation in one step would have logged the visitor out.
        let visitor = Browser::new();
        visitor.login(&before.django, "ada", "lovelace").await.unwrap();
        assert_eq!(at_rust(&visitor, &after.rust).await, "anonymous");
    }
}
