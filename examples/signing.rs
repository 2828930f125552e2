//! Signing as `django.core.signing` does it, without a database: `cargo example signing`.

use std::{error::Error, time::Duration};

use actix_django_session::{
    DjangoSettings, SessionData, SessionSigner,
    signing::{self, Signer, TimestampSigner},
};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // settings.SECRET_KEY. In your program, read it from the environment.
    let secret_key = "django-insecure-for-show";

    // Signer(salt="newsletter").sign("ada@example.com")
    let signer = Signer::new(secret_key)?.salt("newsletter");
    let signed = signer.sign("ada@example.com");
    println!("signed      {signed}");
    println!("unsigned    {}", signer.unsign(&signed)?);
    println!("forged      {:?}", signer.unsign("eve@example.com:c2lnbmF0dXJl"));

    // signing.dumps({"user": 7}, salt="invite"), and loads(.., max_age=3 days)
    let invitation = TimestampSigner::new(secret_key)?
        .salt("invite")
        .sign_object(&serde_json::json!({ "user": 7 }), false)?;
    println!("invitation  {invitation}");
    let three_days = Duration::from_secs(3 * 24 * 60 * 60);
    let invited: serde_json::Value =
        signing::loads(&invitation, secret_key, Some("invite"), Some(three_days))?;
    println!("invited     {invited}");

    // The session_data column: written here, read here, and readable for Django.
    let signer = SessionSigner::new(&DjangoSettings::new(secret_key))?;
    let mut data = SessionData::new();
    data.insert("cart", &["book", "pen"])?;
    let session_data = data.encode(&signer);
    println!("row         {session_data}");
    println!("session     {}", SessionData::decode(&session_data, &signer)?.to_json());
    Ok(())
}
