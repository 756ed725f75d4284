"""A shelf of a few documents in every format, and a short way to run the pipeline over it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.connectors.qdrant import open_store
from headrace.pipelines import documents

SAMPLES = Path(__file__).parents[3] / "samples"
TEXTS = ("PL-002*", "PR-011*", "PR-021*", "PR-022*", "PR-034*", "PR-043*", "EN-001*", "EN-009*")
"""Samples that need no parser: their tests are quick."""


def copy_samples(target: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for path in (SAMPLES / "documents").rglob(pattern):
            if path.is_file():
                place = target / path.relative_to(SAMPLES / "documents")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    return target


class Shelf:
    """A folder of documents, and the stores that its runs use."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "shelf"
        self.vectors = str(home / "vectors")
        self.store = str(home / "headrace.db")

    @property
    def stores(self) -> dict[str, str]:
        return {"store": self.store, "vectors": self.vectors}

    def run(self, **settings: Any) -> documents.DocumentsRun:
        return documents.run(str(self.folder), progress=False, **{**self.stores, **settings})

    def search(self, query: str, **more: Any) -> list[Any]:
        return documents.search(query, vectors=self.vectors, **more)

    def stored(self, collection: str = "documents") -> dict[str, list[str]]:
        """Path -> texts of its chunks, in order; every document's own point must agree with them."""
        with open_store(self.vectors, collection) as store:
            chunks: dict[str, list[Any]] = {}
            for payload in store.chunks():
                chunks.setdefault(payload["path"], []).append(payload)
            told = {payload["path"]: payload for payload in store.documents()}
        assert set(told) == set(chunks)
        for path, parts in chunks.items():
            assert {part["generation"] for part in parts} == {told[path]["generation"]}, path
            assert sorted(part["chunk"] for part in parts) == list(range(told[path]["chunks"])), path
        return {
            path: [part["text"] for part in sorted(parts, key=lambda part: part["chunk"])]
            for path, parts in sorted(chunks.items())
        }


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Eight documents that need no parser."""
    made = Shelf(tmp_path)
    copy_samples(made.folder, *TEXTS)
    return made


@pytest.fixture
def new_shelf(tmp_path: Path) -> Callable[..., Shelf]:
    """A shelf of chosen samples."""

    def make(*patterns: str) -> Shelf:
        made = Shelf(tmp_path)
        copy_samples(made.folder, *patterns)
        return made

    return make
