"""What the stages of one run share, and what each of them does with one unit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.connectors.bgpq4 import BGPq4
from headrace.connectors.routers import RouterError
from headrace.errors import ResourceError
from headrace.pipelines.bgp.applier import Change, PolicyApplier
from headrace.pipelines.bgp.approvals import ApprovalQueue
from headrace.pipelines.bgp.asn import AsKind, classify
from headrace.pipelines.bgp.collector import RouterCollector
from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.errors import PipelineExecutionError
from headrace.pipelines.bgp.guardrails import LastGoodLists
from headrace.pipelines.bgp.judge import PolicyJudge
from headrace.pipelines.bgp.mappings import YAMLGenerator
from headrace.pipelines.bgp.models import ApplicationResult, DeviceInfo, DiscoveryResult, PolicyResult, RouterProfile
from headrace.pipelines.bgp.parsing import RouterInspector, detect_format, redact_secrets
from headrace.pipelines.bgp.policy import PolicyCombiner
from headrace.pipelines.bgp.progress import ProgressReporter, StageClock
from headrace.pipelines.bgp.records import ApplyRecords, token_for
from headrace.pipelines.bgp.rollout import split_waves
from headrace.pipelines.bgp.safety import UnifiedSafetyManager
from headrace.pipelines.bgp.trail import AuditTrail
from headrace.types import Empty, Failed, Lookup, Ok

__all__ = ["BgpJob", "CollectionError"]


class CollectionError(PipelineExecutionError):
    """One router's configuration did not come. Attributes: ``error_type`` (that of hr.collect), ``seconds``."""

    def __init__(self, error_type: str, message: str, seconds: float = 0.0) -> None:
        self.error_type = error_type
        self.message = message
        self.seconds = seconds
        super().__init__(error_type, message, seconds)

    def __str__(self) -> str:
        # "auth: words" reads like a setting with its secret, and would be shown without the first of the words.
        kind = "auth failed" if self.error_type == "auth" else self.error_type
        return f"{kind}: {self.message}"


@dataclass
class BgpJob:
    """The devices, the settings and the folders of one run. Safe to use from several threads.

    ``recorded``: host names whose configuration the run that is gone on with has already; ``asked``: AS numbers that it
    asks for, or has asked for.
    """

    __headrace_fingerprint__ = "headrace.pipelines.bgp.job/1"  # what a run does depends on its execution id, not on us

    devices: Sequence[DeviceInfo]
    config: BgpConfig
    output_dir: Path
    execution_id: str
    recorded: Collection[str] = ()
    asked: Collection[int] = ()

    def __post_init__(self) -> None:
        self.collector = RouterCollector(self.devices, self.config, self.recorded)
        self.state_dir = self.config.state_dir or self.output_dir / "state"
        self.trail = AuditTrail(self.state_dir, self.config.email)
        self.records = ApplyRecords(self.state_dir / "applies")
        self.approvals = ApprovalQueue(self.state_dir / "approvals")
        self.last_good = LastGoodLists(self.state_dir / "last-good.db")
        self.halt = self.config.halt_switch(self.state_dir)
        self.progress = ProgressReporter(len(self.devices))
        self.clock = StageClock()
        self.applier = PolicyApplier(self.config, self.records, self.approvals, self.trail, self.halt)
        self.by_name = {device.hostname: device for device in self.devices}
        self._discovered: dict[str, DiscoveryResult] = {}
        self._policies: dict[int, PolicyResult] | None = None
        self.policy_files: tuple[str, ...] | None = None  # what write_policies wrote, where it was this process
        self._asked = set(self.asked)
        self._lock = threading.Lock()

    # --- collection and discovery

    def collect(self, hostname: str, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Return one router's configuration, without its secrets; CollectionError where it did not come whole."""
        outcome = self.collector.read(self.by_name[hostname], cancelled)
        self.progress.device_done("collection")
        if not outcome.ok:
            message = outcome.message.replace("; raise timeout", "; raise connection_timeout")
            raise CollectionError(outcome.error_type or "protocol", message, outcome.seconds)
        text = bytes(outcome.stdout).decode("utf-8", "replace")
        detect_format(text)
        return {"bgp_data": redact_secrets(text), "seconds": outcome.seconds, "attempts": outcome.attempts}

    def discover(self, hostname: str, bgp_data: str) -> dict[str, Any]:
        """Return what a configuration says, as the journal has it; it stays at hand for ``discovered``, too."""
        device = self.by_name[hostname]
        found = RouterInspector().inspect_router(RouterProfile(hostname, device.address, device.platform, bgp_data))
        self._discovered[hostname] = found
        self.progress.device_done("discovery")
        return found.to_dict()

    def discovered(self, recorded: Callable[[], Mapping[str, Any]]) -> dict[str, DiscoveryResult]:
        """Return what ``discover`` found on each router, by host name; of earlier processes, what is ``recorded``."""
        known = dict(self._discovered)
        if len(known) < len(self.devices):
            known = {name: known.get(name) or DiscoveryResult.from_dict(entry) for name, entry in recorded().items()}
        return dict(sorted(known.items()))

    def write_mappings(self, found: Mapping[str, DiscoveryResult]) -> str:
        """Write which router talks to which AS as YAML, what it replaces into the history; return the path."""
        generator = YAMLGenerator(self.output_dir)
        profiles = [result.profile(self.by_name[hostname]) for hostname, result in found.items()]
        return str(generator.save_with_history(generator.generate_mappings(profiles)))

    def eligible(self, numbers: Iterable[int]) -> list[int]:
        """Return the AS numbers that a registry can know."""
        kinds = {AsKind.PUBLIC} | ({AsKind.PRIVATE} if self.config.guardrails.allow_private_as else set())
        return [number for number in sorted(set(numbers)) if classify(number) in kinds]

    # --- generation

    def not_asked_yet(self, numbers: Iterable[int]) -> list[int]:
        """Return those that a registry can know and that no router named before. They count as asked from now on."""
        with self._lock:
            new = self.eligible(set(numbers) - self._asked)
            self._asked.update(new)
        return new

    def look_up(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return one answer for each AS: status (ok, empty, failed), prefixes, reason, seconds."""
        config = self.config
        client = BGPq4(
            mode=config.bgpq4_mode, timeout=config.bgpq4_timeout, host=config.bgpq4_host,
            sources=config.bgpq4_sources, families=config.families, workers=config.bgpq4_workers,
            allow_private=config.guardrails.allow_private_as, max_prefixes=4 * config.guardrails.max_prefixes,
        )  # fmt: skip
        started = time.monotonic()
        try:
            answers: Mapping[int, Lookup] = client.look_up_many(numbers)
        except ResourceError as error:
            answers = dict.fromkeys(numbers, Failed(str(error)))
        seconds = (time.monotonic() - started) / max(1, len(numbers))
        return [_answer(answers[number], seconds) for number in numbers]

    def judge(self, answers: Mapping[int, Mapping[str, Any]], numbers: Sequence[int]) -> dict[int, PolicyResult]:
        """Return the policy of each AS in ``numbers``; the good ones become the last good ones."""
        judge = PolicyJudge(self.config, self.last_good, self.approvals)
        missing = {"status": "failed", "reason": "it was not looked up", "seconds": 0.0}
        found = {number: answers.get(number, missing) for number in numbers}
        policies = judge.limit_total(judge.judge_all({n: (_lookup(a), a["seconds"]) for n, a in found.items()}))
        judge.remember(policies, self.execution_id)
        return policies

    def write_policies(self, policies: Mapping[int, PolicyResult], routers: Mapping[str, Sequence[int]]) -> list[str]:
        """Write the policy files and return their paths: one folder a router, or all in one."""
        written = self._written(policies, routers)
        self.policy_files = tuple(written)
        return written

    def _written(self, policies: Mapping[int, PolicyResult], routers: Mapping[str, Sequence[int]]) -> list[str]:
        if not any(policy.effective_prefixes is not None for policy in policies.values()):
            return []
        if self.config.separate_files:
            return self._write_separate(policies, routers)
        platforms = sorted({_language(device.platform) for device in self.devices})
        written = []
        for platform in platforms:
            name = "bgp_policies.txt" if platform == platforms[-1] else f"bgp_policies.{platform}.txt"
            path = self.output_dir / name
            written.append(str(PolicyCombiner(platform).write_combined_file(list(policies.values()), path)))
        return written

    def _write_separate(self, policies: Mapping[int, PolicyResult], routers: Mapping[str, Sequence[int]]) -> list[str]:
        written: list[str] = []
        for hostname, numbers in routers.items():
            mine = [policies[number] for number in numbers if number in policies]
            combiner = PolicyCombiner(_language(self.by_name[hostname].platform))
            written += map(str, combiner.write_separate_files(mine, self.output_dir / "routers" / hostname))
        return written

    # --- application

    def remember_policies(self, policies: Mapping[int, PolicyResult]) -> None:
        """Keep the policies at hand for ``apply``; a resumed run reads them from its records instead."""
        with self._lock:
            self._policies = dict(policies)

    @property
    def policies(self) -> dict[int, PolicyResult] | None:
        """The policies, where they are at hand."""
        with self._lock:
            return self._policies

    def waves(self, routers: Mapping[str, Sequence[int]], policies: Mapping[int, PolicyResult]) -> list[list[str]]:
        """Return the routers that have something to apply, wave by wave, in the order of the devices."""
        ready = [
            device.hostname
            for device in self.devices
            if any(number in policies and policies[number].success for number in routers.get(device.hostname, ()))
        ]
        return split_waves(ready, self.config.rollout)

    def apply(self, hostname: str, numbers: Sequence[int]) -> ApplicationResult:
        """Apply to one router the good lists of its AS numbers, unless the rollout was stopped by another router."""
        if not self.config.dry_run and (reason := self.records.failure(self.execution_id)) is not None:
            return ApplicationResult(hostname, False, reason=f"the rollout stopped at {reason}", outcome="skipped")
        return self._noted(self.applier.apply(self.change(hostname, numbers)))

    def settle(self, hostname: str, numbers: Sequence[int]) -> ApplicationResult | None:
        """Ask a router what became of a change that was begun when we died; None: nothing has happened yet."""
        result = self.applier.settle(self.change(hostname, numbers))
        return None if result is None else self._noted(result)

    def settle_leftovers(self) -> list[ApplicationResult]:
        """Settle commits of earlier executions, on routers that this one had no reason to change."""
        if self.config.mode == "user" or self.config.dry_run:
            return []
        left = [(device, record) for device in self.devices for record in self.records.unsettled(device.hostname)]
        found = []
        for device, record in left:
            change = Change(device, record.wanted, record.token, record.execution_id, demanded=True)
            try:
                result = self.applier.settle(change)
            except RouterError as error:
                result = ApplicationResult(device.hostname, False, reason=error.message, error_message=error.message)
            found += [] if result is None else [result]
        return found

    def _noted(self, result: ApplicationResult) -> ApplicationResult:
        if result.outcome in ("failed", "rolled_back"):
            self.records.note_failure(self.execution_id, result.router, result.reason or result.outcome)
        self.progress.device_done("application")
        return result

    def change(self, hostname: str, numbers: Sequence[int]) -> Change:
        """Return what a router shall have. A failed, empty or held list is not in it: the router keeps what it has."""
        good = [p for n in numbers if (p := (self.policies or {}).get(n)) is not None and p.success]
        weighed = UnifiedSafetyManager(self.config.guardrails).validate_policies_before_apply(good)
        lists = {policy.name: policy.prefixes for policy in good}
        return Change(
            self.by_name[hostname],
            lists,
            token_for(self.execution_id, hostname, lists),
            self.execution_id,
            weighed.risk_level,
            weighed.reasons,
            approved=frozenset(policy.name for policy in good if policy.approved),
        )


def _language(platform: str) -> str:
    return "frr" if platform == "frr" else "junos"


def _answer(lookup: Lookup, seconds: float) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": "ok", "prefixes": [], "reason": "", "seconds": seconds}
    if isinstance(lookup, Ok):
        return {**answer, "prefixes": list(lookup.value)}
    if isinstance(lookup, Empty):
        return {**answer, "status": "empty"}
    return {**answer, "status": "failed", "reason": lookup.reason}


def _lookup(answer: Mapping[str, Any]) -> Lookup:
    if answer["status"] == "ok":
        return Ok(tuple(answer["prefixes"]))
    return Empty() if answer["status"] == "empty" else Failed(answer["reason"])
