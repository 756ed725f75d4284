"""Codecs that stages are given by name or as objects; see ``hr.Codec``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace._internal import blobs
from headrace._internal.records import Record
from headrace.errors import CheckpointCorruptionError, ConfigurationError
from headrace.types import Codec

__all__ = ["codec_of", "known_as", "unwrap", "wrap"]

MAX_NAME = 200


class _Pickle:
    """Anything that can be pickled. Reading what somebody else wrote runs their code: it is asked for by name."""

    name = "pickle"

    def dumps(self, value: Any) -> bytes:
        import pickle

        return pickle.dumps(value, protocol=5)

    def loads(self, data: bytes) -> Any:
        import pickle

        return pickle.loads(data)  # noqa: S301 - only in a pipeline with a stage that asks for it


def codec_of(given: Any, stage: str) -> Codec | None:
    """The codec that a stage was given; ConfigurationError where it is none."""
    if given is None:
        return None
    if given == "pickle":
        return _Pickle()
    name = getattr(given, "name", None)
    methods = callable(getattr(given, "dumps", None)) and callable(getattr(given, "loads", None))
    if not (methods and isinstance(name, str) and name.isascii() and 0 < len(name) <= MAX_NAME):
        raise ConfigurationError(
            f"stage '{stage}': codec={given!r} is neither 'pickle' nor an object with a name (a str of "
            f"{MAX_NAME} ASCII characters at most), dumps(value) -> bytes and loads(bytes) -> value"
        )
    codec: Codec = given
    return codec


def known_as(codec: Codec) -> str:
    """The name under which a codec is known to a run, among its classes."""
    return f"codec:{codec.name}"


def wrap(codec: Codec, value: Any) -> bytes:
    """The blob of a value; what the codec can't store is a ConfigurationError."""
    try:
        data = codec.dumps(value)
    except Exception as error:
        raise ConfigurationError(
            f"the codec '{codec.name}' can't store a result of type {type(value).__name__}: {error}"
        ) from error
    if not isinstance(data, (bytes, bytearray)):
        raise ConfigurationError(f"dumps() of the codec '{codec.name}' returned {type(data).__name__}, not bytes")
    return blobs.frame(known_as(codec), data)


def unwrap(blob: bytes, known: Mapping[str, Any]) -> Any:
    """The value of a blob, by the codec of that name among ``known``; without it a Record of its data."""
    name, payload = blobs.unframe(bytes(blob))
    codec = known.get(name)
    if codec is None:
        return Record(name, {"data": bytes(payload)})
    try:
        return codec.loads(bytes(payload))
    except Exception as error:
        raise CheckpointCorruptionError(f"a recorded value can't be read by the {name}: {error}") from error
