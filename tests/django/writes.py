"""What Django itself does when a view changes its session."""

import datetime
import json
from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.decorators import login_required
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import RequestFactory, override_settings
from django.utils import timezone

from accounts import people

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
Session = SessionStore.get_model_class() if hasattr(SessionStore, "get_model_class") else None


def epoch(moment):
    """A moment in ISO 8601 as seconds since 1970."""
    return {"epoch": datetime.datetime.fromisoformat(moment).timestamp()}


# In seconds: what the tests have sessions live for, far enough apart for a slow machine.
SPANS = [90, 3600, 7200, settings.SESSION_COOKIE_AGE]


def operate(cookie, ops, status=200):
    """A request with this `Cookie` header, to a view that does `ops` and answers with `status`."""
    results = []

    def view(request):
        for name, *arguments in ops:
            results.append(OPERATIONS[name](request, *arguments))
        return HttpResponse(status=status)

    headers = {} if cookie is None else {"HTTP_COOKIE": cookie}
    request = RequestFactory().post("/", **headers)
    request._dont_enforce_csrf_checks = True
    handler = AuthenticationMiddleware(view)
    handler = convert_exception_to_response(SessionMiddleware(CsrfViewMiddleware(handler)))
    response = handler(request)
    return {
        "status": response.status_code,
        "set_cookie": [morsel.OutputString() for morsel in response.cookies.values()],
        "results": results,
    }


def read_row(key):
    """What is in a row, expired or not, and which of the SPANS it was given; null if there is no row."""
    return read_rows([key])["rows"][0]


def read_rows(keys):
    """The same of many rows, in one query."""
    found = {key: describe_row(row) for key, row in Session.objects.in_bulk(keys).items()}
    return {"rows": [found.get(key) for key in keys]}


def describe_row(row):
    data = SessionStore().decode(row.session_data)
    # A date that a request set is as late as that request.
    if isinstance(data.get("_session_expiry"), str):
        data["_session_expiry"] = "a date"
    lives = (row.expire_date - timezone.now()).total_seconds()
    return {"json": json.dumps(data), "lives": next((span for span in SPANS if lives <= span), None)}


def append(request, key, value):
    request.session[key] = [*request.session.get(key, []), value]


def put(request, key, value):
    request.session[key] = value


def remove(request, key):
    return request.session.pop(key, None) is not None


def set_expiry(request, seconds):
    request.session.set_expiry(seconds)


def set_expiry_in(request, seconds):
    request.session.set_expiry(datetime.timedelta(seconds=seconds))


def user(request):
    """From the session as it is now; `request.user` would remember the first user."""
    return auth.get_user(request).get_username() or None


def is_admitted(request):
    """In a view for which a middleware has changed the session."""
    with override_settings(ALLOWED_HOSTS=["*"]):
        return login_required(lambda request: HttpResponse())(request).status_code == 200


def login(request, username, backend=None):
    auth.login(request, people.find_user(username), backend)


def authenticate_login(request, username, password):
    found = auth.authenticate(request, username=username, password=password)
    if found is not None:
        auth.login(request, found)
    return found and found.get_username()


def update_session_auth_hash(request, username):
    auth.update_session_auth_hash(request, people.find_user(username))


OPERATIONS = {
    "authenticate_login": authenticate_login,
    "append": append,
    "clear": lambda request: request.session.clear(),
    "cycle_key": lambda request: request.session.cycle_key(),
    "flush": lambda request: request.session.flush(),
    "get": lambda request, key: request.session.get(key),
    "get_token": lambda request: len(get_token(request)),
    "insert": put,
    "is_admitted": is_admitted,
    "is_empty": lambda request: request.session.is_empty(),
    "login": login,
    "logout": auth.logout,
    "remove": remove,
    "request_user": lambda request: request.user.get_username() or None,
    "save": lambda request: request.session.save(),
    "set_expiry": set_expiry,
    "set_expiry_in": set_expiry_in,
    "update_session_auth_hash": update_session_auth_hash,
    "user": user,
}
