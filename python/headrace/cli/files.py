"""``headrace run|resume|plan FILE.py``: the pipeline of a Python file, from the command line."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import traceback
from pathlib import Path
from typing import Any, Literal

from headrace.cli.logs import log_to
from headrace.cli.report import print_run
from headrace.errors import ConfigurationError, HeadraceError
from headrace.pipeline import Pipeline
from headrace.types import Status

__all__ = ["add_named_parser", "load_pipeline", "run"]

_HELP = {
    "run": "run the pipeline of a Python file",
    "resume": "go on with a run, with the settings it was started with",
    "plan": "say what a run would execute and skip, and why",
}
_DETAIL = """FILE is imported, not executed as a script: what stands under `if __name__ == "__main__":` is left out."""


def add_named_parser(subparsers: Any, name: str) -> argparse.ArgumentParser:
    """Add the command of that name; they share this module."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=_HELP[name], description=_HELP[name] + ".", epilog=_DETAIL
    )
    parser.add_argument("file", metavar="FILE.py", help="Python file that makes an hr.Pipeline")
    if name == "resume":
        parser.add_argument(
            "run_id", nargs="?", default="last", metavar="RUN", help="id of the run (default: the last)"
        )
    parser.add_argument("--pipeline", metavar="NAME", help="which one, where the file makes several")
    parser.add_argument("--store", default="headrace.db", help="the run store (default: %(default)s)")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter: JSON, or else text; repeatable"
    )
    parser.add_argument("--params", metavar="FILE.json", help="parameters as one JSON object")
    for option, text in (
        ("--only", "execute this stage alone"),
        ("--start-from", "execute this stage and what depends on it"),
        ("--until", "execute this stage and what it depends on"),
    ):
        parser.add_argument(option, metavar="STAGE", help=text)
    parser.add_argument("--fresh", action="store_true", help="use no recorded results")
    if name == "plan":
        parser.add_argument("--all", action="store_true", help="a line for each item, not for those that are alike")
    else:
        _add_run_options(parser)
    parser.set_defaults(command=name)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--drift", choices=["rerun", "refuse"], default="rerun", help="what changed code does")
    parser.add_argument("--on-error", choices=["collect", "stop"], default="collect", help="what a failed item does")
    parser.add_argument("--executor", choices=["threads", "processes"], default="threads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: one a core")
    parser.add_argument("--max-seconds", type=float, default=0, metavar="S", help="stop cleanly after that time")
    parser.add_argument("--max-memory", type=int, default=0, metavar="BYTES", help="stop cleanly above that size")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where there are dead letters")
    parser.add_argument("--log", metavar="FILE", help="write what happens there, a line an event (rotated at 10 MB)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Run the command that was called."""
    pipeline = load_pipeline(args.file, args.pipeline)
    params = _params(args)
    chosen = {name: getattr(args, name) for name in ("only", "start_from", "until", "fresh")}
    if args.command == "plan":
        plan = pipeline.plan(params, args.store, **chosen)
        print("\n".join(plan.lines()) if args.all else plan)
        return 0
    if args.command == "resume" and not Path(args.store).exists():
        raise ConfigurationError(f"there is no run store {args.store}: start with `headrace run {args.file}`")
    settings = {name: getattr(args, name) for name in ("drift", "on_error", "executor", "seed", "threads")}
    limits = {name: getattr(args, name) for name in ("max_seconds", "max_memory")}
    if args.log:
        log_to(args.log)
    resume = _run_to_resume(args, pipeline) if args.command == "resume" else "last"
    progress: Literal["auto"] | bool = False if args.quiet else "auto"
    done = pipeline.run(params, args.store, resume=resume, progress=progress, **chosen, **settings, **limits)
    print_run(done)
    return _code(done.status, args.strict)


def _code(status: Status, strict: bool) -> int:
    return 0 if status is Status.SUCCEEDED or (status is Status.PARTIAL and not strict) else 1


def _run_to_resume(args: argparse.Namespace, pipeline: Pipeline) -> str:
    if args.run_id != "last":
        return str(args.run_id)
    from headrace.store import open_store

    runs = open_store(args.store).runs(pipeline.name)
    if not runs:
        raise ConfigurationError(f"{args.store} has no run of '{pipeline.name}': start with `headrace run {args.file}`")
    return runs[0].id


def load_pipeline(file: str, name: str | None = None) -> Pipeline:
    """The pipeline that a Python file makes; ConfigurationError where there is none, or not just one."""
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError(f"there is no file {file}")
    made = {value.name: value for value in vars(_imported(path)).values() if isinstance(value, Pipeline)}
    if name is not None and name not in made:
        raise ConfigurationError(f"{file} makes no pipeline '{name}'; it makes {', '.join(made) or 'none'}")
    if name is None and len(made) != 1:
        several = f"{len(made)} pipelines ({', '.join(made)}): choose one with --pipeline" if made else "no hr.Pipeline"
        raise ConfigurationError(f"{file} makes {several}")
    return made[name or next(iter(made))]


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigurationError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ImportError as error:
        raise ConfigurationError(f"{path} can't be imported: {error}") from None
    except HeadraceError:
        raise
    except Exception as error:
        told = f"{path}, line {_line_in(path, error)}: {type(error).__name__}: {error}"
        raise ConfigurationError(told) from None
    return module


def _line_in(path: Path, error: Exception) -> int:
    """The last line of the file that the error came through."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return lines[-1] or 0 if lines else 0


def _params(args: argparse.Namespace) -> dict[str, Any] | None:
    """The parameters; None where none were given, so that a resumed run has its own."""
    found = _params_file(args.params) if args.params else {}
    for text in args.param:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--param {text!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found or None


def _params_file(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"--params {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"--params {path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"--params {path} holds a {type(found).__name__}, not an object of names and values")
    return found
