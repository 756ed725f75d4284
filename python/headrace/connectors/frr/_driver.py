"""The router driver for FRR."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Iterable, Sequence
from typing import Any

from headrace.connectors.frr import _scripts as scripts
from headrace.connectors.frr._lists import changes, parse_lists
from headrace.connectors.frr._owner import dead_owner, new_owner
from headrace.connectors.frr._shell import Shell
from headrace.connectors.routers import (
    CommitState,
    EventHook,
    PeerHealth,
    PrefixLists,
    RouterError,
    RouterLockedError,
    RouterRejectedError,
    RouterUnreachableError,
    lists_diff,
    no_events,
)
from headrace.errors import ConfigurationError

__all__ = ["FrrDriver"]

_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_LOCK_SECONDS = 300
_STATES = {
    "absent": CommitState.ABSENT,
    "pending": CommitState.PENDING,
    "confirmed": CommitState.CONFIRMED,
    "rolled_back": CommitState.ROLLED_BACK,
    "rebooted": CommitState.ROLLED_BACK,  # what was not saved is gone
}


class FrrDriver:
    """A ``RouterDriver`` for FRR's vtysh.

    FRR knows no candidate, no lock and no confirmed commit. So they are made on the router, in ``folder``: a lock with
    an owner and an end, the commands there and back, and a watchdog that takes them back by itself unless the
    commit is confirmed, whatever becomes of us. ``vtysh``: the command, such as ``("sudo", "vtysh")``.

    FRR 8 takes a time that grows with the square of what is added to a list: 200 prefixes 1 s, 1,000 about 15 s.
    """

    def __init__(
        self,
        router: str,
        shell: Shell,
        on_event: EventHook = no_events,
        *,
        vtysh: Sequence[str] = ("vtysh",),
        folder: str = "/var/tmp/headrace-bgp",  # noqa: S108 - on the router; it must survive a reboot, and mode 0700
    ) -> None:
        self.router = router
        self._shell = shell
        self._on_event = on_event
        self._vtysh = shlex.join(vtysh)
        self._folder = folder
        self._owner = new_owner()
        self._open = self._locked = False
        self._base = ""
        self._lists: dict[str, tuple[str, ...] | None] = {}
        self._wanted: PrefixLists = {}
        self._forward: list[str] = []
        self._back: list[str] = []

    def open(self) -> None:
        """See whether the router answers and has FRR."""
        try:
            version = self._vty("show version")
        except RouterError as error:
            self._on_event("connection_failed", {"reason": error.message})
            raise
        self._open = True
        first = version.decode("utf-8", "replace").strip().partition("\n")[0]
        self._on_event("connected", {"address": self._shell.place, "version": first})

    def close(self) -> None:
        """Nothing stays open between commands."""
        if self._open:
            self._open = False
            self._on_event("disconnected", {})

    def _run(self, script: str, what: str, extra_seconds: float = 0) -> bytes:
        """Run a script on the router and return what it prints; its exit code becomes the right error."""
        text = scripts.prelude(self._folder, self._vtysh) + script
        code, out, complaint = self._shell.run(self.router, f"sh -c {shlex.quote(text)}", extra_seconds)
        if code == 0:
            return out
        detail = " ".join(complaint.split())[:300] or f"exit code {code}"
        if code == scripts.HELD:
            raise RouterLockedError(self.router, f"{what}: {detail}")
        reasons = {
            scripts.TWICE: "this commit was made before",
            scripts.NOT_PENDING: "the commit is not pending any more",
            scripts.CHANGED: "somebody else changed the configuration after it was read",
        }
        raise RouterRejectedError(self.router, f"{what}: {reasons.get(code, detail)}")

    def _vty(self, command: str) -> bytes:
        return self._run(f"vty -c {shlex.quote(command)}\n", command)

    def _running(self) -> str:
        raw = self._vty("show running-config")
        self._base = hashlib.sha256(raw).hexdigest()
        text = raw.decode("utf-8", "replace")
        if not text.rstrip().endswith("end"):
            raise RouterUnreachableError(self.router, "its running configuration did not arrive whole")
        return text

    def lock(self) -> None:
        """Take the lock in ``folder``: it keeps out others who use this driver. One of a dead process is taken over."""
        try:
            self._run(scripts.lock(self._owner, _LOCK_SECONDS), "lock")
        except RouterLockedError as error:
            dead = dead_owner(error.message)
            if dead is None:
                raise
            self._run(scripts.lock(self._owner, _LOCK_SECONDS, over=dead), "lock")
        self._locked = True

    def unlock(self) -> None:
        """Give the lock back."""
        self._run(scripts.unlock(self._owner), "unlock")
        self._locked, self._lists, self._forward, self._back = False, {}, [], []

    def read_lists(self, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        """Return prefix lists out of the running configuration."""
        return parse_lists(self._running(), names)

    def load(self, lists: PrefixLists) -> None:
        """Work out the commands there and back. Nothing is sent yet."""
        config = self._running()
        self._lists = parse_lists(config, lists)
        self._forward, self._back = changes(config, lists)
        self._wanted = lists

    def diff(self) -> str:
        """Return what changes."""
        text = lists_diff(self._lists, self._wanted)
        self._on_event("preview", {"diff": text})
        return text

    def validate(self) -> None:
        """Have vtysh parse all commands, there and back, without running them."""
        for commands in (self._forward, self._back):
            self._upload("check.conf", "\n".join(commands) + "\n")
            self._run('vty -C -f "$D/check.conf"\n', "validate")

    def _upload(self, path: str, text: str) -> None:
        for command in scripts.upload(path, text):
            self._run(command, f"upload {path}")

    def commit_confirmed(self, seconds: int, token: str) -> None:
        """Start the watchdog on the router, then apply."""
        if not _TOKEN.fullmatch(token):
            raise ConfigurationError(f"token {token!r}: letters, digits and '-'")
        if not self._locked:
            raise RouterLockedError(self.router, "commit: take the lock first")
        self._run(scripts.lock(self._owner, _LOCK_SECONDS + int(seconds)), "lock")
        files = {
            "apply.conf": "\n".join(self._forward) + "\n",
            "rollback.conf": "\n".join(self._back) + "\n",
            "names": "".join(f"prefix-list {name} \n" for name in self._wanted),
            **scripts.rollback_files(int(seconds), self._folder, self._vtysh),
        }
        for name, text in files.items():
            self._upload(f"{token}/{name}", text)
        self._run(scripts.commit(token, self._base), "commit", seconds)
        self._on_event("committed", {"confirm_within": seconds, "token": token})

    def confirm(self, token: str) -> None:
        """Stop the watchdog and save the configuration."""
        self._run(scripts.confirm(token), "confirm")
        self._on_event("confirmed", {"token": token})

    def cancel(self, token: str) -> None:
        """Run the roll back now."""
        self._run(scripts.cancel(token), "cancel", _LOCK_SECONDS)
        self._on_event("rolled_back", {"token": token})

    def commit_state(self, token: str, lists: PrefixLists) -> CommitState:
        """Ask the router's own record; RouterRejectedError where a roll back did not restore the lists."""
        word = self._state_word(token)
        if word == "unsaved":  # confirmed, and the connection was lost before it was saved
            self.confirm(token)
            return CommitState.CONFIRMED
        if word not in _STATES:
            where = f"{self._folder}/{token}/rollback.log"
            raise RouterRejectedError(
                self.router, f"the roll back did not restore the lists: see {where} on the router"
            )
        return _STATES[word]

    def _state_word(self, token: str) -> str:
        deadline = time.monotonic() + 10
        while (word := self._run(scripts.state(token), "read the commit's state").decode().strip()) == "rolling":
            if time.monotonic() > deadline:
                raise RouterUnreachableError(self.router, "a roll back is at work on the router and does not end")
            time.sleep(0.2)
        return word

    def health(self) -> dict[str, PeerHealth]:
        """Return the sessions of all VRFs. FRR counts what the filters let in, so received and accepted are equal."""
        try:
            summary = json.loads(self._vty("show bgp vrf all summary json"))
        except ValueError as error:
            raise RouterUnreachableError(self.router, "its BGP summary did not arrive whole") from error
        peers: dict[str, PeerHealth] = {}
        for vrf, families in summary.items():
            for family in families.values() if isinstance(families, dict) else ():
                for address, peer in (family.get("peers") or {}).items() if isinstance(family, dict) else ():
                    name = address if vrf == "default" else f"{vrf}/{address}"
                    peers[name] = _joined(name, peer, peers.get(name))
        return peers


def _joined(name: str, peer: dict[str, Any], known: PeerHealth | None) -> PeerHealth:
    """Add one address family's counts to what is known of the peer."""
    count = int(peer.get("pfxRcd") or 0) + (known.accepted if known else 0)
    established = peer.get("state") == "Established" or (known is not None and known.established)
    return PeerHealth(name, established, count, count)
