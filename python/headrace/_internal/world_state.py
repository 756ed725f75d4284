"""Root steps look at the world; here is remembered what they saw, and asked whether it has changed.

A step with nothing before it is asked again in each new run, unless all it looked at could be followed and is
unchanged (see ``headrace._internal.world``). Within one run, however often resumed, it runs once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace._internal import world

if TYPE_CHECKING:
    from headrace._core import RunStore
    from headrace.pipeline import Pipeline
    from headrace.stage import Stage

__all__ = ["WorldState"]


class WorldState:
    """The snapshots of one pipeline's root steps, in the store's table ``state``."""

    def __init__(self, pipeline: Pipeline, core: RunStore) -> None:
        self._owner = f"pipeline:{pipeline.name}"
        self._core = core
        self.run_number: Callable[[], int] = lambda: 0

    def watched(self, stage: Stage, function: Callable[..., Any]) -> Callable[..., Any]:
        """The stage's function; a root step's snapshot is kept with each value."""
        if stage.form != "step" or stage.dependencies or stage.is_async:
            return function

        def look(ctx: Any) -> Any:
            with world.Watch(stage.function) as watch:
                value = function(ctx)
            seen = json.dumps({"run": self.run_number(), "world": watch.snapshot()})
            self._core.execute(
                "INSERT OR REPLACE INTO state VALUES(?, ?, ?)", (self._owner, f"world:{stage.name}", seen)
            )
            return value

        return look

    def unchanged(self, stage: Stage) -> Callable[[int], bool]:
        """Whether the world is as it was when run number ``run`` recorded the step's value."""

        def same(run: int) -> bool:
            query = "SELECT value FROM state WHERE owner=? AND name=?"
            _, rows = self._core.query(query, (self._owner, f"world:{stage.name}"))
            if not rows:
                return False
            seen = json.loads(rows[0][0])
            return bool(seen["run"] == run and world.unchanged(seen["world"]))

        return same
