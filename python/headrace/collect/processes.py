"""Commands in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

from headrace import _core
from headrace.collect import arguments
from headrace.collect.arguments import MAX_OUTPUT, RetryLike
from headrace.collect.outcome import Outcome
from headrace.collect.stream import OutcomeIterator, in_order
from headrace.errors import ConfigurationError

__all__ = ["processes"]

Word = str | bytes | os.PathLike[str]


@overload
def processes(
    commands: Iterable[Sequence[Word]],
    *,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    stdin: bytes | str | None = ...,
    env: Mapping[str, str] | None = ...,
    cwd: str | os.PathLike[str] | None = ...,
    max_output: int = ...,
    iter: Literal[False] = ...,
    grace: float = ...,
) -> list[Outcome]: ...
@overload
def processes(
    commands: Iterable[Sequence[Word]],
    *,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    stdin: bytes | str | None = ...,
    env: Mapping[str, str] | None = ...,
    cwd: str | os.PathLike[str] | None = ...,
    max_output: int = ...,
    iter: Literal[True],
    grace: float = ...,
) -> OutcomeIterator: ...
def processes(
    commands: Iterable[Sequence[Word]],
    *,
    workers: int = 16,
    timeout: float = 30.0,
    retry: RetryLike | None = None,
    stdin: bytes | str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    max_output: int = MAX_OUTPUT,
    iter: bool = False,
    grace: float = 0.2,
) -> list[Outcome] | OutcomeIterator:
    """Run commands, ``workers`` at a time, and collect what they print.

    A command is a list of strings, never a shell line. Each runs in a session of its own, reads ``stdin`` (default:
    nothing) and has ``timeout`` seconds an attempt; then it and all its descendants get SIGTERM, and SIGKILL ``grace``
    seconds later. ``env`` is the whole environment (default: this process's). More than ``max_output`` bytes (both
    streams) are a failure. ``retry`` applies to time-outs and the status 75 (EX_TEMPFAIL) only.

    Returns one :class:`Outcome` for each command in the order given, or with ``iter=True`` an iterator that yields
    them as they finish. A program that does not exist has the exit code 127. Raises ConfigurationError.
    """
    targets = list(commands)
    limits = arguments.limits(workers, timeout, max_output, retry)
    stream = _core.collect_processes(
        [command_words(target) for target in targets],
        process_options(limits, stdin, env, cwd, grace),
        arguments.capacity(workers, iter),
    )
    return OutcomeIterator(stream, targets) if iter else in_order(stream, targets)


def process_options(
    limits: arguments.Limits,
    stdin: bytes | str | None,
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    grace: float,
) -> _core.ProcessOptions:
    """The arguments of :func:`processes`, checked, as the core takes them. Raises ConfigurationError."""
    return _core.ProcessOptions(
        limits=limits,
        input=arguments.octets("stdin", stdin),
        env=None if env is None else [(_encoded("env", name), _encoded("env", value)) for name, value in env.items()],
        cwd=b"" if cwd is None else _encoded("cwd", cwd),
        grace=arguments.number("grace", grace),
    )


def command_words(command: Any) -> list[bytes]:
    """The words of a command. Raises ConfigurationError where it is no list of strings."""
    if isinstance(command, (str, bytes)) or not isinstance(command, Sequence):
        raise ConfigurationError(
            f"command {command!r}: a command is a list of strings, never a shell line (['bgpq4', '-j', 'AS1'])"
        )
    return [_encoded(f"command {command!r}", word) for word in command]


def _encoded(what: str, word: Any) -> bytes:
    try:
        return os.fsencode(word)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{what}: {word!r} is not a string, bytes or a path") from None
