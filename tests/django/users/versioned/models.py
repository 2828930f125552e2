"""A user model with a custom session auth hash, and a manager that hides rows."""

from django.conf import settings
from django.db import models
from django.utils.crypto import salted_hmac

from users.base import Manager, UserBase


class Present(Manager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class VersionedUser(UserBase):
    id = models.AutoField(primary_key=True)
    auth_version = models.IntegerField(default=0)
    deleted_at = models.DateTimeField(null=True)

    objects = Present()


def session_auth_hash(self, secret=None):
    message = f"{self.password}{self.auth_version}"
    return salted_hmac("versioned.session_auth_hash", message, secret=secret, algorithm="sha512").hexdigest()


for name in settings.HASH_OVERRIDES:
    setattr(VersionedUser, name, session_auth_hash)
