//! Nothing that opens a session is in the log, whatever is written.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, Error, SessionKey, SessionStore,
};
use actix_web::{App, http::header::SET_COOKIE, web};
use testbed::{Django, Settings};

use crate::{
    app::TestApp,
    beds::{Bed, nowhere, pool, settings},
};

const VALUE: &str = "hush-a-value";

async fn change(session: DjangoSessionMut, path: web::Path<String>) -> Result<&'static str, Error> {
    match &**path {
        "insert" => session.insert("x", VALUE)?,
        "cycle" => session.cycle_key(),
        "clear" => session.clear(),
        "flush" => session.flush(),
        "misfit" => session.update("x", |x: &mut u32| *x += 1)?,
        "expiry" => session.insert("_session_expiry", VALUE)?,
        "save" => {
            session.insert("x", VALUE)?;
            session.save().await?;
        }
        _ => {}
    }
    Ok("changed")
}

#[actix_web::test]
async fn no_log_line_has_a_session_key_or_session_data_of_what_is_written() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let writing = settings().writes_sessions(true).session_save_every_request(true);
    let stores = [
        bed.store_with(writing.clone()),
        bed.store_with(writing.clone().prepared_statements(false)),
        // Only the reading works: what the server says of the rest reaches the log.
        bed.store_with(writing.clone().session_table("read_only")),
        SessionStore::new(pool(&nowhere()), writing).unwrap(),
    ];
    bed.sql("CREATE VIEW read_only AS SELECT DISTINCT * FROM django_session").await;
    let json = format!(r#"{{"x":"{VALUE}"}}"#);
    for store in stores {
        let gate = DjangoSessionMiddleware::optional(store.clone());
        let app = TestApp::start(move || {
            App::new().wrap(gate.clone()).route("/{change}", web::get().to(change))
        });
        let mut secrets = vec![VALUE.to_owned(), "hush".to_owned()];
        for change in ["insert", "cycle", "clear", "flush", "misfit", "expiry", "save", "nothing"] {
            let key = bed.session(&json).await;
            for answer in [
                app.get(&format!("/{change}"), &key).await,
                app.get_without_cookie(&format!("/{change}")).await,
                app.get(&format!("/{change}"), "hush-an-unknown-key").await,
            ] {
                let cookie = answer.header(SET_COOKIE.as_str()).unwrap_or_default();
                let sent =
                    cookie.strip_prefix("sessionid=").and_then(|rest| rest.split(';').next());
                let sent = sent.and_then(|key| SessionKey::new(key.trim_matches('"')));
                secrets.extend(sent.map(|key| key.as_str().to_owned()));
            }
            if let Ok(row) = store.load(&SessionKey::new(&*key).unwrap()).await {
                let parts = row.session_data().split(':').filter(|part| part.len() > 6);
                secrets.extend(parts.map(str::to_owned));
            }
            secrets.push(key);
        }
        let heard = app.log().lines();
        let ours = heard.iter().filter(|line| line.target.starts_with("actix_django_session"));
        assert!(ours.count() > 10, "the listener is deaf");
        // What the server itself says about the requests it reads is not this crate's doing.
        for line in heard.iter().filter(|line| !line.target.starts_with("actix_http")) {
            for secret in &secrets {
                assert!(!line.text.contains(&**secret), "{secret} is in {line:?}");
            }
        }
    }
}
