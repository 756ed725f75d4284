"""How to reach a router's NETCONF server, with its host key checked."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.errors import ConfigurationError

__all__ = ["NetconfLogin"]


@dataclass(frozen=True)
class NetconfLogin:
    """``host`` and ``port`` of the server; ``key`` (a private key file) or ``password``, else the SSH agent.

    ``timeout``: seconds for the connection and for each answer. The host key must be in ``known_hosts``.
    """

    host: str
    username: str
    port: int = 830
    key: str | None = None
    password: str | None = field(default=None, repr=False)
    known_hosts: str = "~/.ssh/known_hosts"
    timeout: float = 30.0

    @contextlib.contextmanager
    def ssh_config(self) -> Iterator[str]:
        """Yield the path of an OpenSSH configuration that names our known_hosts: the one way the library takes it."""
        known_hosts = Path(self.known_hosts).expanduser()
        if not known_hosts.is_file():
            raise ConfigurationError(f"known_hosts file {known_hosts} is not there: no host key can be checked")
        with tempfile.NamedTemporaryFile("w", prefix="headrace-ssh-", suffix=".conf") as file:
            file.write(f"Host *\n  UserKnownHostsFile {known_hosts}\n")
            file.flush()
            yield file.name

    @property
    def use_agent(self) -> bool:
        """Whether the SSH agent is asked for keys."""
        return self.key is None and self.password is None
