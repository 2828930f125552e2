"""SESSION_ENGINE of a site with a session class by a name of its own, and so with a salt of its own."""

from django.contrib.sessions.backends.db import SessionStore as DBStore


class DeviceStore(DBStore):
    @classmethod
    def get_model_class(cls):
        from devices.models import DeviceSession

        return DeviceSession

    def create_model_instance(self, data):
        instance = super().create_model_instance(data)
        instance.user_id = data.get("_auth_user_id")
        return instance


SessionStore = DeviceStore
