"""A bigint primary key, and a model that inherits the user from another table."""

from django.db import models

from users.base import UserBase


class BigUser(UserBase):
    id = models.BigAutoField(primary_key=True)


class Child(BigUser):
    nickname = models.CharField(max_length=50, default="")
