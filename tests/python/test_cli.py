"""The frame of the command line: finding commands, exit codes, one-line errors."""

import argparse
import subprocess
import sys
import time
import types
from typing import Any

import pytest

from headrace import cli
from headrace.errors import ConfigurationError, StorageError, WorkflowValidationError


def command(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    module = types.ModuleType("headrace_test_command")

    def add_parser(subparsers: Any) -> argparse.ArgumentParser:
        parser = subparsers.add_parser("try")
        parser.add_argument("--number", type=int, default=0)
        return parser

    module.add_parser, module.run = add_parser, run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "headrace_test_command", module)
    monkeypatch.setitem(cli.COMMANDS, "try", ("headrace_test_command", "a test"))


def raising(error: BaseException) -> Any:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_a_command_gets_its_options_and_gives_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, lambda args: args.number)
    assert cli.main(["try", "--number", "7"]) == 7


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no such folder"), 2),
        (WorkflowValidationError("a cycle"), 2),
        (StorageError("disk full"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    command(monkeypatch, raising(error))
    assert cli.main(["try"]) == code
    told = capsys.readouterr().err
    assert str(error) in told
    assert told.count("\n") == 1


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["nonsense"], ["--nonsense"]):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 2
        assert "usage: headrace" in capsys.readouterr().err


def test_help_imports_no_command_and_is_quick() -> None:
    check = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from headrace.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'qdrant_edge', 'docling', 'gitlab', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not [name for name in sys.modules if name.startswith('headrace.pipelines')]"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: headrace" in done.stdout
    assert time.monotonic() - began < 5
