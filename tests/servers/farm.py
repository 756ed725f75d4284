"""Two hundred cheap SSH devices, and one for each fault: ``ssh_farm``, built from this folder.

A session costs it a twentieth of what it costs OpenSSH, so that a client's own speed can be seen.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from tests.servers.sshd import free_port, make_key

__all__ = ["FAULTS", "Farm", "config_text"]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/dev/tests/servers/ssh_farm"

FAULTS = {
    "silent": "127.0.1.201",
    "banner_flood": "127.0.1.202",
    "garbage": "127.0.1.203",
    "close_at_once": "127.0.1.204",
    "close_at_login": "127.0.1.205",
    "refuse": "127.0.1.206",
    "prompts_only": "127.0.1.207",
    "password_only": "127.0.1.208",
    "refuse_exec": "127.0.1.209",
    "hang": "127.0.1.210",
    "drip": "127.0.1.211",
    "cut": "127.0.1.212",
    "no_status": "127.0.1.213",
    "flood": "127.0.1.214",
}


def config_text(address: str, size: int = 50_000) -> bytes:
    """What a good device answers to ``show config``."""
    lines = []
    length = 0
    number = 0
    while length < size:
        prefix = f"10.{number // 256 % 256}.{number % 256}.0/24"
        lines.append(f"set policy-options prefix-list {address} {prefix}\n")
        length += len(lines[-1])
        number += 1
    return "".join(lines)[:size].encode()


class Farm:
    """One ``ssh_farm`` process. Takes any key, and the password ``secret``; ``known_hosts`` knows all its devices."""

    def __init__(self, folder: Path, latency_ms: int = 0, threads: int = 250) -> None:
        self.folder = Path(folder).resolve()
        self.port = free_port()
        self.username = "netops"
        self.key = make_key(self.folder / "client_key")
        self.host_key = make_key(self.folder / "host_key")
        self.known_hosts = self.folder / "known_hosts"
        public = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        lines = [f"[127.0.1.{number}]:{self.port} {public}\n" for number in range(1, 251)]
        self.known_hosts.write_text("".join(lines))
        self._command = [PROGRAM, str(self.port), self.host_key, str(latency_ms), str(threads)]
        self._process: subprocess.Popen[bytes] | None = None

    def hosts(self, count: int) -> list[str]:
        """``address:port`` of ``count`` good devices; from the 201st on they come again."""
        return [f"127.0.1.{1 + number % 200}:{self.port}" for number in range(count)]

    def fault(self, name: str) -> str:
        """``address:port`` of the device with that fault."""
        return f"{FAULTS[name]}:{self.port}"

    def __enter__(self) -> Farm:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("ssh_farm did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
