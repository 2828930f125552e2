//! No secret that gives access to a session is in the log, in an error or in `Debug` output.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUserId, Error,
    OptionalDjangoSession, PasswordHasher, SessionData, SessionKey,
};
use actix_web::{App, web};
use serde_json::json;
use testbed::{Django, Log, Settings, With};

use crate::{
    app::{TestApp, routes},
    beds::{Bed, out_of_reach},
};

const SECRET_KEY: &str = "hush-the-secret-key";
const FALLBACK: &str = "hush-the-fallback";
const VALUE: &str = "hush-a-value";
const PASSWORD: &str = "hush-a-password";

struct Secrets(Vec<String>);

impl Secrets {
    fn assert_none_in(&self, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
}

#[testbed::test]
async fn no_log_line_error_or_debug_output_has_a_session_key_session_data_or_a_secret() {
    let site = Settings::default().secret_key(SECRET_KEY).secret_key_fallbacks([FALLBACK]);
    let bed = Bed::start(Django::default(), site).await;
    let settings =
        || DjangoSettings::new(SECRET_KEY).with(|s| s.secret_key_fallbacks = vec![FALLBACK.into()]);

    // Sessions of every kind.
    let value = format!(r#""x":"{VALUE}","y":{{"{VALUE}":[1]}}"#);
    let known = bed.session(&format!(r#"{{"_auth_user_id":"hush-user",{value}}}"#)).await;
    let anonymous = bed.session(&format!("{{{value}}}")).await;
    let expired = bed.session("{}").await;
    let damaged = bed.session("{}").await;
    let no_json = bed.session(&format!("{VALUE} is no JSON")).await;
    let no_dictionary = bed.session(&format!(r#"["{VALUE}"]"#)).await;
    bed.ask(json!({ "cmd": "put_row", "key": expired, "session_data": "", "expire_date": 0 }))
        .await;
    bed.ask(json!({ "cmd": "put_row", "key": damaged, "session_data": "hush:the:data" })).await;
    let unknown = "hush-an-unknown-key".to_owned();
    let too_long = "hush-".repeat(20);
    let keys =
        [&known, &anonymous, &expired, &damaged, &no_json, &no_dictionary, &unknown, &too_long];
    let mut secrets: Vec<_> = keys.iter().map(|key| (*key).clone()).collect();
    secrets.extend([SECRET_KEY, FALLBACK, VALUE, "hush"].map(str::to_owned));
    for key in keys {
        let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
        let text = row["row"]["session_data"].as_str().unwrap_or_default();
        secrets.extend(text.split(':').filter(|part| part.len() > 4).map(str::to_owned));
    }
    // A right password in an old encoding, so it will be encoded again.
    let password = |iterations| {
        let hashers = [PasswordHasher::Pbkdf2Sha256 { iterations }];
        bed.site_with(settings().with(|s| s.password_hashers = Some(hashers.into())))
    };
    let encoded = password(1).make_password(PASSWORD).await.unwrap();
    let user = json!({ "cmd": "set_user", "username": "hush-user", "password_column": encoded });
    bed.ask(user).await;
    secrets.extend(encoded.split('$').filter(|part| part.len() > 20).map(str::to_owned));
    let secrets = Secrets(secrets);

    // Through every middleware, with a database, without one, and without a table.
    let sites = [
        bed.site_with(settings()),
        bed.site_with(settings().with(|s| s.prepared_statements = false)),
        bed.site_with(settings().with(|s| s.session_table = "no_such_table".into())),
        out_of_reach(settings()),
    ];
    for site in sites.clone() {
        let required = DjangoSessionMiddleware::required(site.clone());
        let optional = DjangoSessionMiddleware::optional(site.clone());
        let login = DjangoSessionMiddleware::login_required(site);
        let app = TestApp::start(move || {
            App::new()
                .service(web::scope("/none").configure(routes))
                .service(web::scope("/required").wrap(required.clone()).configure(routes))
                .service(web::scope("/login").wrap(login.clone()).configure(routes))
                .service(web::scope("/optional").wrap(optional.clone()).configure(routes))
        })
        .with_log();
        for key in keys {
            for middleware in ["none", "required", "login", "optional"] {
                for extractor in ["nothing", "session", "optional", "user", "number"] {
                    app.get(&format!("/{middleware}/{extractor}"), key).await;
                }
            }
        }
        let heard = app.log().lines();
        let ours = heard.iter().filter(|line| line.target.starts_with("actix_django_session"));
        assert!(ours.count() > 30, "the test captures no log lines");
        // Ignores the log lines of actix about the requests that it reads.
        for line in heard.iter().filter(|line| !line.target.starts_with("actix_http")) {
            secrets.assert_none_in(&line.text);
        }
    }

    // Calls the site in this thread, without a server.
    let log = Log::default();
    log.listen();
    let mut shown = Vec::new();
    for site in &sites {
        shown.push(format!("{site:?} {:?} {:?}", site.settings(), site.signer()));
        shown.push(format!("{:?}", DjangoSessionMiddleware::required(site.clone())));
        shown.extend(site.check().await.err().map(|error| all_of(&error)));
        for key in keys {
            let key = SessionKey::new(key.as_str()).unwrap();
            shown.push(format!("{key:?}"));
            match site.load(&key).await {
                Ok(session) => {
                    shown.push(format!(
                        "{session:?} {:?}",
                        OptionalDjangoSession(Some(session.clone()))
                    ));
                    match session.data() {
                        Ok(data) => {
                            shown.push(format!("{data:?}"));
                            let wrong = data.get::<i64>("x").unwrap_err();
                            shown.push(all_of(&Error::from(wrong)));
                        }
                        Err(error) => shown.push(all_of(&Error::from(error))),
                    }
                }
                Err(error) => shown.push(all_of(&error)),
            }
        }
    }
    for site in sites.iter().chain([&password(2)]) {
        for (username, password) in
            [("hush-user", PASSWORD), ("hush-user", "hush-wrong"), ("hush-unknown", PASSWORD)]
        {
            match site.authenticate(username, password).await {
                Ok(user) => shown.push(format!("{user:?}")),
                Err(error) => shown.push(all_of(&error)),
            }
        }
    }
    let user = bed.ask(json!({ "cmd": "get_user", "username": "hush-user" })).await;
    assert!(user["password"].as_str().unwrap().starts_with("pbkdf2_sha256$2$"), "{user}");
    let data = SessionData::from_object(&json!({ "x": VALUE })).unwrap();
    shown.push(format!("{data:?} {:?}", data.encode(sites[0].signer()).len()));
    shown.push(format!("{:?}", SessionData::from_json(&format!("{VALUE}[")).unwrap_err()));
    shown.push(format!(
        "{:?}",
        DjangoSite::new(bed.pool(), settings().with(|s| s.login_url = "".into())).err()
    ));
    assert!(shown.len() > 60);
    for text in shown.iter().chain(log.lines().iter().map(|line| &line.text)) {
        secrets.assert_none_in(text);
    }
    // A user id is not a secret; an application may log it.
    assert_eq!(format!("{:?}", DjangoUserId(7)), "DjangoUserId(7)");
}

/// `Display` and `Debug` of an error and of all its sources.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(" {error}");
        source = error.source();
    }
    text
}
