"""A small IRRd: enough of the whois query protocol for bgpq4, with faults that can be switched on per AS.

Queries answered: ``!!`` (stay connected), ``!n`` (client name), ``!s`` (sources), ``!a`` (prefixes of an AS-SET),
``!g`` / ``!6`` (prefixes of an AS), ``!i`` (members of an AS-SET) and ``!q``.
"""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["IrrServer"]

FAULTS = ("error", "drop", "half", "hang", "garbage")


@dataclass
class IrrServer:
    """Serves ``routes`` (AS number -> prefixes of both families) on a free port of 127.0.0.1.

    ``faults`` maps an AS number to one of: ``error`` (an F answer), ``drop`` (the connection closes before the
    answer), ``half`` (it closes in the middle of the answer), ``hang`` (no answer), ``garbage`` (not the protocol).
    """

    routes: Mapping[int, Sequence[str]]
    as_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def __enter__(self) -> IrrServer:
        self._stopping = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._serve(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 512

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        """Where it listens, in bgpq4's form host:port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, handler: socketserver.StreamRequestHandler) -> None:
        try:
            for raw in handler.rfile:
                query = raw.decode("ascii", "replace").strip()
                self.queries.append(query)
                if query == "!q" or not self._answer(handler, query):
                    return
        except ConnectionError:
            return

    def _answer(self, handler: socketserver.StreamRequestHandler, query: str) -> bool:
        """Answers one query; False closes the connection."""
        if query == "!!":
            return True
        if query.startswith(("!g", "!6")):
            number = int(query[2:].upper().removeprefix("AS"))
            fault = self.faults.get(number)
            if fault is not None:
                return self._misbehave(handler, fault, number)
            self._data(handler, self._prefixes([number], v6=query.startswith("!6")))
        elif query.startswith("!a"):
            self._as_set(handler, query[2:])
        elif query.startswith("!i"):
            members = self.as_sets.get(query[2:].split(",", maxsplit=1)[0].upper())
            self._data(handler, members)
        elif query.startswith("!s-lc"):
            self._data(handler, ["TEST"])
        else:
            handler.wfile.write(b"C\n")
        return True

    def _prefixes(self, numbers: Sequence[int], *, v6: bool) -> list[str] | None:
        if not any(number in self.routes for number in numbers):
            return None
        return [p for number in numbers for p in self.routes.get(number, ()) if (":" in p) == v6]

    def _as_set(self, handler: socketserver.StreamRequestHandler, query: str) -> None:
        if not query:
            handler.wfile.write(b"F Missing required set name for A query\n")
            return
        v6 = query.startswith("6")
        name = query.removeprefix("6").removeprefix("4").upper()
        members = self.as_sets.get(name)
        numbers = [int(m.upper().removeprefix("AS")) for m in members or ()]
        self._data(handler, None if members is None else self._prefixes(numbers, v6=v6))

    @staticmethod
    def _data(handler: socketserver.StreamRequestHandler, words: Sequence[str] | None) -> None:
        if words is None:
            handler.wfile.write(b"D\n")
        elif not words:
            handler.wfile.write(b"C\n")
        else:
            text = " ".join(words) + "\n"
            handler.wfile.write(f"A{len(text)}\n{text}C\n".encode())

    def _misbehave(self, handler: socketserver.StreamRequestHandler, fault: str, number: int) -> bool:
        text = " ".join(self.routes.get(number, ("192.0.2.0/24",) * 50)) + "\n"
        if fault == "error":
            handler.wfile.write(b"F internal error, try again later\n")
            return True
        if fault == "half":
            handler.wfile.write(f"A{len(text)}\n{text[: len(text) // 2]}".encode())
        elif fault == "garbage":
            handler.wfile.write(b"\x00\xffHTTP/1.1 400 Bad Request\r\n\r\n")
        elif fault == "hang":
            while not self._stopping.wait(0.05):
                time.sleep(0)
        return False
