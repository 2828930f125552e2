"""The user whom the proxy names: takes the name from a header, as Django's documentation shows."""

from django.contrib.auth.middleware import RemoteUserMiddleware


class ByHeader(RemoteUserMiddleware):
    header = "HTTP_X_REMOTE_USER"
