"""Two FRR routers with a real eBGP session, each in a network namespace of its own.

Router ``a`` (AS 64500) has the peer ``b`` (AS 3333), whose prefixes the list AS3333 filters.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.waiting import wait_for

__all__ = ["FrrPair"]

ANNOUNCED = tuple(f"193.0.{number}.0/24" for number in range(8))

CONFIG_A = """hostname a
router bgp 64500
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor PEERS peer-group
 neighbor 192.0.2.2 remote-as 3333
 neighbor 192.0.2.2 peer-group PEERS
 neighbor 192.0.2.2 timers 1 3
 neighbor 192.0.2.2 timers connect 1
 address-family ipv4 unicast
  network 62.115.0.0/16
  neighbor 192.0.2.2 prefix-list AS3333 in
 exit-address-family
!
"""
CONFIG_B = """hostname b
router bgp 3333
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 64500
 neighbor 192.0.2.1 timers 1 3
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


@dataclass
class FrrPair:
    """The two routers; ``accepted`` are the prefixes of b that a's list lets in at first."""

    accepted: Sequence[str] = ANNOUNCED[:4]
    names: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> FrrPair:
        missing = [name for name in ("ip", "vtysh", "/usr/lib/frr/bgpd") if shutil.which(name) is None]
        assert not missing, f"the FRR tests need {', '.join(missing)}: tools/system_packages.sh"
        assert os.geteuid() == 0, "the FRR tests need root: they make network namespaces"
        mark = uuid.uuid4().hex[:6]
        self.names = {"a": f"hr{mark}a", "b": f"hr{mark}b"}
        self._link()
        listed = "".join(f"ip prefix-list AS3333 seq {5 * n} permit {p}\n" for n, p in enumerate(self.accepted, 1))
        self._start("a", CONFIG_A + listed)
        networks = "".join(f"  network {prefix}\n" for prefix in ANNOUNCED)
        self._start("b", CONFIG_B + networks + " exit-address-family\n!\n")
        wait_for("the eBGP session", lambda: self.received() == len(self.accepted), 30)
        return self

    def _link(self) -> None:
        a, b = self.names["a"], self.names["b"]
        for name in (a, b):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", f"{a}0", "netns", a, "type", "veth", "peer", "name", f"{b}0", "netns", b)
        for number, name in enumerate((a, b), 1):
            run("ip", "-n", name, "addr", "add", f"192.0.2.{number}/30", "dev", f"{name}0")
            run("ip", "-n", name, "link", "set", f"{name}0", "up")

    def _start(self, router: str, config: str) -> None:
        name = self.names[router]
        for folder in (self.config_folder(router), Path("/var/run/frr") / name):
            folder.mkdir(parents=True)
            shutil.chown(folder, "frr", "frr")
        etc = self.config_folder(router)
        (etc / "bgpd.conf").write_text(config)
        (etc / "zebra.conf").write_text(f"hostname {router}\n")
        (etc / "vtysh.conf").write_text("no service integrated-vtysh-config\n")
        for file in etc.iterdir():
            shutil.chown(file, "frr", "frr")
        for daemon in ("zebra", "bgpd"):
            options = ["-d", "-N", name, "-f", str(etc / f"{daemon}.conf"), "-A", "127.0.0.1"]
            run("ip", "netns", "exec", name, f"/usr/lib/frr/{daemon}", *options)

    def __exit__(self, *exc: object) -> None:
        for name in self.names.values():
            pids = [path.read_text().strip() for path in Path("/var/run/frr", name).glob("*.pid")]
            subprocess.run(["kill", *pids], check=False, stderr=subprocess.DEVNULL)
            subprocess.run(["ip", "netns", "del", name], check=False)
            for folder in (Path("/etc/frr") / name, Path("/var/run/frr") / name):
                shutil.rmtree(folder, ignore_errors=True)

    def config_folder(self, router: str) -> Path:
        """Where the router's start-up configuration is."""
        return Path("/etc/frr") / self.names[router]

    def vtysh(self, router: str, *commands: str) -> str:
        """Run commands on a router and return what it prints."""
        options = [word for command in commands for word in ("-c", command)]
        return run("vtysh", "-N", self.names[router], *options)

    def summary(self) -> dict[str, Any]:
        """Return a's view of the session to b."""
        text = self.vtysh("a", "show bgp ipv4 unicast summary json")
        return dict(json.loads(text).get("peers", {}).get("192.0.2.2", {}))

    def received(self) -> int | None:
        """Return how many prefixes of b its list lets into a; None while the session is down."""
        peer = self.summary()
        return peer["pfxRcd"] if peer.get("state") == "Established" else None

    def prefix_list(self, name: str) -> list[str]:
        """Return the lines of a list in a's running configuration, sorted: FRR shows them as they came."""
        lines = self.vtysh("a", "show running-config").splitlines()
        return sorted(line for line in lines if f"prefix-list {name} " in line and not line.startswith(" "))
