"""Prints what a Rust service with actix-django-session has to know about this Django site, as JSON.

    python manage.py shell -v 0 < export_settings.py > django-settings.json

It reads the settings and the models, asks the database for the schemas of their tables, and changes nothing. The output
contains no secrets: only a fingerprint of 16 bits of each key. It runs on Django 4.2 to 6.1 and needs only Django.
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

# As slow as a password hash, and so short that each fingerprint is that of many keys. It tells a wrong key from the
# right one. Any value that the site has signed tells an attacker more about the key, and can be tested faster.
FINGERPRINT_ROUNDS = 100_000
FINGERPRINT_BYTES = 2

AUTH = "django.contrib.auth."
BACKENDS = AUTH + "backends."
SESSIONS = "django.contrib.sessions.backends."

# The tables below say, for each class that matters here, what it means if the site overrides a method or an attribute
# of Django's own class: a level, the power of the crate that is then switched off, and the hook that replaces it. A
# name in no table becomes a note. Only the names in HARMLESS are skipped. Each coroutine (`acheck_password`) counts
# as its synchronous method.

# Names that Python and Django create for each class.
MACHINERY = frozenset(
    """__module__ __doc__ __dict__ __weakref__ __qualname__ __annotations__ __annotate__ __annotate_func__ __slots__
    __annotations_cache__ __firstlineno__ __static_attributes__ __classcell__ __orig_bases__ __parameters__
    __abstractmethods__ _abc_impl __type_params__ _meta DoesNotExist MultipleObjectsReturned NotUpdated Meta objects
    """.split()
)

UNSAFE, HOOK, NOTE = "unsafe", "hook", "note"

USER_MODEL = {
    ("is_authenticated", "is_anonymous"): (UNSAFE, None, None, "decides itself which user is logged in"),
    ("check_password",): (UNSAFE, "authenticate", "after_check_password", "checks passwords itself"),
    ("set_password",): (UNSAFE, "make_password", None, "sets passwords itself"),
    ("has_perm", "has_perms", "has_module_perms", "get_all_permissions"): (
        UNSAFE,
        "permissions",
        "after_has_perm",
        "decides permissions itself",
    ),
    ("pk", "_get_pk_val", "_set_pk_val"): (HOOK, None, "parse_user_id", "has a custom primary key"),
    ("__init__", "from_db", "refresh_from_db", "get_deferred_fields"): (
        HOOK,
        None,
        "after_get_user",
        "runs when Django loads a user: if it changes the user or `is_active`, the hook has to do the same",
    ),
}

# The default manager of the user model, and its queryset. `ModelBackend` finds users through them.
MANAGER = {
    ("get_by_natural_key",): (UNSAFE, "find_user", "username_to_column", "finds users by their names itself"),
    (
        "get", "filter", "_filter_or_exclude", "_filter_or_exclude_inplace", "_chain", "_clone", "_fetch_all",
        "_iterator", "__iter__", "__len__", "__getitem__", "__getattribute__",
    ): (UNSAFE, "get_user", "after_get_user", "finds users itself"),
}  # fmt: skip

# The field that USERNAME_FIELD names: how a typed name becomes a value of the column.
USERNAME_FIELD = {
    (
        "to_python", "get_prep_value", "get_db_prep_value", "from_db_value", "get_lookup", "get_lookups", "get_transform",
        "class_lookups", "get_class_lookups", "get_instance_lookups", "_get_lookup", "get_col", "cached_col",
    ): (UNSAFE, "find_user", "username_to_column", "converts names itself before they are looked up"),
}  # fmt: skip

# The other columns that the crate reads. It takes their values as they are.
COLUMN = {
    ("to_python", "from_db_value", "get_db_converters", "descriptor_class"): (
        UNSAFE,
        None,
        None,
        "does not return the value of its column",
    ),
}

PRIMARY_KEY = ("to_python", "get_prep_value", "get_db_prep_value", "value_to_string", "from_db_value")

BACKEND = {
    ("authenticate",): (NOTE, None, None, "authenticates users itself"),
}

SESSION = {
    (
        "encode", "decode", "_hash", "load", "_get_session_from_db", "_validate_session_key", "_get_session", "_session",
        "_get_session_key", "_set_session_key", "session_key", "_session_key", "__contains__", "__getitem__", "get",
        "has_key", "keys", "values", "items", "is_empty",
    ): (UNSAFE, "load", None, "reads sessions itself"),
    ("create_model_instance",): (UNSAFE, "write_sessions", "session_columns", "fills further columns"),
    ("cache_key",): (UNSAFE, "write_sessions", None, "chooses the keys in the cache itself"),
    (
        "get_expiry_age", "get_expiry_date", "get_session_cookie_age", "set_expiry", "get_expire_at_browser_close",
        "_expiry_datetime_from_cookie_age",
    ): (UNSAFE, "write_sessions", None, "decides itself when sessions end"),
    (
        "save", "create", "cycle_key", "flush", "delete", "exists", "_get_new_session_key", "_get_or_create_session_key",
        "__setitem__", "__delitem__", "update", "setdefault", "pop", "clear",
    ): (UNSAFE, "write_sessions", None, "writes sessions itself"),
}  # fmt: skip

# Session classes of other packages that store sessions like Django's, with further columns: the class, and its
# engine.
KNOWN_SESSIONS = {
    "qsessions.backends.db.SessionStore": "db",
    "qsessions.backends.cached_db.SessionStore": "cached_db",
    "user_sessions.backends.db.SessionStore": "db",
}

# Middleware classes of Django: what a class that derives from them is reported to do.
MIDDLEWARE = {
    "django.contrib.sessions.middleware.SessionMiddleware": "finds or sends sessions itself",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "decides itself who the user is",
    "django.contrib.auth.middleware.RemoteUserMiddleware": "decides itself who the user is",
}

# Overrides that make no difference here: texts for people, forms, migrations and checks of models; and how Django
# writes users, because the crate writes only two columns of a user, password and last_login.
FOR_FORMS = (
    "formfield", "clean", "clean_fields", "full_clean", "validate", "run_validators", "validators", "save_form_data",
    "validate_unique", "validate_constraints", "_perform_unique_checks", "_perform_date_checks", "_get_unique_checks",
    "date_error_message", "unique_error_message", "_get_field_expression_map", "prepare_database_save",
    "default_validators", "default_error_messages", "get_choices", "choices", "flatchoices", "error_messages",
    "value_from_object", "get_limit_choices_to", "username_validator", "get_constraints", "_validate_force_insert",
)  # fmt: skip
FOR_PEOPLE = ("__str__", "__repr__", "get_full_name", "get_short_name", "email_user", "natural_key", "description")
FOR_MIGRATIONS = (
    "deconstruct", "clone", "check", "db_type", "rel_db_type", "cast_db_type", "db_type_suffix", "db_type_parameters",
    "db_check", "db_parameters", "get_internal_type", "system_check_deprecated_details", "system_check_removed_details",
    "creation_counter", "auto_creation_counter", "use_in_migrations", "auto_created", "contribute_to_class", "non_db_attrs",
)  # fmt: skip
WRITING_USERS = (
    "save", "save_base", "delete", "_do_insert", "_do_update", "_save_parents", "_save_table", "_prepare_related_fields_for_save",
    "normalize_username", "normalize_email", "make_random_password", "create", "create_user", "create_superuser",
    "_create_user", "_create_user_object", "get_or_create", "update_or_create", "update", "_update", "bulk_create",
    "bulk_update", "in_bulk", "with_perm", "pre_save", "get_db_prep_save", "get_default", "_get_default", "has_default",
)  # fmt: skip
HARMLESS = {
    # The export reads the settings of the model, and examines its columns one by one.
    "user model": frozenset(
        (*FOR_FORMS, *FOR_PEOPLE, *FOR_MIGRATIONS, *WRITING_USERS)
        + ("USERNAME_FIELD", "EMAIL_FIELD", "REQUIRED_FIELDS", "get_email_field_name")
        + ("username", "first_name", "last_name", "email", "date_joined", "groups", "user_permissions")
        + ("password", "last_login", "is_active", "is_staff", "is_superuser")
        + ("get_session_auth_hash", "_get_session_auth_hash", "get_session_auth_fallback_hash")
    ),
    # The export reads the manager's condition from `get_queryset`.
    "manager": frozenset(
        (*FOR_FORMS, *FOR_PEOPLE, *FOR_MIGRATIONS, *WRITING_USERS)
        + ("__init__", "get_queryset", "all", "_queryset_class", "as_manager", "from_queryset", "queryset_only")
    ),
    "field": frozenset((*FOR_FORMS, *FOR_PEOPLE, *FOR_MIGRATIONS, *WRITING_USERS, "__init__", "empty_strings_allowed")),
    # The crate does not use the header that names a remote user.
    "backend": frozenset(("clean_username", "configure_user", "create_unknown_user", "with_perm")),
    # Text for the admin, the name of the algorithm, and the costs, which the export reads.
    "hasher": frozenset(
        ("safe_summary", "algorithm", "iterations", "rounds", "time_cost", "memory_cost", "parallelism")
        + ("work_factor", "block_size", "maxmem")
    ),
    # The export reads the salt, the model and the columns. Only Django uses test cookies and the command
    # `clearsessions`.
    "session": frozenset(
        ("__init__", "key_salt", "model", "get_model_class", "cache_key_prefix", "clear_expired", "test_cookie_worked")
        + ("set_test_cookie", "delete_test_cookie", "TEST_COOKIE_NAME", "TEST_COOKIE_VALUE")
    ),
}

# Django's own hashers, by their algorithms.
HASHERS = {
    algorithm: AUTH + "hashers." + name
    for algorithm, name in (
        ("pbkdf2_sha256", "PBKDF2PasswordHasher"),
        ("pbkdf2_sha1", "PBKDF2SHA1PasswordHasher"),
        ("argon2", "Argon2PasswordHasher"),
        ("bcrypt_sha256", "BCryptSHA256PasswordHasher"),
        ("bcrypt", "BCryptPasswordHasher"),
        ("scrypt", "ScryptPasswordHasher"),
        ("md5", "MD5PasswordHasher"),
        ("sha1", "SHA1PasswordHasher"),
        ("unsalted_md5", "UnsaltedMD5PasswordHasher"),
        ("unsalted_sha1", "UnsaltedSHA1PasswordHasher"),
    )
}

LOCALE_MIDDLEWARE = "django.middleware.locale.LocaleMiddleware"
PASSWORD_HASHER = "`DjangoSite::password_hasher`"
SESSION_COLUMNS = "`DjangoSite::session_columns`"

# Stand for messages and a user model that could not be examined. The crate refuses them.
NO_MESSAGES = {"storage": "fallback", "level": 20, "tags": []}
NO_USER_MODEL = {
    **dict.fromkeys(("table", "primary_key", "username", "password"), ""),
    **dict.fromkeys(("is_active", "is_staff", "is_superuser", "last_login"), None),
    **dict.fromkeys(("condition", "permission_tables", "session_auth_hash"), None),
    "parents": [],
}

# Adds the coroutine of each name. The names that are examined one by one have no coroutine here.
HARMLESS = {kind: names | {"a" + name for name in names} for kind, names in HARMLESS.items()}
EXAMINED = (
    "get_user", "user_can_authenticate", "get_user_permissions", "get_group_permissions", "get_all_permissions", "has_perm",
    "has_module_perms", "_get_permissions", "_get_user_permissions", "_get_group_permissions",
)  # fmt: skip

# The methods with which `ModelBackend` grants permissions. A backend that overrides one of them grants others.
GRANTING = ("get_user_permissions", "get_group_permissions", "get_all_permissions", "has_perm", "has_module_perms")
GRANTING_INSIDE = ("_get_permissions", "_get_user_permissions", "_get_group_permissions")

# Middlewares after which request.user can differ from the user whom the session names, and middlewares that look as
# if they did that: the class, the level, the hook, and the reason.
AFTER_GET_USER = "`DjangoSite::after_get_user`"
ENDS_IDLE = "ends the sessions of idle users: here they go on, unless a middleware of the service ends them (see the guide)"
KEEPS_MORE = "passes address and browser to the session class: use {}, which receives the request".format(SESSION_COLUMNS)
REMOTE_USER = "django.contrib.auth.middleware.RemoteUserMiddleware"
PERSISTENT_REMOTE_USER = "django.contrib.auth.middleware.PersistentRemoteUserMiddleware"
MIDDLEWARES = {
    "django_otp.middleware.OTPMiddleware": (
        HOOK,
        "after_get_user",
        "requires a second factor: here one is enough, unless {} looks up the device".format(AFTER_GET_USER),
    ),
    "impersonate.middleware.ImpersonateMiddleware": (
        HOOK,
        "after_get_user",
        "sets request.user to the user whom the session names in `_impersonate`: do the same in {}".format(AFTER_GET_USER),
    ),
    PERSISTENT_REMOTE_USER: (
        NOTE,
        None,
        "logs in the user whom the server names: here the session names the user",
    ),
    REMOTE_USER: (
        HOOK,
        "after_get_user",
        "ends a session if the request has no remote user any more: here it goes on without {}".format(AFTER_GET_USER),
    ),
    "restrictedsessions.middleware.RestrictedSessionsMiddleware": (
        HOOK,
        "after_get_user",
        "ends sessions by its own rule: here they go on, unless {} applies the rule too".format(AFTER_GET_USER),
    ),
    "hijack.middleware.HijackUserMiddleware": (
        NOTE,
        None,
        "logs in as another user through Django: the session names that user, also for this service",
    ),
    "django_session_timeout.middleware.SessionTimeoutMiddleware": (HOOK, None, ENDS_IDLE),
    "session_security.middleware.SessionSecurityMiddleware": (HOOK, None, ENDS_IDLE),
    "auto_logout.middleware.auto_logout": (HOOK, None, ENDS_IDLE),
    "django_auto_logout.middleware.auto_logout": (HOOK, None, ENDS_IDLE),
    "qsessions.middleware.SessionMiddleware": (NOTE, None, KEEPS_MORE),
    "user_sessions.middleware.SessionMiddleware": (NOTE, None, KEEPS_MORE),
}

# Backends of other packages, by the class itself: they differ from `ModelBackend` in these powers only.
KNOWN_BACKENDS = {
    # Finds any user in the table, active or not, when a superuser becomes that user.
    "django_su.backends.SuBackend": {"reads_users": True, "admits_inactive": True, "checks_passwords": False},
}


class Export:
    """What the export found. `not_honoured` lists what this site does and the crate does not.

    Its levels: "unsafe" switches off what `power` names in the crate, or everything if it names nothing; "hook" means that
    code of the service can replace it; "note" is information only.
    """

    def __init__(self):
        self.not_honoured = []
        self.models = []
        self.login_urls = None

    def complain(self, level, setting, value, reason, hook=None, power=None):
        said = {"level": level, "setting": setting, "value": str(value), "reason": reason}
        self.not_honoured.append({**said, "hook": hook, "power": power})

    def everything(self):
        from django.conf import settings

        found = {"format": FORMAT, "django_version": django.get_version()}
        found.update(self.keys(settings))
        found.update(self.plain_settings(settings))
        sections = (
            ("ALLOWED_HOSTS", self.allowed_hosts, []),
            ("CSRF_HEADER_NAME", self.csrf_header_name, None),
            ("LOGIN_URL", self.login_url, ""),
            ("LOGIN_REDIRECT_URL", self.login_redirect_url, None),
            ("LOGOUT_REDIRECT_URL", self.logout_redirect_url, None),
            ("messages", self.messages, NO_MESSAGES),
            ("PASSWORD_HASHERS", self.password_hashers, []),
            ("SECURE_PROXY_SSL_HEADER", self.secure_proxy_ssl_header, None),
            ("session", self.session, None),
            ("user_model", self.user_model, NO_USER_MODEL),
            ("AUTHENTICATION_BACKENDS", self.backends, []),
        )
        for name, section, unknown in sections:
            found[name] = self.seen(name, section, settings, unknown)
        found["login_urls"] = self.login_urls
        found["rest_framework"] = self.seen("REST_FRAMEWORK", self.rest_framework, settings, None)
        self.seen("MIDDLEWARE", self.middlewares, settings, None, NOTE)
        self.seen("user_logged_in", self.receivers, found, None, NOTE)
        self.seen("DATABASES", self.schemas, found, None)
        found["not_honoured"] = self.not_honoured
        return found

    def rest_framework(self, settings):
        return RestExport(self.complain, settings).found()

    def seen(self, name, section, argument, unknown, level=UNSAFE):
        """What a section found. The site's own code can raise any exception: the export then reports the section."""
        try:
            return section(argument)
        except Exception as error:
            reason = "could not be examined ({})".format(type(error).__name__)
            self.complain(level, name, "", reason)
            return unknown

    def ask(self, cls, table, harmless, setting, also=()):
        """Reports which members of Django's own class this class overrides.

        `also` are the paths of other classes that count as Django's here.
        """
        meanings = {name: meaning for names, meaning in table.items() for name in names}
        notes = []
        for name, definer in overridden(cls, also):
            plain = name[1:] if name[:1] == "a" and name[1:] in meanings else name
            if plain in meanings:
                level, power, hook, reason = meanings[plain]
                if level != NOTE:
                    self.complain(level, setting, "{}.{}".format(definer, name), reason, hook, power)
                    continue
            elif name in harmless or name.startswith("_check"):
                continue
            notes.append("{}.{}".format(definer, name))
        if notes:
            reason = "is the site's own code and does not run here: check whether that matters"
            self.complain(NOTE, setting, ", ".join(notes), reason)

    # The keys

    def keys(self, settings):
        salt = str(getattr(settings, "ROOT_URLCONF", ""))
        return {
            "fingerprint_salt": salt,
            "SECRET_KEY_FINGERPRINT": fingerprint(settings.SECRET_KEY, salt),
            "SECRET_KEY_FALLBACKS_FINGERPRINTS": [fingerprint(key, salt) for key in settings.SECRET_KEY_FALLBACKS],
        }

    # Settings that are exported as they are

    def plain_settings(self, settings):
        return {name: kind(getattr(settings, name)) for kind, names in PLAIN_SETTINGS.items() for name in names.split()}

    def allowed_hosts(self, settings):
        if settings.DEBUG and not settings.ALLOWED_HOSTS:
            # As `HttpRequest.get_host()` does.
            return [".localhost", "127.0.0.1", "[::1]"]
        return [str(host) for host in settings.ALLOWED_HOSTS]

    def login_url(self, settings):
        try:
            url, languages = self.by_language(settings, settings.LOGIN_URL)
        except Exception as error:
            reason = "cannot be resolved to a URL ({}): no visitor could be redirected to log in".format(type(error).__name__)
            self.complain(UNSAFE, "LOGIN_URL", lazy_text(settings.LOGIN_URL), reason)
            return lazy_text(settings.LOGIN_URL)
        own = [path for path in settings.MIDDLEWARE if is_middleware(path, LOCALE_MIDDLEWARE) and path != LOCALE_MIDDLEWARE]
        if languages and not own:
            self.login_urls = self.languages(settings, languages)
        elif languages:
            reason = "depends on the language that {} chooses ({}): use `DjangoSessionMiddleware::login_url_for`".format(
                own[0], shown(languages, url)
            )
            self.complain(NOTE, "LOGIN_URL", url, reason)
        return url

    def by_language(self, settings, value):
        """The URL in the default language, and in each, if they differ."""
        from django.shortcuts import resolve_url
        from django.utils import translation

        def in_language(code):
            with translation.override(code):
                return str(resolve_url(value))

        if not settings.USE_I18N:
            return str(resolve_url(value)), {}
        by_request = any(is_middleware(path, LOCALE_MIDDLEWARE) for path in settings.MIDDLEWARE)
        # The language that LocaleMiddleware falls back to. Without it, every request has this language.
        default = settings.LANGUAGE_CODE
        if by_request:
            try:
                default = translation.get_supported_language_variant(default)
            except LookupError:
                pass
        url = in_language(default)
        codes = [settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)] if by_request else []
        urls = {code: in_language(code) for code in codes}
        return url, urls if any(other != url for other in urls.values()) else {}

    def languages(self, settings, urls):
        """Everything that `LocaleMiddleware` needs to choose a language."""
        from django.conf.locale import LANG_INFO
        from django.conf.urls.i18n import is_language_prefix_patterns_used
        from django.utils.translation import check_for_language

        checks_path, prefixes_default = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
        return {
            "language_code": settings.LANGUAGE_CODE,
            "language_cookie_name": settings.LANGUAGE_COOKIE_NAME,
            "checks_path": checks_path,
            "prefixes_default": prefixes_default,
            "url_of_language_code": urls[settings.LANGUAGE_CODE],
            "languages": [
                {"code": code, "url": urls[code], "has_catalog": check_for_language(code)} for code in dict(settings.LANGUAGES)
            ],
            "fallbacks": {code: info["fallback"] for code, info in LANG_INFO.items() if "fallback" in info},
        }

    def login_redirect_url(self, settings):
        return self.redirect_url("LOGIN_REDIRECT_URL", settings.LOGIN_REDIRECT_URL, settings)

    def logout_redirect_url(self, settings):
        return self.redirect_url("LOGOUT_REDIRECT_URL", settings.LOGOUT_REDIRECT_URL, settings)

    def redirect_url(self, name, value, settings):
        """The URL; null if there is none, or if it cannot be resolved."""
        if not value:
            return None
        try:
            url, languages = self.by_language(settings, value)
        except Exception as error:
            reason = "cannot be resolved to a URL ({}): Django fails after a login or logout".format(type(error).__name__)
            self.complain(NOTE, name, lazy_text(value), reason)
            return None
        if languages:
            self.complain(NOTE, name, url, "differs in other languages ({})".format(shown(languages, url)))
        return url

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
            # The site signs the cookie with code of its own.
            storage = {"other": signer}
        if isinstance(storage, dict):
            reason = "is the site's own code: `Messages` cannot be used"
            self.complain(NOTE, "MESSAGE_STORAGE", storage["other"], reason)
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
        found = []
        for hasher in hashers:
            overrides = ["{}.{}".format(definer, name) for name, definer in overridden(type(hasher), ())]
            overrides = [path for path in overrides if path.rpartition(".")[2] not in HARMLESS["hasher"]]
            algorithm = str(hasher.algorithm)
            if not any(path_of(each) == HASHERS.get(algorithm) for each in type(hasher).__mro__):
                overrides = [path_of(type(hasher))]
            if overrides:
                reason = "is a custom hasher \"{}\": compute it with {}".format(algorithm, PASSWORD_HASHER)
                self.complain(HOOK, "PASSWORD_HASHERS", ", ".join(overrides), reason, "password_hasher")
            found.append(
                {
                    "algorithm": algorithm,
                    "costs": {name: getattr(hasher, name) for name in costs if type(getattr(hasher, name, None)) is int},
                    "overrides": overrides,
                }
            )
        return found

    def csrf_header_name(self, settings):
        return self.header_name("CSRF_HEADER_NAME", settings.CSRF_HEADER_NAME)

    def secure_proxy_ssl_header(self, settings):
        """The header by its HTTP name, and the value."""
        if not settings.SECURE_PROXY_SSL_HEADER:
            return None
        key, value = settings.SECURE_PROXY_SSL_HEADER
        name = self.header_name("SECURE_PROXY_SSL_HEADER", key)
        return name and [name, str(value)]

    def header_name(self, setting, key):
        """The HTTP name of a header that a setting names in the way of WSGI."""
        if not key.startswith("HTTP_"):
            reason = "does not name a request header (HTTP_..): neither Django nor this service reads one"
            self.complain("note", setting, key, reason)
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
        # The session class of django-user-sessions has its model in its module.
        model = store.model if hasattr(store, "model") else sys.modules[store_class.__module__].Session
        self.models.append(model)
        return {**found, **self.session_columns(model)}

    def engine_kind(self, engine, store_class):
        """The engine of Django's that this is or derives from; `None` if its sessions cannot be read."""
        classes = [path_of(each) for each in store_class.__mro__]
        kinds = ("cached_db", "db", "cache", "file", "signed_cookies")
        kind = next((kind for kind in kinds if SESSIONS + kind + ".SessionStore" in classes), None)
        known = [path for path in classes if path in KNOWN_SESSIONS]
        if known:
            kind = KNOWN_SESSIONS[known[0]]
            reason = "has more columns than Django's sessions: fill them with {}".format(SESSION_COLUMNS)
            self.complain(UNSAFE, "SESSION_ENGINE", known[0], reason, "session_columns", "write_sessions")
        if kind not in ("cached_db", "db", "signed_cookies"):
            reason = "stores sessions neither in the database nor in the cookie, so they cannot be read"
            self.complain(UNSAFE, "SESSION_ENGINE", engine, reason)
            return None
        self.ask(store_class, SESSION, HARMLESS["session"], "SESSION_ENGINE", known)
        if kind == "cached_db":
            reason = "Django reads its cache first: if this service writes sessions, a hook has to delete their entries"
            self.complain(NOTE, "SESSION_ENGINE", engine, reason)
        return kind

    def serializer(self, settings):
        from django.core.signing import JSONSerializer
        from django.utils.module_loading import import_string

        serializer = import_string(settings.SESSION_SERIALIZER)
        if getattr(serializer, "loads", None) is not JSONSerializer.loads:
            reason = "does not read plain JSON as Django's JSONSerializer does"
            self.complain(UNSAFE, "SESSION_SERIALIZER", settings.SESSION_SERIALIZER, reason)
        elif getattr(serializer, "dumps", None) is not JSONSerializer.dumps:
            path = settings.SESSION_SERIALIZER + ".dumps"
            self.complain(UNSAFE, "SESSION_SERIALIZER", path, "writes session data itself", None, "write_sessions")

    def cache_key(self, settings, store):
        """The key of a session in the cache, with a placeholder for the session key."""
        from django.core.cache import caches

        try:
            cache = caches[settings.SESSION_CACHE_ALIAS]
            return str(cache.make_key(store.cache_key_prefix + "{session_key}"))
        except Exception as error:
            reason = "cannot be loaded ({}), so its keys are unknown".format(type(error).__name__)
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
            reason = "is not a plain table: it has parents, or a manager that hides rows"
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

        user = get_user_model()
        self.models.append(user)
        setting = settings.AUTH_USER_MODEL
        fields = {field.name: field.column for field in user._meta.concrete_fields}
        if "password" not in fields:
            self.complain("unsafe", "AUTH_USER_MODEL", setting, "has no column for the password")
        self.ask(user, USER_MODEL, HARMLESS["user model"], setting)
        self.manager(user, setting)
        self.fields(user, setting)
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
            "last_login": fields.get("last_login") if updates_last_login() else None,
            "condition": self.condition(user, setting),
            "permission_tables": self.permission_tables(user, setting),
            "session_auth_hash": self.session_auth_hash(user, setting, bool(settings.SECRET_KEY_FALLBACKS)),
        }

    def manager(self, user, setting):
        """Examines the default manager and its queryset, through which Django finds users."""
        manager = user._default_manager
        self.ask(type(manager), MANAGER, HARMLESS["manager"], setting)
        try:
            queryset = type(manager.get_queryset())
        except Exception:
            # `condition` reports this error.
            return
        self.ask(queryset, MANAGER, HARMLESS["manager"], setting)

    def fields(self, user, setting):
        """Examines whether usernames and flags are stored as Django's own fields store them."""
        for field in user._meta.concrete_fields:
            if field is user._meta.pk:
                continue
            is_username = field.name == user.USERNAME_FIELD
            if is_username:
                self.ask(type(field), USERNAME_FIELD, HARMLESS["field"], setting)
                exact = field.get_lookup("exact")
                if not path_of(exact).startswith("django."):
                    reason = USERNAME_FIELD[next(iter(USERNAME_FIELD))][3]
                    self.complain(UNSAFE, setting, path_of(exact), reason, "username_to_column", "find_user")
            elif field.name in ("password", "is_active", "is_staff", "is_superuser"):
                self.ask(type(field), COLUMN, HARMLESS["field"], setting)
            else:
                continue
            descriptor = type(inspect.getattr_static(user, field.attname, None))
            reads = hasattr(type(field), "from_db_value") and not is_username
            if reads or not descriptor.__module__.startswith("django."):
                reason = COLUMN[next(iter(COLUMN))][3]
                self.complain(UNSAFE, setting, "{}.{}".format(user._meta.label, field.name), reason)

    def primary_key(self, user, setting):
        """Examines whether the user ids in sessions are converted as Django's own fields convert them."""
        from django.db import models

        field = user._meta.pk
        while field.remote_field:
            field = field.target_field
        overrides = overridden(type(field), ())
        names = [name for name, _ in overrides]
        if hasattr(field, "from_db_value") or any(name in PRIMARY_KEY for name in names):
            reason = "has a primary key of the class {}: if its ids differ from the column's values, use {}".format(
                type(field).__name__, "`DjangoSite::parse_user_id`"
            )
            self.complain(HOOK, "AUTH_USER_MODEL", setting, reason, "parse_user_id")
        else:
            self.ask(type(field), {}, HARMLESS["field"], setting)

    def flag(self, user, fields, name, default):
        """The column of a flag; `None` if it is a constant that the crate assumes as well."""
        if name in fields:
            return fields[name]
        value = getattr(user, name, default)
        if value is not default:
            unsafe = default is True
            reason = "has an `{}` that is not a column: {}".format(
                name, "it cannot be read here" if unsafe else "here it is false for every user"
            )
            self.complain("unsafe" if unsafe else "note", "AUTH_USER_MODEL", user._meta.label, reason)
        return None

    def condition(self, user, setting):
        """The SQL of a default manager that hides rows."""
        from django.db import connections, router

        try:
            query = user._default_manager.get_queryset().order_by().values("pk").query
            compiler = query.get_compiler(connection=connections[router.db_for_write(user)])
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
            reason = "has a default manager that hides rows, and its condition cannot be written as SQL ({})".format(
                sentence_of(error)
            )
            self.complain("unsafe", "AUTH_USER_MODEL", setting, reason)
            return None

    def permission_tables(self, user, setting):
        from django.contrib.auth.models import Permission, PermissionsMixin
        from django.contrib.contenttypes.models import ContentType

        names = ("has_perm", "has_perms", "has_module_perms", "get_all_permissions")
        if not issubclass(user, PermissionsMixin):
            own = [name for name in names if hasattr(user, name)]
            if own:
                path = "{}.{}".format(path_of(user), own[0])
                reason = "has no PermissionsMixin, and decides permissions itself"
                self.complain(UNSAFE, setting, path, reason, "after_has_perm", "permissions")
            return None
        many = {field.name: field for field in user._meta.many_to_many}
        if not {"groups", "user_permissions"} <= many.keys():
            reason = "has no table for `groups` or `user_permissions`: only superusers have permissions"
            self.complain(NOTE, "AUTH_USER_MODEL", setting, reason)
            return None
        groups, held = many["groups"], many["user_permissions"]
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
            reason = "computes the hashes under SECRET_KEY_FALLBACKS itself, and they cannot be computed here"
            self.complain("unsafe", "AUTH_USER_MODEL", setting, reason)
        elif overrides:
            reason = "computes its own session auth hash: unless `UserModel::session_auth_hash` and {} describe it, {}".format(
                "`DjangoSite::session_auth_hash_message`", "every user is logged out here"
            )
            self.complain("hook", "AUTH_USER_MODEL", setting, reason, "session_auth_hash")
        return {"overrides": overrides}

    # Backends

    def backends(self, settings):
        from django.utils.module_loading import import_string

        classes = [import_string(path) for path in settings.AUTHENTICATION_BACKENDS]
        found = [self.backend(*each) for each in zip(settings.AUTHENTICATION_BACKENDS, classes)]
        for index, (backend, each) in enumerate(zip(classes, found)):
            # Each backend can grant to all users. A PermissionDenied can refuse what later backends would grant.
            is_heeded = any(later["grants_permissions"] for later in found[index + 1 :])
            if not each["grants_permissions"]:
                self.grants_itself(each["path"], backend, is_heeded)
        return found

    def grants_itself(self, path, backend, is_heeded):
        def is_base_backends(name):
            return path_of(getattr(backend, name)) == BACKENDS + "BaseBackend." + name

        own = [name for name in GRANTING if hasattr(backend, name) and not is_base_backends(name)]
        may_refuse = [name for name in own if name in ("has_perm", "has_module_perms")] if is_heeded else []
        for name in may_refuse:
            value = "{}.{}".format(path, name)
            reason = "may refuse a permission before another backend grants it"
            self.complain(UNSAFE, "AUTHENTICATION_BACKENDS", value, reason, "after_has_perm", "permissions")
        if own and not may_refuse:
            reason = "grants permissions itself: add them with `DjangoSite::after_has_perm`"
            self.complain(HOOK, "AUTHENTICATION_BACKENDS", path, reason, "after_has_perm")

    def backend(self, path, backend):
        def complain(reason):
            self.complain("note", "AUTHENTICATION_BACKENDS", path, reason)

        def is_model_backends(name):
            return path_of(getattr(backend, name, None)) == BACKENDS + "ModelBackend." + name

        known = KNOWN_BACKENDS.get(path_of(backend))
        if known:
            return {"path": str(path), "grants_permissions": False, **known}
        can_authenticate = path_of(getattr(backend, "user_can_authenticate", None))
        admits_inactive = can_authenticate in (
            BACKENDS + "AllowAllUsersModelBackend.user_can_authenticate",
            BACKENDS + "AllowAllUsersRemoteUserBackend.user_can_authenticate",
        )
        reads_users = is_model_backends("get_user") and (admits_inactive or is_model_backends("user_can_authenticate"))
        if not hasattr(backend, "get_user"):
            complain("logs in no users, but can refuse them: `DjangoSite::authenticate` has to know what it does")
        elif not reads_users:
            complain("finds users itself: users who logged in with it are anonymous here, unless the service finds them")
        grants_permissions = all(is_model_backends(name) for name in GRANTING + GRANTING_INSIDE)
        self.ask(backend, BACKEND, HARMLESS["backend"].union(EXAMINED), "AUTHENTICATION_BACKENDS")
        return {
            "path": str(path),
            "reads_users": reads_users,
            "grants_permissions": grants_permissions,
            "admits_inactive": admits_inactive,
            "checks_passwords": self.checks_passwords(backend, admits_inactive),
        }

    def checks_passwords(self, backend, admits_inactive):
        """True if it authenticates as ModelBackend does, False if it takes no name and password, None if that is unknown."""
        names = ["authenticate"] if admits_inactive else ["authenticate", "user_can_authenticate"]
        if all(path_of(getattr(backend, name, None)) == BACKENDS + "ModelBackend." + name for name in names):
            return True
        try:
            inspect.signature(backend.authenticate).bind(None, None, username="", password="")
        except TypeError:
            return False
        return None

    # Other code that decides who a visitor is

    def middlewares(self, settings):
        from django.utils.module_loading import import_string

        own = []
        classes = set()
        for path in settings.MIDDLEWARE:
            middleware = import_string(path)
            ancestors = [path_of(each) for each in getattr(middleware, "__mro__", ())]
            classes.update(ancestors)
            # A middleware can be harmless while a class that derives from it is not.
            own_path = path_of(middleware)
            known = next(
                (each for each in [own_path, *ancestors] if each in MIDDLEWARES and (each == own_path or MIDDLEWARES[each][0] == HOOK)),
                None,
            )
            if known == REMOTE_USER and not middleware.force_logout_if_no_header:
                known = PERSISTENT_REMOTE_USER
            if known:
                level, hook, reason = MIDDLEWARES[known]
                self.complain(level, "MIDDLEWARE", path, reason, hook)
            elif not path.startswith("django."):
                base = next((each for each in ancestors if each in MIDDLEWARE), None)
                overrides = base and overridden(middleware, ())
                if overrides:
                    value = ", ".join("{}.{}".format(definer, name) for name, definer in overrides)
                    self.complain(HOOK, "MIDDLEWARE", value, MIDDLEWARE[base], "after_get_user")
                else:
                    own.append(path)
        if own:
            reason = "do not run here: check whether one of them changes the user or the permissions"
            self.complain("note", "MIDDLEWARE", ", ".join(own), reason)
        if "django.middleware.csrf.CsrfViewMiddleware" not in classes:
            reason = "has no CsrfViewMiddleware, but the middleware of this service checks CSRF tokens unless it is exempt"
            self.complain("note", "MIDDLEWARE", "", reason)

    def receivers(self, found):
        """Reports the receivers of the signals for login and logout: the crate calls none of them."""
        from django.contrib.auth import signals

        for name in ("user_logged_in", "user_logged_out", "user_login_failed"):
            signal = getattr(signals, name)
            receivers = [entry[1] for entry in signal.receivers]
            receivers = [each() if isinstance(each, weakref.ReferenceType) else each for each in receivers]
            paths = sorted(path_of(each) or repr(type(each)) for each in receivers if each is not None)
            paths = [path for path in paths if not path.startswith(AUTH)]
            if paths:
                self.complain("note", name, ", ".join(paths), "are not called for logins and logouts through this service")

    # The schemas of the tables

    def schemas(self, found):
        """Adds the schema to each table that is not in `public`, as this site's own connection finds it."""
        from django.db import connections, router

        # Uses the database for writing: a read can go to any of many replicas.
        aliases = sorted({router.db_for_write(model) for model in self.models})
        for alias in aliases:
            if connections[alias].vendor != "postgresql":
                self.complain(UNSAFE, "DATABASES", alias, "is not PostgreSQL")
                return
        databases = [connections[alias].settings_dict for alias in aliases]
        places = {tuple(str(each[name]) for name in ("NAME", "HOST", "PORT")) for each in databases}
        if len(places) > 1:
            reason = "have sessions and users in two databases; this service uses one"
            self.complain(UNSAFE, "DATABASE_ROUTERS", ", ".join(aliases), reason)
            return
        if not aliases:
            return
        connection = connections[aliases[0]]
        if hasattr(connection, "schema_name"):
            reason = "chooses the schema by request: create one `DjangoSite` for each tenant, with its schema in table names"
            self.complain("hook", "DATABASES", aliases[0], reason)
        try:
            with connection.cursor() as cursor:
                qualify(found, cursor)
        except Exception as error:
            reason = "did not answer ({}): tables are named without their schema".format(
                type(error).__name__
            )
            self.complain("note", "DATABASES", aliases[0], reason)


class RestExport:
    """How the views of the Django REST framework authenticate clients: REST_FRAMEWORK and SIMPLE_JWT.

    A class that overrides what decides is of the kind "other": the export cannot know whom it lets in, so the service has
    to say what the class does.
    """

    AUTHENTICATION = "rest_framework.authentication."
    SIMPLEJWT = "rest_framework_simplejwt."
    KINDS = {
        AUTHENTICATION + "SessionAuthentication": "session",
        AUTHENTICATION + "BasicAuthentication": "basic",
        AUTHENTICATION + "TokenAuthentication": "token",
        SIMPLEJWT + "authentication.JWTAuthentication": "jwt",
    }
    # What a subclass can set without letting in other users: a name, a table, words of an answer.
    HARMLESS = {"keyword", "model", "www_authenticate_realm", "authenticate_header", "media_type"}
    HARMLESS_OF_TOKENS = {"token_type", "lifetime"}

    def __init__(self, complain, settings):
        self.complain = complain
        self.settings = settings

    def found(self):
        if not (apps.is_installed("rest_framework") or hasattr(self.settings, "REST_FRAMEWORK")):
            return None
        try:
            from rest_framework.settings import api_settings
        except ImportError:
            return None
        self.notes(api_settings)
        return {"authentication_classes": [self.authentication(each) for each in api_settings.DEFAULT_AUTHENTICATION_CLASSES]}

    def notes(self, api_settings):
        def note(setting, value, reason):
            self.complain("note", setting, value, reason)

        def names(setting):
            return [path_of(each) for each in getattr(api_settings, setting)]

        permissions = names("DEFAULT_PERMISSION_CLASSES")
        if permissions != ["rest_framework.permissions.IsAuthenticated"]:
            reason = "is the site's default; here the default is IsAuthenticated, unless the middleware sets another"
            note("DEFAULT_PERMISSION_CLASSES", ", ".join(permissions) or "none", reason)
        throttles = names("DEFAULT_THROTTLE_CLASSES")
        if throttles:
            note("DEFAULT_THROTTLE_CLASSES", ", ".join(throttles), "does not run here: nothing is throttled")
        if api_settings.DEFAULT_VERSIONING_CLASS:
            note("DEFAULT_VERSIONING_CLASS", path_of(api_settings.DEFAULT_VERSIONING_CLASS), "does not run here")
        renderers = [path for path in names("DEFAULT_RENDERER_CLASSES") if not path.startswith("rest_framework.renderers.")]
        if renderers:
            note("DEFAULT_RENDERER_CLASSES", ", ".join(renderers), "is not used here: error responses are plain JSON")
        handler = path_of(api_settings.EXCEPTION_HANDLER)
        if handler != "rest_framework.views.exception_handler":
            note("EXCEPTION_HANDLER", handler, "is the site's own code: use an `error_handler` of the middleware")
        if self.settings.USE_I18N and not self.settings.LANGUAGE_CODE.lower().startswith("en"):
            note("LANGUAGE_CODE", self.settings.LANGUAGE_CODE, "is not the language of errors here: they are in English")

    def authentication(self, authentication):
        path = path_of(authentication)
        found = {"kind": "other", "path": path, "www_authenticate": None, "token": None, "jwt": None}
        try:
            found["www_authenticate"] = authentication().authenticate_header(None) or None
            kind = self.kind(authentication)
            if kind in ("token", "jwt"):
                found[kind] = getattr(self, kind)(authentication)
            found["kind"] = kind
        except Exception as error:
            reason = "{}: requests that reach it get a 500 until `DjangoSessionMiddleware::authenticator` says what it does"
            said = str(error) if isinstance(error, NotOwn) else "cannot be read ({})".format(type(error).__name__)
            self.complain("note", "DEFAULT_AUTHENTICATION_CLASSES", path, reason.format(said))
        return found

    def kind(self, authentication):
        bases = [path_of(each) for each in authentication.__mro__]
        known = next((each for each in bases if each.startswith((self.AUTHENTICATION, self.SIMPLEJWT))), None)
        if known not in self.KINDS:
            raise NotOwn("is not a known authentication class")
        self.refuse_overrides(authentication, (self.AUTHENTICATION, self.SIMPLEJWT), self.HARMLESS)
        return self.KINDS[known]

    def refuse_overrides(self, cls, own, harmless):
        """Stricter than for Django's classes: also refuses names that the framework does not have, such as `__init__`."""
        for each in cls.__mro__:
            if not path_of(each).startswith((*own, "builtins.object", "typing.Generic")):
                for name in sorted(set(vars(each)) - MACHINERY - harmless):
                    raise NotOwn("overrides `{}`".format(name))

    def token(self, authentication):
        from django.contrib.auth import get_user_model

        model = authentication().get_model()
        key, user = model._meta.get_field("key"), model._meta.get_field("user")
        if model._meta.parents or model.objects.get_queryset().query.where or not (key.unique or key.primary_key):
            raise NotOwn("has a model that is not a plain table with a unique key")
        if user.remote_field.model is not get_user_model() or not user.target_field.primary_key or not plain(key):
            raise NotOwn("has a model whose key or user is read in another way than that of rest_framework.authtoken")
        return {
            "keyword": str(authentication.keyword),
            "table": table_name(model),
            "key_column": key.column,
            "user_column": user.column,
        }

    def jwt(self, authentication):
        from rest_framework_simplejwt import exceptions, state
        from rest_framework_simplejwt.settings import DEFAULTS, api_settings

        if path_of(type(state.token_backend)) != self.SIMPLEJWT + "backends.TokenBackend":
            raise NotOwn("has a custom token backend")
        algorithm = str(api_settings.ALGORITHM)
        is_secret = algorithm.startswith("HS")
        signing_key = None
        if is_secret and api_settings.SIGNING_KEY != self.settings.SECRET_KEY:
            signing_key = fingerprint(api_settings.SIGNING_KEY, str(getattr(self.settings, "ROOT_URLCONF", "")))
        types = api_settings.AUTH_HEADER_TYPES
        checks = "CHECK_REVOKE_TOKEN" in DEFAULTS and api_settings.CHECK_REVOKE_TOKEN
        header = api_settings.AUTH_HEADER_NAME
        if not header.startswith("HTTP_"):
            raise NotOwn("looks for its token in {}, which is not a request header".format(header))
        return {
            "algorithm": algorithm,
            "signing_key_fingerprint": signing_key,
            "verifying_key": "" if is_secret else self.public_key(state.token_backend, algorithm),
            "audience": texts_or_null(api_settings.AUDIENCE),
            "issuer": texts_or_null(api_settings.ISSUER),
            "leeway_microseconds": self.leeway(api_settings.LEEWAY),
            "jti_claim": api_settings.JTI_CLAIM,
            "token_type_claim": api_settings.TOKEN_TYPE_CLAIM,
            "token_classes": [self.token_class(each) for each in api_settings.AUTH_TOKEN_CLASSES],
            "user_id_claim": str(api_settings.USER_ID_CLAIM),
            "user_id_column": self.user_id_column(api_settings.USER_ID_FIELD),
            "auth_header_types": [str(each) for each in (types if isinstance(types, (list, tuple)) else [types])],
            "auth_header_name": header[len("HTTP_") :].replace("_", "-").title(),
            "check_user_is_active": "CHECK_USER_IS_ACTIVE" not in DEFAULTS or bool(api_settings.CHECK_USER_IS_ACTIVE),
            "revoke_token_claim": str(api_settings.REVOKE_TOKEN_CLAIM) if checks else None,
            "tells_expired": hasattr(exceptions, "TokenBackendExpiredToken"),
            "jwk_url": bool(api_settings.JWK_URL),
        }

    def public_key(self, backend, algorithm):
        """The public key in PEM, from any format; empty if the key is not public. A private key is never printed."""
        try:
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
            from jwt import PyJWS

            key = PyJWS().get_algorithm_by_name(algorithm).prepare_key(backend.verifying_key)
            return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        except Exception as error:
            reason = "is not a readable public key ({})".format(type(error).__name__)
            self.complain("note", "VERIFYING_KEY", algorithm, reason)
            return ""

    def leeway(self, leeway):
        seconds = getattr(leeway, "total_seconds", None)
        leeway = seconds() if seconds else leeway
        if leeway is not None and not isinstance(leeway, (int, float)):
            raise NotOwn("has a LEEWAY that is not a number, and accepts no token")
        return round((leeway or 0) * 1_000_000)

    def token_class(self, token):
        bases = [path_of(each) for each in token.__mro__]
        if self.SIMPLEJWT + "tokens.Token" not in bases or token.token_type is None or token.lifetime is None:
            raise NotOwn("accepts tokens of {}, which is not a class of SimpleJWT".format(path_of(token)))
        if apps.is_installed("rest_framework_simplejwt.token_blacklist") and self.SIMPLEJWT + "tokens.BlacklistMixin" in bases:
            raise NotOwn("looks up tokens of {} in the list of blocked tokens".format(path_of(token)))
        self.refuse_overrides(token, (self.SIMPLEJWT,), self.HARMLESS_OF_TOKENS)
        any_type = self.SIMPLEJWT + "tokens.UntypedToken" in bases
        return {"name": token.__name__, "token_type": str(token.token_type), "any_type": any_type}

    def user_id_column(self, name):
        """The column of USER_ID_FIELD; `None` for the primary key."""
        from django.contrib.auth import get_user_model

        user = get_user_model()
        if str(user.objects.all().query) != str(user._default_manager.all().query):
            raise NotOwn("finds users through a manager that is not the default one")
        field = user._meta.pk if name == "pk" else user._meta.get_field(name)
        if field.primary_key:
            return None
        if not field.concrete or field.remote_field or not plain(field):
            raise NotOwn("has a USER_ID_FIELD that is not one of Django's own fields")
        return field.column


class NotOwn(Exception):
    """Something does not work like the framework's own code."""


def plain(field):
    """Whether a value is looked up as in one of Django's own fields."""
    names = ("to_python", "get_prep_value", "get_db_prep_value")
    return not hasattr(field, "from_db_value") and all(
        path_of(getattr(field, name)).startswith("django.db.models.") for name in names
    )


def texts_or_null(value):
    if value is None:
        return None
    return [str(each) for each in ([value] if isinstance(value, str) else value)]


def fingerprint(key, salt):
    key = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
    found = hashlib.pbkdf2_hmac("sha256", key, salt.encode(), FINGERPRINT_ROUNDS)
    return found[:FINGERPRINT_BYTES].hex()


def number(value):
    """Numbers and timedeltas as numbers of seconds; no limit is null."""
    seconds = getattr(value, "total_seconds", None)
    value = seconds() if seconds else value
    return value if value is None else int(value)


def is_djangos(path):
    return path.startswith("django.")


def plain_function(value):
    """The function inside a property, a class method or a partial method."""
    for _ in range(4):
        value = next(
            (inner for inner in (getattr(value, name, None) for name in ("fget", "__func__", "func")) if inner is not None),
            value,
        )
    return value


def overridden(cls, also):
    """The names in Django's own classes among the ancestors whose value is not Django's, each with the path of the class
    that defines it. Sorted, so that the output for a site is always the same.

    `also` are the paths of other classes that count as Django's.
    """

    def is_trusted(each):
        return is_djangos(each.__module__ + ".") or path_of(each) in also

    mro = [each for each in cls.__mro__ if each is not object]
    names = {name for each in mro if is_trusted(each) for name in vars(each)}
    found = []
    for name in sorted(names - MACHINERY):
        owner = next(each for each in mro if name in vars(each))
        if name.startswith(("get_next_by_", "get_previous_by_")) or (name.startswith("get_") and name.endswith("_display")):
            continue
        value = plain_function(vars(owner)[name])
        module = getattr(value, "__module__", None) or ""
        if not hasattr(value, "__qualname__"):
            # A constant, or an object such as the descriptor of a field.
            module = type(value).__module__
            is_own = not is_trusted(owner) and not is_djangos(module)
        elif is_trusted(owner):
            # Other code may have put a function of another module there.
            is_own = path_of(owner) not in also and isinstance(value, FUNCTIONS) and not is_standard(module)
        else:
            # A function of Django's, under its own name.
            is_own = not (is_djangos(module) and value.__qualname__.rpartition(".")[2] == name)
        if is_own:
            found.append((name, path_of(owner)))
    return found


FUNCTIONS = (type(lambda: None), type(len))


def is_standard(module):
    return is_djangos(module + ".") or module.partition(".")[0] in sys.stdlib_module_names | {"builtins", "asgiref"}


def is_middleware(path, base):
    """Whether a middleware is this one, or derives from it."""
    from django.utils.module_loading import import_string

    return base in [path_of(each) for each in getattr(import_string(path), "__mro__", ())]


def shown(urls, default):
    """Up to eight of the URLs that differ from the default one, each with its language."""
    others = ["{}: {}".format(*each) for each in sorted(urls.items()) if each[1] != default]
    return ", ".join(others[:8]) + (", .." if others[8:] else "")


def lazy_text(value):
    try:
        return str(value)
    except Exception:
        return ""


def sentence_of(error):
    """The text of an error in one line; only its class if the text contains a memory address, which always differs."""
    text = " ".join(lazy_text(error).split())
    return "{}: {}".format(type(error).__name__, text) if " at 0x" not in text else type(error).__name__


def updates_last_login():
    """Whether Django's receiver that writes the time of a login is still connected."""
    from django.contrib.auth.models import update_last_login
    from django.contrib.auth.signals import user_logged_in

    receivers = [entry[1] for entry in user_logged_in.receivers]
    receivers = [each() if isinstance(each, weakref.ReferenceType) else each for each in receivers]
    return any(each is update_last_login for each in receivers)


def path_of(something):
    """The dotted path of a class, a function or the function of a property; empty for other values."""
    something = getattr(something, "fget", None) or something
    if not hasattr(something, "__qualname__"):
        return ""
    return "{}.{}".format(something.__module__, something.__qualname__)


def table_name(model):
    """The name of a model's table, or schema and name if `db_table` contains both."""
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
    """A parameter of a query as SQL. Times are refused: a constant cannot be told from a call of `now()`."""
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
    """Adds the schema to each table in the export."""
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


def text_or_null(value):
    return None if value is None or value is False else str(value)


def texts(values):
    return [str(value) for value in values]


# The settings that are exported as they are.
PLAIN_SETTINGS = {
    bool: """CSRF_COOKIE_HTTPONLY CSRF_COOKIE_SECURE CSRF_USE_SESSIONS SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SECURE
        SESSION_EXPIRE_AT_BROWSER_CLOSE SESSION_SAVE_EVERY_REQUEST USE_TZ USE_X_FORWARDED_HOST USE_X_FORWARDED_PORT""",
    str: "AUTH_USER_MODEL CSRF_COOKIE_NAME SESSION_COOKIE_NAME SESSION_ENGINE SESSION_SERIALIZER",
    text_or_null: """CSRF_COOKIE_DOMAIN CSRF_COOKIE_PATH CSRF_COOKIE_SAMESITE FORCE_SCRIPT_NAME SESSION_COOKIE_DOMAIN
        SESSION_COOKIE_PATH SESSION_COOKIE_SAMESITE TIME_ZONE""",
    texts: "CSRF_TRUSTED_ORIGINS",
    number: """CSRF_COOKIE_AGE DATA_UPLOAD_MAX_MEMORY_SIZE DATA_UPLOAD_MAX_NUMBER_FIELDS DATA_UPLOAD_MAX_NUMBER_FILES
        SESSION_COOKIE_AGE""",
}


if not apps.ready:
    django.setup()

# The line break comes first because a shell may have printed a prompt.
sys.stdout.write("\n" + json.dumps(Export().everything(), indent=2, sort_keys=True) + "\n")
sys.stdout.flush()
