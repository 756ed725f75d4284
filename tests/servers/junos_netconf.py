"""A router that speaks NETCONF as Junos does: an sshd subsystem (stdin and stdout) over a state file per address.

Modelled: the exclusive lock, which goes with the session; load (curly text with ``replace:`` and ``delete:``), compare,
rollback n, commit check, commit confirmed with its roll back at the deadline, the commit history with log messages,
the BGP summary. A device's peers announce fixed prefixes, and its prefix lists let them in or not.

Run as: python junos_netconf.py FOLDER, the device's folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END = b"]]>]]>"
NS = "urn:ietf:params:xml:ns:netconf:base:1.0"
ENTRY = r"\s*(?:replace:\s*prefix-list\s+(\S+)\s*\{([^{}]*)\}|delete:\s*prefix-list\s+(\S+?)\s*;)"
POLICY = re.compile(rf"\s*policy-options\s*\{{((?:{ENTRY})+)\s*\}}\s*")


@dataclass
class Device:
    """The state of one router; also how tests look at it and change it."""

    folder: Path

    @contextlib.contextmanager
    def state(self) -> Iterator[dict[str, Any]]:
        """Yield the state, exclusively; what is changed in it is kept. An overdue commit is rolled back first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "state.lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            path = self.folder / "state.json"
            value = json.loads(path.read_text()) if path.exists() else self.fresh()
            _roll_back_if_overdue(value)
            yield value
            path.with_suffix(".tmp").write_text(json.dumps(value, indent=1))
            path.with_suffix(".tmp").replace(path)

    @staticmethod
    def fresh() -> dict[str, Any]:
        """Return the state of a router that was just unpacked."""
        return {
            "running": {}, "candidate": None, "history": [], "pending": None, "peers": {}, "fault": None,
            "seconds_a_minute": 60.0, "rpcs": [],
        }  # fmt: skip

    def running(self) -> dict[str, list[str]]:
        """Return the lists in effect."""
        with self.state() as state:
            return dict(state["running"])

    def commits(self) -> list[str]:
        """Return log and comment of every commit, newest first."""
        with self.state() as state:
            return [f"{entry['user']} {entry['log']} {entry['comment']}".strip() for entry in state["history"]]


def _commit(state: dict[str, Any], lists: dict[str, list[str]], user: str, log: str = "", comment: str = "") -> None:
    entry = {"user": user, "log": log, "comment": comment, "before": state["running"], "time": time.time()}
    state["history"].insert(0, entry)
    state["running"] = lists


def _roll_back_if_overdue(state: dict[str, Any]) -> None:
    pending = state["pending"]
    if pending is not None and time.time() >= pending["deadline"]:
        state["pending"] = state["candidate"] = None
        _commit(state, pending["before"], "root")


def error(message: str, tag: str = "operation-failed") -> str:
    return (
        f'<rpc-error xmlns="{NS}"><error-type>protocol</error-type><error-tag>{tag}</error-tag>'
        f"<error-severity>error</error-severity><error-message>{message}</error-message></rpc-error>"
    )


class Session:
    """One NETCONF session."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lock_file: Any = None

    def answer(self, rpc: Any) -> str:
        name = rpc.tag.rpartition("}")[2]
        handler = getattr(self, "do_" + name.replace("-", "_"), None)
        if handler is None:
            return error(f"syntax error, unknown rpc {name}")
        with self.device.state() as state:
            state["rpcs"].append(name)
            reply = str(handler(rpc, state))
            lost = state["fault"] == "lose-session" and rpc.find("confirmed") is not None
        if lost:
            raise ConnectionAbortedError
        return reply

    def do_lock_configuration(self, rpc: Any, state: dict[str, Any]) -> str:
        handle = (self.device.folder / "configuration.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return error("configuration database locked by: ops terminal p0 (pid 4711)", "lock-denied")
        self.lock_file, state["candidate"] = handle, None
        return "<ok/>"

    def do_unlock_configuration(self, rpc: Any, state: dict[str, Any]) -> str:
        if self.lock_file is None:
            return error("configuration database is not locked")
        self.lock_file.close()
        self.lock_file, state["candidate"] = None, None
        return "<ok/>"

    def do_load_configuration(self, rpc: Any, state: dict[str, Any]) -> str:
        if (back := rpc.get("rollback")) is not None:
            earlier = state["running"] if int(back) == 0 else state["history"][int(back) - 1]["before"]
            state["candidate"] = dict(earlier)
            return "<load-configuration-results><ok/></load-configuration-results>"
        candidate = dict(state["running"] if state["candidate"] is None else state["candidate"])
        policy = POLICY.fullmatch(text_of(rpc, "configuration-text"))
        if policy is None or rpc.get("action") != "replace":
            return f"<load-configuration-results>{error('syntax error')}</load-configuration-results>"
        for found in re.finditer(ENTRY, policy[1]):
            if found[1] is not None:
                candidate[found[1]] = [word.strip() for word in found[2].split(";") if word.strip()]
            else:
                candidate.pop(found[3], None)
        state["candidate"] = candidate
        return "<load-configuration-results><ok/></load-configuration-results>"

    def do_get_configuration(self, rpc: Any, state: dict[str, Any]) -> str:
        if rpc.get("compare") == "rollback":
            lines = "\n".join(compare(state["running"], self.candidate(state)))
            return wrap(f"<configuration-output>{lines}</configuration-output>", "configuration-information")
        lists = state["running"] if rpc.get("database") == "committed" else self.candidate(state)
        names = [node.text for node in rpc.iter() if str(node.tag).endswith("name")] or list(lists)
        entries = "".join(list_xml(name, lists[name]) for name in names if name in lists)
        return f"<configuration><policy-options>{entries}</policy-options></configuration>"

    @staticmethod
    def candidate(state: dict[str, Any]) -> dict[str, list[str]]:
        return dict(state["running"] if state["candidate"] is None else state["candidate"])

    def do_commit_configuration(self, rpc: Any, state: dict[str, Any]) -> str:
        candidate = self.candidate(state)
        for name, prefixes in candidate.items():
            for prefix in prefixes:
                try:
                    ipaddress.ip_network(prefix)
                except ValueError:
                    return error(f"prefix-list {name}: invalid prefix {prefix}: configuration check-out failed")
        if rpc.find("check") is not None:
            if state["pending"]:
                state["pending"] = None  # as Junos does: a check confirms
            return wrap("<name>re0</name><commit-check-success/>", "commit-results", "routing-engine")
        return self.commit(rpc, state, candidate)

    def commit(self, rpc: Any, state: dict[str, Any], candidate: dict[str, list[str]]) -> str:
        fault = state["fault"]
        if fault == "reject":
            return error("commit failed: policy error")
        if fault == "lie":
            return "<ok/>"
        log, before, pending = text_of(rpc, "log"), state["running"], state["pending"]
        state["pending"] = state["candidate"] = None
        if rpc.find("confirmed") is None:
            _commit(state, candidate, "netops", log)
            return "<ok/>"
        minutes = int(text_of(rpc, "confirm-timeout") or 10)
        deadline = time.time() + minutes * state["seconds_a_minute"]
        state["pending"] = {"before": pending["before"] if pending else before, "deadline": deadline}
        _commit(state, candidate, "netops", log, f"commit confirmed, rollback in {minutes}mins")
        return "<ok/>"

    def do_get_commit_information(self, rpc: Any, state: dict[str, Any]) -> str:
        entries = (
            f"<commit-history><sequence-number>{number}</sequence-number><user>{entry['user']}</user>"
            f"<client>{'other' if entry['user'] == 'root' else 'netconf'}</client><date-time>x</date-time>"
            f"<comment>{entry['comment']}</comment><log>{entry['log']}</log></commit-history>"
            for number, entry in enumerate(state["history"])
        )
        return f"<commit-information>{''.join(entries)}</commit-information>"

    def do_get_bgp_summary_information(self, rpc: Any, state: dict[str, Any]) -> str:
        return f"<bgp-information>{''.join(peer_xml(*p, state) for p in state['peers'].items())}</bgp-information>"

    def do_close_session(self, rpc: Any, state: dict[str, Any]) -> str:
        return "<ok/>"


def wrap(text: str, *names: str) -> str:
    for name in reversed(names):
        text = f"<{name}>{text}</{name}>"
    return text


def text_of(rpc: Any, name: str) -> str:
    return next(((node.text or "").strip() for node in rpc.iter() if str(node.tag).endswith(name)), "")


def compare(before: dict[str, list[str]], after: dict[str, list[str]]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name, []), after.get(name, [])
        if old != new:
            yield f"[edit policy-options prefix-list {name}]"
            yield from (f"-    {prefix};" for prefix in old if prefix not in new)
            yield from (f"+    {prefix};" for prefix in new if prefix not in old)


def list_xml(name: str, prefixes: list[str]) -> str:
    items = "".join(f"<prefix-list-item><name>{prefix}</name></prefix-list-item>" for prefix in prefixes)
    return f"<prefix-list><name>{name}</name>{items}</prefix-list>"


def peer_xml(address: str, peer: dict[str, Any], state: dict[str, Any]) -> str:
    """A peer with fault 'drops-peers' goes down as soon as anything is committed."""
    down = state["fault"] == "drops-peers" and bool(state["history"]) and bool(state["pending"])
    accepted = [prefix for prefix in peer["announces"] if prefix in state["running"].get(peer["list"], [])]
    counts = f"<received-prefix-count>{len(peer['announces'])}</received-prefix-count>"
    counts += f"<accepted-prefix-count>{len(accepted)}</accepted-prefix-count>"
    state_name = "Active" if down or not peer.get("up", True) else "Established"
    rib = f"<bgp-rib><name>inet.0</name>{counts}</bgp-rib>" if state_name == "Established" else ""
    return f"<bgp-peer><peer-address>{address}+179</peer-address><peer-state>{state_name}</peer-state>{rib}</bgp-peer>"


def send(text: str) -> None:
    sys.stdout.buffer.write(text.encode() + END)
    sys.stdout.buffer.flush()


def main() -> None:
    from lxml import etree

    session = Session(Device(Path(sys.argv[1])))
    capabilities = ["urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:capability:candidate:1.0",
                    "urn:ietf:params:netconf:capability:confirmed-commit:1.0",
                    "urn:ietf:params:netconf:capability:validate:1.0", "http://xml.juniper.net/netconf/junos/1.0",
                    "http://xml.juniper.net/dmi/system/1.0"]  # fmt: skip
    listed = "".join(f"<capability>{entry}</capability>" for entry in capabilities)
    send(f'<hello xmlns="{NS}"><capabilities>{listed}</capabilities><session-id>{os.getpid()}</session-id></hello>')
    buffer = b""
    while data := os.read(0, 65536):
        buffer += data
        while END in buffer:
            message, buffer = buffer.split(END, 1)
            rpc = etree.fromstring(message.strip())
            if rpc.tag.endswith("hello"):
                continue
            operation = next(child for child in rpc if isinstance(child.tag, str))
            attributes = " ".join(f'{name}="{value}"' for name, value in rpc.attrib.items())
            send(f'<rpc-reply xmlns="{NS}" {attributes}>{session.answer(operation)}</rpc-reply>')
            if operation.tag.endswith("close-session"):
                return


if __name__ == "__main__":
    with contextlib.suppress(ConnectionAbortedError, BrokenPipeError):
        main()
