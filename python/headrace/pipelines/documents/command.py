"""The command ``headrace documents``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shutil
import textwrap
from dataclasses import asdict
from typing import Any

from headrace.pipelines.documents.settings import Settings

__all__ = ["add_parser", "run"]

_SOURCE = ("branch", "folder", "store", "vectors", "collection", "embedder", "embedder_options", "name")
_SHOWN = 10  # failures and warnings in the terminal; all are in the summary


class _Options(argparse.Action):
    """``NAME=VALUE``, several times; a value is JSON where it can be, else text."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        name, found, value = str(values).partition("=")
        if not (name and found):
            parser.error(f"{option_string} {values}: write NAME=VALUE")
        with contextlib.suppress(ValueError):  # plain text
            value = json.loads(value)
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: value})


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the command and its own subcommands."""
    parser: argparse.ArgumentParser = subparsers.add_parser("documents", help="documents in, searchable vectors out")
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    _add_run(actions.add_parser("run", help="bring a vector store up to date with a source of documents"))
    _add_search(actions.add_parser("search", help="search what was stored"))
    _add_audit(actions.add_parser("audit", help="compare the vector store with what is recorded of a source"))
    _add_history(actions.add_parser("history", help="the runs over time, and what more documents would take"))
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    default = Settings("-")
    parser.add_argument("source", help="a folder, a git repository, gitlab+https://host/group/project")
    parser.add_argument("--branch", help="branch of a git repository (default: its own default)")
    parser.add_argument("--folder", default="", help="only what lies below this folder")
    parser.add_argument("--store", default=default.store, help="the run store (default: %(default)s)")
    _add_collection(parser)
    parser.add_argument("--name", help="what the source is called in the collection (default: its address)")


def _add_audit(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("--repair", action="store_true", help="mend what differs, from the records")
    parser.add_argument("--json", action="store_true", help="print what differs as JSON")


def _add_history(parser: argparse.ArgumentParser) -> None:
    default = Settings("-")
    parser.add_argument("--store", default=default.store, help="the run store (default: %(default)s)")
    parser.add_argument("--vectors", default=default.vectors, help="the vector store (default: %(default)s)")
    parser.add_argument("--documents", type=int, metavar="N", help="also: the time and the disk that N would take")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def _add_run(parser: argparse.ArgumentParser) -> None:
    default = Settings("-")
    _add_source(parser)
    parser.add_argument("--ext", action="append", metavar="ENDING", help="endings to take, such as .md,.docx")
    parser.add_argument("--chunk-size", type=int, default=default.chunk_size, help="characters (default: %(default)s)")
    parser.add_argument("--chunk-overlap", type=int, default=0, help="characters (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=default.workers, help="conversions at once (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=default.timeout, help="seconds a document (default: %(default)g)"
    )
    parser.add_argument(
        "--memory", type=int, default=default.memory, help="megabytes a document (default: %(default)s)"
    )
    parser.add_argument("--artifacts", default=default.artifacts, help="folder of Docling's models, for PDF")
    parser.add_argument("--max-size", type=int, default=default.max_size, help="largest document, in megabytes")
    parser.add_argument("--max-shrink", type=float, help="refuse a source that lost more than this share, 0 to 1")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if any document failed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no report")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="+", help="what to look for")
    _add_collection(parser)
    parser.add_argument("--limit", type=int, default=5, help="most hits (default: %(default)s)")
    parser.add_argument("--format", action="append", help="only documents of this format, such as pdf")
    parser.add_argument("--json", action="store_true", help="print the hits as JSON")


def _add_collection(parser: argparse.ArgumentParser) -> None:
    default = Settings("-")
    parser.add_argument(
        "--vectors", default=default.vectors, help="vector store: folder or http://host:6333 (default: %(default)s)"
    )
    parser.add_argument("--collection", default=default.collection, help="default: %(default)s")
    parser.add_argument(
        "--embedder",
        default=default.embedder,
        help="hashed, onnx:FOLDER, sentence-transformers:NAME, https://host/v1#MODEL (default: %(default)s)",
    )
    parser.add_argument(
        "--embedder-option",
        action=_Options,
        dest="embedder_options",
        default={},
        metavar="NAME=VALUE",
        help="a further argument of the embedder, such as requests_per_minute=60",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    return {"run": _run, "search": _search, "audit": _audit, "history": _history}[args.action](args)


def _run(args: argparse.Namespace) -> int:
    from headrace.pipelines.documents.run import run as run_documents

    limits = ("chunk_size", "chunk_overlap", "workers", "timeout", "memory", "max_size", "max_shrink", "artifacts")
    settings = {name: getattr(args, name) for name in (*_SOURCE, *limits)}
    if args.ext:
        settings["extensions"] = tuple(",".join(args.ext).split(","))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("headrace.engine").propagate = False  # the report says the same
    done = run_documents(args.source, progress=False if args.quiet or args.json else "auto", **settings)
    if args.json:
        print(json.dumps(done.summary, indent=1, ensure_ascii=False))
    elif not args.quiet:
        print(report(done.summary))
    return 1 if args.strict and done.failures else 0


def report(summary: Any) -> str:
    """What a person wants to know of a run, in a few lines."""
    counts = summary["counts"]
    parts = [f"{counts['executed']} converted", f"{counts['skipped']} unchanged"]
    parts += [f"{counts[what]} {what}" for what in ("failed", "removed") if counts[what]]
    where = summary["source"] + (f", folder {summary['folder']}" if summary["folder"] else "")
    lines = [
        f"source     {where}",
        f"documents  {counts['total']}: {', '.join(parts)}",
        f"chunks     {counts['chunks']} in collection '{summary['collection']}' ({summary['dimensions']} dimensions)",
        f"time       {summary['seconds']:.1f} s",
    ]
    failed = [f"{failure['document'] or failure['stage']}: {failure['message']}" for failure in summary["failures"]]
    return "\n".join([*lines, *_list("failed", failed), *_list("warnings", summary["warnings"])])


def _list(title: str, entries: list[str]) -> list[str]:
    shown = [f"  {entry}" for entry in entries[:_SHOWN]]
    if len(entries) > _SHOWN:
        shown.append(f"  and {len(entries) - _SHOWN} more, all in the summary")
    return [title, *shown] if shown else []


def _audit(args: argparse.Namespace) -> int:
    """0 when journal and store agree, or do so again; 1 when they differ."""
    from headrace.pipelines.documents.audit import audit

    settings = {name: getattr(args, name) for name in _SOURCE}
    found = audit(args.source, repair=args.repair, **settings)
    left = audit(args.source, **settings) if args.repair and not found.clean else found
    if args.json:
        print(json.dumps({**asdict(found), "clean": left.clean}, indent=1, ensure_ascii=False))
    else:
        print(found)
        if args.repair and not found.clean:
            print("mended" if left.clean else f"not mended:\n{left}")
    return 0 if left.clean else 1


def _history(args: argparse.Namespace) -> int:
    from headrace.pipelines.documents.analytics import forecast, history

    past = history(args.store)
    wanted = None if args.documents is None else forecast(args.documents, args.store, args.vectors)
    if args.json:
        told = {"runs": [asdict(run) for run in past.runs], "documents_a_day": past.documents_a_day}
        estimate = None if wanted is None else {**asdict(wanted), "rough": wanted.rough}
        print(json.dumps({**told, "forecast": estimate}, indent=1))
    else:
        print("\n".join(map(str, (past, wanted) if wanted else (past,))))
    return 0


def _search(args: argparse.Namespace) -> int:
    from headrace.pipelines.documents.search import search

    query = " ".join(args.query)
    where = {"format": args.format} if args.format else None
    hits = search(
        query,
        vectors=args.vectors,
        collection=args.collection,
        limit=args.limit,
        where=where,
        embedder=args.embedder,
        embedder_options=args.embedder_options,
    )
    if args.json:
        print(json.dumps([asdict(hit) for hit in hits], indent=1, ensure_ascii=False))
    else:
        print(show_hits(hits, query) if hits else "nothing found")
    return 0


def show_hits(hits: Any, query: str) -> str:
    """Hits for the terminal."""
    from headrace.pipelines.documents.search import snippet

    width = min(shutil.get_terminal_size().columns, 110) - 4
    lines = []
    for number, hit in enumerate(hits, 1):
        inside = [heading for heading in hit.heading if heading != hit.title]
        page = f", page {hit.page}" if hit.page else ""
        lines.append(f"{number}. {' > '.join([hit.title, *inside])}")
        lines.append(f"   {hit.path}{page}")
        shown = snippet(hit.text, query, 2 * width - 10)
        lines.append(textwrap.fill(shown, width + 3, initial_indent="   ", subsequent_indent="   "))
    return "\n".join(lines)
