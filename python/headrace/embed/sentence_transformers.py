"""Models of the sentence-transformers package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.embed.tokenizer import refuse_too_long
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SentenceTransformersEmbedder"]


class SentenceTransformersEmbedder:
    """A ``SentenceTransformer``, its truncation replaced by an error.

    Behind a ``Batcher`` it wastes nothing on padding, which ``encode`` alone does (it sorts by characters). One call
    of :meth:`embed` is one batch.

    Args:
        model: A ``SentenceTransformer``, or the folder or name that it loads.
        device: "cpu", "cuda", ...; None: the package's choice.
        prompt: Put before every text; None: the model's default prompt, if it has one. Its tokens count.
        normalise: Whether vectors get length 1; None: what the model does by itself.
        model_id: None: a digest of the weights, which reads them all once.

    Raises:
        ConfigurationError: The package isn't installed, or the model can't be loaded.
    """

    #: torch's sums depend on the shape of the batch.
    batch_invariant = False
    #: Its tokenizer can't be used by two threads at once.
    workers = 1

    def __init__(
        self,
        model: Any,
        *,
        device: str | None = None,
        prompt: str | None = None,
        normalise: bool | None = None,
        model_id: str | None = None,
    ) -> None:
        self._model = _loaded(model, device)
        name = self._model.default_prompt_name
        self.prompt = prompt if prompt is not None else (self._model.prompts[name] if name else "")
        self._normalise = bool(normalise)
        self.max_tokens: int | None = self._model.max_seq_length
        self.dim = int(self._encode(["a"]).shape[1])
        self.model_id = model_id or self._name()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens and prompt included."""
        if not texts:
            return []
        encoded = self._model.tokenizer([self.prompt + text for text in texts], truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text, in one batch: float32 (n, dim).

        Raises:
            EmbeddingError: A text has more tokens than the model takes (``indices``).
        """
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        refuse_too_long(self.count_tokens(texts), self.max_tokens)
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = self._model.encode(
            [self.prompt + text for text in texts],
            prompt="",
            batch_size=len(texts),
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=self._normalise,
        )
        return np.ascontiguousarray(rows, np.float32)

    def _name(self) -> str:
        digest = hashlib.sha256(f"{self.prompt}\0{self._normalise}\0{self._model}".encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().numpy().tobytes())
        return f"sentence-transformers-{digest.hexdigest()[:16]}"

    def __repr__(self) -> str:
        return f"SentenceTransformersEmbedder(dim={self.dim}, max_tokens={self.max_tokens}, model_id={self.model_id!r})"


def _loaded(model: Any, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigurationError(
            "this embedder needs the package sentence-transformers: pip install 'headrace[sentence-transformers]'"
        ) from error
    if isinstance(model, SentenceTransformer):
        return model
    try:
        return SentenceTransformer(str(model), device=device)
    except Exception as error:
        raise ConfigurationError(f"sentence-transformers can't load {model}: {str(error).splitlines()[0]}") from error
