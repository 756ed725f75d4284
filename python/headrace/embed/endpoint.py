"""Embedding models behind an OpenAI-compatible HTTP endpoint."""

from __future__ import annotations

import base64
import binascii
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.collect import Outcome, http
from headrace.embed.pace import Cooldown, Pace, retry_after
from headrace.embed.tokenizer import Tokenizer, refuse_too_long
from headrace.errors import ConfigurationError, EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HttpEmbedder", "ServerUnavailableError"]

_ASK_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
_SETUP = {401, 403, 404, 405, 407}  # no text is to blame, and no other one will fare better
_MAX_ANSWER = 1 << 28  # bytes


class ServerUnavailableError(EmbeddingError):
    """The server can't be reached, or wants to be left alone: no text is to blame, and asking again helps later."""


class HttpEmbedder:
    """A server that answers ``POST {url}/embeddings`` as OpenAI's does (vLLM, TEI, Ollama, LiteLLM, ...).

    Failures to connect, lost connections, time-outs and the statuses that ask for it are tried again, after the time
    that ``Retry-After`` names (for all threads) or a growing pause. A batch that is too large (413) is
    halved, and later ones stay below its size. A wrong key or address (401, 403, 404) stops everything with
    ``ConfigurationError``; any other refusal is an ``EmbeddingError``, which a ``Batcher`` pins on the guilty text.

    A server that truncates says nothing. Give ``tokenizer`` and ``max_tokens``, so that no text over the limit is
    sent, and let the server refuse (``extra={"truncate": False}`` for Ollama and TEI). Counts are also compared with
    the usage that the server reports, less three for each text, since some don't count special tokens.

    Args:
        url: Up to and without ``/embeddings``, for instance ``http://localhost:8080/v1``.
        model: The model's name there.
        api_key: Sent as a bearer token; a string or a ``pydantic.SecretStr``. Never shown.
        dimensions: Asks for vectors of this size (models that can shorten theirs).
        max_tokens: Tokens of a text at most; needs ``tokenizer``.
        tokenizer: The model's ``tokenizer.json``, or a function that counts tokens. None: an estimate, to sort by.
        prefix: Put before every text.
        workers: Requests that a ``Batcher`` may send at once.
        timeout: Seconds for one request.
        attempts: How often a request is sent at most.
        delay: First pause in seconds; each further one is twice as long, up to a minute.
        max_retry_after: Seconds; a server that wants a longer pause is not asked again.
        requests_per_minute: Rate limit over all threads.
        tokens_per_minute: Rate limit over all threads.
        headers: Further headers.
        extra: Further fields of the request.
        ca_file: PEM file of the authorities to trust; None: the system's.
        cooldown: A file that keeps until when a server wants to be left alone, so that a new process heeds it too.
    """

    #: Nobody knows what the server does.
    batch_invariant = False

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: Any = None,
        dimensions: int | None = None,
        max_tokens: int | None = None,
        tokenizer: str | os.PathLike[str] | Callable[[Sequence[str]], Sequence[int]] | None = None,
        prefix: str = "",
        workers: int = 4,
        timeout: float = 60.0,
        attempts: int = 5,
        delay: float = 1.0,
        max_retry_after: float = 300.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        cooldown: str | os.PathLike[str] | None = None,
    ) -> None:
        if max_tokens is not None and tokenizer is None:
            raise ConfigurationError("max_tokens needs a tokenizer to count with: an estimate can't hold a limit")
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"url must start with http:// or https://, not {url!r}")
        if attempts < 1 or delay < 0 or workers < 1:
            raise ConfigurationError("attempts and workers must be at least 1, delay at least 0")
        self.url = url.rstrip("/")
        self.model = model
        self.max_tokens = max_tokens
        self.prefix = prefix
        self.workers = workers
        self.dim = dimensions or 0
        self._key = str(api_key.get_secret_value() if hasattr(api_key, "get_secret_value") else api_key or "")
        self._fields = {"model": model, **({"dimensions": dimensions} if dimensions else {}), **(extra or {})}
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if self._key:
            self._headers["Authorization"] = f"Bearer {self._key}"
        self._count = None if tokenizer is None else tokenizer if callable(tokenizer) else Tokenizer(tokenizer).count
        self._send: dict[str, Any] = {"timeout": timeout, "max_output": _MAX_ANSWER, "ca_file": ca_file, "workers": 1}
        self._attempts, self._delay, self._max_retry_after = attempts, delay, max_retry_after
        self._pace = Pace(requests_per_minute, tokens_per_minute)
        self._cooldown = Cooldown(cooldown, self.url)
        self._pace.hold(self._cooldown.left())
        self._most_bytes = 0  # a request's texts at most, once the server has refused a larger one; 0: unknown
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """Model, prefix and further fields; not the address, so that a server may move."""
        described = json.dumps([self._fields, self.prefix], sort_keys=True, default=str)
        return f"http-{self.model}-{binascii.crc32(described.encode()):08x}"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, by the tokenizer or an estimate; the prefix is included."""
        from headrace.embed.batcher import estimate_tokens

        return list((self._count or estimate_tokens)([self.prefix + text for text in texts]))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text: float32 (n, dim).

        Raises:
            EmbeddingError: The server refused, or answered with something else; or a text is too long.
            ServerUnavailableError: All attempts failed, or the server wants to be left alone for longer.
            ConfigurationError: Wrong key or address.
            CancelledError: :meth:`interrupt` was called while it waited.
        """
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        counts = self.count_tokens(texts)
        refuse_too_long(counts, self.max_tokens)
        rows = self._embed([self.prefix + text for text in texts], counts)
        self.dim = int(rows.shape[1])
        return rows

    def interrupt(self) -> None:
        """End the pauses of other threads' requests with ``CancelledError``. Requests under way end by themselves."""
        self._pace.interrupt()

    def _embed(self, texts: list[str], counts: list[int]) -> NDArray[np.float32]:
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        if len(texts) > 1 and 0 < self._most_bytes < size:
            return self._halves(texts, counts)
        outcome = self._request(texts, sum(counts))
        if outcome.exit_code == 413 and len(texts) > 1:
            with self._lock:
                self._most_bytes = max(1, min(self._most_bytes or size, size) // 2)
            return self._halves(texts, counts)
        if not outcome.ok:
            raise self._refusal(outcome)
        return self._rows(outcome.stdout, counts)

    def _halves(self, texts: list[str], counts: list[int]) -> NDArray[np.float32]:
        middle = len(texts) // 2
        return np.concatenate(
            [self._embed(texts[:middle], counts[:middle]), self._embed(texts[middle:], counts[middle:])]
        )

    def _request(self, texts: list[str], tokens: int) -> Outcome:
        body = json.dumps({"input": texts, **self._fields}).encode()
        attempt, begun = 1, self._pace.begin()
        while True:
            if (left := self._cooldown.left()) > self._max_retry_after:
                at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + left))
                raise ServerUnavailableError(f"{self.url} wants to be left alone until {at}")
            self._pace.wait_for_turn(tokens, begun)
            outcome: Outcome
            (outcome,) = http([f"{self.url}/embeddings"], method="POST", headers=self._headers, body=body, **self._send)
            again = outcome.exit_code in _ASK_AGAIN or outcome.error_type in ("unreachable", "timeout", "protocol")
            if outcome.ok or not again:
                return outcome
            asked = retry_after(outcome.headers.get("retry-after"), time.time())
            if asked:
                self._cooldown.begin(asked)
            if attempt == self._attempts or (asked or 0) > self._max_retry_after:
                return outcome
            pause = min(60.0, self._delay * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._pace.hold(pause if asked is None else asked)
            attempt += 1

    def _refusal(self, outcome: Outcome) -> Exception:
        status = outcome.exit_code
        if status in _SETUP:
            return ConfigurationError(f"{self.url} answers {status}: check url, model and api_key")
        if not status or status < 400:
            return ServerUnavailableError(f"{self.url}: {outcome.message}")
        kind = ServerUnavailableError if status in _ASK_AGAIN else EmbeddingError
        return kind(f"{self.url} answers {status}: {self._shown(outcome.stdout)}")

    def _shown(self, body: bytes) -> str:
        """The server's own words, in one short line and without the key."""
        text = " ".join(body[:2000].decode("utf-8", "replace").split())
        return (text.replace(self._key, "***") if self._key else text)[:300]

    def _rows(self, body: bytes, counts: list[int]) -> NDArray[np.float32]:
        try:
            answer = json.loads(body)
            entries = sorted(answer["data"], key=lambda entry: entry["index"])
            if [entry["index"] for entry in entries] != list(range(len(counts))):
                raise EmbeddingError(f"{self.url} answered with {len(entries)} vectors for {len(counts)} texts")
            rows = np.array([_vector(entry["embedding"]) for entry in entries], np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise EmbeddingError(
                f"{self.url} answered with something that is no list of vectors: {self._shown(body)}"
            ) from error
        used = (answer.get("usage") or {}).get("prompt_tokens")
        if self._count is not None and isinstance(used, int) and 0 < used < sum(counts) - 3 * len(counts):
            raise EmbeddingError(
                f"{self.url} read {used} of {sum(counts)} tokens: it truncates, or has another tokenizer; make it "
                "refuse (extra={'truncate': False}) or lower max_tokens"
            )
        return rows

    def __repr__(self) -> str:
        return f"HttpEmbedder({self.url!r}, model={self.model!r}, dim={self.dim or 'unknown'})"


def _vector(embedding: Any) -> Any:
    """A list of numbers, or little-endian float32 in base64."""
    return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4") if isinstance(embedding, str) else embedding
