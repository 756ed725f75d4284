"""Runs git: never asks, never lets an argument become an option, ends when the caller wants it to."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.connectors import redact_url
from headrace.errors import CancelledError, ConfigurationError, PipelineError

_POLL = 0.1  # seconds between two looks at `cancelled`
_QUIET = (
    *("-c", "protocol.ext.allow=never", "-c", "core.quotePath=false", "-c", "gc.autoDetach=false"),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "credential.interactive=false"),
)


class GitError(PipelineError):
    """git refused; the message is its own last line."""


def environment() -> dict[str, str]:
    """The environment for git: without what points into the caller's own repository, and without questions."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(("GIT_CONFIG_", "GIT_SSH", "GIT_SSL"))
    }
    ssh = kept.get("GIT_SSH_COMMAND", "ssh") + " -o BatchMode=yes"
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_SSH_COMMAND": ssh, "LC_ALL": "C.UTF-8"}


def run_git(
    arguments: Sequence[str], *, folder: Path | None = None, cancelled: Callable[[], bool] = lambda: False
) -> bytes:
    """What git prints.

    Args:
        arguments: The subcommand and its arguments. What comes from outside belongs behind ``--``.
        folder: The git directory.
        cancelled: Asked ten times a second; True ends git.

    Raises:
        GitError: git failed.
        CancelledError: ``cancelled`` said so.
        ConfigurationError: git is not installed.
    """
    where = ["--git-dir", str(folder)] if folder else []
    try:
        process = subprocess.Popen(
            ["git", *_QUIET, *where, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigurationError("git is not installed: apt-get install git") from None
    out, err = _wait(process, cancelled)
    if process.returncode != 0:
        raise GitError(_last_line(err))
    return out


def _wait(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> tuple[bytes, bytes]:
    try:
        while True:
            try:
                return process.communicate(timeout=_POLL)
            except subprocess.TimeoutExpired:
                if cancelled():
                    raise CancelledError("git was stopped") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _last_line(err: bytes) -> str:
    lines = [line.strip() for line in err.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines or ["git failed"]
    return redact_url(told[0].removeprefix("fatal: "))
