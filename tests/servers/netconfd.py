"""netconfd (yuma123) behind OpenSSH: a NETCONF server with candidate, validate and confirmed commit."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from servers.sshd import Sshd
from servers.waiting import wait_for

__all__ = ["netconfd"]

YANG = Path(__file__).parent / "yang"


@contextlib.contextmanager
def netconfd(folder: Path) -> Iterator[Sshd]:
    """Start both; the SSH server that is yielded has NETCONF as its subsystem, on every address."""
    assert shutil.which("netconfd"), "the NETCONF tests need netconfd: tools/system_packages.sh"
    folder.mkdir(parents=True, exist_ok=True)
    ssh = Sshd(folder / "ssh", shell=True)
    name = f"/tmp/ncx-{uuid.uuid4().hex[:12]}.sock"  # a UNIX socket's path must be short
    with (ssh.folder / "sshd_config").open("a") as config:
        config.write(f"Subsystem netconf /usr/sbin/netconf-subsystem --ncxserver-sockname={ssh.port}@{name}\n")
    command = [
        "netconfd", "--no-startup", "--target=candidate", f"--superuser={ssh.username}", "--access-control=off",
        f"--port={ssh.port}", f"--ncxserver-sockname={name}", f"--log={folder / 'netconfd.log'}", "--log-level=info",
        *(f"--module={path}" for path in sorted(YANG.glob("*.yang"))),
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for("netconfd", Path(name).is_socket)
        with ssh:
            yield ssh
    finally:
        server.terminate()
        server.wait(10)
        Path(name).unlink(missing_ok=True)
