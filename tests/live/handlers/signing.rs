//! An example that needs no server.

use testbed::{Django, Example, Settings, Site};

/// The example prints texts that Django accepts.
#[actix_web::test]
async fn the_example_runs() {
    let output = Example::command("signing").unwrap().output().unwrap();
    assert!(output.status.success());
    let message = String::from_utf8(output.stdout).unwrap();
    let line =
        |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!(line("unsigned "), "ada@example.com");
    assert_eq!(line("forged "), "Err(BadSignature)");
    assert_eq!(line("invited "), r#"{"user":7}"#);
    assert_eq!(line("session "), r#"{"cart":["book","pen"]}"#);
    let ask = format!(
        "from django.core import signing\n\
         key = 'django-insecure-for-show'\n\
         print(signing.Signer(key=key, salt='newsletter').unsign('{}'))\n\
         print(signing.loads('{}', key=key, salt='invite'))\n",
        line("signed "),
        line("invitation "),
    );
    let bed = crate::handlers::bed::bed().await;
    let (django, settings) = (Django::default(), Settings::default());
    let message = Site::shell(django, bed.database_url(), &settings, &[], &ask).await.unwrap();
    assert!(message.ends_with("ada@example.com\n{'user': 7}\n"), "{message}");
}
