"""Embedding models as ONNX files, run by onnxruntime."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headrace.embed.tokenizer import Tokenizer, listed, refuse_too_long
from headrace.embed.vectors import l2_normalise, mean_pool
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OnnxEmbedder", "quantise_onnx"]

Pooling = Literal["mean", "cls"]
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class OnnxEmbedder:
    """An encoder in a folder: ``model.onnx`` (or ``onnx/model.onnx``), ``tokenizer.json``, and beside them what
    sentence-transformers writes (limit, pooling, normalisation), which is used where it is there.

    ``tokenizer.native`` tells whether texts are tokenised in C++; ``tokenizer.reason`` why not. A text with more than
    ``max_tokens`` tokens is an error, never truncated. A vector may differ in its last bits with
    the batch it was in. One call of :meth:`embed` is one batch: put a ``Batcher`` before it for many texts.

    Args:
        folder: The model's folder.
        file: The ONNX file inside it.
        max_tokens: Tokens of a text at most; None: what the folder says.
        pooling: ``mean`` or ``cls``, for models that give a vector for each token; None: what the folder says.
        normalise: Whether vectors get length 1; None: what the folder says.
        prefix: Put before every text ("passage: " for E5, say); its tokens count.
        threads: Threads that one batch uses; best left at 1, with several batches in flight.
        workers: Batches that a ``Batcher`` may run at once; 0: one for each core.
        providers: onnxruntime's execution providers.

    Raises:
        ConfigurationError: A file is missing or makes no sense, or a package isn't installed.
    """

    #: onnxruntime's sums depend on the shape of the batch.
    batch_invariant = False

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        file: str | None = None,
        max_tokens: int | None = None,
        pooling: Pooling | None = None,
        normalise: bool | None = None,
        prefix: str = "",
        threads: int = 1,
        workers: int = 0,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        if not isinstance(prefix, str):
            raise ConfigurationError(f"prefix must be a string, not {prefix!r}")
        self.folder = Path(folder)
        path = _model_file(self.folder, file)
        self.tokenizer = Tokenizer(self.folder / "tokenizer.json")
        self._session = _session(path, threads, providers)
        self._inputs = [given.name for given in self._session.get_inputs()]
        if unknown := set(self._inputs) - _INPUTS:
            raise ConfigurationError(
                f"{path} wants inputs that this embedder doesn't know: {', '.join(sorted(unknown))}"
            )
        self._output, per_token = _output(self._session, path)
        self._pooling: str | None = (pooling or _folder_pooling(self.folder)) if per_token else None
        if self._pooling not in ("mean", "cls", None):
            raise ConfigurationError(f"pooling must be 'mean' or 'cls', not {self._pooling!r}")
        self._normalise = _folder_normalises(self.folder) if normalise is None else normalise
        self._pad = _pad_id(self.folder)
        self.prefix = prefix
        self.workers = workers or os.cpu_count() or 1
        self.max_tokens = max_tokens if max_tokens is not None else _folder_limit(self.folder)
        most = _positions(self.folder) or self.max_tokens
        if not 1 <= self.max_tokens <= most:
            raise ConfigurationError(f"max_tokens must be between 1 and the model's {most}, not {self.max_tokens}")
        self.model_id = self._name(path)
        self.dim = int(self.embed(["a"]).shape[1])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens and prefix included."""
        return self.tokenizer.count([self.prefix + text for text in listed(texts)])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text, in one batch: float32 (n, dim).

        Raises:
            EmbeddingError: A text has more than ``max_tokens`` tokens (``indices``).
        """
        given = listed(texts)
        if not given:
            return np.zeros((0, self.dim), np.float32)
        ids = self.tokenizer.encode([self.prefix + text for text in given])
        refuse_too_long([len(text_ids) for text_ids in ids], self.max_tokens)
        longest = max(map(len, ids))
        tokens = np.full((len(ids), longest), self._pad, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, text_ids in enumerate(ids):
            tokens[row, : len(text_ids)] = text_ids
            mask[row, : len(text_ids)] = 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (answer,) = self._session.run([self._output], {name: feed[name] for name in self._inputs})
        return self._pooled(answer, mask)

    def _pooled(self, answer: Any, mask: NDArray[np.int64]) -> NDArray[np.float32]:
        if self._pooling == "mean":
            rows = mean_pool(answer, mask)
        else:
            rows = np.ascontiguousarray(answer[:, 0] if self._pooling == "cls" else answer, np.float32)
        if self._normalise:
            l2_normalise(rows)
        return rows

    def _name(self, path: Path) -> str:
        digest = hashlib.sha256()
        for part in [*sorted(path.parent.glob(path.name + "*")), self.folder / "tokenizer.json"]:
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        digest.update(json.dumps([self._output, self._pooling, self._normalise, self.prefix]).encode())
        return f"onnx-{digest.hexdigest()[:16]}"

    def __repr__(self) -> str:
        return f"OnnxEmbedder({str(self.folder)!r}, dim={self.dim}, max_tokens={self.max_tokens})"


def quantise_onnx(folder: str | os.PathLike[str], target: str | os.PathLike[str]) -> Path:
    """Write a copy of an embedder's folder with int8 weights, one scale a channel: smaller and about twice as fast.

    Not free: with all-MiniLM-L6-v2 vectors keep a mean cosine of 0.993 with the original's (0.92 were it one scale a
    tensor), nine of ten neighbours stay, and a text's vector changes with the batch it is in. Measure
    it on texts of your own before you use it. Needs the package ``onnx``.

    Returns:
        The new folder, for :class:`OnnxEmbedder`.
    """
    import shutil

    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise ConfigurationError(
            "quantising needs the packages onnx and onnxruntime: pip install onnx onnxruntime"
        ) from error
    source, made = Path(folder), Path(target)
    path = _model_file(source, None)
    if made.exists():
        raise ConfigurationError(f"{made} exists already: name a folder that doesn't")
    shutil.copytree(
        source, made, ignore=lambda _, names: [n for n in names if n.startswith("model.onnx") or n == "onnx"]
    )
    quantize_dynamic(
        path,
        made / "model.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm"],
    )
    return made


def _model_file(folder: Path, file: str | None) -> Path:
    if folder.is_file():
        raise ConfigurationError(f"{folder} is a file: give the folder that it is in")
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}: give a model's folder, not its name")
    names = [file] if file else ["model.onnx", "onnx/model.onnx"]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{folder} holds no {' or '.join(names)}")


def _session(path: Path, threads: int, providers: Sequence[str]) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError("OnnxEmbedder needs the package onnxruntime: pip install 'headrace[onnx]'") from error
    wanted, known = list(providers), onnxruntime.get_available_providers()
    if isinstance(providers, str) or not set(wanted) <= set(known):
        raise ConfigurationError(f"providers must be a list of what is here ({', '.join(known)}), not {providers!r}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # made for fixed shapes: it would keep one plan for each shape it ever saw
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:
        raise ConfigurationError(f"onnxruntime can't load {path}: {str(error).splitlines()[0]}") from error


def _output(session: Any, path: Path) -> tuple[str, bool]:
    """The output to use, and whether it has a vector for each token. A BERT's ``pooler_output`` is not meant."""
    ranks = {given.name: len(given.shape or ()) for given in session.get_outputs()}
    if ranks.get("sentence_embedding") == 2 or list(ranks.values()) == [2]:
        return ("sentence_embedding" if "sentence_embedding" in ranks else next(iter(ranks))), False
    for name, rank in ranks.items():
        if rank == 3:
            return name, True
    raise ConfigurationError(f"{path} has no output of shape (batch, dim) or (batch, tokens, dim)")


def _read(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from error


def _positions(folder: Path) -> int:
    """Tokens for which the model has positions; 0: it doesn't say, or has none."""
    config = _read(folder / "config.json")
    positions = int(config.get("max_position_embeddings") or 0)
    if positions > 2 and config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= 2  # theirs start after the padding id
    return positions


def _folder_limit(folder: Path) -> int:
    limits = [
        _read(folder / "sentence_bert_config.json").get("max_seq_length"),
        _read(folder / "tokenizer_config.json").get("model_max_length"),
        _positions(folder),
    ]
    known = [int(limit) for limit in limits if limit and limit < 1e9]
    if not known:
        raise ConfigurationError(f"{folder} doesn't say how many tokens the model takes: give max_tokens")
    return min(known)


def _folder_pooling(folder: Path) -> str:
    config = _read(folder / "1_Pooling" / "config.json")
    chosen = [name.removeprefix("pooling_mode_") for name, on in config.items() if on is True]
    modes = {name.removesuffix("_tokens").removesuffix("_token") for name in chosen if name != "include_prompt"}
    if isinstance(config.get("pooling_mode"), str):
        modes = {config["pooling_mode"]}
    if len(modes) > 1 or not modes <= {"mean", "cls"}:
        raise ConfigurationError(
            f"{folder} pools by {' and '.join(sorted(modes))}, which this embedder can't: mean or cls"
        )
    return modes.pop() if modes else "mean"


def _folder_normalises(folder: Path) -> bool:
    modules = _read(folder / "modules.json")
    return any(str(module.get("type", "")).endswith("Normalize") for module in modules)


def _pad_id(folder: Path) -> int:
    return int(_read(folder / "config.json").get("pad_token_id") or 0)
