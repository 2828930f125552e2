"""A UUID primary key."""

import uuid

from django.db import models

from users.base import UserBase


class UuidUser(UserBase):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
