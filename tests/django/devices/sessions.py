"""SESSION_ENGINE of a site whose session class has another name, and so another salt."""

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
