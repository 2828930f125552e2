"""Who the proxy says it is: the way of Django's documentation to take the name from a header."""

from django.contrib.auth.middleware import RemoteUserMiddleware


class ByHeader(RemoteUserMiddleware):
    header = "HTTP_X_REMOTE_USER"
