"""Writes on each page how long Django took for it."""

import time

from django.utils.deprecation import MiddlewareMixin

# The place that base.html reserves.
PLACE = b"<!-- took -->"


class ShowTimes(MiddlewareMixin):
    def process_request(self, request):
        request.began = time.perf_counter()

    def process_response(self, request, response):
        if not response.streaming and PLACE in response.content:
            took = (time.perf_counter() - request.began) * 1000
            response.content = response.content.replace(PLACE, f" in {took:.1f} ms".encode())
            if response.has_header("Content-Length"):
                response["Content-Length"] = str(len(response.content))
        return response
