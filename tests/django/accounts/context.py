"""What every template knows."""

from django.conf import settings


def site(request):
    return {"rust_url": settings.RUST_URL, "login_hint": settings.LOGIN_HINT}
