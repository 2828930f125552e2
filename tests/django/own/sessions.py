"""A session class whose keys name their scheme, and that records logouts."""

from django.contrib.sessions.backends.db import SessionStore as DBStore

ENDED = []


class SessionStore(DBStore):
    def _get_new_session_key(self):
        return ("v2" + super()._get_new_session_key())[:32]

    def _validate_session_key(self, key):
        return super()._validate_session_key(key) and key.startswith("v2")

    def save(self, must_create=False):
        self["_saved_by"] = "v2"
        super().save(must_create)

    def delete(self, session_key=None):
        ENDED.append(session_key or self.session_key)
        super().delete(session_key)
