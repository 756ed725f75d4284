"""Collection as stages of a pipeline: with the engine's retry, timeout, dead letters and checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from headrace import _core
from headrace._internal.native import NativeStage, digest
from headrace.collect import arguments
from headrace.collect.arguments import MAX_OUTPUT
from headrace.collect.outcome import CommandOutput, Outcome
from headrace.collect.processes import command_words, process_options
from headrace.collect.shell import commands_of, ssh_options
from headrace.collect.web import http_options

__all__ = ["HttpStage", "ProcessStage", "SshStage"]


class _CollectStage(NativeStage):
    """Asks a target for every item. An outcome that is ``ok`` is the item's result, an :class:`Outcome` (without
    ``seconds`` and ``attempts``, which the journal has); any other makes the item a dead letter, whose ``error_type``
    is the outcome's. ``workers`` targets at a time unless the stage is given ``workers=``.

    ``timeout=`` and ``retry=`` of the stage (``pipe.map(..., timeout=, retry=)``) are for one attempt, and for what
    another attempt may mend.
    """

    forms: ClassVar[tuple[str, ...]] = ("map",)
    types: ClassVar[tuple[type, ...]] = (Outcome, CommandOutput)


class SshStage(_CollectStage):
    """Runs a command (or several, in one session) on the host that each item names.

    An item's value is a host (a name, an address, ``name:port``), or a mapping or object with ``host`` and perhaps
    ``port``. The arguments are those of :func:`headrace.collect.ssh`; ``name`` is the stage's unless the decorator is
    given one. What identifies the results: commands, user, port, stdin, ``require_status``; no key or password.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        username: str,
        port: int = 22,
        key: str | os.PathLike[str] | None = None,
        password: Any = None,
        known_hosts: str | os.PathLike[str] = "~/.ssh/known_hosts",
        workers: int = 50,
        timeout: float = 30.0,
        max_output: int = MAX_OUTPUT,
        passphrase: Any = None,
        agent: bool | None = None,
        accept_new: bool = False,
        stdin: bytes | str | None = None,
        require_status: bool = True,
        legacy: bool = False,
        name: str = "ssh",
    ) -> None:
        super().__init__(name)
        self._commands = commands_of(command)
        self._options = ssh_options(
            command, arguments.limits(workers, timeout, max_output, None), username, port, key, password, known_hosts,
            passphrase, agent, accept_new, stdin, require_status, legacy,
        )  # fmt: skip
        self._identity = digest(
            "ssh", commands=self._commands, listed=not isinstance(command, str), username=username, port=port,
            stdin=arguments.octets("stdin", stdin), require_status=bool(require_status),
        )  # fmt: skip

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it. Raises ConfigurationError: a key file that can't be read."""
        return _core.ssh_stage(name, identity, self._commands, self._options)

    def identity(self) -> str:
        """Commands, user, port, stdin."""
        return self._identity


class ProcessStage(_CollectStage):
    """Runs a command for each item: never a shell line.

    ``command`` is a list of words, in which ``{}`` stands for the item's value, and ``{name}`` for a field of it:
    ``ProcessStage(["bgpq4", "-j", "-l", "{}", "{}"])``. A mapping without the field is a dead letter; ``{{name}}`` is
    ``{name}`` itself. Without ``command`` the value is one, a list of strings.
    The other arguments are those of :func:`headrace.collect.processes`; ``name`` is the stage's unless the decorator
    is given one. What identifies the results: command, stdin, working folder, names (not values) in ``env``.
    """

    def __init__(
        self,
        command: Sequence[str | bytes | os.PathLike[str]] | None = None,
        *,
        workers: int = 16,
        timeout: float = 30.0,
        stdin: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        max_output: int = MAX_OUTPUT,
        grace: float = 0.2,
        name: str = "processes",
    ) -> None:
        super().__init__(name)
        self._command = [] if command is None else command_words(command)
        self._options = process_options(arguments.limits(workers, timeout, max_output, None), stdin, env, cwd, grace)
        self._identity = digest(
            "processes", command=self._command, stdin=arguments.octets("stdin", stdin), cwd=cwd,
            env=None if env is None else sorted(map(str, env)),
        )  # fmt: skip

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it."""
        return _core.process_stage(name, identity, self._command, self._options)

    def identity(self) -> str:
        """Command, stdin, working folder, names of the environment."""
        return self._identity


class HttpStage(_CollectStage):
    """Sends one request to the URL that each item names, over connections that are kept.

    An item's value is a URL, or a mapping or object with ``url``. The arguments are those of
    :func:`headrace.collect.http`; ``name`` is the stage's unless the decorator is given one. What identifies the
    results: method, body, names (not values) of the headers.
    """

    def __init__(
        self,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        workers: int = 32,
        timeout: float = 30.0,
        max_output: int = MAX_OUTPUT,
        rate: float | None = None,
        burst: int = 1,
        max_retry_after: float = 60.0,
        ca_file: str | os.PathLike[str] | None = None,
        name: str = "http",
    ) -> None:
        super().__init__(name)
        limits = arguments.limits(workers, timeout, max_output, None)
        self._options = http_options(limits, method, headers, body, rate, burst, max_retry_after, ca_file)
        self._identity = digest(
            "http", method=method, body=arguments.octets("body", body), headers=sorted(map(str, headers or ())),
        )  # fmt: skip

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it."""
        return _core.http_stage(name, identity, self._options)

    def identity(self) -> str:
        """Method, body, names of the headers."""
        return self._identity
