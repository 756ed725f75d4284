"""What a target answered."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CommandOutput", "Outcome"]

_LONGEST = 200
"""Characters of a target that are shown."""


@dataclass(frozen=True)
class CommandOutput:
    """The answer of one of several commands of one SSH session. Bytes as received."""

    command: str
    stdout: bytes
    stderr: bytes
    exit_code: int | None


@dataclass(frozen=True)
class Outcome:
    """The one answer of a target.

    ``target`` is what was given (a host, a command, a URL). ``ok``: the answer is whole and the target said that it
    went well. ``stdout`` and ``stderr`` are bytes as received; after a failure, what had come until then (never take
    it for an answer). HTTP: ``stdout`` is the body, ``exit_code`` the status. A process killed by signal N: -N.

    ``error_type`` is None when ``ok``, else one of ``unreachable``, ``host_key``, ``auth``, ``timeout``, ``exit``,
    ``output_limit``, ``protocol``, ``cancelled``; ``message`` is one line. ``seconds`` spans all ``attempts`` and the
    pauses between them. ``commands``: SSH, one for each command that ran. ``headers``: HTTP, lower-case names.
    """

    target: Any
    ok: bool
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    error_type: str | None = None
    message: str = ""
    seconds: float = 0.0
    attempts: int = 0
    commands: tuple[CommandOutput, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """``stdout`` as text: UTF-8, what is not valid replaced."""
        return self.stdout.decode("utf-8", "replace")

    def __repr__(self) -> str:
        state = f"ok, {len(self.stdout)} bytes" if self.ok else f"{self.error_type}: {self.message}"
        tries = "" if self.attempts <= 1 else f", {self.attempts} attempts"
        return f"<Outcome {_shown(self.target)}: {state} ({self.seconds:.3g} s{tries})>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _shown(target: Any) -> str:
    text = " ".join(map(str, target)) if isinstance(target, (list, tuple)) else str(target)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
