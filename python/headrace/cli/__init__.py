"""The command ``headrace``: one module a command, imported when that command is called.

A command's module has ``add_parser(subparsers)``, which adds and returns its parser, and ``run(args) -> int``.
Exit codes: 0 success, 1 the run failed, 2 wrong usage or configuration, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from headrace.errors import ConfigurationError, HeadraceError, WorkflowValidationError

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "documents": ("headrace.pipelines.documents.command", "documents in, searchable vectors out"),
    "bgp": ("headrace.pipelines.bgp.command", "prefix lists from the routing registries onto the routers"),
    "run": ("headrace.cli.files", "run the pipeline of a Python file"),
    "resume": ("headrace.cli.files", "go on with a run"),
    "plan": ("headrace.cli.files", "what a run would execute and skip, and why"),
    "runs": ("headrace.cli.stores", "list the runs of a store"),
    "show": ("headrace.cli.stores", "one run: its stages and failures"),
    "events": ("headrace.cli.stores", "what happened in a run"),
    "verify": ("headrace.cli.stores", "check that nothing was altered or left out"),
    "prune": ("headrace.cli.stores", "forget old runs"),
    "serve": ("headrace.cli.serve", "the runs of a store as web pages on this machine"),
    "approve": ("headrace.cli.stores", "let an output that a guard refused pass"),
}
"""Name -> (module, one line of help). Modules are named, not imported: pipelines know the command line, not it them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
        return int(args.module.run(args))
    except (ConfigurationError, WorkflowValidationError) as error:
        return _tell(error, 2)
    except HeadraceError as error:
        return _tell(error, 1)
    except KeyboardInterrupt:
        print("stopped: what had finished is recorded, the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read us has gone: `headrace ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _tell(error: HeadraceError, code: int) -> int:
    print(f"headrace: {error}", file=sys.stderr)
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; of the commands, only the one that is called has its options in it."""
    from headrace import __version__

    parser = argparse.ArgumentParser(prog="headrace", description="Crash-safe pipelines for notebooks and scripts.")
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module_name, text) in COMMANDS.items():
        if name == called:
            module = importlib.import_module(module_name)
            # A module of several commands is told which one is meant.
            named = getattr(module, "add_named_parser", None)
            parsed = named(subparsers, name) if named else module.add_parser(subparsers)
            parsed.set_defaults(module=module)
        else:
            subparsers.add_parser(name, help=text, add_help=False)
    return parser
