"""A real OpenSSH server that is many routers: one sshd answers on all of 127.0.0.0/8, each address is a device.

with Sshd(folder) as sshd:
    sshd.set_answer("show version", "Junos: 23.4R1\n")                  # of all devices
    sshd.set_answer("show version", "Junos: 21.2R3\n", "127.0.1.7")     # of one
    sshd.set_fault("127.0.1.9", "hang")
    hr.collect.ssh(sshd.hosts(200), "show version", username=sshd.username, key=sshd.key, known_hosts=sshd.known_hosts)

Needs no root and no account of its own: the user who runs the tests logs in with a key made for the test.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

__all__ = ["Sshd", "free_port", "make_key"]

CLI = Path(__file__).with_name("junos_cli.sh")

CONFIG = """
ListenAddress 0.0.0.0:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile {folder}/sshd.pid
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UsePAM no
UseDNS no
StrictModes no
PrintMotd no
PrintLastLog no
MaxStartups 4000
MaxSessions 100
LogLevel ERROR
SetEnv DEVICES={folder}/devices NETCONF_SERVER={netconf}
{extra}
"""


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair at ``path`` (the public one with .pub)."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd:
    """One sshd process. ``key``: the client's private key; ``known_hosts``: knows 127.0.1.1 to .250 on ``port``.

    ``netconf``: a program that is started for the subsystem ``netconf`` with the device's folder as its argument.
    ``shell=True``: commands go to the user's real shell, not to the devices. ``extra``: more lines of sshd_config.
    """

    def __init__(self, folder: Path, *, netconf: str = "", shell: bool = False, extra: str = "") -> None:
        self.folder = Path(folder).resolve()
        self.port = free_port()
        self.username = getpass.getuser()
        self.devices = self.folder / "devices"
        (self.devices / "default").mkdir(parents=True)
        self.key = make_key(self.folder / "client_key")
        self.host_key = make_key(self.folder / "host_key")
        self.known_hosts = self.folder / "known_hosts"
        self.write_known_hosts()
        lines = [extra]
        if not shell:
            lines.append(f"ForceCommand {CLI}")
        if netconf:
            lines.append(f"Subsystem netconf {netconf}")
        config = CONFIG.format(port=self.port, folder=self.folder, netconf=netconf or "none", extra="\n".join(lines))
        (self.folder / "sshd_config").write_text(config)
        self._process: subprocess.Popen[bytes] | None = None

    def hosts(self, count: int, first: int = 1) -> list[str]:
        """``address:port`` of ``count`` devices, 127.0.1.1 and on (127.0.2.1 follows 127.0.1.250)."""
        numbers = range(first - 1, first - 1 + count)
        return [f"127.0.{1 + number // 250}.{1 + number % 250}:{self.port}" for number in numbers]

    def set_answer(self, command: str, answer: str | bytes, address: str = "default") -> None:
        """What the device prints for ``command`` (given without ``| no-more``)."""
        data = answer if isinstance(answer, bytes) else answer.encode()
        self._file(address, command).write_bytes(data)

    def set_latency(self, seconds: float, address: str = "default") -> None:
        """How long the device thinks before it answers."""
        self._file(address, "latency").write_text(str(seconds))

    def set_fault(self, address: str, fault: str) -> None:
        """``hang`` after 20 KB, ``drip`` 100 bytes a second, ``cut`` the connection after 20 KB."""
        self._file(address, "fault").write_text(fault)

    def write_known_hosts(self, wrong: Iterable[str] = ()) -> None:
        """Trust the server's key for 127.0.1.1 to .250; for the addresses in ``wrong`` another key is known."""
        right = (self.folder / "host_key.pub").read_text().split()[:2]
        other = right
        if wrong := set(wrong):
            path = self.folder / "other_key"
            other = (path if path.exists() else make_key(path)).with_suffix(".pub").read_text().split()[:2]
        lines = []
        for number in range(1, 251):
            address = f"127.0.1.{number}"
            lines.append(" ".join([f"[{address}]:{self.port}", *(other if address in wrong else right)]))
        self.known_hosts.write_text("\n".join(lines) + "\n")

    def __enter__(self) -> Sshd:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        log = self.folder / "sshd.log"
        command = [sshd, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        self._stop()
        raise RuntimeError(f"sshd did not start: {log.read_text() if log.exists() else 'no log'}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _file(self, address: str, name: str) -> Path:
        device = self.devices / address
        if not device.exists():
            shutil.copytree(self.devices / "default", device)
        return device / name
