//! Encodes and checks passwords with the hashers of this site.

use std::sync::Arc;

use super::DjangoSite;
use crate::{
    auth::{
        HASHING,
        hashers::{CustomHasher, Hashers, Unusable, Verdict},
    },
    error::Error,
    observe::{Event, Observer},
    settings::{DjangoSettings, NotHonoured, PasswordHasher, Power},
};

/// # Passwords: encoding
impl DjangoSite {
    /// Adds a password hasher of the site's own: one of the `PASSWORD_HASHERS` with this class attribute
    /// `algorithm`, in the exported settings or as [`PasswordHasher::Custom`].
    ///
    /// - `encode(password)` returns the text for the password column, salt included.
    /// - `verify(password, encoded)` returns whether the encoded text is that of the password.
    ///
    /// Either returns `None` if it cannot encode the password or read the text. Then no password is
    /// correct.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSite, PasswordHasher};
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // class Peppered(PBKDF2PasswordHasher):
    /// //     def encode(self, password, salt, iterations=None):
    /// //         return super().encode(settings.PEPPER + password, salt, iterations)
    /// let pepper = "from the environment";
    /// let django = PasswordHasher::Pbkdf2Sha256 { iterations: 1_000_000 };
    /// let same = django.clone();
    /// site.password_hasher(
    ///     "pbkdf2_sha256",
    ///     move |password| django.encode(&format!("{pepper}{password}")),
    ///     move |password, encoded| same.verify(&format!("{pepper}{password}"), encoded),
    /// )
    /// # }
    /// ```
    ///
    /// Both run on a blocking thread. Without this hook, [`make_password`](Self::make_password) returns an
    /// error if that hasher is the first, and [`authenticate`](DjangoSite::authenticate) returns one for a
    /// user whose password it encoded.
    ///
    /// [`PasswordHasher::Custom`]: crate::PasswordHasher::Custom
    #[must_use]
    pub fn password_hasher<E, V>(
        mut self,
        algorithm: impl Into<String>,
        encode: E,
        verify: V,
    ) -> Self
    where
        E: Fn(&str) -> Option<String> + Send + Sync + 'static,
        V: Fn(&str, &str) -> Option<bool> + Send + Sync + 'static,
    {
        let hasher = CustomHasher { encode: Arc::new(encode), verify: Arc::new(verify) };
        self.hooks_mut().password_hashers.insert(algorithm.into(), hasher);
        self
    }

    /// Encodes a password for the password column, as `make_password` of `django.contrib.auth.hashers`
    /// does: with the first of the [`password_hashers`](DjangoSettings::password_hashers) and a new random
    /// salt.
    ///
    /// ```
    /// # async fn f(site: actix_django_session::DjangoSite) -> Result<(), actix_django_session::Error> {
    /// let encoded = site.make_password("correct horse battery staple").await?;
    /// // UPDATE auth_user SET password = $1 WHERE id = $2
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::TooManyPasswords`] if the processors are busy with other passwords for the whole
    ///   [`timeout`](DjangoSettings::timeout).
    /// - [`Error::ImproperlyConfigured`] if this build has no code for the first hasher (see the feature
    ///   `hashers` and [`password_hasher`](Self::password_hasher)), or if the exported settings say that
    ///   the site sets passwords in its own way.
    pub async fn make_password(&self, password: &str) -> Result<String, Error> {
        self.require(Power::MakePassword)?;
        let encoded = self.hash(password, |hashers, password| hashers.make_password(&password));
        let preferred = || self.settings().hashers().first().map_or("", PasswordHasher::algorithm);
        encoded.await?.ok_or_else(|| self.no_hasher(preferred()))
    }

    /// Whether passwords can be encoded as the site encodes them.
    pub(super) fn can_make_passwords(&self) -> bool {
        let hashers = self.settings().hashers();
        self.require(Power::MakePassword).is_ok()
            && Hashers::new(hashers, &self.hooks().password_hashers, &|_| ()).can_make_passwords()
    }

    /// Whether this algorithm needs the feature `hashers`, and neither that nor a hook is there.
    pub(super) fn lacks_hasher(&self, algorithm: &str) -> bool {
        self.settings().lacks_hasher(algorithm)
            && !self.hooks().password_hashers.contains_key(algorithm)
    }

    /// The error for an algorithm that this service has no code for.
    fn no_hasher(&self, algorithm: &str) -> Error {
        let is_named = |each: &&NotHonoured| each.hook.as_deref() == Some("password_hasher");
        let named = self.settings().not_honoured().filter(is_named);
        let named: Vec<_> = named.map(ToString::to_string).collect();
        Error::ImproperlyConfigured(format!(
            "PASSWORD_HASHERS: \"{algorithm}\" is not computed here: add the feature `hashers`, or a \
             `DjangoSite::password_hasher` of that name. {}",
            named.join("; ")
        ))
    }

    /// Returns whether `encoded`, from the password column, is the encoding of this password, as
    /// `check_password` of `django.contrib.auth.hashers` does. A wrong password takes as long as a correct
    /// one.
    ///
    /// # Errors
    /// Those of [`make_password`](Self::make_password).
    pub async fn check_password(&self, password: &str, encoded: &str) -> Result<bool, Error> {
        let verdict = self.verify_password(password, encoded).await?;
        Ok(matches!(verdict, Verdict::Correct { .. }))
    }

    pub(super) async fn verify_password(
        &self,
        password: &str,
        encoded: &str,
    ) -> Result<Verdict, Error> {
        let (encoded_by, encoded) = (encoded, encoded.to_owned());
        let verify = move |hashers: Hashers<'_>, password: String| {
            hashers.verify_password(&password, &encoded)
        };
        let verdict = self.hash(password, verify).await?;
        match verdict {
            // Django can check this encoding, so this service must not call the password wrong.
            Verdict::Unusable(Unusable::NotBuiltIn) => {
                let algorithm = encoded_by.split('$').next().unwrap_or_default();
                return Err(self.no_hasher(algorithm));
            }
            Verdict::Unusable(Unusable::Malformed) => {
                tracing::warn!("the encoding of a password cannot be read");
            }
            _ => {}
        }
        Ok(verdict)
    }

    /// Takes as long as the check of an existing user's password.
    pub(super) async fn spend_time_on(&self, password: &str) -> Result<(), Error> {
        self.hash(password, |hashers, password| hashers.spend_time(&password)).await
    }

    async fn hash<T, F>(&self, password: &str, compute: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(Hashers<'_>, String) -> T + Send + 'static,
    {
        let settings: &DjangoSettings = self.settings();
        let (list, limit) = (settings.hashers().to_vec(), settings.timeout);
        let custom = self.hooks().password_hashers.clone();
        let (observer, password): (Observer, _) = (self.observer().clone(), password.to_owned());
        let computed = HASHING.run(limit, move || {
            let on_run = |_| observer.event(Event::PasswordHashed);
            compute(Hashers::new(&list, &custom, &on_run), password)
        });
        computed.await
    }
}

#[cfg(all(test, not(feature = "hashers")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_that_this_build_cannot_check_is_an_error_that_names_the_feature() {
        use deadpool_postgres::{Manager, Pool};
        use tokio_postgres::{Config, NoTls};

        use crate::settings::With;

        let site = |settings| {
            let pool = Pool::builder(Manager::new(Config::new(), NoTls)).build().unwrap();
            DjangoSite::new(pool, settings)
        };
        let argon2 = PasswordHasher::Argon2 { time_cost: 2, memory_cost: 102_400, parallelism: 8 };
        let listed = DjangoSettings::new("k").with(|s| s.password_hashers = Some(vec![argon2]));
        let refused = [
            // Django's own list has it.
            site(DjangoSettings::new("k"))
                .unwrap()
                .check_password("hush", "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA")
                .await
                .unwrap_err(),
            site(listed).unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, Error::ImproperlyConfigured(_)), "{error:?}");
            let message = error.to_string();
            assert!(message.contains("the feature `hashers`"), "{message}");
            assert!(!message.contains("aGFzaA") && !message.contains("hush"), "{message}");
        }
    }
}
