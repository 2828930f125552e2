//! The hook that decides about permissions.

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;

use super::DjangoSite;
use crate::{
    auth::{DjangoUser, PermissionPolicy},
    error::Error,
    settings::Power,
};

/// # Hook: permissions
impl DjangoSite {
    /// Sets a hook that decides about permissions: for a backend that computes or refuses them, or a user
    /// model with its own `has_perm`. The hook gets the user, the permission (`"app_label.codename"`) and
    /// the result of Django's own classes. It returns what the site's classes would.
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
    ///     // For a superuser Django asks no backend.
    ///     Ok(has && (user.is_superuser() || permission != "shop.delete_item"))
    /// })
    /// # }
    /// ```
    ///
    /// - Middlewares and [`DjangoUser::has_perm`] use its result for every user, superusers included.
    /// - [`DjangoUser::permissions`] has the permissions of Django's tables that the hook does not refuse.
    ///   It has none that only the hook grants.
    /// - In Django, a backend that raises `PermissionDenied` also overrules the backends after it.
    /// - If the hook returns an error, or takes longer than the
    ///   [`timeout`](crate::DjangoSettings::timeout), the request gets that error as its answer.
    ///
    /// Default: the result of Django's own classes.
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

    /// What decides about the permissions of this site's users.
    pub(super) fn permission_policy(&self) -> PermissionPolicy {
        match (&self.hooks().after_has_perm, self.require(Power::Permissions)) {
            (Some(hook), _) => PermissionPolicy::Hook(Arc::clone(hook)),
            (None, Ok(())) => PermissionPolicy::Tables,
            (None, Err(error)) => PermissionPolicy::HookMissing(Box::new(error)),
        }
    }
}
