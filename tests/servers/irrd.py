"""The real IRRd on PostgreSQL and Redis, with a small registry: what bgpq4 asks in production.

IRRd needs other versions of some packages than we do, so it has a virtual environment of its own, made when it is
first needed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from servers.sshd import free_port
from servers.waiting import wait_for

__all__ = ["irrd"]

VERSION = "4.5.4"
ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "irrd-venv"
CHANNEL = "irrd-preload-reload-channel"

CHANGED = "changed: noc@example.net 20260101\nsource: TESTDB\n"
WORKERS = 4
MAINTAINER = """mntner: TEST-MNT
admin-c: TEST-RIPE
upd-to: noc@example.net
auth: BCRYPT-PW DummyValue
mnt-by: TEST-MNT
changed: noc@example.net 20260101
source: TESTDB

person: Test Person
address: Nowhere
phone: +31 20 000 0000
nic-hdl: TEST-RIPE
mnt-by: TEST-MNT
e-mail: noc@example.net
changed: noc@example.net 20260101
source: TESTDB
"""


def install() -> None:
    """Make the virtual environment. One that was not finished is made again."""
    done = VENV / "complete"
    if done.exists() and done.read_text() == VERSION:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "python", "-m", "pip", "install", "-q", f"irrd=={VERSION}"], check=True)
    done.write_text(VERSION)


def rpsl(routes: Mapping[int, Sequence[str]]) -> str:
    """The registry's objects."""
    found = [MAINTAINER]
    for number, prefixes in routes.items():
        for prefix in prefixes:
            kind = "route6" if ":" in prefix else "route"
            found.append(f"{kind}: {prefix}\norigin: AS{number}\nmnt-by: TEST-MNT\n{CHANGED}")
    return "\n".join(found)


def settings(folder: Path, user: str, database: int, redis: int, whois: int, http: int) -> str:
    """IRRd's configuration."""
    return yaml.safe_dump(
        {
            "irrd": {
                "database_url": f"postgresql://{user}@127.0.0.1:{database}/irrd",
                "redis_url": f"redis://127.0.0.1:{redis}",
                "piddir": str(folder),
                "log": {"logfile_path": str(folder / "irrd.log"), "level": "INFO"},
                "auth": {"gnupg_keyring": str(folder / "gnupg"), "override_password": "$1$unset"},
                "email": {"from": "noc@example.net", "smtp": "127.0.0.1"},
                "rpki": {"roa_source": None},
                "server": {
                    "http": {"interface": "127.0.0.1", "port": http, "url": f"http://127.0.0.1:{http}/"},
                    "whois": {"interface": "127.0.0.1", "port": whois, "max_connections": WORKERS},
                },
                "sources_default": ["TESTDB"],
                "sources": {"TESTDB": {"authoritative": True, "keep_journal": False}},
            }
        }
    )


def _postgres(port: int, user: str, stack: contextlib.ExitStack) -> None:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-pg-", dir="/tmp")))
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    data = folder / "pg"
    options = ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-U", user]
    _run(_as(user), [binaries / "initdb", "-D", data, *options])
    server = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    _run(_as(user), [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "pg.log", "-o", server, "start"])
    stack.callback(_run, _as(user), [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
    login = ["-h", "127.0.0.1", "-p", port, "-U", user]
    _run([], ["createdb", *login, "irrd"])
    _run([], ["psql", "-q", *login, "-d", "irrd", "-c", "CREATE EXTENSION IF NOT EXISTS pgcrypto"])


def _redis(folder: Path, port: int, stack: contextlib.ExitStack) -> None:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    wait_for("redis", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)


def _as(user: str) -> list[str]:
    """What to put before a command that refuses to be root, so that it is ``user``."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.geteuid() == 0 else []


def _boxed() -> list[str]:
    """What to put before IRRd: it refuses to be root, and its children send SIGTERM to whoever is their parent.

    So it gets a user and a process namespace of its own, in which it may read and write what we may, and kill nobody.
    """
    return [
        "unshare",
        "--user",
        "--map-user=1000",
        "--map-group=1000",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]


def _run(before: Sequence[str], command: Sequence[object]) -> None:
    words = [*before, *map(str, command)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "HOME": "/tmp"}, cwd="/tmp")


@contextlib.contextmanager
def irrd(folder: Path, routes: Mapping[int, Sequence[str]]) -> Iterator[str]:
    """Start all three with ``routes`` (AS number -> prefixes); yield where IRRd listens, host:port."""
    for program in ("redis-server", "createdb", "setpriv", "unshare"):
        assert shutil.which(program), f"the IRRd test needs {program}: tools/system_packages.sh"
    install()
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    (folder / "gnupg").mkdir(parents=True)
    database, redis, whois, http = (free_port() for _ in range(4))
    config = folder / "irrd.yaml"
    config.write_text(settings(folder, user, database, redis, whois, http))
    (folder / "test.rpsl").write_text(rpsl(routes))
    with contextlib.ExitStack() as stack:
        _postgres(database, user, stack)
        _redis(folder, redis, stack)
        _run(_boxed(), [VENV / "bin" / "irrd_database_upgrade", "--config", config])
        load = [VENV / "bin" / "irrd_load_database", "--config", config, "--source", "TESTDB", folder / "test.rpsl"]
        _run(_boxed(), load)
        stack.enter_context(_server(folder, config))
        wait_for("IRRd", lambda: socket.create_connection(("127.0.0.1", whois), 1).close() is None, 60)
        # IRRd's preloader may be done before its workers listen to it; they would wait for ever.
        wait_for("IRRd's first answer", lambda: _answers(whois, redis, next(iter(routes))), 60)
        yield f"127.0.0.1:{whois}"


def _answers(whois: int, redis: int, as_number: int) -> bool:
    """Tell the workers to load, and see whether each of them answers."""
    _run([], ["redis-cli", "-p", redis, "publish", CHANNEL, "unknown-classes-changed-preload-all"])
    with contextlib.ExitStack() as stack:
        queries = []
        for _ in range(WORKERS):
            query = stack.enter_context(socket.create_connection(("127.0.0.1", whois), 1))
            query.sendall(f"!!\n!gAS{as_number}\n".encode())
            queries.append(query)
        return all(query.recv(1) == b"A" for query in queries)


@contextlib.contextmanager
def _server(folder: Path, config: Path) -> Iterator[None]:
    words = [*_boxed(), str(VENV / "bin" / "irrd"), "--config", str(config), "--foreground"]
    environment = {**os.environ, "HOME": str(folder)}
    with (folder / "stdout.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        try:
            yield
        finally:
            process.kill()  # and with it all that is in the box
            process.wait()
