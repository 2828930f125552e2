"""Serves the test site on a free port of the loopback address until its standard input closes.

TESTSITE_USERS, a JSON list of arguments to `accounts.people.set_user`, says who can log in.
"""

import json
import os
import signal
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
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler, allow_reuse_address=True)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    sys.stdin.read()


main()
