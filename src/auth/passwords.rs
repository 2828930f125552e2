//! Passwords hashed away from the async threads, few at a time.

use std::{
    num::NonZero,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use tokio::{sync::Semaphore, task, time};

use super::{
    DjangoSite,
    hashers::{CustomHasher, Hashers, Unusable, Verdict},
};
use crate::{
    error::Error,
    observe::{Event, Observer},
    settings::{DjangoSettings, NotHonoured, PasswordHasher, Power},
};

/// All stores of a process compute on the same processors, so they share this.
static HASHING: LazyLock<Hashing> =
    LazyLock::new(|| Hashing::new(thread::available_parallelism().map_or(1, NonZero::get)));

/// How many passwords may be hashed at once. Each takes a processor for tenths of a second, and
/// with argon2 100 MiB.
struct Hashing(Semaphore);

impl Hashing {
    fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once))
    }

    /// Computes on a thread that may block.
    async fn run<T, F>(&'static self, limit: Duration, compute: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let turn = time::timeout(limit, self.0.acquire()).await;
        let turn = turn.map_err(|_| Error::TooManyPasswords(limit))?;
        let computed = task::spawn_blocking(move || {
            // Nobody can stop the computation, so it keeps its turn if the visitor hangs up.
            let _turn = turn;
            compute()
        });
        // Only a runtime that is being shut down does not run it.
        computed.await.map_err(|_| Error::TooManyPasswords(limit))
    }
}

impl DjangoSite {
    /// Computes a hasher of the site's own: one of the `PASSWORD_HASHERS` with this class attribute
    /// `algorithm`, in the exported settings or as [`PasswordHasher::Custom`]. `encode` is given a
    /// password and makes the text of the password column, salt and all; `verify` is given a password
    /// and that text. `None` is for what cannot be read, and no password is right then.
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
    /// Both run on a thread that may block. Until there is one, [`make_password`](Self::make_password)
    /// is an error if that hasher is the first, and so is
    /// [`authenticate`](DjangoSite::authenticate) for a user whose password it encoded.
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

    /// The encoding of a password for the password column, as `make_password` of
    /// `django.contrib.auth.hashers` makes it: by the first of the
    /// [`password_hashers`](DjangoSettings::password_hashers), with a new random salt.
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
    /// [`Error::TooManyPasswords`] if the processors are busy with others for the whole
    /// [`timeout`](DjangoSettings::timeout); [`Error::ImproperlyConfigured`] if the first hasher is not
    /// computed here, or the site sets passwords in its own way.
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

    /// Why nothing is computed here that has this algorithm.
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

    /// Whether an encoding, from the password column, is that of this password, as `check_password`
    /// of `django.contrib.auth.hashers` decides. It takes its time whether it is or not.
    ///
    /// # Errors
    /// As [`make_password`](Self::make_password).
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
            // Django can say whether it is right, so nobody here may say that it is wrong.
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

    /// Works as long as for a user who exists.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn whoever_finds_no_turn_in_time_is_told_so_and_a_turn_lasts_as_long_as_its_computation()
    {
        let hashing: &'static Hashing = Box::leak(Box::new(Hashing::new(1)));
        let (go_on, wait) = mpsc::channel::<()>();
        let limit = Duration::from_secs(60);
        let first = tokio::spawn(hashing.run(limit, move || wait.recv()));
        while hashing.0.available_permits() > 0 {
            task::yield_now().await;
        }
        // The visitor hangs up; the computation goes on.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());

        let refused = hashing.run(Duration::ZERO, || ()).await;
        assert!(matches!(refused, Err(Error::TooManyPasswords(_))), "{refused:?}");

        let second = tokio::spawn(hashing.run(limit, || 2));
        go_on.send(()).unwrap();
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }
}
