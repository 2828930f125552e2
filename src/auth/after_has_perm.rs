//! Who has the last word on permissions.

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;

use super::{DjangoSite, DjangoUser, user::PermissionPolicy};
use crate::{error::Error, settings::Power};

impl DjangoSite {
    /// Has the last word on permissions: for a backend that computes or refuses them, or a user model
    /// with a `has_perm` of its own. It is given the user, the permission (`"app_label.codename"`) and
    /// what Django's own classes would say, and answers what the site's would.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // class NightShift(BaseBackend):
    /// //     def has_perm(self, user_obj, perm, obj=None):
    /// //         if perm == "shop.delete_item":
    /// //             raise PermissionDenied
    /// //         return False
    /// site.after_has_perm(|user, permission, has| async move {
    ///     // No backend is asked about a superuser.
    ///     Ok(has && (user.is_superuser() || permission != "shop.delete_item"))
    /// })
    /// # }
    /// ```
    ///
    /// Middlewares and [`DjangoUser`] go by it, whoever the user is. A backend that refuses does so for
    /// all that later ones would grant. [`DjangoUser::permissions`] holds those of Django's tables that
    /// it does not refuse; what it grants beyond is no member.
    ///
    /// An error of it is the answer of the request, and so is one that takes longer than the
    /// [`timeout`](crate::DjangoSettings::timeout): nobody is let in by it.
    ///
    /// Defaults to what Django's own classes say.
    #[must_use]
    pub fn after_has_perm<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(DjangoUser, String, bool) -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        let hook = move |user, permission, has| -> BoxFuture<'static, Result<bool, Error>> {
            Box::pin(hook(user, permission, has))
        };
        self.hooks_mut().after_has_perm = Some(Arc::new(hook));
        self
    }

    /// Who decides about the permissions of this site's users.
    pub(super) fn permission_policy(&self) -> PermissionPolicy {
        match (&self.hooks().after_has_perm, self.require(Power::Permissions)) {
            (Some(hook), _) => PermissionPolicy::Hook(Arc::clone(hook)),
            (None, Ok(())) => PermissionPolicy::Tables,
            (None, Err(error)) => PermissionPolicy::Off(Box::new(error)),
        }
    }
}
