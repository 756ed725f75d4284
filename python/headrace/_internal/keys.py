"""Keys of items, as Python values and as the JSON of the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.errors import ConfigurationError
from headrace.types import Item, Key

__all__ = ["children_of", "key_from_json", "key_to_json"]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def key_to_json(key: Any) -> str:
    """A key (string, integer, or tuple of keys) as JSON; ConfigurationError for anything else."""
    if type(key) is str:
        text = _encode(key)
        return text if text.isascii() or _is_utf8(text) else json.dumps(key)
    if isinstance(key, tuple) and key:
        return "[" + ",".join(key_to_json(part) for part in key) + "]"
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return _encode(int(key) if isinstance(key, int) else str(key))
    raise ConfigurationError(
        f"the key {key!r} can't be stored: use a string, an integer or a tuple of them, not {type(key).__name__}"
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return True


def key_from_json(text: str | None) -> Key | None:
    """The key that ``key_to_json`` wrote; None for a step's single unit."""
    return None if not text else _tuples(json.loads(text))


def _tuples(key: Any) -> Key:
    return tuple(_tuples(part) for part in key) if isinstance(key, list) else key


def children_of(answer: Any, stage: str) -> Iterable[tuple[str, None, Any, None]]:
    """What a flat_map, or a step that others map over, returned, as (key JSON, version, value, loader).

    A mapping gives its keys; any other iterable the positions "0", "1", ... (or the keys of its ``hr.Item``).
    """
    if isinstance(answer, Mapping):
        return ((key_to_json(key), None, value, None) for key, value in answer.items())
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable):
        raise ConfigurationError(
            f"stage '{stage}' returned {type(answer).__name__} where its items are wanted: return a mapping or a list"
        )
    return _numbered(answer)


def _numbered(values: Iterable[Any]) -> Iterable[tuple[str, None, Any, None]]:
    for position, value in enumerate(values):
        if isinstance(value, Item):
            yield key_to_json(value.key), None, value.load() if value.load else value.value, None
        else:
            yield f'"{position}"', None, value, None
