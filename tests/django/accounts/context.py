"""What every template knows."""

from django.conf import settings
from django.contrib.messages import get_messages


def site(request):
    return {
        "rust_url": settings.RUST_URL,
        "login_url": settings.LOGIN_URL,
        "login_hint": settings.LOGIN_HINT,
        # None where the app is not installed.
        "messages": get_messages(request),
    }
