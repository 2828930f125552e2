"""Custom names for the table, the primary key and the password column."""

from django.db import models

from users.base import UserBase


class RenamedUser(UserBase):
    id = models.AutoField(primary_key=True, db_column="person_id")
    password = models.CharField(max_length=128, db_column="pw_hash")
    is_active = models.BooleanField(default=True, db_column="enabled")

    class Meta:
        db_table = "people"
