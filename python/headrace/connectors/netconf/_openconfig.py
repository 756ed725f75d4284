"""Any router with NETCONF confirmed commits (RFC 6241, 1.1) and OpenConfig's routing policy model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.connectors.netconf import _xml as xml
from headrace.connectors.netconf._login import NetconfLogin
from headrace.connectors.routers import (
    CommitState,
    EventHook,
    PeerHealth,
    PrefixLists,
    RouterLockedError,
    RouterRejectedError,
    RouterUnreachableError,
    lists_diff,
    no_events,
    same_lists,
)

__all__ = ["NetconfDriver"]

NEEDED = (":candidate", ":confirmed-commit:1.1")


class NetconfDriver:
    """A ``RouterDriver`` on ncclient. Prefix lists are OpenConfig prefix sets, exact lengths.

    The commit is persistent (RFC 6241, 8.4.5.1): it outlives this session, and only who knows its token confirms it.
    """

    def __init__(self, router: str, login: NetconfLogin, on_event: EventHook = no_events) -> None:
        self.router = router
        self.login = login
        self._on_event = on_event
        self._manager: Any = None
        self._loaded: dict[str, tuple[str, ...] | None] = {}

    def open(self) -> None:
        """Connect; RouterRejectedError where the router has no candidate configuration or confirmed commits."""
        from ncclient import manager

        login = self.login
        with login.ssh_config() as config, self._connecting():
            self._manager = manager.connect(
                host=login.host, port=login.port, username=login.username, key_filename=login.key,
                password=login.password, timeout=login.timeout, hostkey_verify=True, ssh_config=config,
                allow_agent=login.use_agent, look_for_keys=False,
            )  # fmt: skip
        for capability in NEEDED:
            if capability not in self._manager.server_capabilities:
                self.close()
                raise RouterRejectedError(self.router, f"its NETCONF server has no {capability[1:]}")
        self._on_event("connected", {"address": login.host, "port": login.port})

    @contextlib.contextmanager
    def _connecting(self) -> Iterator[None]:
        from ncclient.transport.errors import AuthenticationError, SSHError, SSHUnknownHostError

        reason, cause = "", None
        try:
            yield
        except SSHUnknownHostError as error:
            reason, cause = f"its host key is not the one in {self.login.known_hosts}", error
        except AuthenticationError as error:
            reason, cause = f"it does not accept the login of {self.login.username}", error
        except (SSHError, OSError, EOFError) as error:
            reason, cause = f"no NETCONF session: {error}", error
        if reason:
            self._on_event("connection_failed", {"reason": reason})
            raise RouterUnreachableError(self.router, reason) from cause

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        """Yield the session; what fails on it becomes a RouterError that says ``what`` failed."""
        from ncclient import NCClientError
        from ncclient.operations import RPCError

        if self._manager is None:
            raise RouterUnreachableError(self.router, f"{what}: not connected")
        try:
            yield self._manager
        except RPCError as error:
            kind = RouterLockedError if error.tag in ("lock-denied", "in-use") else RouterRejectedError
            raise kind(self.router, f"{what}: {error.message or error.tag}") from error
        except (NCClientError, OSError, EOFError) as error:
            raise RouterUnreachableError(self.router, f"{what}: the session failed: {error}") from error

    def close(self) -> None:
        """End the session."""
        session, self._manager = self._manager, None
        if session is not None:
            with contextlib.suppress(Exception):
                session.close_session()
            self._on_event("disconnected", {})

    def lock(self) -> None:
        """Lock the candidate and make it equal to the running configuration."""
        with self._asking("lock") as session:
            try:
                session.lock("candidate")
            except Exception as error:
                raise RouterLockedError(self.router, f"lock: {getattr(error, 'message', error)}") from error
            session.discard_changes()

    def unlock(self) -> None:
        """Drop what was loaded, unlock."""
        with self._asking("unlock") as session:
            session.discard_changes()
            session.unlock("candidate")

    def read_lists(self, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        """Return prefix sets out of the running configuration."""
        return self._read("running", names)

    def _read(self, source: str, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        wanted = list(names)
        if not wanted:
            return {}
        with self._asking("read prefix sets") as session:
            reply = session.get_config(source, filter=("subtree", xml.sets_filter(wanted)))
        found = xml.parse_sets(reply.data_xml)
        return {name: found.get(name) for name in wanted}

    def load(self, lists: PrefixLists) -> None:
        """Edit the candidate; the router tests every edit before it takes it where it can (validate 1.1)."""
        with self._asking("load") as session:
            test = "test-then-set" if ":validate:1.1" in session.server_capabilities else None
            session.edit_config(target="candidate", config=xml.edit(lists), test_option=test)
        self._loaded = {name: None if p is None else tuple(p) for name, p in lists.items()}

    def diff(self) -> str:
        """Compare candidate and running configuration."""
        text = lists_diff(self._read("running", self._loaded), self._read("candidate", self._loaded))
        self._on_event("preview", {"diff": text})
        return text

    def validate(self) -> None:
        """Check that the candidate holds what was loaded, and have it validated where ``load`` could not."""
        if not same_lists(self._read("candidate", self._loaded), self._loaded):
            raise RouterRejectedError(self.router, "validate: the candidate does not hold what was loaded")
        with self._asking("validate") as session:
            if ":validate:1.1" not in session.server_capabilities and ":validate" in session.server_capabilities:
                session.validate("candidate")

    def commit_confirmed(self, seconds: int, token: str) -> None:
        """Commit with ``persist``; the router rolls back after ``seconds``."""
        with self._asking("commit") as session:
            session.commit(confirmed=True, timeout=str(int(seconds)), persist=token)
        self._on_event("committed", {"confirm_within": seconds, "token": token})

    def confirm(self, token: str) -> None:
        """Confirm by the token; nothing but that commit can be confirmed with it."""
        with self._asking("confirm") as session:
            session.commit(persist_id=token)
        self._on_event("confirmed", {"token": token})

    def cancel(self, token: str) -> None:
        """Cancel the pending commit of the token."""
        with contextlib.suppress(RouterRejectedError), self._asking("cancel") as session:
            session.cancel_commit(persist_id=token)
        self._on_event("rolled_back", {"token": token})

    def commit_state(self, token: str, lists: PrefixLists) -> CommitState:
        """Judge by what is in effect: NETCONF cannot be asked about a token without confirming it.

        ``lists`` in effect: PENDING (to confirm it shows whether it still was). Otherwise ROLLED_BACK.
        """
        current = self.read_lists(lists)
        return CommitState.PENDING if same_lists(current, lists) else CommitState.ROLLED_BACK

    def health(self) -> dict[str, PeerHealth]:
        """Return the sessions out of OpenConfig's network instances; RouterRejectedError where they are not there."""
        with self._asking("read BGP sessions") as session:
            reply = session.get(filter=("subtree", xml.NEIGHBORS_FILTER))
        peers = xml.parse_neighbors(reply.data_xml)
        if not peers:
            raise RouterRejectedError(self.router, "it reports no BGP session (OpenConfig network-instance)")
        return peers
