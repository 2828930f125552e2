"""Prints what a Rust service with actix-django-session has to know of this Django site, as JSON.

    python manage.py shell -v 0 < export_settings.py > django-settings.json

It reads the settings and the models, asks the database in which schema their tables are, and changes nothing. No secret
is in what it prints: of each key only a fingerprint of 16 bits. Runs on Django 4.2 to 6.1 and needs nothing but Django.
"""

import hashlib
import inspect
import json
import sys
import weakref

import django
from django.apps import apps

# The version of the JSON: `FORMAT` in src/settings/exported.rs is the same number.
FORMAT = 1

# As slow as a password hash, and so short that 65,536 keys share each: it tells a wrong key from the right one, and
# whoever guesses keys learns more, and faster, from any value that the site has signed.
FINGERPRINT_ROUNDS = 100_000
FINGERPRINT_BYTES = 2

AUTH = "django.contrib.auth."
BACKENDS = AUTH + "backends."
SESSIONS = "django.contrib.sessions.backends."

# What `ModelBackend` does to grant permissions. A backend that does any of it in another way grants others.
GRANTING = ("get_user_permissions", "get_group_permissions", "get_all_permissions", "has_perm", "has_module_perms")
GRANTING_INSIDE = ("_get_permissions", "_get_user_permissions", "_get_group_permissions")

# Middlewares after which request.user is not, or not only, whom the session names: the class, what can be done, why.
MIDDLEWARES = {
    "django_otp.middleware.OTPMiddleware": (
        "after_get_user",
        "asks for a second factor: unless `SessionStore::after_get_user` looks the device up, one is enough here",
    ),
    "impersonate.middleware.ImpersonateMiddleware": (
        "after_get_user",
        "makes request.user the user whom the session names in `_impersonate`: so can `SessionStore::after_get_user`",
    ),
    "django.contrib.auth.middleware.RemoteUserMiddleware": (
        "after_get_user",
        "ends a session whose remote user is gone from the request: without `SessionStore::after_get_user` it goes on here",
    ),
    "hijack.middleware.HijackUserMiddleware": (
        None,
        "logs in as another user by Django's own means: the session names that user, here too",
    ),
}


class Export:
    """What was found out. `not_honoured` lists what the crate does not do as this site does it.

    Its levels: "unsafe", and the crate refuses these settings; "hook", and code of the service can do it; "note".
    """

    def __init__(self):
        self.not_honoured = []
        self.models = []

    def complain(self, level, setting, value, reason, hook=None):
        self.not_honoured.append(
            {"level": level, "setting": setting, "value": str(value), "reason": reason, "hook": hook}
        )

    def everything(self):
        from django.conf import settings

        found = {"format": FORMAT, "django_version": django.get_version()}
        found.update(self.keys(settings))
        found.update(self.plain_settings(settings))
        found.update(
            {
                "ALLOWED_HOSTS": self.allowed_hosts(settings),
                "CSRF_HEADER_NAME": self.header_name("CSRF_HEADER_NAME", settings.CSRF_HEADER_NAME),
                "LOGIN_URL": self.login_url(settings),
                "LOGIN_REDIRECT_URL": self.redirect_url("LOGIN_REDIRECT_URL", settings.LOGIN_REDIRECT_URL),
                "LOGOUT_REDIRECT_URL": self.redirect_url("LOGOUT_REDIRECT_URL", settings.LOGOUT_REDIRECT_URL),
                "messages": self.messages(settings),
                "PASSWORD_HASHERS": self.password_hashers(settings),
                "SECURE_PROXY_SSL_HEADER": self.secure_proxy_ssl_header(settings),
                "session": self.session(settings),
                "user_model": self.user_model(settings),
                "AUTHENTICATION_BACKENDS": self.backends(settings),
            }
        )
        self.middlewares(settings)
        self.receivers()
        self.schemas(found)
        found["not_honoured"] = self.not_honoured
        return found

    # The keys

    def keys(self, settings):
        salt = str(getattr(settings, "ROOT_URLCONF", ""))
        return {
            "fingerprint_salt": salt,
            "SECRET_KEY_FINGERPRINT": fingerprint(settings.SECRET_KEY, salt),
            "SECRET_KEY_FALLBACKS_FINGERPRINTS": [fingerprint(key, salt) for key in settings.SECRET_KEY_FALLBACKS],
        }

    # What can be taken over as it is

    def plain_settings(self, settings):
        def text_or_null(value):
            return None if value is None or value is False else str(value)

        def texts(values):
            return [str(value) for value in values]

        kinds = {
            bool: (
                "CSRF_COOKIE_HTTPONLY",
                "CSRF_COOKIE_SECURE",
                "CSRF_USE_SESSIONS",
                "SESSION_COOKIE_HTTPONLY",
                "SESSION_COOKIE_SECURE",
                "SESSION_EXPIRE_AT_BROWSER_CLOSE",
                "SESSION_SAVE_EVERY_REQUEST",
                "USE_TZ",
                "USE_X_FORWARDED_HOST",
                "USE_X_FORWARDED_PORT",
            ),
            str: (
                "AUTH_USER_MODEL",
                "CSRF_COOKIE_NAME",
                "SESSION_COOKIE_NAME",
                "SESSION_ENGINE",
                "SESSION_SERIALIZER",
            ),
            text_or_null: (
                "CSRF_COOKIE_DOMAIN",
                "CSRF_COOKIE_PATH",
                "CSRF_COOKIE_SAMESITE",
                "FORCE_SCRIPT_NAME",
                "SESSION_COOKIE_DOMAIN",
                "SESSION_COOKIE_PATH",
                "SESSION_COOKIE_SAMESITE",
                "TIME_ZONE",
            ),
            texts: ("CSRF_TRUSTED_ORIGINS",),
            number: (
                "CSRF_COOKIE_AGE",
                "DATA_UPLOAD_MAX_MEMORY_SIZE",
                "DATA_UPLOAD_MAX_NUMBER_FIELDS",
                "DATA_UPLOAD_MAX_NUMBER_FILES",
                "SESSION_COOKIE_AGE",
            ),
        }
        return {name: kind(getattr(settings, name)) for kind, names in kinds.items() for name in names}

    def allowed_hosts(self, settings):
        if settings.DEBUG and not settings.ALLOWED_HOSTS:
            # As HttpRequest.get_host().
            return [".localhost", "127.0.0.1", "[::1]"]
        return [str(host) for host in settings.ALLOWED_HOSTS]

    def login_url(self, settings):
        from django.conf.urls.i18n import is_language_prefix_patterns_used
        from django.shortcuts import resolve_url

        try:
            url = str(resolve_url(settings.LOGIN_URL))
        except Exception as error:
            reason = "is the name of no URL ({}), so nobody can be sent to log in".format(type(error).__name__)
            self.complain("unsafe", "LOGIN_URL", settings.LOGIN_URL, reason)
            return str(settings.LOGIN_URL)
        if url != str(settings.LOGIN_URL) and is_language_prefix_patterns_used(settings.ROOT_URLCONF)[0]:
            reason = "may differ by language (i18n_patterns): a gate can choose it by request"
            self.complain("note", "LOGIN_URL", url, reason)
        return url

    def redirect_url(self, name, value):
        """Null if there is none, or if nobody but Django knows where it leads."""
        from django.shortcuts import resolve_url

        if not value:
            return None
        try:
            return str(resolve_url(value))
        except Exception as error:
            reason = "is the name of no URL ({}): Django fails over it after a log-in or log-out".format(type(error).__name__)
            self.complain("note", name, value, reason)
            return None

    # django.contrib.messages

    def messages(self, settings):
        from django.contrib.messages.storage import cookie, fallback, session
        from django.utils.module_loading import import_string

        path = str(settings.MESSAGE_STORAGE)
        known = {fallback.FallbackStorage: "fallback", cookie.CookieStorage: "cookie", session.SessionStorage: "session"}
        try:
            storage = known.get(import_string(path), {"other": path})
        except Exception:
            storage = {"other": path}
        signer = str(settings.SIGNING_BACKEND)
        if storage in ("fallback", "cookie") and signer != "django.core.signing.TimestampSigner":
            # What signs the cookie is the site's own then.
            storage = {"other": signer}
        if isinstance(storage, dict):
            reason = "keeps messages in a way of the site's own: `Messages` cannot be used"
            self.complain("note", "MESSAGE_STORAGE", storage["other"], reason)
        tags = getattr(settings, "MESSAGE_TAGS", {})
        return {
            "storage": storage,
            "level": int(getattr(settings, "MESSAGE_LEVEL", 20)),
            "tags": [[level, str(tag)] for level, tag in sorted(tags.items()) if isinstance(level, int)],
        }

    def password_hashers(self, settings):
        from django.contrib.auth.hashers import get_hashers

        costs = ("iterations", "rounds", "time_cost", "memory_cost", "parallelism", "work_factor", "block_size")
        try:
            hashers = get_hashers()
        except Exception as error:
            reason = "cannot be loaded: {}".format(type(error).__name__)
            self.complain("note", "PASSWORD_HASHERS", settings.PASSWORD_HASHERS[0], reason)
            return []
        return [
            {
                "algorithm": str(hasher.algorithm),
                "costs": {name: getattr(hasher, name) for name in costs if type(getattr(hasher, name, None)) is int},
            }
            for hasher in hashers
        ]

    def secure_proxy_ssl_header(self, settings):
        """The header by its HTTP name, and the value."""
        if not settings.SECURE_PROXY_SSL_HEADER:
            return None
        key, value = settings.SECURE_PROXY_SSL_HEADER
        name = self.header_name("SECURE_PROXY_SSL_HEADER", key)
        return name and [name, str(value)]

    def header_name(self, setting, key):
        """The HTTP name of a header that Django names as WSGI does."""
        if not key.startswith("HTTP_"):
            self.complain("note", setting, key, "is no header of a request: Django looks at none, and neither does this")
            return None
        return key[len("HTTP_") :].replace("_", "-").title()

    # Sessions

    def session(self, settings):
        from importlib import import_module

        engine = settings.SESSION_ENGINE
        store_class = import_module(engine).SessionStore
        kind = self.engine_kind(engine, store_class)
        self.serializer(settings)
        if kind is None:
            return None
        store = store_class()
        found = {"engine": kind, "key_salt": str(store.key_salt), "cache_key": None}
        if kind == "signed_cookies":
            return {**found, "table": None, "key_length": None, "further_columns": []}
        if kind == "cached_db":
            found["cache_key"] = self.cache_key(settings, store)
        self.models.append(store.model)
        return {**found, **self.session_columns(store.model)}

    def engine_kind(self, engine, store_class):
        """Which of Django's engines it is, or derives from: `None` if what it stores cannot be read."""
        classes = [path_of(each) for each in store_class.__mro__]
        kinds = ("cached_db", "db", "cache", "file", "signed_cookies")
        kind = next((kind for kind in kinds if SESSIONS + kind + ".SessionStore" in classes), None)
        if kind not in ("cached_db", "db", "signed_cookies"):
            reason = "keeps sessions neither in the database nor in the cookie, so they cannot be read"
            self.complain("unsafe", "SESSION_ENGINE", engine, reason)
            return None
        for method in ("encode", "decode", "_hash", "load", "_get_session_from_db", "exists"):
            if hasattr(store_class, method) and not path_of(getattr(store_class, method)).startswith(SESSIONS):
                reason = "has a `{}` of its own, so what it stores may be anything".format(method)
                self.complain("unsafe", "SESSION_ENGINE", engine, reason)
        for method in ("create_model_instance", "get_expiry_age", "get_expiry_date", "get_session_cookie_age"):
            if hasattr(store_class, method) and not path_of(getattr(store_class, method)).startswith(SESSIONS):
                reason = "has a `{}` of its own, which is not followed when a session is written here".format(method)
                self.complain("note", "SESSION_ENGINE", engine, reason)
        if kind == "cached_db":
            reason = "Django reads its cache first: a session that is written here needs a hook that deletes its entry"
            self.complain("note", "SESSION_ENGINE", engine, reason)
        return kind

    def serializer(self, settings):
        from django.core.signing import JSONSerializer
        from django.utils.module_loading import import_string

        serializer = import_string(settings.SESSION_SERIALIZER)
        if getattr(serializer, "loads", None) is not JSONSerializer.loads:
            reason = "does not read plain JSON as Django's JSONSerializer does"
            self.complain("unsafe", "SESSION_SERIALIZER", settings.SESSION_SERIALIZER, reason)

    def cache_key(self, settings, store):
        """The key of a session in the cache, with a place for the session key."""
        from django.core.cache import caches

        try:
            cache = caches[settings.SESSION_CACHE_ALIAS]
            return str(cache.make_key(store.cache_key_prefix + "{session_key}"))
        except Exception as error:
            reason = "cannot be loaded ({}), so the keys in it are not known".format(type(error).__name__)
            self.complain("note", "SESSION_CACHE_ALIAS", settings.SESSION_CACHE_ALIAS, reason)
            return None

    def session_columns(self, model):
        own = ["session_key", "session_data", "expire_date"]
        fields = model._meta.concrete_fields
        names = {field.name: field.column for field in fields}
        if any(names.get(name) != name for name in own):
            reason = "has other columns than session_key, session_data and expire_date"
            self.complain("unsafe", "SESSION_ENGINE", model._meta.label, reason)
        if model._meta.parents or model._default_manager.get_queryset().query.where:
            reason = "is no plain table: it has parents, or a manager that hides rows"
            self.complain("unsafe", "SESSION_ENGINE", model._meta.label, reason)
        key = next((field for field in fields if field.name == "session_key"), None)
        return {
            "table": table_name(model),
            "key_length": key.max_length if key else None,
            "further_columns": [field.column for field in fields if field.name not in own],
        }

    # Users

    def user_model(self, settings):
        from django.contrib.auth import get_user_model
        from django.contrib.auth.base_user import AbstractBaseUser

        user = get_user_model()
        self.models.append(user)
        setting = settings.AUTH_USER_MODEL
        if path_of(getattr(user, "is_authenticated", None)) != path_of(AbstractBaseUser.is_authenticated):
            self.complain("unsafe", "AUTH_USER_MODEL", setting, "has an `is_authenticated` of its own")
        fields = {field.name: field.column for field in user._meta.concrete_fields}
        if "password" not in fields:
            self.complain("unsafe", "AUTH_USER_MODEL", setting, "has no column for the password")
        self.primary_key(user, setting)
        return {
            "table": table_name(user._meta.concrete_model),
            "primary_key": user._meta.pk.column,
            "parents": parents(user._meta.concrete_model),
            "username": user._meta.get_field(user.USERNAME_FIELD).column,
            "password": fields.get("password", "password"),
            "is_active": self.flag(user, fields, "is_active", True),
            "is_staff": self.flag(user, fields, "is_staff", False),
            "is_superuser": self.flag(user, fields, "is_superuser", False),
            "last_login": fields.get("last_login"),
            "condition": self.condition(user, setting),
            "permission_tables": self.permission_tables(user, setting),
            "session_auth_hash": self.session_auth_hash(user, setting, bool(settings.SECRET_KEY_FALLBACKS)),
        }

    def primary_key(self, user, setting):
        """Whether ids in sessions are read for the column as Django's own fields read them."""
        from django.db import models

        field = user._meta.pk
        while field.remote_field:
            field = field.target_field
        reading = ("to_python", "get_prep_value", "get_db_prep_value", "value_to_string")
        if hasattr(field, "from_db_value") or any(
            not path_of(getattr(field, name)).startswith(models.__name__) for name in reading
        ):
            reason = "has a primary key of the class {}: if its ids are not those of the column, they need {}".format(
                type(field).__name__, "`SessionStore::user_id_to_primary_key`"
            )
            self.complain("hook", "AUTH_USER_MODEL", setting, reason, "user_id_to_primary_key")

    def flag(self, user, fields, name, default):
        """The column of a flag; `None` if it is a constant that the crate assumes as well."""
        if name in fields:
            return fields[name]
        value = getattr(user, name, default)
        if value is not default:
            unsafe = default is True
            reason = "has an `{}` that is no column: {}".format(
                name, "who is active cannot be seen" if unsafe else "nobody counts as that here"
            )
            self.complain("unsafe" if unsafe else "note", "AUTH_USER_MODEL", user._meta.label, reason)
        return None

    def condition(self, user, setting):
        """The SQL of a default manager that hides rows."""
        from django.db import connections, router

        query = user._default_manager.all().order_by().values("pk").query
        try:
            compiler = query.get_compiler(connection=connections[router.db_for_read(user)])
            sql, values = compiler.as_sql()
            tables = [alias for alias, count in query.alias_refcount.items() if count]
            quote = compiler.connection.ops.quote_name
            if tables != [user._meta.db_table] or query.group_by or query.is_sliced:
                sql = "{}.{} IN ({})".format(quote(user._meta.db_table), quote(user._meta.pk.column), sql)
            elif not query.where:
                return None
            else:
                sql, values = compiler.compile(query.where)
            return sql % tuple(literal(value) for value in values)
        except Exception as error:
            reason = "has a default manager that hides rows, and its condition cannot be written as SQL ({})".format(error)
            self.complain("unsafe", "AUTH_USER_MODEL", setting, reason)
            return None

    def permission_tables(self, user, setting):
        from django.contrib.auth.models import Permission, PermissionsMixin
        from django.contrib.contenttypes.models import ContentType

        names = ("has_perm", "has_perms", "has_module_perms", "get_all_permissions")
        if not issubclass(user, PermissionsMixin):
            if any(hasattr(user, name) for name in names):
                reason = "has permissions of its own making and no PermissionsMixin: nobody has any here"
                self.complain("note", "AUTH_USER_MODEL", setting, reason)
            return None
        if any(not path_of(getattr(user, name)).startswith(AUTH) for name in names):
            reason = "answers questions about permissions itself: nobody has any here, superusers apart"
            self.complain("note", "AUTH_USER_MODEL", setting, reason)
            return None
        groups, held = user._meta.get_field("groups"), user._meta.get_field("user_permissions")
        of_group = groups.related_model._meta.get_field("permissions")
        return {
            "user_groups": many_to_many(groups),
            "user_permissions": many_to_many(held),
            "group_permissions": many_to_many(of_group),
            "permission": table_name(Permission),
            "content_type": table_name(ContentType),
            "group": table_name(groups.related_model),
        }

    def session_auth_hash(self, user, setting, settings_have_fallbacks):
        if not hasattr(user, "get_session_auth_hash"):
            return None
        overrides = [
            name
            for name in ("get_session_auth_hash", "_get_session_auth_hash", "get_session_auth_fallback_hash")
            if not path_of(getattr(user, name, None)).startswith(AUTH)
        ]
        if "get_session_auth_fallback_hash" in overrides and settings_have_fallbacks:
            reason = "makes the hashes under SECRET_KEY_FALLBACKS in its own way, which is not known here"
            self.complain("unsafe", "AUTH_USER_MODEL", setting, reason)
        elif overrides:
            reason = "makes its own session auth hash: unless `UserModel::session_auth_hash` and {} say how, {}".format(
                "`SessionStore::session_auth_hash_message`", "everybody is logged out here"
            )
            self.complain("hook", "AUTH_USER_MODEL", setting, reason, "session_auth_hash")
        return {"overrides": overrides}

    # Backends

    def backends(self, settings):
        from django.utils.module_loading import import_string

        return [self.backend(path, import_string(path)) for path in settings.AUTHENTICATION_BACKENDS]

    def backend(self, path, backend):
        def complain(reason):
            self.complain("note", "AUTHENTICATION_BACKENDS", path, reason)

        def is_model_backends(name):
            return path_of(getattr(backend, name, None)) == BACKENDS + "ModelBackend." + name

        can_authenticate = path_of(getattr(backend, "user_can_authenticate", None))
        admits_inactive = can_authenticate in (
            BACKENDS + "AllowAllUsersModelBackend.user_can_authenticate",
            BACKENDS + "AllowAllUsersRemoteUserBackend.user_can_authenticate",
        )
        reads_users = is_model_backends("get_user") and (admits_inactive or is_model_backends("user_can_authenticate"))
        if not reads_users:
            complain("finds users in its own way: unless told how, whoever came in by it is nobody here")
        grants_permissions = all(is_model_backends(name) for name in GRANTING + GRANTING_INSIDE)
        grants_none = all(
            not hasattr(backend, name) or path_of(getattr(backend, name)) == BACKENDS + "BaseBackend." + name
            for name in GRANTING
        )
        if not grants_permissions and not grants_none:
            complain("grants permissions in its own way: none of them are known here")
        return {
            "path": str(path),
            "reads_users": reads_users,
            "grants_permissions": grants_permissions,
            "admits_inactive": admits_inactive,
            "checks_passwords": self.checks_passwords(backend, admits_inactive),
        }

    def checks_passwords(self, backend, admits_inactive):
        """Whether it authenticates as ModelBackend does, not at all by name and password, or in a way not known."""
        names = ["authenticate"] if admits_inactive else ["authenticate", "user_can_authenticate"]
        if all(path_of(getattr(backend, name, None)) == BACKENDS + "ModelBackend." + name for name in names):
            return True
        try:
            inspect.signature(backend.authenticate).bind(None, None, username="", password="")
        except TypeError:
            return False
        return None

    # What else decides who a visitor is

    def middlewares(self, settings):
        from django.utils.module_loading import import_string

        own = []
        classes = set()
        for path in settings.MIDDLEWARE:
            middleware = import_string(path)
            ancestors = [path_of(each) for each in getattr(middleware, "__mro__", ())]
            classes.update(ancestors)
            known = next((each for each in ancestors if each in MIDDLEWARES), None)
            if known and not (known.endswith(".RemoteUserMiddleware") and not middleware.force_logout_if_no_header):
                hook, reason = MIDDLEWARES[known]
                self.complain("hook" if hook else "note", "MIDDLEWARE", path, reason, hook)
            elif not path.startswith("django.") and path not in MIDDLEWARES:
                own.append(path)
        if own:
            self.complain("note", "MIDDLEWARE", ", ".join(own), "not run here: does one say who a visitor is, or may?")
        if "django.middleware.csrf.CsrfViewMiddleware" not in classes:
            reason = "has no CsrfViewMiddleware, while the gates here check CSRF tokens unless they are exempt"
            self.complain("note", "MIDDLEWARE", "", reason)

    def receivers(self):
        """Who else wants to know when somebody logs in or out: none of it is called here."""
        from django.contrib.auth import signals

        for name in ("user_logged_in", "user_logged_out", "user_login_failed"):
            signal = getattr(signals, name)
            receivers = [entry[1] for entry in signal.receivers]
            receivers = [each() if isinstance(each, weakref.ReferenceType) else each for each in receivers]
            paths = sorted(path_of(each) or repr(type(each)) for each in receivers if each is not None)
            paths = [path for path in paths if not path.startswith(AUTH)]
            if paths:
                self.complain("note", name, ", ".join(paths), "not called when somebody logs in or out here")

    # Where the tables are

    def schemas(self, found):
        """Names the schema of each table that is not in `public`, as this site's own connection finds it."""
        from django.db import connections, router

        aliases = sorted({router.db_for_read(model) for model in self.models})
        for alias in aliases:
            if connections[alias].vendor != "postgresql":
                self.complain("unsafe", "DATABASES", alias, "is no PostgreSQL")
                return
        if len(aliases) > 1:
            reason = "sessions and users are in two databases, and are looked for in one"
            self.complain("unsafe", "DATABASE_ROUTERS", ", ".join(aliases), reason)
            return
        connection = connections[aliases[0]]
        if hasattr(connection, "schema_name"):
            reason = "chooses the schema by request: make one store for each tenant, with its schema in all table names"
            self.complain("hook", "DATABASES", aliases[0], reason)
        try:
            with connection.cursor() as cursor:
                qualify(found, cursor)
        except Exception as error:
            reason = "the database did not answer ({}): tables are named without their schema".format(
                type(error).__name__
            )
            self.complain("note", "DATABASES", aliases[0], reason)


def fingerprint(key, salt):
    key = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
    found = hashlib.pbkdf2_hmac("sha256", key, salt.encode(), FINGERPRINT_ROUNDS)
    return found[:FINGERPRINT_BYTES].hex()


def number(value):
    """Numbers and timedeltas as numbers of seconds; no limit is null."""
    seconds = getattr(value, "total_seconds", None)
    value = seconds() if seconds else value
    return value if value is None else int(value)


def path_of(something):
    """The dotted path of what a class, a function or a property is defined by; empty for nothing."""
    something = getattr(something, "fget", None) or something
    if not hasattr(something, "__qualname__"):
        return ""
    return "{}.{}".format(something.__module__, something.__qualname__)


def table_name(model):
    """The name of a model's table, or its schema and name where `db_table` smuggles both in."""
    return names_of(model._meta.db_table)


def names_of(db_table):
    names = db_table.strip('"').split('"."')
    return names if len(names) == 2 else db_table


def many_to_many(field):
    return {
        "table": names_of(field.m2m_db_table()),
        "from_column": field.m2m_column_name(),
        "to_column": field.m2m_reverse_name(),
    }


def parents(model):
    """The tables that multi-table inheritance joins, nearest first."""
    found = []
    for parent, link in model._meta.parents.items():
        if link is not None:
            parent_key = parent._meta.pk.column
            found.append({"table": table_name(parent), "primary_key": parent_key, "link": link.column})
            found.extend(parents(parent))
    return found


def literal(value):
    """A parameter of a query as it stands in SQL. Not a time: nobody can tell a constant from what was now."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "''"))
    raise TypeError("a value of type {}".format(type(value).__name__))


def qualify(value, cursor):
    """Puts the schema to every table in what was found."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for place, member in list(members):
        if place in ("table", "permission", "content_type", "group") and isinstance(member, str):
            cursor.execute(
                "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.oid = to_regclass(quote_ident(%s))",
                [member],
            )
            row = cursor.fetchone()
            if row and row[0] != "public":
                value[place] = [row[0], member]
        elif isinstance(member, (dict, list)):
            qualify(member, cursor)


if not apps.ready:
    django.setup()

# The line break comes first because a shell may have left a prompt.
sys.stdout.write("\n" + json.dumps(Export().everything(), indent=2, sort_keys=True) + "\n")
sys.stdout.flush()
