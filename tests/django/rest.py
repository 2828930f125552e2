"""How the Django REST framework and SimpleJWT answer requests: separate views, with the settings of each question.

A request is {"method", "headers", "view", "body_hex", "jwt"}; header values are text in latin-1. The text JWT in a header
stands for the token that "jwt" describes: {"header", "claims": JSON as text, "key", "algorithm", "mangle"}. The answer has
the headers as they were sent.
"""

import base64
import contextlib
import functools
import hashlib
import hmac
import logging
import time
import types

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path
from jwt.algorithms import get_default_algorithms
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings as rest_settings
from rest_framework.views import APIView
from rest_framework_simplejwt import authentication as jwt_authentication
from rest_framework_simplejwt import backends, state
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.settings import DEFAULTS
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import AccessToken

import csrf
import own_export


class BearerToken(TokenAuthentication):
    keyword = "Bearer"


class RealmBasic(BasicAuthentication):
    www_authenticate_realm = "staff area"


class QuietBasic(BasicAuthentication):
    def authenticate_header(self, request):
        return None


class ShopToken(AccessToken):
    token_type = "shop"


class ApiKey(TokenAuthentication):
    """Overrides what the framework's own class decides."""

    def authenticate_credentials(self, key):
        return get_user_model().objects.get(username=key), None


BY = {SessionAuthentication: "session", BasicAuthentication: "basic", TokenAuthentication: "token", JWTAuthentication: "jwt"}
PERMISSIONS = {
    "me": IsAuthenticated,
    "open": AllowAny,
    "staff": IsAdminUser,
    "read": IsAuthenticatedOrReadOnly,
}


def answer(self, request):
    by = request.successful_authenticator
    user = request.user
    return Response(
        {
            "user_id": str(user.pk) if user.is_authenticated else None,
            "by": by and next(name for cls, name in BY.items() if isinstance(by, cls)),
        }
    )


def view(permission):
    methods = dict.fromkeys(("get", "post", "delete"), answer)
    attributes = {
        "authentication_classes": rest_settings.DEFAULT_AUTHENTICATION_CLASSES,
        "permission_classes": [permission],
        "renderer_classes": [JSONRenderer],
    }
    return type("View", (APIView,), {**methods, **attributes}).as_view()


@functools.cache
def keys():
    """The private keys with which sites and attackers sign; the public ones in PEM."""
    made = {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "other rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "other p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "other p384": ec.generate_private_key(ec.SECP384R1()),
        "other ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    spki = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return {name: (key, key.public_key().public_bytes(*spki).decode()) for name, key in made.items()}


def plain(value):
    """Settings from JSON: a public key by its name, and tuples where Python needs them."""
    jwt = dict(value)
    if "VERIFYING_KEY" in jwt:
        jwt["VERIFYING_KEY"] = keys()[jwt["VERIFYING_KEY"]][1]
    return jwt


@contextlib.contextmanager
def simple_jwt(values):
    """SimpleJWT reads most of its settings once: here all of them are read again."""
    values = plain(values)
    jwt_settings.reload()
    jwt_settings._user_settings = values
    names = jwt_settings.AUTH_HEADER_TYPES
    names = names if isinstance(names, (list, tuple)) else (names,)
    jwt_authentication.AUTH_HEADER_TYPES = names
    jwt_authentication.AUTH_HEADER_TYPE_BYTES = {name.encode("iso-8859-1") for name in names}
    found = jwt_settings
    state.token_backend = backends.TokenBackend(
        *(found.ALGORITHM, found.SIGNING_KEY, found.VERIFYING_KEY, found.AUDIENCE, found.ISSUER, found.JWK_URL, found.LEEWAY)
    )
    yield


def rest_answers(rest_framework, jwt, requests, settings=None):
    """The answers, and what the site exports of the REST framework."""
    with override_settings(REST_FRAMEWORK=rest_framework, **(settings or {})), simple_jwt(jwt):
        exported = own_export.rest_framework(django_settings)
        urls = types.ModuleType("rest_urls")
        urls.urlpatterns = [path(name + "/", view(permission)) for name, permission in PERMISSIONS.items()]
        logging.disable(logging.CRITICAL)
        try:
            with override_settings(ROOT_URLCONF=urls, DEBUG=False):
                handler = WSGIHandler()
                answers = [ask(handler, request) for request in requests]
        finally:
            logging.disable(logging.NOTSET)
    return {"answers": answers, "exported": exported}


def ask(handler, request):
    headers = request["headers"]
    if request.get("jwt"):
        token = signed(**request["jwt"]).decode("latin-1")
        headers = [[name, value.replace("JWT", token)] for name, value in headers]
    start = {}

    def start_response(status, headers):
        start.update(status=int(status.split()[0]), headers=dict(headers))

    environ = csrf.environ(request["method"], "http", 80, headers, request.get("body_hex", ""), request["view"])
    response = handler(environ, start_response)
    body = b"".join(response).decode()
    response.close()
    return {
        "status": start["status"],
        "www_authenticate": start["headers"].get("WWW-Authenticate"),
        "allow": start["headers"].get("Allow"),
        "body": body,
        "headers": headers,
    }


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(header, claims, key, algorithm, mangle=None):
    """A token of these texts. `key` is a private key by its name, or the text of a secret."""
    now = time.time()
    claims = claims.replace("PAST", str(int(now) - 1000)).replace("SOON", str(int(now) + 1000))
    text = part(header.encode()) + b"." + part(claims.encode("utf-8", "surrogatepass"))
    if algorithm == "none":
        signature = b""
    elif algorithm.startswith("HS"):
        secret = keys()[key][1] if key in keys() else key
        digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
        signature = hmac.new(secret.encode(), text, digest).digest()
    else:
        signature = get_default_algorithms()[algorithm].sign(text, keys()[key][0])
    token = text + b"." + part(signature)
    head, _, last = token.rpartition(b".")
    return {
        None: token,
        "cut": token[:-3],
        "no signature": head + b".",
        "two parts": head,
        "four parts": token + b".x",
        "one changed": head[:-1] + (b"A" if head[-1:] != b"A" else b"B") + b"." + last,
        "plus": head + b"+." + last,
        "padded": token + b"=" * (-len(last) % 4),
        "one pad too many": token + b"=" * (-len(last) % 4 + 1),
        "beyond ASCII": token + b"\xe9",
        "empty": b".",
    }[mangle]


def rest_user(username):
    """The claims that a site's own login would put into a token of that user."""
    user = get_user_model().objects.get(username=username)
    return {"id": user.pk, "md5": hashlib.md5(user.password.encode()).hexdigest().upper()}
