"""How risky a set of policies is, and whether it may be applied without a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.pipelines.bgp.guardrails import GuardrailSettings, Violation, check_change
from headrace.pipelines.bgp.models import PolicyResult

__all__ = ["RISK_LEVELS", "SafetyResult", "UnifiedSafetyManager", "highest"]

RISK_LEVELS = ("low", "medium", "high")


def highest(levels: Sequence[str]) -> str:
    """Return the highest of some risk levels; ``low`` for none."""
    return max(levels, key=RISK_LEVELS.index, default="low")


@dataclass(frozen=True)
class SafetyResult:
    """``risk_level``: low, medium or high; ``reasons``: why it is not low; ``violations``: the broken rules."""

    risk_level: str
    reasons: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()

    @property
    def safe(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


class UnifiedSafetyManager:
    """The one place that weighs policies before they reach a router.

    ``low``: changes well inside the guardrails. ``medium``: a change of more than half of what they allow, more than
    ``max_auto_changes`` prefixes in all, or a first list of more than ``max_first_list``. ``high``: a guardrail is
    broken, or a policy is not a good one at all. What a person approved is ``low``.
    """

    def __init__(
        self, settings: GuardrailSettings | None = None, max_auto_changes: int = 1000, max_first_list: int = 1000
    ) -> None:
        self.settings = settings or GuardrailSettings()
        self.max_auto_changes = max_auto_changes
        self.max_first_list = max_first_list

    def validate_policies_before_apply(self, policies: Sequence[PolicyResult]) -> SafetyResult:
        """Weigh ``policies``, which together go to one router."""
        weighed = [self._weigh(policy) for policy in policies]
        reasons = [reason for result in weighed for reason in result.reasons]
        changes = sum(_changes(policy) for policy in policies)
        levels = [result.risk_level for result in weighed]
        if changes > self.max_auto_changes:
            levels.append("medium")
            reasons.append(f"{changes} prefixes change, more than {self.max_auto_changes}")
        violations = tuple(violation for result in weighed for violation in result.violations)
        return SafetyResult(highest(levels), tuple(reasons), violations)

    def should_auto_apply(self, policies: Sequence[PolicyResult], config: Mapping[str, Any]) -> bool:
        """Whether ``policies`` may be applied with nobody looking: autonomous mode is on and the risk is low."""
        autonomous = config.get("autonomous_mode") or {}
        if not policies or not autonomous.get("enabled", False):
            return False
        return self.validate_policies_before_apply(policies).risk_level == "low"

    def _weigh(self, policy: PolicyResult) -> SafetyResult:
        name = f"AS{policy.as_number}"
        if not policy.success or not policy.prefixes:
            return SafetyResult("high", (f"{name}: {policy.status}, not a good list",))
        if policy.approved:
            return SafetyResult("low")
        if policy.last_good is None:
            return self._first(policy)
        if (violation := check_change(policy.last_good, policy.prefixes, self.settings)) is not None:
            return SafetyResult("high", (f"{name}: {violation}",), (violation,))
        half = GuardrailSettings(
            max_shrink=self.settings.max_shrink / 2, max_grow=self.settings.max_grow / 2, slack=self.settings.slack
        )
        if (large := check_change(policy.last_good, policy.prefixes, half)) is not None:
            return SafetyResult("medium", (f"{name}: {large.reason}",))
        return SafetyResult("low")

    def _first(self, policy: PolicyResult) -> SafetyResult:
        if len(policy.prefixes) <= self.max_first_list:
            return SafetyResult("low")
        return SafetyResult("medium", (f"AS{policy.as_number}: a first list, of {len(policy.prefixes)} prefixes",))


def _changes(policy: PolicyResult) -> int:
    return len(set(policy.prefixes) ^ set(policy.last_good or ()))
