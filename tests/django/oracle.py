"""Django as the oracle of the crate: answers questions, JSON objects, one a line.

Each function in COMMANDS is a command, its parameters are the question's other members:
{"cmd": "decode", "session_data": ".."} -> {"json": "{}", "warned": true}. An exception is answered with
{"error": its class, "message": ..}. Headers, paths and queries are text in latin-1, one character a byte, as in WSGI.
Session data is handed over as JSON inside a text, because it may hold what parsers refuse: NaN, lone surrogates.
"""

import contextlib
import datetime
import io
import json
import logging
import os
import signal
import statistics
import sys
import time
import traceback
from importlib import import_module
from unittest import mock
from urllib.parse import unquote

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testsite.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib import auth  # noqa: E402
from django.contrib.admin.sites import AdminSite  # noqa: E402
from django.contrib.admin.views.decorators import staff_member_required  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test  # noqa: E402
from django.contrib.auth.models import AnonymousUser  # noqa: E402
from django.core.exceptions import PermissionDenied, SuspiciousOperation  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.db import close_old_connections, connection, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.utils.http import url_has_allowed_host_and_scheme  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

import passwords  # noqa: E402
import csrf  # noqa: E402
import messages  # noqa: E402
import sessions  # noqa: E402
import writes  # noqa: E402
from accounts import people  # noqa: E402

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
Session = SessionStore.get_model_class() if hasattr(SessionStore, "get_model_class") else None


def set_user(**arguments):
    """Arguments of `accounts.people.set_user`. Answers as `get_user`."""
    return people.describe_user(people.set_user(**arguments))


def get_user(username, has_perms=()):
    return people.describe_user(known(username), has_perms)


def delete_user(username):
    known(username).delete()
    return {}


def login(username, data=None):
    """A session as `django.contrib.auth.login()` makes it, with more data if asked."""
    user = known(username)
    store = SessionStore()
    store.update(data or {})
    store[SESSION_KEY] = user._meta.pk.value_to_string(user)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return {"key": store.session_key}


def request_users(keys, has_perms=(), has_module_perms=()):
    """The user that `django.contrib.auth.get_user` finds for each session key, and the user's permissions.

    What that did to the database is undone; `row` says what became of the row: kept, deleted or cycled.
    """
    # The decorators of `may_use_admin` look at the host of a request.
    with override_settings(ALLOWED_HOSTS=["*"]):
        return {"users": [request_user(key, has_perms, has_module_perms) for key in keys]}


def request_user(key, has_perms, has_module_perms):
    request = WSGIRequest(environ())
    request.session = SessionStore(key)
    try:
        with transaction.atomic():
            request.user = auth.get_user(request)
            for path in settings.EXTRA_MIDDLEWARE:
                import_string(path)(lambda request: HttpResponse())(request)
            user = request.user
            verdict = describe_visitor(user, has_perms, has_module_perms)
            if user.is_authenticated:
                verdict["user"]["is_active_staff"] = may_use_admin(request)
                # django-otp
                verdict["is_verified"] = hasattr(user, "is_verified") and user.is_verified()
            kept = Session.objects.filter(session_key=key).exists()
            verdict["row"] = "kept" if kept else "cycled" if user.is_authenticated else "deleted"
            transaction.set_rollback(True)
            return verdict
    except Exception as error:
        return {"error": type(error).__name__}


def may_use_admin(request):
    """According to the admin site, and to the decorator for other views."""
    if not hasattr(request.user, "is_staff"):
        return False
    by_site = AdminSite().has_permission(request)
    by_decorator = staff_member_required(lambda request: HttpResponse(), login_url="/")(request).status_code == 200
    assert by_site == by_decorator
    return by_site


def describe_visitor(user, has_perms, has_module_perms):
    if not user.is_authenticated:
        return {"user": None}
    has_all = hasattr(user, "get_all_permissions")
    return {
        "user": {
            "id": user._meta.pk.value_to_string(user),
            "username": user.get_username(),
            "is_active": user.is_active,
            "is_staff": getattr(user, "is_staff", False),
            "is_superuser": getattr(user, "is_superuser", False),
            "permissions": sorted(user.get_all_permissions()) if has_all else [],
            "has_perms": [has_all and user.has_perm(name) for name in has_perms],
            "has_module_perms": [has_all and user.has_module_perms(label) for label in has_module_perms],
        }
    }


def make_sessions(seed=0, count=100):
    """Random sessions, some of them damaged."""
    return {"sessions": sessions.make(seed, count)}


def make_odd_sessions(seed=0, count=100):
    """Random rows with a valid signature on texts that Django itself would not write."""
    return {"sessions": sessions.make_odd(seed, count)}


def make_passwords(seed, count, algorithms):
    """Arguments of `passwords.make`."""
    return {"passwords": passwords.make(seed, count, algorithms)}


def check_passwords(checks, hashers):
    """Arguments of `passwords.check`, on a site with these hashers."""
    with passwords.preferring(hashers):
        return {"verdicts": passwords.check(checks)}


def make_password(password, hashers):
    with passwords.preferring(hashers):
        return {"encoded": auth.hashers.make_password(password)}


def authenticate(username, password, hashers=None, backends=None):
    """The user that `authenticate` finds, as [pk, backend], on a site with these hashers and backends or its own. Its
    changes of the database stay."""
    others = passwords.preferring(hashers, AUTHENTICATION_BACKENDS=backends) if hashers else contextlib.nullcontext()
    with others:
        user = auth.authenticate(username=username, password=password)
    return {"user": user and [user._meta.pk.value_to_string(user), user.backend]}


def put_rows(keys):
    """Replaces all sessions by empty ones with these keys."""
    ends = timezone.now() + datetime.timedelta(days=1)
    Session.objects.all().delete()
    Session.objects.bulk_create([Session(session_key=key, session_data="e30", expire_date=ends) for key in keys])
    return {}


def put_row(key, session_data, expire_date=None):
    """`expire_date` is in seconds since 1970 or in ISO 8601; a day from now unless given."""
    ends = instant(expire_date) if expire_date is not None else timezone.now() + datetime.timedelta(days=1)
    # `update_or_create` sends six statements, and an upsert needs a unique index.
    if not Session.objects.filter(session_key=key).update(session_data=session_data, expire_date=ends):
        Session.objects.bulk_create([Session(session_key=key, session_data=session_data, expire_date=ends)])
    return {"key": key, "expire_date": iso(ends)}


def get_row(key):
    row = Session.objects.filter(session_key=key).first()
    return {"row": row and {"session_data": row.session_data, "expire_date": iso(row.expire_date)}}


def delete_row(key):
    return {"deleted": Session.objects.filter(session_key=key).delete()[0]}


def sign_row(key=None, expire_date=None, **what):
    """Arguments of `sessions.sign`. Stores the row as well if `key` is given."""
    session_data = sessions.sign(**what)
    if key is not None:
        put_row(key, session_data, expire_date)
    return {"session_data": session_data}


def decode(session_data):
    """What `SessionStore.decode` makes of it, and whether it logged that the data is corrupted."""
    with warnings_of("django.security.SuspiciousSession") as warnings:
        decoded = SessionStore().decode(session_data)
    return {"json": json.dumps(decoded), "warned": bool(warnings)}


def read_session(cookie=None, now=None):
    """The session behind a `Cookie` header, before its user is checked.

    `user_id` is what `_get_user_session_key` of django.contrib.auth makes of it, or the class of its exception.
    """
    store = SessionStore(WSGIRequest(environ(cookie=cookie)).COOKIES.get(settings.SESSION_COOKIE_NAME))
    clock = mock.patch.object(timezone, "now", lambda: instant(now)) if now is not None else contextlib.nullcontext()
    with clock, warnings_of("django.security.SuspiciousSession") as warnings:
        data = store._get_session()
    named = {"user_id": None}
    if isinstance(data, dict) and SESSION_KEY in data:
        try:
            named["user_id"] = get_user_model()._meta.pk.to_python(data[SESSION_KEY])
        except Exception as error:
            named["user_error"] = type(error).__name__
    if named["user_id"] is not None:
        named["user_id"] = str(named["user_id"])
    return {"key": store.session_key, "json": json.dumps(data), "warned": bool(warnings), **named}


def canonical(json_text):
    """The value as `json.dumps` writes it: equal texts are equal values, including types and order."""
    return {"json": json.dumps(json.loads(json_text))}


def encode(json_text):
    """`SessionStore.encode` of an object given as JSON text."""
    return {"session_data": SessionStore().encode(json.loads(json_text))}


def edit(session_data, edits):
    """The session after each of [key, value], which sets, and [key], which deletes."""
    data = SessionStore().decode(session_data)
    for name, *value in edits:
        data.update({name: value[0]}) if value else data.pop(name, None)
    return {"json": json.dumps(data)}


def time_decode(session_data, n=1000):
    """Seconds of one `SessionStore.decode`: the median of seven rounds."""
    store = SessionStore()
    rounds = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(n):
            store.decode(session_data)
        rounds.append((time.perf_counter() - start) / n)
    return {"seconds": statistics.median(rounds)}


def parse_cookie(cookie):
    """The cookies that Django sees in this header, under WSGI."""
    return {"cookies": WSGIRequest(environ(cookie=cookie)).COOKIES}


def visit(cookie=None, now=None, method="GET", path="/whoami/", headers=None):
    """A request through all of Django. Its changes of the database are undone."""
    start = {}

    def start_response(status, response_headers):
        start.update(status=int(status.split()[0]), headers=response_headers)

    environment = environ(cookie, method, path)
    environment.update({"HTTP_" + name.upper().replace("-", "_"): value for name, value in (headers or {}).items()})
    with contextlib.ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        if now is not None:
            stack.enter_context(mock.patch.object(timezone, "now", lambda: instant(now)))
        warnings = stack.enter_context(warnings_of("django.security.SuspiciousSession"))
        before = Session.objects.count()
        response = HANDLER(environment, start_response)
        body = b"".join(response)
        response.close()
        after = Session.objects.count()
        transaction.set_rollback(True)

    set_cookies = [value.strip() for name, value in start["headers"] if name == "Set-Cookie"]
    ours = [value for value in set_cookies if value.startswith(settings.SESSION_COOKIE_NAME + "=")]
    named = dict(start["headers"])
    return {
        "status": start["status"],
        "verdict": json.loads(body) if named.get("Content-Type") == "application/json" else None,
        "session_cookie": ("deleted" if "Max-Age=0;" in ours[0] else "set") if ours else None,
        "set_cookie": set_cookies,
        "vary": named.get("Vary"),
        "location": named.get("Location"),
        "rows": after - before,
        "warned": bool(warnings),
    }


def redirect(
    path, query="", login_url=None, field="next", host="example.com", scheme="http", method="GET", settings=None
):
    """Where `login_required` sends an anonymous visitor; path and query as they stand in the request line."""
    environment = environ(method=method, path=path, query=query)
    environment.update({"HTTP_HOST": host, "wsgi.url_scheme": scheme})
    with override_settings(**(settings or {})):
        request = WSGIRequest(environment)
        request.user = AnonymousUser()
        view = login_required(lambda request: None, redirect_field_name=field, login_url=login_url)
        try:
            response = view(request)
        except SuspiciousOperation:  # what the handler answers
            return {"status": 400, "location": None}
        return {"status": response.status_code, "location": response["Location"]}


def group_test(username, group):
    """What `user_passes_test` answers a user or an anonymous visitor if a group is required."""
    request = WSGIRequest(environ(path="/desk/", query="a=1") | {"HTTP_HOST": "example.com"})
    request.user = known(username) if username else AnonymousUser()
    with override_settings(ALLOWED_HOSTS=["*"]):
        test = user_passes_test(lambda user: user.groups.filter(name=group).exists())
        response = test(lambda request: HttpResponse())(request)
    groups = sorted(request.user.groups.values_list("name", flat=True)) if username else []
    return {"status": response.status_code, "location": response.get("Location"), "groups": groups}


def decorated(username, permission):
    """What Django's decorators answer a user, or an anonymous visitor: status and location, by the decorator."""
    request = WSGIRequest(environ(path="/desk/", query="a=1") | {"HTTP_HOST": "example.com"})
    request.user = known(username) if username else AnonymousUser()
    decorators = {
        "permission": permission_required(permission),
        "permission_or_403": permission_required(permission, raise_exception=True),
        "staff": staff_member_required(login_url=settings.LOGIN_URL),
    }
    answers = {}
    with override_settings(ALLOWED_HOSTS=["*"]):
        for name, decorator in decorators.items():
            try:
                response = decorator(lambda request: HttpResponse())(request)
                answers[name] = [response.status_code, response.get("Location")]
            except PermissionDenied:
                answers[name] = [403, None]
    return answers


def csrf_answers(settings, requests):
    """Arguments of `csrf.answers`: what CsrfViewMiddleware makes of each request."""
    return {"answers": csrf.answers(settings, requests)}


def rest_answers(**arguments):
    """Arguments of `rest.rest_answers`: what views of the REST framework answer. It needs more packages than Django."""
    return import_module("rest").rest_answers(**arguments)


def rest_user(username):
    return import_module("rest").rest_user(username)


def messages_operate(storage, ops, cookie=None, status=200):
    """Arguments of `messages.operate`."""
    return messages.operate(environ(cookie), storage, ops, status)


def safe_urls(urls, allowed_hosts, require_https):
    return {"safe": [url_has_allowed_host_and_scheme(url, allowed_hosts, require_https) for url in urls]}


def sql(statement, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        fetched = cursor.fetchall() if cursor.description else []
        return {"rows": json.loads(json.dumps(fetched, default=str)), "count": cursor.rowcount}


def batch(commands):
    return {"answers": [answer(command) for command in commands]}


def environ(cookie=None, method="GET", path="/", query=""):
    """The environment of a request under WSGI. Path and query are bytes in latin-1, the path percent-encoded."""
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    return made if cookie is None else made | {"HTTP_COOKIE": cookie}


def known(username):
    user = people.find_user(username)
    if user is None:
        raise LookupError(username)
    return user


@contextlib.contextmanager
def warnings_of(name):
    caught = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = caught.append
    logging.getLogger(name).addHandler(handler)
    try:
        yield caught
    finally:
        logging.getLogger(name).removeHandler(handler)


def instant(value):
    if isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)


def iso(moment):
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")


def answer(request):
    try:
        arguments = dict(request)
        return COMMANDS[arguments.pop("cmd")](**arguments)
    except Exception as error:
        if os.environ.get("TESTBED_LOG"):
            traceback.print_exc()
        return {"error": type(error).__name__, "message": str(error).encode("utf-8", "backslashreplace").decode()}


# One connection for all commands. A dead one is replaced.
connection.settings_dict.update(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
# They would close it in the middle of the transaction that a visit is wrapped in.
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_old_connections)
HANDLER = WSGIHandler()
COMMANDS = {
    command.__name__: command
    for command in (
        *(authenticate, batch, canonical, check_passwords, make_password, make_passwords),
        *(csrf_answers, decode, decorated, delete_row, delete_user, edit, encode, get_row, get_user, group_test, login),
        *(make_odd_sessions, make_sessions, messages_operate, parse_cookie, put_row, put_rows, read_session, redirect),
        *(writes.epoch, writes.operate, writes.read_row, writes.read_rows),
        *(request_users, rest_answers, rest_user, safe_urls, set_user, sign_row, sql, time_decode, visit),
    )
}


def main():
    # The end of the pipe says when to stop; Ctrl-C goes to the parent as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps({"django": django.get_version()}), flush=True)
    for line in sys.stdin:
        # Once a question: a check asks PostgreSQL, and would be a third of all statements of a batch.
        close_old_connections()
        print(json.dumps(answer(json.loads(line))), flush=True)
