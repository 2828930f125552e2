"""Prints what export_settings.py prints for this site, in one line of JSON."""

import contextlib
import io
import json
import os

import django

django.setup()

from django.core.management import call_command  # noqa: E402


def main():
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            call_command("shell", verbosity=0, command=os.environ["EXPORT_SETTINGS"])
        answer = {"said": said.getvalue()}
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)
