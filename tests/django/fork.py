"""Django, imported once, and a fork of this process for each oracle, each site and each export.

To start Python and to import Django takes a second, most of it of the processor; a fork takes a twentieth. Listens on
the socket of its folder until standard input closes, and ends with its forks. A connection sends one line, {"program":
"oracle", "serve", .., "environment": {..}}, and is from then on the standard input and output of that program. A fork
ends when its connection does. Settings are read, and PostgreSQL is connected to, after the fork.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import traceback

# What costs time to import and does not look at settings.
for module in (
    *("unittest.mock", "django.core.handlers.wsgi", "django.core.mail", "django.core.serializers.json"),
    *("django.core.servers.basehttp", "django.db.backends.postgresql.base", "django.db.migrations.executor"),
    *("django.forms", "django.template.loader", "django.test", "django.views.generic"),
    *("django.contrib.admin.options", "django.contrib.admin.sites", "django.contrib.admin.views.decorators"),
    *("django.contrib.auth.decorators", "django.contrib.auth.hashers", "django.contrib.auth.password_validation"),
    *("django.contrib.messages.middleware", "django.contrib.sessions.backends.cached_db"),
    *("django.contrib.sessions.middleware", "django.core.management.commands.shell", "django.middleware.common"),
    *("django.middleware.security", "django.utils.translation.reloader", "statistics"),
):
    importlib.import_module(module)

from django.conf import settings  # noqa: E402

assert not settings.configured
# What is here lives as long as the process: a fork's collector need not look at it, nor copy its pages.
gc.freeze()


def main():
    # Ctrl-C goes to the parent as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: reap())
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="testbed-"))
        # The forks compile what they import once, and leave nothing behind.
        sys.pycache_prefix = os.path.join(folder, "pycache")
        sys.dont_write_bytecode = False
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(os.path.join(folder, "socket"))
        listener.listen(128)
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        print(json.dumps({"socket": listener.getsockname()}), flush=True)
        while all(key.fileobj is listener for key, _ in selector.select()):
            connection, _ = listener.accept()
            if os.fork() == 0:
                selector.close()
                listener.close()
                become_program(connection)
            connection.close()


def reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become_program(connection):
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(connection.fileno(), sys.stdin.fileno())
        os.dup2(connection.fileno(), sys.stdout.fileno())
        connection.close()
        request = json.loads(sys.stdin.readline())
        os.environ.update(request["environment"])
        # Packages that were installed after this process started.
        importlib.invalidate_caches()
        importlib.import_module(request["program"]).main()
    except BaseException:
        traceback.print_exc()
    finally:
        # Not by the stack of main(): the folder is the parent's.
        os._exit(0)


main()
