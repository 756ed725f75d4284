"""Batches for a model: every different text once, sorted by length, rows back in order."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, cast

from headrace import _core
from headrace.embed.protocol import Embedder, EmbeddingCache
from headrace.errors import ConfigurationError, EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from headrace.store import Store

__all__ = ["BatchStats", "Batcher", "cache_key", "estimate_tokens"]

OnError = Literal["raise", "nan"]


@dataclass(frozen=True)
class BatchStats:
    """What went through a :class:`Batcher` so far."""

    texts: int  #: different texts that the model embedded
    duplicates: int  #: texts that got the row of an equal one
    cached: int  #: texts whose row came from the cache
    failed: int
    batches: int  #: successful calls of the model
    real_tokens: int
    padded_tokens: int  #: texts of a batch times its longest, summed up
    model_seconds: float  #: inside the model, all threads together

    @property
    def padding(self) -> float:
        """Padded over real tokens: 1.0 is perfect, 1.5 means that a third of the computation was waste."""
        return self.padded_tokens / self.real_tokens if self.real_tokens else 1.0


class Batcher:
    """Embeds lists of texts with a model that wants batches.

    Equal texts are embedded once. Texts are sorted by token count inside a window, so that a batch pads little, and
    a batch holds at most ``max_tokens`` tokens (texts times the longest). A batch that fails is halved
    until the guilty text stands alone; the others go on. Memory is bounded by the window, whatever comes in.

    Args:
        embed: An :class:`Embedder`, or a function from a list of strings to an array (n, dim).
        max_tokens: Token budget of a batch; a text longer than that gets a batch of its own. None: the
            first batches are timed to find the best one (on CPUs that is 256 to 512).
        max_batch: Texts in a batch at most.
        count_tokens: From a list of strings to the token count of each. None: the embedder's own, or an estimate.
        cache: Rows of texts seen before: a run store (its path, or what :func:`headrace.open_store` returns), an
            :class:`EmbeddingCache`, or a dict. Needs a model id.
        window: Texts that wait to be sorted.
        on_error: ``raise`` an ``EmbeddingError`` when texts failed (after all others are done), or leave ``nan`` rows.
        workers: Batches in flight, each on a thread of its own. None: the embedder's own, or 1.
        model_id: Names the model in the cache. None: the embedder's own.
        dim: Columns. None: the embedder's own, or what the first batch has.

    Raises:
        ConfigurationError: A setting is out of range, or ``embed`` is neither an embedder nor a function.
    """

    def __init__(
        self,
        embed: Embedder | Callable[[list[str]], ArrayLike],
        max_tokens: int | None = None,
        max_batch: int = 128,
        count_tokens: Callable[[list[str]], Sequence[int]] | None = None,
        cache: EmbeddingCache | MutableMapping[str, Any] | Store | str | os.PathLike[str] | None = None,
        window: int = 1024,
        *,
        on_error: OnError = "raise",
        workers: int | None = None,
        model_id: str | None = None,
        dim: int | None = None,
    ) -> None:
        self.on_error = _checked(on_error)
        self.settings = settings_of(
            embed, max_tokens, max_batch, count_tokens, window, workers=workers, model_id=model_id, dim=dim
        )
        self.cache = cache
        self._core = _core.Batcher(cache=core_cache(cache), **self.settings)

    def embed(self, texts: Iterable[str], on_error: OnError | None = None) -> NDArray[np.float32]:
        """One row for each text, in their order: float32 (n, dim), C-contiguous.

        Args:
            texts: The texts.
            on_error: Overrides the batcher's own for this call.

        Raises:
            EmbeddingError: Texts failed alone (``indices``, ``original_error``); the others were embedded, and are
                in the cache if there is one.
            ConfigurationError: Not a list of strings; or raised by the model, which stops at once then.
        """
        policy = self.on_error if on_error is None else _checked(on_error)
        rows: NDArray[np.float32]
        rows, failed = self._core.embed(texts)
        if failed and (policy == "raise" or rows.shape[1] == 0):
            raise _error(failed, len(rows))
        return rows

    @property
    def max_tokens(self) -> int | None:
        """Token budget of a batch: as given, or as found; None while it is not known yet."""
        found: int | None = self._core.max_tokens
        return found

    @property
    def stats(self) -> BatchStats:
        """Counts over all calls that have ended."""
        return BatchStats(**self._core.stats)


def cache_key(model_id: str, text: str) -> str:
    """The key under which a :class:`Batcher` keeps the row of a text: 64 hexadecimal digits."""
    return _core.embedding_cache_key(model_id, text)


def estimate_tokens(texts: Sequence[str]) -> list[int]:
    """A guess at a subword tokenizer's count for each text, special tokens included; fast, and good enough to sort."""
    return _core.estimate_tokens(texts)


def _checked(on_error: str) -> OnError:
    if on_error not in ("raise", "nan"):
        raise ConfigurationError(f"on_error must be 'raise' or 'nan', not {on_error!r}")
    return cast("OnError", on_error)


def _error(failed: list[tuple[int, BaseException, str]], total: int) -> EmbeddingError:
    indices = [index for index, _, _ in failed]
    shown = ", ".join(map(str, indices[:5])) + (", ..." if len(indices) > 5 else "")
    message = f"{len(indices)} of {total} texts could not be embedded (indices {shown}); {failed[0][2]}"
    error = EmbeddingError(message, indices, failed[0][1])
    error.__cause__ = failed[0][1]
    return error


def settings_of(
    embed: Any,
    max_tokens: int | None,
    max_batch: int,
    count_tokens: Callable[[list[str]], Sequence[int]] | None,
    window: int,
    *,
    workers: int | None,
    model_id: str | None,
    dim: int | None,
) -> dict[str, Any]:
    """The arguments of a :class:`Batcher`, checked, as the core takes them. Raises ConfigurationError."""
    if isinstance(embed, (type, Batcher)):
        what = embed.__name__ if isinstance(embed, type) else "a Batcher"
        raise ConfigurationError(f"embed must be an embedder or a function, not {what} itself")
    model = embed.embed if hasattr(embed, "embed") else embed
    if not callable(model):
        raise ConfigurationError(f"embed must be an embedder or a function, not {type(embed).__name__}")
    if count_tokens is not None and not callable(count_tokens):
        raise ConfigurationError("count_tokens must be a function from a list of strings to a list of numbers")
    budget = 1 if max_tokens is None else max_tokens
    for name, number in (("max_tokens", budget), ("max_batch", max_batch), ("window", window)):
        if isinstance(number, bool) or not isinstance(number, SupportsIndex) or operator.index(number) < 1:
            raise ConfigurationError(f"{name} must be a whole number, at least 1, not {number!r}")
    own_counts = count_tokens is None and hasattr(embed, "count_tokens")
    return {
        "embed": model,
        "count_tokens": getattr(embed, "count_tokens", None) if count_tokens is None else count_tokens,
        "interrupt": getattr(embed, "interrupt", None),
        "max_tokens": max_tokens or 0,
        "max_batch": max_batch,
        "window": window,
        "workers": getattr(embed, "workers", 1) if workers is None else workers,
        "model_id": str(getattr(embed, "model_id", "") if model_id is None else model_id),
        "dim": int((getattr(embed, "dim", 0) if dim is None else dim) or 0),
        "max_text_tokens": int((getattr(embed, "max_tokens", 0) if own_counts else 0) or 0),
    }


class _Many:
    """A cache that is asked key by key, as the core wants it: many at a time."""

    def __init__(self, get: Callable[[str], Any], put: Callable[[str, Any], None]) -> None:
        self._get = get
        self._put = put

    def get_many(self, keys: list[str]) -> list[Any]:
        return [self._get(key) for key in keys]

    def put_many(self, keys: list[str], rows: NDArray[np.float32]) -> None:
        for key, row in zip(keys, rows, strict=True):
            self._put(key, row.copy())


def core_cache(cache: Any) -> Any:
    """What the core takes for a cache: None, a run store, or an object with get_many and put_many."""
    if cache is None:
        return None
    if isinstance(cache, (str, os.PathLike)) or isinstance(getattr(cache, "_core", None), _core.RunStore):
        from headrace.store import as_store

        return as_store(cache)._core
    if hasattr(cache, "get_many") and hasattr(cache, "put_many"):
        return cache
    if hasattr(cache, "get") and hasattr(cache, "put"):
        return _Many(cache.get, cache.put)
    if isinstance(cache, MutableMapping):
        return _Many(cache.get, cache.__setitem__)
    raise ConfigurationError("cache must be a run store, a dict, or have get(key) and put(key, row)")
