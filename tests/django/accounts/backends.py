"""Custom backends, each with less or more than ModelBackend."""

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend


class NoPermissions(BaseBackend):
    """Users from the user table, with permissions from elsewhere (LDAP, an API)."""

    def get_user(self, user_id):
        user = get_user_model()._default_manager.filter(pk=user_id).first()
        return user if user and user.is_active else None


class ByAddress(ModelBackend):
    """Finds users by their e-mail address at login; otherwise ModelBackend."""

    def authenticate(self, request, address=None, password=None, **kwargs):
        user = get_user_model()._default_manager.filter(email=address).first()
        return user if user and user.check_password(password) and self.user_can_authenticate(user) else None


class Strict(ModelBackend):
    """Logs in staff only."""

    def user_can_authenticate(self, user):
        return user.is_staff and super().user_can_authenticate(user)


class Generous(ModelBackend):
    """Grants one more permission to every user."""

    def get_all_permissions(self, user_obj, obj=None):
        return {*super().get_all_permissions(user_obj, obj), "shop.smile"}


class Lenient(ModelBackend):
    """Logs in every user, active or not."""

    def user_can_authenticate(self, user):
        return True


class Rules(ModelBackend):
    """Grants what Django's tables grant, and logs in no users."""

    def get_user(self, user_id):
        return None
