"""An OpenAI-compatible embeddings server on the loopback device, which can be told to misbehave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from servers.web import Answer, Request, WebServer

Reply = tuple[int, Any, dict[str, str]]
LOST = 0  # instead of a status: the connection is closed in the middle of the answer


def vectors(body: dict[str, Any]) -> list[list[float]]:
    """A row for each text that tells it from others."""
    return [[float(len(t)), float(sum(map(ord, t)) % 997), 1.0] for t in body["input"]]


def reply(body: dict[str, Any]) -> Reply:
    """What a well-behaved server says, in an order of its own."""
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(vectors(body))]
    return 200, {"object": "list", "data": data[::-1], "model": body["model"]}, {}


class EmbeddingsServer(WebServer):
    """Keeps ``bodies`` and ``times``. ``rule(body, number)`` replies; None: the ordinary reply."""

    def __init__(self) -> None:
        self.rule: Callable[[dict[str, Any], int], Reply | None] = lambda body, number: None
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        super().__init__(self._answer)
        self.url += "/v1"

    def _answer(self, request: Request) -> Answer:
        body = json.loads(request.body)
        self.times.append(time.monotonic())
        self.bodies.append(body)
        if request.path != "/v1/embeddings":
            return Answer(404)
        status, content, headers = self.rule(body, request.number) or reply(body)
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Answer(status or 200, payload, headers, promise=len(payload) + 1 if status == LOST else None)
