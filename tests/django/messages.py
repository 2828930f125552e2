"""django.contrib.messages for `oracle.py`: one request whose view runs a list of operations."""

from django.contrib.messages import add_message, get_level, get_messages, set_level
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import override_settings
from django.utils.safestring import SafeData, mark_safe

STORAGE = "django.contrib.messages.storage."
STORAGES = {
    "cookie": STORAGE + "cookie.CookieStorage",
    "fallback": STORAGE + "fallback.FallbackStorage",
    "session": STORAGE + "session.SessionStorage",
}


def operate(environ, storage, ops, status):
    """The result of each operation, and the cookies."""
    results = []

    def view(request):
        for op in ops:
            results.append(OPERATIONS[op[0]](request, *op[1:]))
        return HttpResponse(status=status)

    with override_settings(MESSAGE_STORAGE=STORAGES[storage]):
        response = SessionMiddleware(MessageMiddleware(view))(WSGIRequest(environ))
    return {
        "results": results,
        "cookies": {name: {"value": morsel.value, "text": morsel.OutputString()} for name, morsel in response.cookies.items()},
    }


def describe(message):
    return {
        "level": message.level,
        "text": str(message.message),
        "extra_tags": message.extra_tags or "",
        "safe": isinstance(message.message, SafeData),
        "level_tag": message.level_tag,
        "tags": message.tags,
    }


OPERATIONS = {
    "add": lambda request, level, text, tags="": add_message(request, level, text, tags),
    "add_safe": lambda request, level, text, tags="": add_message(request, level, mark_safe(text), tags),
    "read": lambda request: [describe(message) for message in get_messages(request)],
    "len": lambda request: len(get_messages(request)),
    "get_level": lambda request: get_level(request),
    "set_level": lambda request, level: set_level(request, level) and None,
    "session_set": lambda request, key, value: request.session.__setitem__(key, value),
    "flush": lambda request: request.session.flush(),
    "clear": lambda request: request.session.clear(),
    "cycle_key": lambda request: request.session.cycle_key(),
}
