"""A ULID as primary key: a `uuid` in the table, another text in sessions."""

import ulid
from django_ulid.models import ULIDField

from users.base import UserBase


class UlidUser(UserBase):
    id = ULIDField(primary_key=True, default=ulid.new)
