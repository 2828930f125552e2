"""A user model whose username field converts what was typed, as fields for e-mail addresses and phone numbers do."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from users.base import Manager


class LowerField(models.CharField):
    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return value if value is None else value.lower()


class LowerUser(AbstractBaseUser, PermissionsMixin):
    id = models.AutoField(primary_key=True)
    username = LowerField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "username"
    objects = Manager()
