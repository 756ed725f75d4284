"""What a run would do, and why, without doing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace._internal.compile import identity_of, modes_of, stable_json
from headrace._internal.glue import RunScope
from headrace._internal.keys import key_from_json
from headrace._internal.world_state import WorldState
from headrace.store import Store, as_store
from headrace.types import Key, PlanEntry

if TYPE_CHECKING:
    from headrace.pipeline import Pipeline
    from headrace.stage import Stage

__all__ = ["Plan", "PlanGroup", "make_plan"]


FAILED = "it failed last time"
SHOWN_KEYS = 3


@dataclass(frozen=True)
class PlanGroup:
    """Entries of one stage that a run would treat alike, for the same reason. A whole stage has the key None."""

    stage: str
    action: str
    reason: str
    keys: tuple[Key | None, ...]

    def __str__(self) -> str:
        if len(self.keys) == 1:
            return _line(PlanEntry(self.stage, self.keys[0], self.action, self.reason))
        return f"{self.action:8} {self.stage}, {len(self.keys):,} items: {self.reason} ({self.first_keys})"

    @property
    def first_keys(self) -> str:
        """The first few keys, to see what is meant."""
        shown = [repr(key) for key in self.keys[:SHOWN_KEYS]]
        return ", ".join([*shown, *(["..."] if len(self.keys) > SHOWN_KEYS else [])])


class Plan(list[PlanEntry]):
    """The entries of a plan; whole stages where their items are not known yet. As a text, it is a line a group."""

    @property
    def to_execute(self) -> list[PlanEntry]:
        """Those that would, or may, execute."""
        return [entry for entry in self if entry.action != "skip"]

    @property
    def groups(self) -> list[PlanGroup]:
        """Stage by stage, what would happen and why, with the keys that it would happen to."""
        found: dict[tuple[str, str, str], list[PlanEntry]] = {}
        for entry in self:
            cause = FAILED if entry.reason.startswith(FAILED) else entry.reason
            found.setdefault((entry.stage, entry.action, cause), []).append(entry)
        return [
            PlanGroup(stage, action, cause if len(entries) > 1 else entries[0].reason, tuple(e.key for e in entries))
            for (stage, action, cause), entries in found.items()
        ]

    def lines(self) -> list[str]:
        """Every entry, a line each."""
        return [_line(entry) for entry in self]

    def __str__(self) -> str:
        return "\n".join(map(str, self.groups)) or "nothing to do"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import plan_groups_table

        return plan_groups_table(self.groups)


def _line(entry: PlanEntry) -> str:
    where = entry.stage if entry.key is None else f"{entry.stage} {entry.key!r}"
    return f"{entry.action:8} {where}: {entry.reason}"


def make_plan(
    pipeline: Pipeline,
    params: Mapping[str, Any] | None,
    store: Any,
    *,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    only: Any = None,
    start_from: Any = None,
    until: Any = None,
    skip_existing: bool = True,
    fresh: bool = False,
) -> Plan:
    """Compare the pipeline with what the store holds; nothing is executed or written."""
    pipeline.validate()
    stable_json(params, "params")
    scope = RunScope(pipeline.name, dict(params or {}), dict(config or {}), seed)
    modes = modes_of(pipeline, only, start_from, until)
    opened = _existing(store)
    planner = _Planner(pipeline, scope, opened, skip_existing and not fresh)
    plan = Plan()
    for stage in pipeline.stages.values():
        plan.extend(planner.entries(stage, modes[stage.name]))
    return plan


def _existing(store: Any) -> Store | None:
    if isinstance(store, Store) or str(store).startswith("postgresql://"):
        return as_store(store)
    return as_store(store) if Path(store).exists() else None


class _Planner:
    def __init__(self, pipeline: Pipeline, scope: RunScope, store: Store | None, skip: bool) -> None:
        self.pipeline = pipeline
        self.scope = scope
        self.store = store
        self.skip = skip
        self.uncertain: set[str] = set()
        if store:
            store.check(pipeline.name)
        self.recorded = store.recorded(pipeline.name) if store else {}

    def entries(self, stage: Stage, mode: str) -> Iterator[PlanEntry]:
        if mode == "off":
            yield PlanEntry(stage.name, None, "skip", "not among the chosen stages")
            return
        if mode == "replay":
            yield PlanEntry(stage.name, None, "skip", "before the chosen stages: answers from its records")
            return
        action, reason = self._whole(stage)
        if action != "skip" and stage.form != "source":
            self.uncertain.add(stage.name)
        if stage.form in ("step", "source") or action == "execute":
            yield PlanEntry(stage.name, None, action, reason)
            return
        yield from self._units(stage, action, reason)

    def _whole(self, stage: Stage) -> tuple[str, str]:
        executes = self._why_execute(stage)
        if executes:
            return "execute", executes
        row = self.recorded[stage.name]
        doubtful = [name for name in stage.dependencies if name in self.uncertain]
        if doubtful:
            return "maybe", f"'{doubtful[0]}' would run before it: only items that change are executed"
        if stage.form == "step" and not stage.dependencies and not self._world_unchanged(stage, row["id"]):
            return "execute", "what it looked at has changed, or can't be followed"
        return "skip", self._why_skip(stage)

    def _why_execute(self, stage: Stage) -> str:
        """What makes all of the stage execute, whatever comes before it; empty: nothing does."""
        row = self.recorded.get(stage.name)
        if stage.form == "source":
            return "a source lists its items in every run"
        if row is None or (row["units"] == 0 and stage.form == "step"):
            return "it has never run"
        if not self.skip:
            return "recorded results are not to be used"
        changed = self._changed(stage, row["fingerprint"])
        return f"its {changed} changed" if changed else ""

    def _why_skip(self, stage: Stage) -> str:
        listed = any(self.pipeline.stages[name].form == "source" for name in stage.dependencies)
        return (
            "recorded; only what its source lists as new or changed is executed"
            if listed
            else "recorded, and nothing before it has changed"
        )

    def _world_unchanged(self, stage: Stage, table: int) -> bool:
        assert self.store is not None
        rows = self.store.sql(f"SELECT run FROM units_{int(table)} WHERE item=1")  # noqa: S608
        return bool(rows) and WorldState(self.pipeline, self.store._core).unchanged(stage)(rows[0]["run"])

    def _changed(self, stage: Stage, fingerprint: str) -> str:
        before = json.loads(fingerprint or "{}")
        now = json.loads(identity_of(self.pipeline, stage, self.scope))
        return ", ".join(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))

    def _units(self, stage: Stage, action: str, reason: str) -> Iterator[PlanEntry]:
        assert self.store is not None
        row = self.recorded[stage.name]
        source = self.recorded.get(f"{stage.name}:parents", row)
        failed = self.store.last_failures(self.pipeline.name, stage.name)
        for key, message in failed.items():
            yield PlanEntry(stage.name, key_from_json(key), "execute", f"{FAILED}: {message}")
        for key, done in self.store.unit_keys(source["id"], source["space"]):
            if key in failed:
                continue
            if not done:
                yield PlanEntry(stage.name, key_from_json(key), "execute", "it is not recorded")
            else:
                yield PlanEntry(stage.name, key_from_json(key), action, reason)
