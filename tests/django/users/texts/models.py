"""A text primary key."""

import uuid

from django.db import models

from users.base import UserBase


def code():
    return "Böb " + uuid.uuid4().hex[:8]


class TextUser(UserBase):
    code = models.CharField(max_length=40, primary_key=True, default=code)
