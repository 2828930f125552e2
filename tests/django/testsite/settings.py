"""Settings of the test site. TESTSITE_SETTINGS, a JSON object, overrides any of them.

{"hex": ".."} stands for bytes, which JSON cannot say: a SECRET_KEY may be bytes.
"""

import json
import os
import urllib.parse
from pathlib import Path


def database(url):
    parts = urllib.parse.urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": urllib.parse.unquote(parts.path.lstrip("/")),
        "USER": urllib.parse.unquote(parts.username or ""),
        "PASSWORD": urllib.parse.unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "OPTIONS": dict(urllib.parse.parse_qsl(parts.query)),
    }


def bytes_from_hex(value):
    return bytes.fromhex(value["hex"]) if value.keys() == {"hex"} else value


BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "test-bed-secret-key"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "testsite.urls"
DATABASES = {"default": database(os.environ.get("DATABASE_URL", "postgres:///testsite"))}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "UTC"

LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
AUTH_USER_MODEL = "auth.User"
# Which of the two methods `versioned.VersionedUser` overrides.
HASH_OVERRIDES = ["_get_session_auth_hash"]
PASSWORD_HASHERS = ["testsite.hashers.QuickHasher"]

# More of INSTALLED_APPS.
EXTRA_APPS = []

# Where the Rust service answers; empty when it shares Django's address.
RUST_URL = ""

# For the demo: who can log in, said on the login page, and how long each page took, said on the page.
LOGIN_HINT = ""
SHOW_TIMES = False

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "accounts.context.site",
            ]
        },
    }
]
# Tests provoke errors by the thousand; TESTBED_LOG shows them.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}, "null": {"class": "logging.NullHandler"}},
    "loggers": {
        "django": {"handlers": ["stderr" if os.environ.get("TESTBED_LOG") else "null"], "propagate": False},
        "django.server": {"level": "INFO"},
    },
}

# Behind the others.
EXTRA_MIDDLEWARE = []

# How many seconds a connection to the database stays open: 0 is Django's default, None is forever.
CONN_MAX_AGE = 0

globals().update(json.loads(os.environ.get("TESTSITE_SETTINGS", "{}"), object_hook=bytes_from_hex))

# Levels are numbers, and keys in JSON are not.
MESSAGE_TAGS = {int(level): tag for level, tag in globals().get("MESSAGE_TAGS", {}).items()}

DATABASES["default"]["CONN_MAX_AGE"] = CONN_MAX_AGE
MIDDLEWARE += EXTRA_MIDDLEWARE
if SHOW_TIMES:
    MIDDLEWARE.insert(0, "accounts.times.ShowTimes")
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "accounts", *EXTRA_APPS]
if not AUTH_USER_MODEL.startswith("auth."):
    INSTALLED_APPS.append("users." + AUTH_USER_MODEL.partition(".")[0])
