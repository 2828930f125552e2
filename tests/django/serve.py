"""Serves the test site on a free port of the loopback address until its standard input closes.

TESTSITE_USERS, a JSON list of arguments to `accounts.people.set_user`, says who can log in.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testsite.settings")
django.setup()

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.people import set_user  # noqa: E402


def main():
    # The end of the pipe says when to stop; Ctrl-C goes to the parent as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for user in json.loads(os.environ.get("TESTSITE_USERS", "[]")):
        set_user(**user)
    connection.close()
    with gunicorn() if "TESTSITE_WORKERS" in os.environ else threads() as port:
        print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def threads():
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port


@contextlib.contextmanager
def gunicorn():
    """What people run in production, for the benchmarks: TESTSITE_WORKERS processes."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        options = ["--workers", os.environ["TESTSITE_WORKERS"], "--bind", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "--log-level", "warning", "django.core.wsgi:get_wsgi_application()"],
            stdin=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait()
