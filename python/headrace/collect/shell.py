"""Commands on many hosts over SSH."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from headrace import _core
from headrace.collect import arguments
from headrace.collect.arguments import MAX_OUTPUT, RetryLike
from headrace.collect.outcome import Outcome
from headrace.collect.stream import OutcomeIterator, in_order
from headrace.errors import ConfigurationError

__all__ = ["ssh"]

_USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


@overload
def ssh(
    hosts: Iterable[str],
    command: str | Sequence[str],
    *,
    username: str,
    port: int = ...,
    key: str | os.PathLike[str] | None = ...,
    password: Any = ...,
    known_hosts: str | os.PathLike[str] = ...,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    max_output: int = ...,
    iter: Literal[False] = ...,
    passphrase: Any = ...,
    agent: bool | None = ...,
    accept_new: bool = ...,
    stdin: bytes | str | None = ...,
    require_status: bool = ...,
    legacy: bool = ...,
) -> list[Outcome]: ...
@overload
def ssh(
    hosts: Iterable[str],
    command: str | Sequence[str],
    *,
    username: str,
    port: int = ...,
    key: str | os.PathLike[str] | None = ...,
    password: Any = ...,
    known_hosts: str | os.PathLike[str] = ...,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    max_output: int = ...,
    iter: Literal[True],
    passphrase: Any = ...,
    agent: bool | None = ...,
    accept_new: bool = ...,
    stdin: bytes | str | None = ...,
    require_status: bool = ...,
    legacy: bool = ...,
) -> OutcomeIterator: ...
def ssh(
    hosts: Iterable[str],
    command: str | Sequence[str],
    *,
    username: str,
    port: int = 22,
    key: str | os.PathLike[str] | None = None,
    password: Any = None,
    known_hosts: str | os.PathLike[str] = "~/.ssh/known_hosts",
    workers: int = 50,
    timeout: float = 30.0,
    retry: RetryLike | None = None,
    max_output: int = MAX_OUTPUT,
    iter: bool = False,
    passphrase: Any = None,
    agent: bool | None = None,
    accept_new: bool = False,
    stdin: bytes | str | None = None,
    require_status: bool = True,
    legacy: bool = False,
) -> list[Outcome] | OutcomeIterator:
    """Run a command (or several, one after the other in one session) on each host, ``workers`` sessions at a time.

    A host is a name, an address or ``name:port``. ``timeout``: seconds for one attempt, from looking up the name to
    the last byte of output. Host keys are checked against ``known_hosts``; with ``accept_new`` the key of a host of
    which none is known is accepted and remembered, a changed one never. ``key``: a private key file (``passphrase``
    if it needs one). ``password``: a string, or anything with ``get_secret_value()``; tried after the key. ``agent``:
    ask the SSH agent, by default when neither key nor password is given; then the user's usual key files are tried,
    too. ``stdin`` is what each command reads. ``legacy``: also old algorithms, for devices that know no others.
    ``retry`` applies to failures to connect, connections that break off and time-outs.

    Several commands: the first that fails is the last; ``Outcome.commands`` has the answer of each that ran.
    ``require_status=False`` takes an answer without an exit status (some devices send none) for a whole one.

    Returns one :class:`Outcome` for each host in the order given, or with ``iter=True`` an iterator that yields them as
    they finish. Raises ConfigurationError where an argument is wrong; a host that is none has an outcome of its own.
    """
    targets = arguments.strings("hosts", hosts)
    options = ssh_options(
        command, arguments.limits(workers, timeout, max_output, retry), username, port, key, password, known_hosts,
        passphrase, agent, accept_new, stdin, require_status, legacy,
    )  # fmt: skip
    stream = _core.collect_ssh(targets, commands_of(command), options, arguments.capacity(workers, iter))
    return OutcomeIterator(stream, targets) if iter else in_order(stream, targets)


def commands_of(command: str | Sequence[str]) -> list[str]:
    """The commands of one session. Raises ConfigurationError."""
    return arguments.strings("command", [command] if isinstance(command, str) else command)


def ssh_options(
    command: str | Sequence[str],
    limits: arguments.Limits,
    username: str,
    port: int,
    key: str | os.PathLike[str] | None,
    password: Any,
    known_hosts: str | os.PathLike[str],
    passphrase: Any,
    agent: bool | None,
    accept_new: bool,
    stdin: bytes | str | None,
    require_status: bool,
    legacy: bool,
) -> _core.SshOptions:
    """The arguments of :func:`ssh`, checked, as the core takes them. Raises ConfigurationError."""
    login = _core.SshLogin(
        username=arguments.string("username", username),
        port=max(0, min(arguments.whole("port", port), 65536)),
        key_files=_key_files(key, password),
        passphrase=_secret("passphrase", passphrase) or "",
        agent_socket=_agent_socket(agent, key, password),
        password=_secret("password", password),
        known_hosts=_path("known_hosts", known_hosts),
        accept_new=bool(accept_new),
    )
    return _core.SshOptions(
        limits=limits,
        login=login,
        input=arguments.octets("stdin", stdin),
        require_status=bool(require_status),
        legacy=bool(legacy),
        list_commands=not isinstance(command, str),
    )


def _path(name: str, value: str | os.PathLike[str]) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigurationError(f"{name} must be a path, not {value!r}")
    return str(Path(value).expanduser())


def _key_files(key: str | os.PathLike[str] | None, password: Any) -> list[str]:
    if key is not None:
        return [_path("key", key)]
    if password is not None:
        return []
    return [str(path) for path in (Path(name).expanduser() for name in _USUAL_KEYS) if path.is_file()]


def _agent_socket(agent: bool | None, key: object, password: object) -> str:
    wanted = agent if agent is not None else key is None and password is None
    path = os.environ.get("SSH_AUTH_SOCK", "") if wanted else ""
    if agent and not path:
        raise ConfigurationError("agent: no SSH agent is running (SSH_AUTH_SOCK is not set)")
    return path


def _secret(name: str, value: Any) -> str | None:
    """Never part of a message."""
    revealed = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if revealed is None or isinstance(revealed, str):
        return revealed
    raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}")
