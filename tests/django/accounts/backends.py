"""Backends of the site's own, each with less or more than ModelBackend."""

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend


class NoPermissions(BaseBackend):
    """Who somebody is, from the user table; what they may do is kept elsewhere (LDAP, an API)."""

    def get_user(self, user_id):
        user = get_user_model()._default_manager.filter(pk=user_id).first()
        return user if user and user.is_active else None


class ByAddress(ModelBackend):
    """Finds people by their address at log-in, and is ModelBackend from then on."""

    def authenticate(self, request, address=None, password=None, **kwargs):
        user = get_user_model()._default_manager.filter(email=address).first()
        return user if user and user.check_password(password) and self.user_can_authenticate(user) else None


class Strict(ModelBackend):
    """Logs in staff only."""

    def user_can_authenticate(self, user):
        return user.is_staff and super().user_can_authenticate(user)


class Generous(ModelBackend):
    """Grants everybody one permission more."""

    def get_all_permissions(self, user_obj, obj=None):
        return {*super().get_all_permissions(user_obj, obj), "shop.smile"}


class Lenient(ModelBackend):
    """Lets everybody in, active or not."""

    def user_can_authenticate(self, user):
        return True


class Rules(ModelBackend):
    """Grants what Django's tables grant, and logs in no users."""

    def get_user(self, user_id):
        return None
