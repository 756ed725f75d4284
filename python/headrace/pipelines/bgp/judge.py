"""From what the registries answered to policies: every list passes the guardrails, or the last good one stays."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.errors import CheckpointCorruptionError
from headrace.pipelines.bgp.approvals import ApprovalQueue
from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.guardrails import LastGoodLists, RpkiTable, Violation, check_list
from headrace.pipelines.bgp.guardrails.last_good import digest_of
from headrace.pipelines.bgp.guardrails.lists import ListSubject
from headrace.pipelines.bgp.models import PolicyResult
from headrace.pipelines.bgp.policy import list_name
from headrace.pipelines.bgp.safety import UnifiedSafetyManager
from headrace.pipelines.bgp.wording import counted
from headrace.types import Empty, Failed, Lookup

__all__ = ["PolicyJudge"]

Before = tuple[str, ...] | CheckpointCorruptionError | None


@dataclass
class PolicyJudge:
    """Judges look-ups. The RPKI export, where one is configured, is read once."""

    config: BgpConfig
    last_good: LastGoodLists
    approvals: ApprovalQueue

    def __post_init__(self) -> None:
        path = self.config.guardrails.rpki_file
        self.rpki = None if path is None else RpkiTable.load(path)
        self.manager = UnifiedSafetyManager(self.config.guardrails)

    def judge_all(self, answers: Mapping[int, tuple[Lookup, float]]) -> dict[int, PolicyResult]:
        """Return the policy of each AS, whose look-up took so many seconds. Nothing is written."""
        known = self.last_good.get_many(answers)
        return {n: self._judge(n, answer, seconds, known.get(n)) for n, (answer, seconds) in answers.items()}

    def _judge(self, as_number: int, answer: Lookup, seconds: float, before: Before) -> PolicyResult:
        name = list_name(self.config.list_name, as_number)
        if isinstance(before, CheckpointCorruptionError):
            return PolicyResult(as_number, "held", name, reasons=(str(before),), risk_level="high", seconds=seconds)
        base = PolicyResult(as_number, "failed", name, last_good=before, risk_level="high", seconds=seconds)
        if isinstance(answer, Failed):
            return replace(base, error_message=answer.reason)
        if isinstance(answer, Empty):
            return replace(base, status="empty", error_message="the registry knows no routes of this AS")
        prefixes = tuple(answer.value)
        subject = ListSubject(as_number, prefixes, before, self.config.guardrails, self.rpki, time.time())
        violations = check_list(subject)
        if violations and not self._approved(as_number, prefixes, violations):
            return replace(base, status="held", prefixes=prefixes, reasons=tuple(map(str, violations)))
        policy = replace(base, status="ok", prefixes=prefixes, approved=bool(violations))
        return replace(policy, risk_level=self.manager.validate_policies_before_apply([policy]).risk_level)

    def _approved(self, as_number: int, prefixes: tuple[str, ...], violations: Sequence[Violation]) -> bool:
        """Ask for approval where a person may give it; return whether it was given."""
        if not all(violation.approvable for violation in violations):
            return False
        subject, digest = f"AS{as_number}", digest_of(prefixes)
        reason = "; ".join(map(str, violations))
        asked = self.approvals.submit(
            "list", subject, digest, reason, details=counted(len(prefixes), "prefix"), risk_level="high"
        )
        return asked.state == "approved"

    def limit_total(self, policies: Mapping[int, PolicyResult]) -> dict[int, PolicyResult]:
        """Hold every new list where all together are more than the absolute maximum."""
        total = sum(len(policy.prefixes) for policy in policies.values() if policy.success)
        limit = self.config.guardrails.max_total_prefixes
        if total <= limit:
            return dict(policies)
        reason = f"max_total_prefixes: {total} prefixes in all lists, more than {limit}"
        return {
            number: replace(policy, status="held", reasons=(*policy.reasons, reason), risk_level="high")
            if policy.success
            else policy
            for number, policy in policies.items()
        }

    def remember(self, policies: Mapping[int, PolicyResult], execution_id: str) -> None:
        """Make the good lists the last good ones."""
        new = {n: policy.prefixes for n, policy in policies.items() if policy.success}
        changed = {n: prefixes for n, prefixes in new.items() if prefixes != policies[n].last_good}
        self.last_good.put_many(changed, execution_id)
