"""``headrace runs|show|events|verify|prune|approve``: what a run store holds, and its upkeep."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from headrace.cli.report import print_run
from headrace.store import Store, open_store

__all__ = ["add_named_parser", "run"]

_HELP = {
    "runs": "list the runs of a store, newest first",
    "show": "one run: its stages and failures",
    "events": "what happened in a run, in order",
    "verify": "check that nothing recorded was altered or left out",
    "prune": "forget old runs of each pipeline, and what only they need",
    "approve": "let an output that a guard refused pass",
}


def add_named_parser(subparsers: Any, name: str) -> argparse.ArgumentParser:
    """Add the command of that name; they share this module."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=_HELP[name], description=_HELP[name])
    parser.add_argument("--store", default="headrace.db", help="the run store (default: %(default)s)")
    if name in ("show", "events"):
        parser.add_argument("run_id", help="id of the run")
    if name == "prune":
        parser.add_argument(
            "--keep-last",
            type=int,
            default=1,
            metavar="N",
            help="runs of each pipeline that stay whatever happens (default: 1)",
        )
        parser.add_argument("--days", type=float, metavar="D", help="keep those of the last D days too")
        parser.add_argument("--max-bytes", type=int, metavar="B", help="forget none while the store holds no more")
    if name == "approve":
        parser.add_argument("pipeline")
        parser.add_argument("stage")
        parser.add_argument("--key", help="the item's key, for a stage that runs once per item")
        parser.add_argument("--note", default="", help="why, for whoever reads the audit")
    parser.set_defaults(command=name)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the command that was called."""
    store = open_store(args.store)
    commands = {
        "runs": _runs,
        "show": _show,
        "events": _events,
        "verify": _verify,
        "prune": _prune,
        "approve": _approve,
    }
    return commands[args.command](store, args)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _runs(store: Store, args: argparse.Namespace) -> int:
    for entry in store.runs():
        print(f"{entry.id}  {_when(entry.started_at)}  {entry.status:<9}  {entry.pipeline}  {entry.message}".rstrip())
    return 0


def _show(store: Store, args: argparse.Namespace) -> int:
    print_run(store.run(args.run_id))
    return 0


def _events(store: Store, args: argparse.Namespace) -> int:
    for event in store.events(args.run_id):
        print(f"{_when(event['at_ms'] / 1000)}  {event['kind']:<16} {event['stage']:<16} {json.dumps(event['detail'])}")
    return 0


def _verify(store: Store, args: argparse.Namespace) -> int:
    faults = store.verify()
    print("\n".join(faults) if faults else f"{store.location}: nothing was altered or left out")
    return 1 if faults else 0


def _prune(store: Store, args: argparse.Namespace) -> int:
    print(f"{store.prune(args.keep_last, days=args.days, max_bytes=args.max_bytes)} runs forgotten")
    return 0


def _approve(store: Store, args: argparse.Namespace) -> int:
    store.approve(args.pipeline, args.stage, args.key, args.note)
    print(f"approved: run '{args.pipeline}' again")
    return 0
