"""The schema of the payloads in the vector store: what must be there, and how older ones become new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace.connectors.qdrant._model import SCHEMA
from headrace.errors import ConfigurationError

__all__ = ["NICSchemaManager"]

_SHARED: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "kind": str,
    "document": str,
    "generation": str,
    "source": str,
    "path": str,
    "version": str,
    "title": str,
    "format": str,
    "metadata": dict,
}
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "chunk": {
        **_SHARED,
        "chunk": int,
        "text": str,
        "start": int,
        "end": int,
        "heading": list,
        "page": (int, type(None)),
        "context": str,
    },
    "document": {**_SHARED, "chunks": int},
}

Migration = Callable[[dict[str, Any]], dict[str, Any]]


class NICSchemaManager:
    """Validates payloads and brings older ones to the current version.

    ``migrations`` maps a version to the function that makes the next version's payload of one.
    """

    version = SCHEMA

    def __init__(self, migrations: Mapping[int, Migration] | None = None, version: int = SCHEMA) -> None:
        self.version = version
        self._migrations = dict(migrations or {})

    def fields(self, kind: str) -> dict[str, type | tuple[type, ...]]:
        """The fields of a kind of payload (``chunk`` or ``document``) and their types."""
        if kind not in _FIELDS:
            raise ConfigurationError(f"there is no payload of kind '{kind}': use {', '.join(_FIELDS)}")
        return dict(_FIELDS[kind])

    def validate(self, payload: Mapping[str, Any]) -> list[str]:
        """What is wrong with a payload, one line each; none: it is valid."""
        kind = payload.get("kind")
        if kind not in _FIELDS:
            return [f"kind is {kind!r}, not one of {', '.join(_FIELDS)}"]
        faults = []
        for name, expected in _FIELDS[kind].items():
            if name not in payload:
                faults.append(f"{name} is missing")
            elif not isinstance(payload[name], expected) or isinstance(payload[name], bool):
                faults.append(f"{name} is of type {type(payload[name]).__name__}")
        if not faults and payload["schema"] != self.version:
            faults.append(f"schema is {payload['schema']}, the current version is {self.version}")
        return faults

    def migrate(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload in the current version; the same one if it is current.

        Raises:
            ConfigurationError: It is newer than this version of headrace, or there is no way from its version.
        """
        current = dict(payload)
        while (at := int(current.get("schema", 0))) != self.version:
            if at > self.version:
                raise ConfigurationError(
                    f"the payload is of schema {at}, this version of headrace knows {self.version}"
                )
            if at not in self._migrations:
                raise ConfigurationError(f"there is no migration from schema {at} to {at + 1}")
            current = {**self._migrations[at](current), "schema": at + 1}
        return current
