"""Makes tokenizers of the core out of tokenizer.json files and of the objects of the `tokenizers` package."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from headrace import _core
from headrace.errors import ConfigurationError

_SURROGATES = re.compile("[\ud800-\udfff]")

# What the native tokenizer must agree about with the package before it is used.
_PROBES = (
    "Hello, world! It's 3.14 today; we're fine.",
    "São Paulo, AÇÃO & reação: ÉPICO. Ünïcödé ﬁ ǆ İ ß",
    "日本語の文章です。中文字符 한국어 텍스트 ภาษาไทย",
    "Привет, мир! مرحبا بالعالم नमस्ते दुनिया",
    "tabs\tand\n\nnew  lines\r\n   and \u00a0 blanks\u3000",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e7\U0001f1f7 e\u0301 a\u0323\u0301 \x00\ufffd\u200b\u00ad",
    "[MASK] [CLS] <s> </s> <|endoftext|> <pad> [UNK] [SEP]",
    "x" * 150 + " supercalifragilisticexpialidocious_1234567890 https://example.org/a?b=c&d=e#f",
)


def fingerprint(tokenizer: _core.Tokenizer) -> list[Any]:
    """What tells a tokenizer from others: its ids for a few texts."""
    return [tokenizer.special_tokens, *(tokenizer.encode(probe)[0].tolist() for probe in _PROBES)]


def from_file(path: str | os.PathLike[str]) -> tuple[_core.Tokenizer, str, str]:
    """The tokenizer of a tokenizer.json (or of the folder it lies in), why it is not native (else empty), the text."""
    try:
        file = Path(path)
    except TypeError:
        kind = type(path).__name__
        raise ConfigurationError(f"a tokenizer's path must be a str or a Path, not {kind}") from None
    if file.is_dir():
        file /= "tokenizer.json"
    try:
        json = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no tokenizer at {file}: give the path of a tokenizer.json or of its folder, not a model's name"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"can't read the tokenizer {file}: {error}") from None
    try:
        return from_json(json)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def from_json(json: str) -> tuple[_core.Tokenizer, str, str]:
    """The same for the text of such a file."""
    return *core_of(json), json


def core_of(json: str) -> tuple[_core.Tokenizer, str]:
    """The tokenizer, and why it is not native (else empty)."""
    package = package_of(json)
    try:
        native = _core.native_tokenizer(json)
    except ConfigurationError as error:
        if package is None:
            raise ConfigurationError(f"{error} (pip install tokenizers)") from None
        return _from_package(package), str(error)
    difference = "" if package is None else _difference(native, package)
    if package is None or not difference:
        return native, ""
    return _from_package(package), difference


def from_object(tokenizer: Any) -> tuple[_core.Tokenizer, str, str]:
    """The same for a tokenizers.Tokenizer, or for what holds one (a fast tokenizer of transformers)."""
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not callable(getattr(inner, "to_str", None)):
        kind = type(tokenizer).__name__
        raise ConfigurationError(
            f"a tokenizer must be a hr.text.Tokenizer, the path of a tokenizer.json, or an object of the tokenizers "
            f"package, not {kind}"
        )
    return from_json(inner.to_str())


def package_of(json: str) -> Any:
    """A tokenizers.Tokenizer that truncates and pads nothing; None where the package is not installed."""
    if importlib.util.find_spec("tokenizers") is None:
        return None
    import tokenizers

    try:
        package = tokenizers.Tokenizer.from_str(json)
    except Exception as error:  # the package raises bare Exception
        raise ConfigurationError(f"not a tokenizer.json: {error}") from None
    package.no_truncation()
    package.no_padding()
    return package


def _difference(native: _core.Tokenizer, package: Any) -> str:
    """Where the native tokenizer differs from the package, or empty."""
    if native.special_tokens != package.num_special_tokens_to_add(False):
        return "the native tokenizer counts other special tokens than the tokenizers package"
    for probe in _PROBES:
        ids, offsets = native.encode(probe)
        encoding = package.encode(probe, add_special_tokens=False)
        if ids.tolist() != encoding.ids or offsets.tolist() != [list(pair) for pair in encoding.offsets]:
            return f"the native tokenizer differs from the tokenizers package on {probe!r}"
    return ""


def _from_package(package: Any) -> _core.Tokenizer:
    def encode(text: str) -> tuple[Any, Any, Any, Any]:
        # The package takes no lone surrogates.
        encoding = package.encode(_SURROGATES.sub("?", text), add_special_tokens=False)
        offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
        words = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int32)
        begins = np.ones(len(words), dtype=np.uint8)
        begins[1:] = words[1:] != words[:-1]
        # Searched by position, so they must ascend; tokens of a few normalizers don't.
        starts, ends = np.maximum.accumulate(offsets, axis=0).T
        return np.array(encoding.ids, dtype=np.int32), starts, ends, begins

    return _core.python_tokenizer(encode, package.num_special_tokens_to_add(False))
