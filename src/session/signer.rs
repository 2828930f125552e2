//! The signer of session data, with its keys derived once.

use std::time::Duration;

use crate::{
    error::{DecodeError, Error},
    observe::{Event, Observer},
    settings::{DjangoSettings, SecretKey},
    signing::{self, KeyUsed, TimestampSigner},
};

/// Signs and unsigns session data as Django does with these settings.
#[derive(Clone, Debug)]
pub struct SessionSigner {
    signer: TimestampSigner,
    max_age: Option<Duration>,
    observer: Observer,
}

impl SessionSigner {
    /// Makes the signer for `SECRET_KEY`, `SECRET_KEY_FALLBACKS` and `session_key_salt` of the settings.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the settings cannot work, for example with an empty key.
    pub fn new(settings: &DjangoSettings) -> Result<Self, Error> {
        settings.validate()?;
        let fallbacks = settings.secret_key_fallbacks.iter();
        let improper =
            |error: signing::ImproperlyConfigured| Error::ImproperlyConfigured(error.to_string());
        let signer = TimestampSigner::new(settings.secret_key.as_bytes())
            .and_then(|signer| signer.fallback_keys(fallbacks.map(SecretKey::as_bytes)))
            .map_err(improper)?
            .salt(settings.session_salt())
            .max_decompressed_size(settings.max_decompressed_size);
        Ok(Self { signer, max_age: settings.session_max_age(), observer: Observer::default() })
    }

    /// This signer with an observer, which is told of fallback keys and of undecodable data.
    pub(crate) fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The text in session data, which should be JSON, and the key that it was signed with.
    pub(super) fn unsign(&self, session_data: &str) -> Result<(String, KeyUsed), signing::Error> {
        let (text, key) = self.signer.unsign_text(session_data, self.max_age)?;
        self.was_signed_with(key);
        Ok((text, key))
    }

    /// Reports that session data signed with this key was read.
    pub(super) fn was_signed_with(&self, key: KeyUsed) {
        if key == KeyUsed::Fallback {
            self.observer.event(Event::FallbackKey);
        }
    }

    /// Checks the age of session data whose signature was checked before.
    ///
    /// # Errors
    /// [`signing::Error::SignatureExpired`].
    pub(super) fn check_age(&self, session_data: &str) -> Result<(), signing::Error> {
        self.signer.check_age(session_data, self.max_age)
    }

    /// The key that this was signed with. Reports nothing.
    pub(crate) fn key_used(&self, session_data: &str) -> Result<KeyUsed, signing::Error> {
        Ok(self.signer.unsign_text(session_data, self.max_age)?.1)
    }

    /// Reports that the data of a live session cannot be decoded.
    pub(super) fn undecodable(&self, error: &DecodeError) {
        self.observer.undecodable(error);
    }

    /// Encodes this JSON text as session data, signed now.
    pub(super) fn sign(&self, json: &str) -> String {
        self.signer.sign_json(json, true)
    }
}
