"""``headrace serve``: a run store as web pages on this machine. Nothing can be changed there."""

from __future__ import annotations

import argparse
import json
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from headrace.errors import ConfigurationError, HeadraceError
from headrace.store import Store, StoredRun, open_store
from headrace.widgets import html, svg

__all__ = ["add_parser", "run", "server"]

_HELP = "show a run store as web pages on this machine, live while a run works"
_REFRESH = 2  # seconds
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;"
    "color:#1d2129;background:#fff}"
    "a{color:inherit}h1{font-size:1.25rem}h2{font-size:1rem;margin-top:1.6rem}svg{max-width:100%;height:auto}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181d}}"
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser("serve", help=_HELP, description=_HELP + ".")
    parser.add_argument("--store", default="headrace.db", help="the run store (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8350, help="0: any free one (default: %(default)s)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        serving = server(open_store(args.store), args.port)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"port {args.port} can't be served: {error}; choose another with --port") from None
    print(f"{args.store}: http://127.0.0.1:{serving.server_port}/  (Ctrl-C ends)", flush=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        serving.server_close()
    return 0


def server(store: Store, port: int) -> ThreadingHTTPServer:
    """A server on loopback alone, not serving yet; port 0: any free one."""

    class Handler(_Handler):
        pages = _Pages(store)

    serving = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    serving.daemon_threads = True
    return serving


class _Pages:
    """Paths to (content type, text)."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def answer(self, path: str) -> tuple[str, str] | None:
        parts = [unquote(part) for part in path.split("/") if part]
        match parts:
            case []:
                return "text/html", self._index()
            case ["runs", run_id]:
                return "text/html", self._run(self.store.run(run_id))
            case ["api", "runs"]:
                return "application/json", json.dumps([_brief(entry) for entry in self.store.runs()])
            case ["api", "runs", run_id]:
                return "application/json", json.dumps(_whole(self.store.run(run_id)))
        return None

    def _index(self) -> str:
        runs = self.store.runs()
        live = any(not entry.status.finished for entry in runs)
        listed = html.runs_table(runs, link=lambda entry: f"/runs/{entry.id}")
        return _page(
            self.store.location, f"<h1>{escape(self.store.location)}</h1>{listed or '<p>no runs yet</p>'}", live
        )

    def _run(self, entry: StoredRun) -> str:
        live = not entry.status.finished
        stages = {stage.name: stage for stage in entry.stages}
        parts = [
            f'<p><a href="/">all runs</a></p><h1>{escape(entry.pipeline)}</h1>',
            html.progress_view(entry.progress()) if live else "",
            html.run_view(entry),
            f"<h2>stages</h2>{svg.dag(entry.graph.stages, stages)}",
            f"<h2>time</h2>{svg.timeline(stages.values())}",
            f"<h2>errors</h2>{svg.errors(entry.failures)}" if entry.failures else "",
        ]
        return _page(f"{entry.pipeline} {entry.id}", "".join(parts), live)


def _page(title: str, body: str, live: bool) -> str:
    refresh = f'<meta http-equiv="refresh" content="{_REFRESH}">' if live else ""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>{refresh}<style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _brief(entry: StoredRun) -> dict[str, Any]:
    return {
        "id": entry.id, "pipeline": entry.pipeline, "status": str(entry.status), "message": entry.message,
        "started_at": entry.started_at, "finished_at": entry.finished_at,
    }  # fmt: skip


def _whole(entry: StoredRun) -> dict[str, Any]:
    progress = entry.progress()
    stages = [
        {
            "name": stage.name, "status": str(stage.status), "total": stage.total, "executed": stage.executed,
            "skipped": stage.skipped, "failed": stage.failed, "seconds": stage.seconds,
        }
        for stage in entry.stages
    ]  # fmt: skip
    failures = [
        {"stage": f.stage, "key": f.key, "error_type": f.error_type, "message": f.message, "category": f.category}
        for f in entry.failures
    ]
    about = {"done": progress.done, "total": progress.total, "estimated_remaining": progress.estimated_remaining}
    return {**_brief(entry), "progress": about, "stages": stages, "failures": failures}


class _Handler(BaseHTTPRequestHandler):
    pages: _Pages
    server_version = "headrace"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with a page, or with one line on why not."""
        # A page of another site that resolves its name to this machine would send that name.
        if (self.headers.get("Host") or "").rsplit(":", 1)[0] not in ("127.0.0.1", "localhost"):
            return self._send(HTTPStatus.FORBIDDEN, "text/plain", "only for this machine")
        try:
            found = self.pages.answer(urlsplit(self.path).path)
        except ConfigurationError as error:
            return self._send(HTTPStatus.NOT_FOUND, "text/plain", str(error))
        except HeadraceError as error:
            return self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", str(error))
        if found is None:
            return self._send(HTTPStatus.NOT_FOUND, "text/plain", "no such page: / lists the runs")
        return self._send(HTTPStatus.OK, *found)

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the user's."""
