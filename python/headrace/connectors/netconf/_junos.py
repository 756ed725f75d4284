"""Junos over NETCONF, through PyEZ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.connectors.netconf._login import NetconfLogin
from headrace.connectors.routers import (
    CommitState,
    EventHook,
    PeerHealth,
    PrefixLists,
    RouterLockedError,
    RouterRejectedError,
    RouterUnreachableError,
    no_events,
    same_lists,
)
from headrace.errors import ConfigurationError

__all__ = ["JunosDriver"]


class JunosDriver:
    """A ``RouterDriver`` for Junos. The commit's log message carries the token, so that its fate can be asked later.

    Junos counts confirm times in minutes; this driver takes seconds, and only whole minutes of them.
    """

    def __init__(self, router: str, login: NetconfLogin, on_event: EventHook = no_events) -> None:
        self.router = router
        self.login = login
        self._on_event = on_event
        self._device: Any = None
        self._config: Any = None
        self._locked = False

    def open(self) -> None:
        """Connect."""
        from jnpr.junos import Device
        from jnpr.junos.exception import ConnectError
        from jnpr.junos.utils.config import Config

        login = self.login
        try:
            with login.ssh_config() as config:
                self._device = Device(
                    host=login.host, port=login.port, user=login.username, passwd=login.password,
                    ssh_private_key_file=login.key, ssh_config=config, hostkey_verify=True, gather_facts=False,
                    allow_agent=login.use_agent, look_for_keys=False, conn_open_timeout=login.timeout,
                )  # fmt: skip
                self._device.open()
        except (ConnectError, OSError) as error:
            reason = f"no NETCONF session: {_message(error)}"
            self._on_event("connection_failed", {"reason": reason})
            self._device = None
            raise RouterUnreachableError(self.router, reason) from error
        self._device.timeout = login.timeout
        self._config = Config(self._device)
        self._on_event("connected", {"address": login.host, "port": login.port})

    def close(self) -> None:
        """End the session; Junos drops the lock and what was not committed."""
        device, self._device, self._config, self._locked = self._device, None, None, False
        if device is not None:
            with contextlib.suppress(Exception):
                device.close()
            self._on_event("disconnected", {})

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        """Yield PyEZ's Config; what fails on it becomes a RouterError that says ``what`` failed."""
        from jnpr.junos import exception as junos

        if self._config is None:
            raise RouterUnreachableError(self.router, f"{what}: not connected")
        try:
            yield self._config
        except (junos.LockError, junos.UnlockError) as error:
            raise RouterLockedError(self.router, f"{what}: {_message(error)}") from error
        except (junos.ConnectError, junos.RpcTimeoutError, OSError) as error:
            raise RouterUnreachableError(self.router, f"{what}: the session failed: {_message(error)}") from error
        except junos.RpcError as error:
            raise RouterRejectedError(self.router, f"{what}: {_message(error)}") from error

    def lock(self) -> None:
        """Take the exclusive configuration lock; refused too where somebody has uncommitted changes."""
        with self._asking("lock") as config:
            config.lock()
        self._locked = True

    def unlock(self) -> None:
        """Drop what was not committed, give the lock back."""
        with self._asking("unlock") as config:
            config.rollback(0)
            config.unlock()
        self._locked = False

    def read_lists(self, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        """Return prefix lists out of the committed configuration."""
        from lxml import etree

        wanted = list(names)
        if not wanted:
            return {}
        root = etree.Element("configuration")
        policy = etree.SubElement(root, "policy-options")
        for name in wanted:
            etree.SubElement(etree.SubElement(policy, "prefix-list"), "name").text = name
        with self._asking("read prefix lists"):
            reply = self._device.rpc.get_config(filter_xml=root, options={"database": "committed"})
        found = {
            entry.findtext("name", "").strip(): tuple(
                sorted((item.text or "").strip() for item in entry.iterfind("prefix-list-item/name"))
            )
            for entry in reply.iter("prefix-list")
        }
        return {name: found.get(name) for name in wanted}

    def load(self, lists: PrefixLists) -> None:
        """Load the lists in curly form, each replacing the one of its name."""
        text = _statements(lists, self.read_lists([name for name in lists if lists[name] is None]))
        with self._asking("load") as config:
            if text:
                config.load(text, format="text")

    def diff(self) -> str:
        """Return Junos's own comparison of the candidate with what is in effect."""
        with self._asking("diff") as config:
            text = (config.diff() or "").strip("\n")
        self._on_event("preview", {"diff": text})
        return text

    def validate(self) -> None:
        """Run a commit check. Never after ``commit_confirmed``: Junos takes a check for the confirmation."""
        with self._asking("validate") as config:
            config.commit_check(timeout=self.login.timeout)

    def commit_confirmed(self, seconds: int, token: str) -> None:
        """Commit; Junos rolls back after ``seconds``, which must be whole minutes."""
        minutes, rest = divmod(int(seconds), 60)
        if rest or not minutes:
            raise ConfigurationError(f"confirm time {seconds} s: Junos counts minutes, so use a multiple of 60 s")
        with self._asking("commit") as config:
            config.commit(confirm=minutes, comment=token, timeout=self.login.timeout)
        self._on_event("committed", {"confirm_within": seconds, "token": token})

    def confirm(self, token: str) -> None:
        """Commit again, which confirms, if the newest commit is still the pending one of this token."""
        self._second_commit(token, "confirm", 0, f"{token} confirmed")
        self._on_event("confirmed", {"token": token})

    def cancel(self, token: str) -> None:
        """Return to the configuration before the pending commit."""
        with contextlib.suppress(RouterRejectedError):
            self._second_commit(token, "cancel", 1, f"{token} cancelled")
        self._on_event("rolled_back", {"token": token})

    def _second_commit(self, token: str, what: str, rollback: int, comment: str) -> None:
        took_lock = not self._locked
        if took_lock:
            self.lock()
        try:
            if not self._is_pending(token):
                raise RouterRejectedError(self.router, f"{what}: the commit is not pending any more")
            with self._asking(what) as config:
                if rollback:
                    config.rollback(rollback)
                config.commit(comment=comment, timeout=self.login.timeout)
        finally:
            if took_lock:
                self.unlock()

    def _history(self) -> list[str]:
        """Return the text of every commit that Junos remembers, newest first."""
        with self._asking("read the commit history"):
            reply = self._device.rpc.get_commit_information()
        return [" ".join(" ".join(entry.itertext()).split()) for entry in reply.iter("commit-history")]

    def _is_pending(self, token: str) -> bool:
        history = self._history()
        return bool(history) and token in history[0] and "rollback in" in history[0]

    def commit_state(self, token: str, lists: PrefixLists) -> CommitState:
        """Ask the commit history; where somebody committed after us, what is in effect decides."""
        history = self._history()
        newest = next((index for index, entry in enumerate(history) if token in entry), None)
        if newest is None:
            return CommitState.ABSENT
        if f"{token} cancelled" in history[newest]:
            return CommitState.ROLLED_BACK
        if newest == 0 and f"{token} confirmed" not in history[0]:
            return CommitState.PENDING if "rollback in" in history[0] else CommitState.CONFIRMED
        in_effect = same_lists(self.read_lists(lists), lists)
        return CommitState.CONFIRMED if in_effect else CommitState.ROLLED_BACK

    def health(self) -> dict[str, PeerHealth]:
        """Return the sessions of `show bgp summary`."""
        with self._asking("read BGP sessions"):
            reply = self._device.rpc.get_bgp_summary_information()
        peers = {}
        for node in reply.iter("bgp-peer"):
            peer = node.findtext("peer-address", "").strip().partition("+")[0]
            established = node.findtext("peer-state", "").strip() == "Established"
            counts = [_sum(node, f"bgp-rib/{name}-prefix-count") for name in ("received", "accepted")]
            peers[peer] = PeerHealth(peer, established, *counts)
        return peers


def _sum(node: Any, path: str) -> int:
    return sum(int((found.text or "0").strip()) for found in node.iterfind(path))


def _message(error: BaseException) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]


def _statements(lists: PrefixLists, current: PrefixLists) -> str:
    entries = []
    for name, prefixes in lists.items():
        if prefixes is not None:
            rows = "".join(f"        {prefix};\n" for prefix in prefixes)
            entries.append(f"    replace:\n    prefix-list {name} {{\n{rows}    }}\n")
        elif current.get(name) is not None:
            entries.append(f"    delete: prefix-list {name};\n")
    return f"policy-options {{\n{''.join(entries)}}}\n" if entries else ""
