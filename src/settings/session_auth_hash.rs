//! How a session is tied to the password.

use crate::signing::Algorithm;

/// `key_salt` of `AbstractBaseUser._get_session_auth_hash`.
const KEY_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// How a session is tied to the password: the user model's `get_session_auth_hash`.
///
/// Django's default is an HMAC-SHA256 of the stored password under a constant salt. A model can
/// override one of two methods. Django calls `get_session_auth_hash` for the hash under
/// `SECRET_KEY`, and `_get_session_auth_hash` for the hashes under `SECRET_KEY_FALLBACKS`. So if a
/// model overrides only the first, the hashes under its fallback keys are still Django's own.
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
/// If the project hashes more than the password, see
/// [`DjangoSite::session_auth_hash_message`](crate::DjangoSite::session_auth_hash_message).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "get_session_auth_hash")]
pub struct SessionAuthHash {
    /// The `key_salt` of `salted_hmac`.
    ///
    /// Defaults to the salt of `AbstractBaseUser`.
    pub key_salt: String,

    /// The `algorithm` of `salted_hmac`.
    ///
    /// Defaults to SHA-256.
    pub algorithm: Algorithm,

    /// Whether the model overrides `get_session_auth_hash`. The fields above then describe the hash
    /// under `SECRET_KEY`. The hashes under the fallback keys are Django's own, unless the model
    /// overrides `_get_session_auth_hash` as well.
    ///
    /// Defaults to `false`.
    pub overrides_get_session_auth_hash: bool,

    /// Whether the model overrides `_get_session_auth_hash`, with the underscore. The fields above
    /// then describe the hashes under all keys. If the model overrides both methods, both must
    /// return the same hash.
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
    /// Whether it is known which method the fields describe.
    pub(crate) fn is_overridden(&self) -> bool {
        self.overrides_get_session_auth_hash || self.overrides_private_get_session_auth_hash
    }

    /// Whether only the hash under `SECRET_KEY` differs from Django's own.
    pub(crate) fn has_fallbacks_of_django(&self) -> bool {
        self.overrides_get_session_auth_hash && !self.overrides_private_get_session_auth_hash
    }

    /// A wrong guess about the method would accept sessions that Django ends.
    pub(super) fn is_valid(&self) -> bool {
        self.is_djangos() || self.is_overridden()
    }

    /// Whether only the hashed text differs from Django's.
    pub(crate) fn is_djangos(&self) -> bool {
        let default = Self::default();
        self.key_salt == default.key_salt && self.algorithm == default.algorithm
    }
}
