"""A site that knows in which language each account is."""

from django.middleware.locale import LocaleMiddleware


class ByAccount(LocaleMiddleware):
    def process_request(self, request):
        super().process_request(request)
