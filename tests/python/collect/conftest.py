"""Real SSH servers for the tests of this folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.farm import Farm
from tests.servers.sshd import Sshd

CONFIG = "".join(f"set policy-options prefix-list p{n} 10.0.{n % 256}.0/24\n" for n in range(1200))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """OpenSSH on 127.0.0.0/8; every device answers ``show configuration | display set`` with ``CONFIG`` (50 KB)."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        server.set_answer("show configuration | display set", CONFIG)
        server.set_answer("show version", "Junos: 23.4R1\n")
        yield server


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The tests' own server: 200 good devices and one for each fault."""
    with Farm(tmp_path_factory.mktemp("farm")) as server:
        yield server


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real ssh-agent without keys; SSH_AUTH_SOCK points to it."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    while not path.exists():
        assert process.poll() is None
    yield path
    process.terminate()
    process.wait()
