"""The router of Django's documentation: docs/topics/db/multi-db."""

import random


class PrimaryReplicaRouter:
    def db_for_read(self, model, **hints):
        return random.choice(["replica1", "replica2"])

    def db_for_write(self, model, **hints):
        return "primary"

    def allow_relation(self, obj1, obj2, **hints):
        return True

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return True


class NoTenant:
    """Knows no database outside of a request."""

    def db_for_write(self, model, **hints):
        raise RuntimeError("no tenant is chosen")
