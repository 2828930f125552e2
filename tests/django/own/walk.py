"""Whether the export is silent about a class with one method of Django's overridden: `manage.py shell` runs `silent`."""

import random
import types
from pathlib import Path

from django.contrib.auth import backends, hashers
from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.sessions.backends import cached_db, db
from django.db import models

SCRIPT = Path(__file__).resolve().parents[3] / "src/settings/export_settings.py"


def script():
    """The export, without its last lines, which print."""
    source = SCRIPT.read_text()
    module = types.ModuleType("export_settings")
    exec(source[: source.index("if not apps.ready:")], module.__dict__)
    return module


def methods(cls):
    """The code that Django's own classes among the ancestors define, without what Python calls to create a class."""
    django = [each for each in cls.__mro__ if each.__module__.startswith("django.")]
    named = {name: value for each in reversed(django) for name, value in vars(each).items()}
    kinds = (types.FunctionType, property, classmethod, staticmethod)
    return sorted(name for name, value in named.items() if isinstance(value, kinds) and name != "__new__")


def overriding(cls, name):
    """A subclass that overrides one method and does the same as Django."""
    value = next(vars(each)[name] for each in cls.__mro__ if name in vars(each))

    def own(self, *arguments, **named):
        return getattr(super(made, self), name)(*arguments, **named)

    own = property(own) if isinstance(value, property) else classmethod(own) if isinstance(value, classmethod) else own
    # Not by the metaclass of models, which would register each.
    made = type("Own", (cls,), {name: own, "__module__": "shop.models"}) if not hasattr(cls, "_meta") else plain(cls, name, own)
    return made


def plain(cls, name, own):
    class Meta:
        abstract = True

    return type(cls)("Own", (cls,), {name: own, "Meta": Meta, "__module__": "shop.models"})


def silent(seed):
    """The overridden methods that the export does not report, and the number of all; without HARMLESS."""
    exported = script()
    rng = random.Random(seed)
    asked = [
        (AbstractUser, exported.USER_MODEL, "user model"),
        (UserManager, exported.MANAGER, "manager"),
        (models.QuerySet, exported.MANAGER, "manager"),
        (models.CharField, exported.USERNAME_FIELD, "field"),
        (models.BooleanField, exported.COLUMN, "field"),
        (models.AutoField, {}, "field"),
        (db.SessionStore, exported.SESSION, "session"),
        (cached_db.SessionStore, exported.SESSION, "session"),
    ]
    count, found = 0, []
    for cls, table, kind in asked:
        names = methods(cls)
        for name in rng.sample(names, min(60, len(names))):
            if name in exported.HARMLESS[kind] or name.startswith("_check"):
                continue
            export = exported.Export()
            export.ask(overriding(cls, name), table, exported.HARMLESS[kind], "SETTING")
            count += 1
            if not any("shop.models.Own" in each["value"] for each in export.not_honoured):
                found.append(f"{cls.__name__}.{name}")
    for cls in (hashers.PBKDF2PasswordHasher, hashers.Argon2PasswordHasher, hashers.BCryptSHA256PasswordHasher):
        for name in set(methods(cls)) - exported.HARMLESS["hasher"]:
            count += 1
            if not exported.overridden(overriding(cls, name), ()):
                found.append(f"{cls.__name__}.{name}")
    for cls in (backends.ModelBackend, backends.BaseBackend):
        for name in set(methods(cls)) - {"with_perm"}:
            count += 1
            export = exported.Export()
            own = overriding(cls, name)
            said = export.backend("shop.models.Own", own)
            as_djangos = exported.Export().backend("django", cls)
            if not export.not_honoured and {**said, "path": ""} == {**as_djangos, "path": ""}:
                found.append(f"{cls.__name__}.{name}")
    return found, count
