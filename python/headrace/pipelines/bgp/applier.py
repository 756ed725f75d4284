"""Changes one router: lock, load, diff, validate, commit confirmed, health check, confirm. Or back, and says so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from headrace.connectors.routers import (
    CommitState,
    EventHook,
    PrefixLists,
    RouterDriver,
    RouterError,
    RouterLockedError,
    RouterUnreachableError,
    same_lists,
)
from headrace.errors import HeadraceError
from headrace.pipelines.bgp.approvals import ApprovalQueue
from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.drivers import make_driver
from headrace.pipelines.bgp.guardrails import HaltSwitch, check_change
from headrace.pipelines.bgp.health import wait_until_well
from headrace.pipelines.bgp.models import ApplicationResult, DeviceInfo
from headrace.pipelines.bgp.records import ApplyRecord, ApplyRecords, lists_digest
from headrace.pipelines.bgp.safety import highest
from headrace.pipelines.bgp.trail import AuditTrail

__all__ = ["Change", "PolicyApplier"]

GRACE = 30.0
"""Seconds after the deadline within which a router must have rolled back and be reachable again."""


@dataclass(frozen=True)
class Change:
    """What one router shall have. ``lists`` by name; ``risk_level`` and ``reasons`` as weighed; ``token`` names it.

    ``approved``: names of lists that a person let pass. ``demanded``: a person asked for exactly this, so it needs
    neither approval nor low risk.
    """

    device: DeviceInfo
    lists: PrefixLists
    token: str
    execution_id: str
    risk_level: str = "low"
    reasons: tuple[str, ...] = ()
    approved: frozenset[str] = frozenset()
    demanded: bool = False


@dataclass
class PolicyApplier:
    """Applies changes with the state under one folder. One object serves many threads, one router each."""

    config: BgpConfig
    records: ApplyRecords
    approvals: ApprovalQueue
    trail: AuditTrail
    halt: HaltSwitch
    driver_factory: Callable[[DeviceInfo, BgpConfig, EventHook], RouterDriver] = make_driver

    def apply(self, change: Change) -> ApplicationResult:
        """Bring the router to what it shall have, and return what happened. Raises where nobody can tell."""
        started = time.monotonic()
        if (known := self.records.get(change.device.hostname, change.token)) is not None:
            result = self._of_record(change, known) if not known.unsettled else self.settle(change)
            if result is not None:
                return self._finished(change, result, started)
        try:
            result = self._refused(change) or self._connected(change)
        except RouterError as error:
            result = self._result(change, "failed", error.message)
        return self._finished(change, result, started)

    def _finished(self, change: Change, result: ApplicationResult, started: float) -> ApplicationResult:
        sent = self.trail.notifications(change.device.hostname)
        self.trail.flush()
        return replace(result, email_notifications_sent=sent, seconds=time.monotonic() - started)

    def _refused(self, change: Change) -> ApplicationResult | None:
        """Every reason that needs no look at the router."""
        needed = self.config.confirm_timeout + GRACE
        window = None if self.config.dry_run else self.config.maintenance_window
        reason = self.halt.reason() or (window and window.refusal(datetime.now(timezone.utc), needed))
        if not reason and self.config.mode == "autonomous" and not self.config.dry_run:
            reason = self.trail.refusal()
        return self._result(change, "refused", reason) if reason else None

    def _connected(self, change: Change) -> ApplicationResult:
        router = change.device.hostname
        for older in self.records.unsettled(router):
            if older.token != change.token:
                self.settle(replace(change, token=older.token))
        driver = self.driver_factory(change.device, self.config, self._hook(router))
        driver.open()
        try:
            driver.lock()
            try:
                return self._locked(change, driver)
            finally:
                with contextlib.suppress(RouterError):
                    driver.unlock()
        finally:
            driver.close()

    def _locked(self, change: Change, driver: RouterDriver) -> ApplicationResult:
        before = driver.read_lists(change.lists)
        wanted = {n: p for n, p in change.lists.items() if not same_lists({n: before[n]}, {n: p})}
        if not wanted:
            return self._result(change, "unchanged", None, success=True)
        health = driver.health()
        driver.load(wanted)
        diff = driver.diff()
        driver.validate()
        if (held := self._held(change, wanted, before, diff)) is not None:
            return held
        if (reason := self.halt.reason()) is not None:
            return self._result(change, "refused", reason, diff)
        now = time.time()
        record = ApplyRecord(
            router=change.device.hostname,
            token=change.token,
            execution_id=change.execution_id,
            phase="committing",
            wanted={name: None if prefixes is None else tuple(prefixes) for name, prefixes in wanted.items()},
            before={name: before[name] for name in wanted},
            health=dict(health),
            content=lists_digest(change.lists),
            diff=diff,
            started_at=now,
            deadline=now + self.config.confirm_timeout,
        )
        return self._commit(change, driver, self.records.save(record))

    def _held(self, change: Change, wanted: PrefixLists, before: PrefixLists, diff: str) -> ApplicationResult | None:
        """Dry runs end here, and what needs a person's approval and does not have it."""
        change = self._weighed(change, wanted, before)
        if self.config.dry_run:
            return self._result(change, "dry_run", None, diff)
        if change.demanded:
            return None
        if self.config.mode == "autonomous" and change.risk_level == "low" and not self._was_rejected(change):
            return None
        return self._asked(change, diff)

    def _was_rejected(self, change: Change) -> bool:
        """Whether a person said no to exactly this. A question that still waits is answered by the low risk."""
        known = self.approvals.find("router", change.device.hostname, lists_digest(change.lists))
        if known is not None and known.state == "pending":
            self.approvals.approve(known.id, "autonomous mode", "low risk")
        return known is not None and known.state == "rejected"

    def _weighed(self, change: Change, wanted: PrefixLists, before: PrefixLists) -> Change:
        """The last good lists may be right, and the router still have others: what it has now counts too."""
        broken = []
        for name, prefixes in wanted.items():
            old = before[name]
            if old and name not in change.approved:
                violation = check_change(old, prefixes or (), self.config.guardrails)
                broken += [f"{name} on the router: {violation}"] if violation else []
        risk = highest([change.risk_level, "high"]) if broken else change.risk_level
        return replace(change, risk_level=risk, reasons=tuple(dict.fromkeys((*change.reasons, *broken))))

    def _asked(self, change: Change, diff: str) -> ApplicationResult | None:
        router = change.device.hostname
        reason = "; ".join(change.reasons) or f"mode {self.config.mode}: a person decides"
        asked = self.approvals.submit(
            "router", router, lists_digest(change.lists), reason, details=diff, risk_level=change.risk_level
        )
        if asked.state == "approved":
            return None
        if asked.state == "rejected":
            why = f"rejected by {asked.decided_by}: {asked.note or asked.reason}"
            return self._result(change, "refused", why, diff)
        result = self._result(change, "queued", f"waits for approval {asked.id}: {reason}", diff)
        return replace(result, manual_approval_required=True)

    def _commit(self, change: Change, driver: RouterDriver, record: ApplyRecord) -> ApplicationResult:
        try:
            driver.commit_confirmed(self.config.confirm_timeout, change.token)
        except RouterUnreachableError:
            driver.close()
            return self.settle(change) or self._not_made(change, record, "the session was lost before the commit")
        except HeadraceError as error:
            self.trail.event(record.router, "commit_failed", {"reason": str(error), "diff": record.diff})
            return self._not_made(change, record, str(error))
        record = self.records.settle(record, "committed")
        try:
            return self._decide(change, driver, record)
        except RouterError:
            driver.close()
            result = self.settle(change)
            return result or self._not_made(change, record, "the router says it never had this commit")

    def _not_made(self, change: Change, record: ApplyRecord, reason: str) -> ApplicationResult:
        self.records.settle(record, "failed", reason)
        return self._result(change, "failed", reason, record.diff)

    def _decide(self, change: Change, driver: RouterDriver, record: ApplyRecord) -> ApplicationResult:
        """The commit is pending: confirm it where the router is as well as before, else take it back."""
        state = driver.commit_state(record.token, record.wanted)
        if state is not CommitState.PENDING:
            return self._settled(change, driver, record, state)
        wrong = wait_until_well(
            driver, record.health, self.config.health, max_drop=self._max_drop(record), stop=self.halt.reason
        )
        if wrong:
            self.trail.event(record.router, "unhealthy", {"problems": wrong})
            driver.cancel(record.token)
            return self._taken_back(change, driver, record, "; ".join(wrong))
        driver.confirm(record.token)
        state = driver.commit_state(record.token, record.wanted)
        return self._settled(change, driver, record, CommitState.CONFIRMED if state is CommitState.PENDING else state)

    def _max_drop(self, record: ApplyRecord) -> float:
        """How much a session may lose: what was decided to be removed may be missing, and a little more."""
        fractions = [0.0]
        for name, prefixes in record.wanted.items():
            old = set(record.before.get(name) or ())
            if old:
                fractions.append(len(old - set(prefixes or ())) / len(old))
        return min(1.0, max(self.config.health.max_prefix_drop, max(fractions) + 0.05))

    def _settled(
        self, change: Change, driver: RouterDriver, record: ApplyRecord, state: CommitState
    ) -> ApplicationResult:
        if state is CommitState.CONFIRMED and same_lists(driver.read_lists(record.wanted), record.wanted):
            self.records.settle(record, "confirmed")
            return self._result(change, "confirmed", None, record.diff, success=True)
        if state is CommitState.PENDING:
            return self._decide(change, driver, record)
        driver.cancel(record.token)
        why = "it was not confirmed in time, so the router took it back"
        if state is CommitState.CONFIRMED:
            why = "it was confirmed, but somebody changed the lists since"
        return self._taken_back(change, driver, record, why)

    def _taken_back(self, change: Change, driver: RouterDriver, record: ApplyRecord, reason: str) -> ApplicationResult:
        if not same_lists(driver.read_lists(record.before), record.before):
            reason += "; AND ITS LISTS ARE NOT WHAT THEY WERE BEFORE"
        self.records.settle(record, "rolled_back", reason)
        self.trail.event(record.router, "rolled_back", {"reason": reason, "token": record.token, "diff": record.diff})
        return replace(self._result(change, "rolled_back", reason, record.diff), rollback_attempted=True)

    def settle(self, change: Change) -> ApplicationResult | None:
        """Ask the router what became of a commit that was begun, and finish it. None: the router never had it.

        Tries until the router must have rolled back by itself; RouterUnreachableError where it does not answer then.
        """
        router = change.device.hostname
        record = self.records.get(router, change.token)
        if record is None:
            return None
        if not record.unsettled:
            return self._of_record(change, record)
        tries = 0
        while True:
            driver = self.driver_factory(change.device, self.config, self._hook(router, tries))
            try:
                driver.open()
                return self._resumed(change, driver, record)
            except (RouterUnreachableError, RouterLockedError) as error:
                if time.time() > record.deadline + GRACE:
                    reason = f"what became of {record.token} is not known: {error.message}"
                    raise RouterUnreachableError(router, reason) from error
                tries += 1
                time.sleep(min(2.0, self.config.health.interval))
            finally:
                driver.close()

    def _hook(self, router: str, tries: int = 0) -> EventHook:
        """Return what records a router's events; of many failed connections in a row only the first."""

        def record(event: str, details: Mapping[str, Any]) -> None:
            if tries and event in ("connection_failed", "connected", "disconnected"):
                return
            known = self.records.get(router, str(details["token"])) if "token" in details else None
            self.trail.event(router, event, details if known is None else {"diff": known.diff, **details})

        return record

    def _resumed(self, change: Change, driver: RouterDriver, record: ApplyRecord) -> ApplicationResult | None:
        state = driver.commit_state(record.token, record.wanted)
        self.trail.event(record.router, "resumed", {"token": record.token, "state": str(state)})
        if state is CommitState.ABSENT:
            self.records.settle(record, "failed", "the router never had it")
            return None
        return self._settled(change, driver, record, state)

    def _of_record(self, change: Change, record: ApplyRecord) -> ApplicationResult | None:
        if record.phase == "confirmed":
            return self._result(change, "confirmed", None, record.diff, success=True)
        if record.phase == "rolled_back":
            result = self._result(change, "rolled_back", record.reason, record.diff)
            return replace(result, rollback_attempted=True)
        return None

    def _result(
        self, change: Change, outcome: str, reason: str | None, diff: str = "", *, success: bool = False
    ) -> ApplicationResult:
        bad = outcome in ("failed", "rolled_back")
        return ApplicationResult(
            router=change.device.hostname,
            success=success,
            autonomous=self.config.mode == "autonomous" and not change.demanded,
            policies_applied=len(change.lists) if outcome == "confirmed" else 0,
            commit_id=change.token if outcome in ("confirmed", "rolled_back") else None,
            error_message=reason if bad else None,
            risk_level=change.risk_level,
            reason=reason,
            outcome=outcome,
            diff=diff,
        )
