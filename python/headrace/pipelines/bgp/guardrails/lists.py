"""The rules for one prefix list. Each is a function that answers with the reason against the list, or None."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from headrace.pipelines.bgp.asn import AsKind, classify
from headrace.pipelines.bgp.guardrails.bogons import bogon_containing
from headrace.pipelines.bgp.guardrails.prefix import Prefix
from headrace.pipelines.bgp.guardrails.rpki import RpkiTable
from headrace.pipelines.bgp.guardrails.settings import GuardrailSettings

__all__ = ["LIST_RULES", "ListSubject", "Violation", "check_change", "check_list"]


@dataclass(frozen=True)
class Violation:
    """A rule that did not hold. ``approvable``: a person may let this list pass once."""

    rule: str
    reason: str
    approvable: bool = True

    def __str__(self) -> str:
        return f"{self.rule}: {self.reason}"


@dataclass(frozen=True)
class ListSubject:
    """A list that a look-up gave, and what it is compared with. ``last_good`` is None the first time."""

    as_number: int
    prefixes: tuple[str, ...]
    last_good: tuple[str, ...] | None
    settings: GuardrailSettings
    rpki: RpkiTable | None = None
    now: float = 0.0

    @cached_property
    def networks(self) -> tuple[Prefix, ...]:
        """The prefixes, parsed."""
        return tuple(map(Prefix.parse, self.prefixes))

    @cached_property
    def guarded(self) -> tuple[Prefix, ...]:
        """The prefixes outside ``allow_prefixes``."""
        allowed = list(map(Prefix.parse, self.settings.allow_prefixes))
        if not allowed:
            return self.networks
        return tuple(n for n in self.networks if not any(map(n.inside, allowed)))


def _some(items: Iterable[object]) -> str:
    shown = list(map(str, items))
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def as_number_rule(subject: ListSubject) -> Violation | None:
    """Nobody registers routes for these numbers: what a registry answers is an accident or an attack."""
    kind = classify(subject.as_number)
    if kind is AsKind.PUBLIC or (kind is AsKind.PRIVATE and subject.settings.allow_private_as):
        return None
    return Violation("bogon_as", f"AS{subject.as_number} is a {kind} AS number", approvable=False)


def maximum_rule(subject: ListSubject) -> Violation | None:
    """A cyclic or hijacked AS-SET gives more prefixes than a router's memory takes."""
    if len(subject.prefixes) <= subject.settings.max_prefixes:
        return None
    return Violation("max_prefixes", f"{len(subject.prefixes)} prefixes, more than {subject.settings.max_prefixes}")


def bogon_rule(subject: ListSubject) -> Violation | None:
    """Private and reserved space in a peer's filter lets that peer hijack what is inside one's own network."""
    found = [f"{n} (in {bogon})" for n in subject.guarded if (bogon := bogon_containing(n)) is not None]
    return Violation("bogon_prefix", _some(found), approvable=False) if found else None


def length_rule(subject: ListSubject) -> Violation | None:
    """Too specific prefixes are nearly always leaks; very broad ones (a default route) take over all traffic."""
    settings = subject.settings
    longest = {4: settings.max_length_v4, 6: settings.max_length_v6}
    shortest = {4: settings.min_length_v4, 6: settings.min_length_v6}
    if specific := [n for n in subject.guarded if n.length > longest[n.version]]:
        return Violation("too_specific", f"{_some(specific)}: longer than /{longest[specific[0].version]}")
    if broad := [n for n in subject.guarded if n.length < shortest[n.version]]:
        return Violation("too_broad", f"{_some(broad)}: shorter than /{shortest[broad[0].version]}", approvable=False)
    return None


def change_rule(subject: ListSubject) -> Violation | None:
    """A registry that answers with half of the truth would cut off the peer; twice the truth opens a hole."""
    return None if subject.last_good is None else check_change(subject.last_good, subject.prefixes, subject.settings)


def rpki_rule(subject: ListSubject) -> Violation | None:
    """A prefix whose ROA names another origin must not be accepted from this one; stale ROAs prove nothing."""
    if subject.rpki is None:
        return None
    age = subject.rpki.age(subject.now or time.time())
    limit = subject.settings.rpki_max_age
    if age > limit:
        return Violation("rpki_stale", f"the ROA export is {age:.0f} s old, more than {limit:.0f} s", approvable=False)
    invalid = [n for n in subject.networks if subject.rpki.state(n, subject.as_number) == "invalid"]
    return Violation("rpki_invalid", f"{_some(invalid)}: a ROA names another origin or length") if invalid else None


LIST_RULES: tuple[Callable[[ListSubject], Violation | None], ...] = (
    as_number_rule,
    maximum_rule,
    bogon_rule,
    length_rule,
    change_rule,
    rpki_rule,
)


def check_list(subject: ListSubject) -> tuple[Violation, ...]:
    """Return every rule that ``subject`` breaks. A list beyond the absolute maximum is not looked at any further."""
    if (oversized := maximum_rule(subject)) is not None:
        return (oversized,)
    return tuple(violation for rule in LIST_RULES if (violation := rule(subject)) is not None)


def check_change(before: Sequence[str], after: Sequence[str], settings: GuardrailSettings) -> Violation | None:
    """Compare the new list with the old one, each IP family by itself: lost IPv6 prefixes hide among IPv4 ones."""
    for family in ("IPv4", "IPv6"):
        old = {p for p in before if (":" in p) == (family == "IPv6")}
        new = {p for p in after if (":" in p) == (family == "IPv6")}
        if old and (violation := _check_family(family, old, new, settings)) is not None:
            return violation
    return None


def _check_family(family: str, old: set[str], new: set[str], settings: GuardrailSettings) -> Violation | None:
    lost, gained = len(old - new), len(new - old)
    if not new:
        what = f"all {len(old)} {family} prefixes" if len(old) > 1 else f"the only {family} prefix"
        return Violation("shrink", f"{what} of the last good list would go")
    if lost > settings.slack and lost > settings.max_shrink * len(old):
        return Violation("shrink", f"{lost} of {len(old)} {family} prefixes would go ({lost / len(old):.0%})")
    if gained > settings.slack and gained > settings.max_grow * len(old):
        return Violation("growth", f"{gained} {family} prefixes would be added to {len(old)} ({gained / len(old):.0%})")
    return None
