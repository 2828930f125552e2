"""How Django's CsrfViewMiddleware answers requests: a separate site, with the settings of each question.

A request is {"method", "scheme", "port", "headers", "body_hex" or "body_zlib_hex", "view", "session"}; header values are
text in latin-1, one character a byte, as in WSGI. What it answers says whether the view was reached; a refusal has the reason.
"""

import io
import logging
import zlib

from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, HttpResponseForbidden
from django.middleware.csrf import get_token
from django.test import override_settings
from django.urls import path


def plain(request):
    return HttpResponse("reached")


def token(request):
    return HttpResponse("reached " + get_token(request))


def failure(request, reason=""):
    return HttpResponseForbidden(reason)


urlpatterns = [path("plain/", plain), path("token/", token)]


class GivenSession(SessionBase):
    """A session that the question contains and that is not stored."""

    def __init__(self, data):
        super().__init__()
        self._session_cache = data


def given_session(get_response):
    def middleware(request):
        request.session = GivenSession(request.META["given_session"])
        return get_response(request)

    return middleware


def answers(settings, requests):
    with override_settings(
        ROOT_URLCONF="csrf",
        MIDDLEWARE=["csrf.given_session", "django.middleware.csrf.CsrfViewMiddleware"],
        CSRF_FAILURE_VIEW="csrf.failure",
        DEBUG=False,
        **settings,
    ):
        logging.disable(logging.CRITICAL)
        try:
            handler = WSGIHandler()
            return [answer(handler, request) for request in requests]
        finally:
            logging.disable(logging.NOTSET)


def answer(handler, request):
    start = {}

    def start_response(status, headers):
        start.update(status=int(status.split()[0]), headers=headers)

    try:
        response = handler(environ(**request), start_response)
        body = b"".join(response).decode()
        response.close()
    except Exception as error:
        return {"raises": type(error).__name__}
    reached, _, token = body.partition(" ")
    return {
        "status": start["status"],
        "reason": body if start["status"] == 403 else None,
        "reached": reached == "reached",
        "token": token if reached == "reached" else None,
        "set_cookie": [value.strip() for name, value in start["headers"] if name == "Set-Cookie"],
    }


def environ(method, scheme, port, headers, body_hex="", view="", session=None, body_zlib_hex=""):
    body = zlib.decompress(bytes.fromhex(body_zlib_hex)) if body_zlib_hex else bytes.fromhex(body_hex)
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{view}/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "given_session": session or {},
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else "HTTP_" + key
        made[key] = made[key] + "," + value if key in made else value
    return made
