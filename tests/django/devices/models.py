"""A custom session table: longer keys, more columns."""

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class DeviceSession(AbstractBaseSession):
    session_key = models.CharField(max_length=64, primary_key=True)
    user_id = models.TextField(null=True)
    device = models.CharField(max_length=20, default="unknown")

    class Meta:
        db_table = "device_session"

    @classmethod
    def get_session_store_class(cls):
        from devices.sessions import SessionStore

        return SessionStore
