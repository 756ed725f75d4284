"""Where the router's commands run: over SSH, or on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.connectors.routers import RouterUnreachableError

__all__ = ["LocalShell", "Shell", "SshShell"]


class Shell(Protocol):
    """Runs one command line of POSIX sh on the router."""

    @property
    def place(self) -> str:
        """Where that is, for messages."""

    def run(self, router: str, command: str, extra_seconds: float = 0) -> tuple[int, bytes, str]:
        """Return exit code, stdout and stderr; RouterUnreachableError where that is not known.

        ``extra_seconds``: how much longer than usual it may take.
        """


def _answer(router: str, outcome: Any) -> tuple[int, bytes, str]:
    if not outcome.ok and outcome.error_type != "exit":
        raise RouterUnreachableError(router, f"{outcome.error_type}: {outcome.message}")
    return int(outcome.exit_code or 0), bytes(outcome.stdout), bytes(outcome.stderr).decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class SshShell:
    """Over SSH, a connection each command; the host key must be in ``known_hosts``. ``timeout``: seconds a command."""

    host: str
    username: str
    port: int = 22
    key: str | None = None
    password: str | None = field(default=None, repr=False)
    known_hosts: str = "~/.ssh/known_hosts"
    timeout: float = 30.0

    @property
    def place(self) -> str:
        """Address and port."""
        return f"{self.host}:{self.port}"

    def run(self, router: str, command: str, extra_seconds: float = 0) -> tuple[int, bytes, str]:
        """Run it as the login shell's command."""
        from headrace import collect

        outcome = collect.ssh(
            [self.host], command, username=self.username, port=self.port, key=self.key, password=self.password,
            known_hosts=self.known_hosts, timeout=self.timeout + extra_seconds,
        )[0]  # fmt: skip
        return _answer(router, outcome)


@dataclass(frozen=True)
class LocalShell:
    """On this machine, for a program that runs on the router itself. ``timeout``: seconds a command."""

    timeout: float = 30.0

    @property
    def place(self) -> str:
        """This machine."""
        return "this machine"

    def run(self, router: str, command: str, extra_seconds: float = 0) -> tuple[int, bytes, str]:
        """Run it with /bin/sh."""
        from headrace import collect

        limit = self.timeout + extra_seconds
        return _answer(router, collect.processes([["/bin/sh", "-c", command]], timeout=limit, stdin=b"")[0])
