"""Backends that override decisions of ModelBackend."""

from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.core.exceptions import PermissionDenied


class Denying(BaseBackend):
    """Django: "If a backend raises PermissionDenied in has_perm(), the authorization will immediately fail"."""

    def has_perm(self, user_obj, perm, obj=None):
        if perm.endswith("view_user"):
            raise PermissionDenied
        return False


class Granting(BaseBackend):
    """Grants permissions, and cannot refuse them."""

    def get_user_permissions(self, user_obj, obj=None):
        return {"shop.smile"}


class Asking(ModelBackend):
    """Logs in users in another way."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        return super().authenticate(request, username, password, **kwargs)
