"""Embedding as a stage of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from headrace import _core
from headrace._internal.fingerprint import code_fingerprint
from headrace._internal.native import NativeStage, digest
from headrace.embed.batcher import Batcher, core_cache, settings_of
from headrace.embed.protocol import Embedder, EmbeddingCache
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["EmbedStage"]


class EmbedStage(NativeStage):
    """Embeds the text of every item, in batches that reach across items and documents.

    ``vectors = pipe.map(hr.embed.EmbedStage(hr.embed.OnnxEmbedder(folder)), over=chunks)``: an item's value is a text,
    or a mapping or object with a field ``text``; its result is a float32 row (dim,).

    Each batch's rows are kept in the run's store under model id and text as soon as they are computed: a run that was
    killed inside a big document goes on where it was, and a text that any run has embedded with this model is not
    embedded again. A text that fails alone is its item's dead letter (``EmbeddingError``); with ``retry=`` on the stage
    it is tried again.

    Args:
        embed: A :class:`Batcher` (whose settings count), an :class:`Embedder`, or a function from a list of strings to
            an array (n, dim).
        cache: ``"store"``: the run's store, where there is a model id; None: nothing is kept; or what
            :class:`Batcher` takes.
        field: Of values that are mappings or objects: where their text is.
        window: Items that are sorted by length and embedded together; their results become durable together.
        name: The stage's, unless the decorator is given one.
        max_tokens, max_batch, count_tokens, workers, model_id, dim: As of :class:`Batcher`.

    Raises:
        ConfigurationError: A setting is out of range, or given beside a batcher.
    """

    forms: ClassVar[tuple[str, ...]] = ("map", "batch")

    def __init__(
        self,
        embed: Batcher | Embedder | Callable[[list[str]], ArrayLike],
        *,
        cache: EmbeddingCache | MutableMapping[str, Any] | Literal["store"] | None = "store",
        field: str = "text",
        window: int = 512,
        name: str = "embed",
        max_tokens: int | None = None,
        max_batch: int = 128,
        count_tokens: Callable[[list[str]], Sequence[int]] | None = None,
        workers: int | None = None,
        model_id: str | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(name)
        if isinstance(cache, str) and cache != "store":
            raise ConfigurationError(
                f"cache must be 'store' (the run's own), None, or a cache, not {cache!r}: another store is "
                "hr.open_store(path)"
            )
        if isinstance(embed, Batcher):
            given = (max_tokens, count_tokens, workers, model_id, dim)
            if max_batch != 128 or any(value is not None for value in given):
                raise ConfigurationError("the settings of a batcher are its own: give them to Batcher(...)")
            self._settings = {**embed.settings, "window": window}
            cache = embed.cache if cache == "store" and embed.cache is not None else cache  # type: ignore[assignment]
        else:
            self._settings = settings_of(
                embed, max_tokens, max_batch, count_tokens, window, workers=workers, model_id=model_id, dim=dim
            )
        if not isinstance(field, str) or not field:
            raise ConfigurationError(f"field must be a string, not {field!r}")
        self._field = field
        self._store = cache == "store" and bool(self._settings["model_id"])
        self._cache = None if cache == "store" else core_cache(cache)

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it."""
        return _core.embed_stage(
            name, identity, cache=self._cache, store=self._store, field=self._field, **self._settings
        )

    def identity(self) -> str:
        """The model id (of a function without one: its code) and the field."""
        model = self._settings["model_id"] or code_fingerprint(self._settings["embed"])
        return digest("embed", model=model, field=self._field)
