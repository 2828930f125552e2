"""A user model whose manager hides users: it does not find accounts that were closed."""

from django.db import models

from users.base import Manager, UserBase


class Open(Manager):
    def get(self, *arguments, **named):
        return super().get(*arguments, **named, closed=False)


class UnseenUser(UserBase):
    id = models.AutoField(primary_key=True)
    closed = models.BooleanField(default=False)

    objects = Open()
