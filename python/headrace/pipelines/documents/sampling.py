"""How many documents were done when: what the picture of a run's throughput is drawn from."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace import Run

__all__ = ["Sampler"]

_MOST = 600  # samples kept; beyond it every second one goes


class Sampler:
    """Looks at a run from a thread of its own, twice a second and more rarely in long runs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._samples: list[tuple[float, float]] = [(0.0, 0.0)]
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="headrace-sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        if len(self._samples) > 1 and self._samples[-1][0] > time.monotonic() - self._began - 0.1:
            self._samples.pop()  # a rate over so short a time says nothing
        self._sample()

    @property
    def samples(self) -> tuple[tuple[float, float], ...]:
        """(seconds since the start, documents worked on so far), in order."""
        return tuple(self._samples)

    def _look(self) -> None:
        pause = 0.25
        while not self._over.wait(pause):
            self._sample()
            if len(self._samples) > _MOST:
                self._samples, pause = self._samples[::2], pause * 2

    def _sample(self) -> None:
        stages = {stage.name: stage for stage in self._run.progress().stages}
        done = stages["publish"].executed + stages["convert"].failed  # what was unchanged took no work
        self._samples.append((time.monotonic() - self._began, float(done)))
