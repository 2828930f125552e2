"""A user model that computes `is_active`, and whose flag in the table has the opposite meaning."""

from django.db import models

from users.base import UserBase


class Inverted(models.BooleanField):
    def from_db_value(self, value, expression, connection):
        return not value


class ComputedUser(UserBase):
    id = models.AutoField(primary_key=True)
    closed_at = models.DateTimeField(null=True)
    is_staff = Inverted(default=False)

    @property
    def is_active(self):
        return self.closed_at is None

    @property
    def is_authenticated(self):
        return self.is_active
