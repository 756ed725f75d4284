"""The embedder that a setting names, as the pipeline uses it."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.connectors import redact_url
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headrace.embed import Embedder

__all__ = ["BatchedEmbedder", "open_embedder"]

KEY_VARIABLE = "HEADRACE_EMBEDDER_KEY"
_HASHED = re.compile(r"hashed(?::(\d+))?")
_SERVER = re.compile(r"(https?://[^#\s]+)#(\S+)")
_KNOWN = "hashed, hashed:DIM, onnx:FOLDER, sentence-transformers:NAME or http(s)://host/v1#MODEL"


def open_embedder(
    name: str, options: Mapping[str, Any] | None = None, *, key: Any = None, cooldown: Path | None = None
) -> Embedder:
    """The embedder of that name.

    - ``hashed`` or ``hashed:DIM``: words and parts of words, hashed; needs no model and no network. It is not fitted:
      how rare a word is comes from the vector store at the time of the search, so that documents can arrive one by one.
    - ``onnx:FOLDER``: a model's folder, by ONNX Runtime.
    - ``sentence-transformers:NAME``: a model's folder or name.
    - ``https://host/v1#MODEL``: any OpenAI-compatible server.

    Args:
        name: Which one.
        options: Further arguments of its class in :mod:`headrace.embed`.
        key: The key of a server, a ``SecretStr`` or a string; None: the variable ``HEADRACE_EMBEDDER_KEY``.
        cooldown: Where it is kept until when a server wants to be left alone.

    Raises:
        ConfigurationError: There is no such embedder, or it can't be used.
    """
    given = dict(options or {})
    try:
        return _opened(name, given, key, cooldown)
    except TypeError as error:
        raise ConfigurationError(f"the embedder '{redact_url(name)}': {error}") from None


def _opened(name: str, options: dict[str, Any], key: Any, cooldown: Path | None) -> Embedder:
    from headrace import embed

    if found := _HASHED.fullmatch(name):
        return embed.HashedEmbedder(int(found[1]), **options) if found[1] else embed.HashedEmbedder(**options)
    kind, _, where = name.partition(":")
    if kind == "onnx" and where:
        return embed.OnnxEmbedder(where, **options)
    if kind == "sentence-transformers" and where:
        return embed.SentenceTransformersEmbedder(where, **options)
    if found := _SERVER.fullmatch(name):
        secret = key or os.environ.get(KEY_VARIABLE) or None
        server = embed.HttpEmbedder(found[1], found[2], api_key=secret, cooldown=cooldown, **options)
        if not server.dim:
            server.embed(["dimensions"])
        return server
    raise ConfigurationError(f"there is no embedder '{redact_url(name)}': use {_KNOWN}")


class _Breaker:
    """An embedder that is not asked again once nothing can be embedded any more: ``down`` says why."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.down: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text, or the error."""
        from headrace.embed import ServerUnavailableError

        if self.down is not None:
            raise self.down
        try:
            return self._embedder.embed(texts)
        except (ServerUnavailableError, ConfigurationError) as error:
            self.down = error
            raise


class BatchedEmbedder:
    """An embedder as the stage ``embed`` uses it: batched, stopped with the run, and not asked again once it is down.

    ``on_down`` is called when nothing can be embedded any more: a wrong key, or a server that wants to be left alone.
    A native embedder that is the same in every batch is called as it is: it is quicker than any look-up. Any other one
    goes through a ``Batcher`` whose rows are kept in the run store: what was embedded once is not embedded again, in
    whatever document or run, and a batch that a kill cut off goes on where it was.
    """

    def __init__(self, embedder: Embedder, store: str) -> None:
        from headrace.embed import Batcher

        self._embedder = _Breaker(embedder)
        self.on_down: Callable[[], None] = lambda: None
        self._embed: Callable[[Sequence[str]], NDArray[np.float32]] = embedder.embed
        if not embedder.batch_invariant:
            self._embed = Batcher(self._embedder, cache=store).embed

    @property
    def down(self) -> Exception | None:
        """Why nothing can be embedded any more, if so."""
        return self._embedder.down

    def embed(self, texts: Sequence[str], cancelled: Callable[[], bool]) -> NDArray[np.float32]:
        """One row for each text: float32 (n, dim).

        Raises:
            EmbeddingError: Texts can't be embedded; or nothing can be (``down`` says why).
            ConfigurationError: Nothing can be: a wrong key, say.
        """
        if self.down is not None:
            raise self.down
        try:
            with self._interrupted_by(cancelled):
                return self._embed(texts)
        finally:
            if self.down is not None:
                self.on_down()

    @contextlib.contextmanager
    def _interrupted_by(self, cancelled: Callable[[], bool]) -> Iterator[None]:
        """A pause that a server asked for ends when the run is cancelled."""
        interrupt = getattr(self._embedder, "interrupt", None)
        if interrupt is None:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                if cancelled():
                    interrupt()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
