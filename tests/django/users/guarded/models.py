"""A user model that decides permissions itself, and sets passwords itself."""

from django.db import models

from users.base import UserBase


class GuardedUser(UserBase):
    id = models.AutoField(primary_key=True)
    locked = models.BooleanField(default=False)

    def has_perm(self, perm, obj=None):
        # Also of a superuser.
        return not self.locked and super().has_perm(perm, obj)

    def set_password(self, raw_password):
        super().set_password(raw_password and raw_password.strip())
