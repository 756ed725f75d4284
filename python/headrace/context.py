"""What a stage function may see of its run: its first argument, ``ctx``."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace._internal.keys import key_from_json
from headrace.types import Key

if TYPE_CHECKING:
    import numpy as np

    from headrace._core import UnitView
    from headrace._internal.glue import RunScope

__all__ = ["Context"]


class Context:
    """The run and the unit that a stage function works on. Read-only; valid as long as it is kept."""

    __slots__ = ("_rng", "_scope", "_stage", "_view")

    def __init__(self, scope: RunScope, stage: str, view: UnitView) -> None:
        self._scope = scope
        self._stage = stage
        self._view = view
        self._rng: tuple[str | None, np.random.Generator] | None = None

    @property
    def params(self) -> Mapping[str, Any]:
        """The run's parameters, as given to ``pipe.run(params=...)``."""
        return self._scope.params

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's configuration, as given to ``pipe.run(config=...)``."""
        return self._scope.config

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._scope.run_id()

    @property
    def key(self) -> Key | None:
        """The item's key; None in a step and in a batch."""
        return key_from_json(self._view.key)

    @property
    def attempt(self) -> int:
        """Number of this try of the unit: 1, 2, ..."""
        return self._view.attempt

    @property
    def cancelled(self) -> bool:
        """True once the run is being stopped: a long unit should look, and return or raise."""
        return self._view.cancelled

    @property
    def rng(self) -> np.random.Generator:
        """A NumPy generator keyed by (run seed, stage, item key): its draws don't depend on order or threads."""
        key = self._view.key
        if self._rng is None or self._rng[0] != key:
            self._rng = (key, _generator(self._scope.seed, self._stage, key or ""))
        return self._rng[1]

    @property
    def log(self) -> logging.Logger:
        """A logger named ``headrace.<pipeline>.<stage>``."""
        return logging.getLogger(f"headrace.{self._scope.pipeline}.{self._stage}")

    def warn(self, text: str) -> None:
        """Record a line that whoever reads the run should see."""
        self._scope.warn(self._stage, self._view.key or "", text)

    def results(self, stage: Any) -> Any:
        """Results of a stage before this one (the stage or its name): key -> value; a step's: its value.

        WorkflowValidationError for a stage that this one does not come after: it may not have ended.
        """
        return self._scope.results(self._stage, stage if isinstance(stage, str) else stage.name)

    def __repr__(self) -> str:
        unit = self._stage if self.key is None else f"{self._stage}[{self.key!r}]"
        return f"<Context {unit} of run {self.run_id}, attempt {self.attempt}>"


def _generator(seed: int, stage: str, key: str) -> np.random.Generator:
    import numpy as np

    digest = hashlib.sha256(f"{seed}\0{stage}\0{key}".encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest, "little")))
