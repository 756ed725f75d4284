"""The last good prefix list of every AS: what new ones are compared with, and what stays when they are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import CheckpointCorruptionError
from headrace.pipelines.bgp.files import read_json, to_json, write_many

__all__ = ["LastGoodLists", "digest_of"]


def digest_of(prefixes: tuple[str, ...] | list[str]) -> str:
    """Return the SHA-256 of a list; the order does not matter."""
    return hashlib.sha256("\n".join(sorted(prefixes)).encode()).hexdigest()


@dataclass(frozen=True)
class LastGoodLists:
    """One file an AS under ``folder``, each with the digest of its list."""

    folder: Path

    def get(self, as_number: int) -> tuple[str, ...] | None:
        """Return the last good list, None where there was never one; CheckpointCorruptionError where it was altered."""
        path = self._path(as_number)
        record = read_json(path)
        if record is None:
            return None
        prefixes = record.get("prefixes") if isinstance(record, dict) else None
        if not isinstance(prefixes, list) or record.get("digest") != digest_of(prefixes):
            raise CheckpointCorruptionError(f"{path}: the list does not match its digest; remove it after a look at it")
        return tuple(prefixes)

    def put(self, as_number: int, prefixes: tuple[str, ...], execution_id: str) -> None:
        """Make ``prefixes`` the last good list. An empty one is never good."""
        self.put_many({as_number: prefixes}, execution_id)

    def put_many(self, lists: Mapping[int, tuple[str, ...]], execution_id: str) -> None:
        """Make ``lists`` the last good ones; each is replaced as a whole."""
        texts = {}
        for as_number, prefixes in lists.items():
            if not prefixes:
                raise ValueError(f"AS{as_number}: an empty list is never a good one")
            record = {"as_number": as_number, "prefixes": list(prefixes), "digest": digest_of(prefixes)}
            texts[self._path(as_number).name] = to_json({**record, "execution_id": execution_id})
        write_many(self.folder, texts)

    def _path(self, as_number: int) -> Path:
        return self.folder / f"AS{as_number}.json"
