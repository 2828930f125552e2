//! Passwords hashed away from the async threads, few at a time.

use std::{num::NonZero, sync::LazyLock, thread, time::Duration};

use tokio::{sync::Semaphore, task, time};

use super::{
    DjangoSite,
    hashers::{Hashers, Unusable, Verdict},
};
use crate::{
    error::Error,
    observe::{Event, Observer},
    settings::DjangoSettings,
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
    async fn run<T, F>(&'static self, patience: Duration, compute: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let turn = time::timeout(patience, self.0.acquire()).await;
        let turn = turn.map_err(|_| Error::TooManyPasswords(patience))?;
        let computed = task::spawn_blocking(move || {
            // Nobody can stop the computation, so it keeps its turn if the visitor hangs up.
            let _turn = turn;
            compute()
        });
        // Only a runtime that is being shut down does not run it.
        computed.await.map_err(|_| Error::TooManyPasswords(patience))
    }
}

impl DjangoSite {
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
    /// [`timeout`](DjangoSettings::timeout).
    pub async fn make_password(&self, password: &str) -> Result<String, Error> {
        let encoded = self.hash(password, |hashers, password| hashers.make_password(&password));
        encoded.await?.ok_or_else(|| {
            Error::ImproperlyConfigured("the first of the PASSWORD_HASHERS is not built in".into())
        })
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
        let encoded = encoded.to_owned();
        let verify = move |hashers: Hashers<'_>, password: String| {
            hashers.verify_password(&password, &encoded)
        };
        let verdict = self.hash(password, verify).await?;
        if let Verdict::Unusable(why) = verdict {
            warn_of(why);
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
        let (list, patience) = (settings.hashers().to_vec(), settings.timeout);
        let (observer, password): (Observer, _) = (self.observer().clone(), password.to_owned());
        let computed = HASHING.run(patience, move || {
            let on_run = |_| observer.event(Event::PasswordHashed);
            compute(Hashers::new(&list, &on_run), password)
        });
        computed.await
    }
}

/// What the owner of the site should know: a user cannot log in here who could log in there.
fn warn_of(why: Unusable) {
    match why {
        Unusable::OnPurpose | Unusable::NotListed => (),
        Unusable::NotBuiltIn => tracing::warn!(
            "a password needs a hasher that is not built in: add the feature `hashers`"
        ),
        Unusable::Malformed => tracing::warn!("the encoding of a password cannot be read"),
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
        let patience = Duration::from_secs(60);
        let first = tokio::spawn(hashing.run(patience, move || wait.recv()));
        while hashing.0.available_permits() > 0 {
            task::yield_now().await;
        }
        // The visitor hangs up; the computation goes on.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());

        let refused = hashing.run(Duration::ZERO, || ()).await;
        assert!(matches!(refused, Err(Error::TooManyPasswords(_))), "{refused:?}");

        let second = tokio::spawn(hashing.run(patience, || 2));
        go_on.send(()).unwrap();
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }
}
