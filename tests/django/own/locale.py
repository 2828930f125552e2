"""A site that knows the language of each account."""

from django.middleware.locale import LocaleMiddleware


class ByAccount(LocaleMiddleware):
    def process_request(self, request):
        super().process_request(request)
