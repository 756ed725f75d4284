"""Runs bgpq4 for many AS numbers at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.connectors.bgpq4._parse import parse_answer
from headrace.errors import ConfigurationError, ResourceError
from headrace.types import Empty, Failed, Ok

__all__ = ["MODES", "BGPq4"]

MODES = ("auto", "native", "podman", "docker", "dev")
"""``native``: the program on PATH; ``podman``, ``docker``: in a container; ``dev``: in a container of either; ``auto``:
the first of native, podman and docker that is there."""

_CANDIDATES = {
    "auto": ("native", "podman", "docker"),
    "native": ("native",),
    "podman": ("podman",),
    "docker": ("docker",),
    "dev": ("podman", "docker"),
}
_PROGRAMS = {"native": "bgpq4", "podman": "podman", "docker": "docker"}

PrefixLookup = Ok[tuple[str, ...]] | Empty | Failed


@dataclass(frozen=True)
class BGPq4:
    """Looks up the prefixes of AS numbers.

    ``host``: the IRRd to ask, ``name`` or ``name:port`` (bgpq4's own default where None); ``sources``: the registries
    in order; ``families``: 4, 6 or both; ``timeout``: seconds for one run; ``workers``: runs at once;
    ``allow_private``: ask for private AS numbers too; ``image``: of the container modes; ``max_output``: bytes
    of one answer; ``max_prefixes``: in one answer, more of them are a failure.
    """

    mode: str = "auto"
    timeout: float = 45.0
    host: str | None = None
    sources: Sequence[str] = ()
    families: Sequence[int] = (4, 6)
    workers: int = 16
    allow_private: bool = False
    image: str = "ghcr.io/bgp/bgpq4:latest"
    max_output: int = 64 * 1024 * 1024
    max_prefixes: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigurationError(f"bgpq4 mode {self.mode!r} is not one of {', '.join(MODES)}")
        if not self.families or not set(self.families) <= {4, 6}:
            raise ConfigurationError(f"bgpq4 families {self.families!r}: 4, 6 or both")
        for word in (self.host or "", self.image, *self.sources):
            if word.startswith("-") or any(c.isspace() for c in word):
                raise ConfigurationError(f"bgpq4: {word!r} is no host, image or source")

    def resolve(self) -> str:
        """Return which of native, podman and docker is used; ResourceError where none is installed."""
        for candidate in _CANDIDATES[self.mode]:
            if shutil.which(_PROGRAMS[candidate]) is not None:
                return candidate
        names = " or ".join(_PROGRAMS[candidate] for candidate in _CANDIDATES[self.mode])
        raise ResourceError(f"bgpq4 mode '{self.mode}' needs {names} on PATH (Debian: apt-get install bgpq4)")

    def command(self, as_number: int, family: int, how: str | None = None) -> list[str]:
        """Return the command line for one run."""
        how = how or self.resolve()
        inside = [] if how == "native" else [how, "run", "--rm", "--network=host", self.image]
        options = ["-h", self.host] if self.host else []
        if self.sources:
            options += ["-S", ",".join(self.sources)]
        if self.allow_private:
            options.append("-p")
        return [*inside, "bgpq4", *options, f"-{family}", "-j", "-l", f"AS{as_number}", f"AS{as_number}"]

    def look_up(self, as_number: int) -> PrefixLookup:
        """Return the prefixes of one AS, see ``look_up_many``."""
        return self.look_up_many([as_number])[as_number]

    def look_up_many(self, as_numbers: Iterable[int]) -> dict[int, PrefixLookup]:
        """Return for every AS ``Ok(prefixes)``, ``Empty()`` or ``Failed(reason)``, in the order given.

        An AS is ``Failed`` as soon as one of its families is, and ``Empty`` when all of them are.
        """
        from headrace import collect

        how = self.resolve()
        numbers = list(dict.fromkeys(as_numbers))
        runs = [(number, family) for number in numbers for family in self.families]
        commands = [self.command(number, family, how) for number, family in runs]
        outcomes = collect.processes(
            commands, workers=self.workers, timeout=self.timeout, stdin=b"", max_output=self.max_output
        )
        answers = [self._answer(*run, outcome) for run, outcome in zip(runs, outcomes, strict=True)]
        width = len(self.families)
        return {number: _joined(answers[width * i : width * (i + 1)]) for i, number in enumerate(numbers)}

    def _answer(self, as_number: int, family: int, outcome: Any) -> PrefixLookup:
        if not outcome.ok and outcome.error_type != "exit":
            message = outcome.message.replace("; raise timeout", "; raise bgpq4_timeout")
            return Failed(f"IPv{family}: {outcome.error_type}: {message}")
        answer = parse_answer(
            outcome.exit_code, bytes(outcome.stdout), bytes(outcome.stderr), name=f"AS{as_number}", family=family,
            max_prefixes=self.max_prefixes,
        )  # fmt: skip
        return Failed(f"IPv{family}: {answer.reason}") if isinstance(answer, Failed) else answer


def _joined(answers: Sequence[PrefixLookup]) -> PrefixLookup:
    failed = [answer.reason for answer in answers if isinstance(answer, Failed)]
    if failed:
        return Failed("; ".join(failed))
    prefixes = tuple(prefix for answer in answers if isinstance(answer, Ok) for prefix in answer.value)
    return Ok(prefixes) if prefixes else Empty()
