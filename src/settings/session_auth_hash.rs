//! How a session is tied to the password.

use crate::signing::Algorithm;

/// `key_salt` of `AbstractBaseUser._get_session_auth_hash`.
const KEY_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// How a session is tied to the password: `get_session_auth_hash` of the user model.
///
/// Django's default is an HMAC-SHA256 of the stored password under a constant salt. A model of
/// yours overrides one of two methods, and it matters which: Django makes the hash of today by
/// `get_session_auth_hash`, and those of `SECRET_KEY_FALLBACKS` by `_get_session_auth_hash`. So a
/// model that overrides only the first still has Django's own hashes under its fallback keys.
///
/// ```
/// use actix_django_session::{SessionAuthHash, UserModel, signing::Algorithm};
///
/// // def _get_session_auth_hash(self, secret=None):
/// //     return salted_hmac("shop.hash", self.password, secret=secret, algorithm="sha512").hexdigest()
/// let mut hash = SessionAuthHash::default();
/// hash.overrides_private_get_session_auth_hash = true;
/// hash.key_salt = "shop.hash".into();
/// hash.algorithm = Algorithm::Sha512;
///
/// let mut model = UserModel::new("shop_customer");
/// model.session_auth_hash = Some(hash);
/// ```
///
/// Where a project hashes more than the password, see
/// [`DjangoSite::session_auth_hash_message`](crate::DjangoSite::session_auth_hash_message).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "get_session_auth_hash")]
pub struct SessionAuthHash {
    /// The `key_salt` that goes into `salted_hmac`.
    ///
    /// Defaults to that of `AbstractBaseUser`.
    pub key_salt: String,

    /// The `algorithm` that goes into `salted_hmac`.
    ///
    /// Defaults to SHA-256.
    pub algorithm: Algorithm,

    /// Whether the model overrides `get_session_auth_hash`: what is set here makes the hash under
    /// `SECRET_KEY`. Those under the fallback keys are Django's own, unless
    /// `_get_session_auth_hash` is overridden as well.
    ///
    /// Defaults to `false`.
    pub overrides_get_session_auth_hash: bool,

    /// Whether the model overrides `_get_session_auth_hash`, with the underscore: what is set here
    /// makes the hashes under all keys. If it overrides both methods, both must make the same hash.
    ///
    /// Defaults to `false`.
    pub overrides_private_get_session_auth_hash: bool,
}

impl Default for SessionAuthHash {
    fn default() -> Self {
        Self {
            key_salt: KEY_SALT.into(),
            algorithm: Algorithm::Sha256,
            overrides_get_session_auth_hash: false,
            overrides_private_get_session_auth_hash: false,
        }
    }
}

impl SessionAuthHash {
    /// Whether it is known which method makes what is set here.
    pub(crate) fn is_overridden(&self) -> bool {
        self.overrides_get_session_auth_hash || self.overrides_private_get_session_auth_hash
    }

    /// Whether the hashes under fallback keys are Django's own, and only that of today is not.
    pub(crate) fn has_fallbacks_of_django(&self) -> bool {
        self.overrides_get_session_auth_hash && !self.overrides_private_get_session_auth_hash
    }

    /// A wrong guess about the method would let in sessions that Django ends.
    pub(super) fn is_valid(&self) -> bool {
        self.is_djangos() || self.is_overridden()
    }

    /// Whether it is made as Django makes it, but for what is hashed.
    pub(crate) fn is_djangos(&self) -> bool {
        let default = Self::default();
        self.key_salt == default.key_salt && self.algorithm == default.algorithm
    }
}
