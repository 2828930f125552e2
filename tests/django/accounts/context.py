"""What every template knows."""

from django.conf import settings


def rust_url(request):
    return {"rust_url": settings.RUST_URL}
