"""The Qdrant engine in this process, on disk.

Layout: ``PATH/COLLECTION/collection.json`` names the shard that searches see; beside it lies one folder a shard, named
after its embedder, so that another embedder's vectors can grow beside those in use.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.connectors.qdrant._model import Point
from headrace.connectors.qdrant._store import INDEXED, Conditions, VectorStore
from headrace.errors import ConfigurationError, StorageError

__all__ = ["EdgeStore"]

_FORMAT = 1
_PAGE = 512
_RRF = 60


class _Shard:
    """An open shard. A second store of the same process shares it: the engine lets a shard be opened only once."""

    open: dict[Path, _Shard] = {}  # noqa: RUF012 - shared on purpose, guarded by `guard`
    guard = threading.Lock()

    def __init__(self, folder: Path) -> None:
        import qdrant_edge

        self.folder, self.users, self.lock = folder, 0, threading.Lock()
        self.engine = qdrant_edge.EdgeShard.load(str(folder))

    @classmethod
    def take(cls, folder: Path) -> _Shard:
        with cls.guard:
            shard = cls.open.get(folder) or cls.open.setdefault(folder, cls(folder))
            shard.users += 1
            return shard

    def leave(self) -> None:
        with self.guard:
            self.users -= 1
            if self.users == 0:
                del self.open[self.folder]
                with self.lock:
                    self.engine.close()


class EdgeStore(VectorStore):
    """A collection on disk, in this process; another process can't open it at the same time.

    Args:
        path: The folder of all collections.
        collection: The name of this one.
        dim: Columns of the vectors; None to open what is there.
        embedder: The embedder's ``model_id``; None to open what searches see.

    Raises:
        ConfigurationError: There is no such collection (``dim=None``), or what is there isn't one.
        StorageError: It can't be read, or another process has it open.
    """

    def __init__(
        self, path: str | os.PathLike[str], collection: str, dim: int | None = None, embedder: str | None = None
    ) -> None:
        self._home = Path(path) / collection
        about = self._about()
        if embedder is None or dim is None:
            if about is None or about["current"] is None:
                raise ConfigurationError(f"there is no collection '{collection}' in {path}: run the pipeline first")
            self._name = about["current"]
        else:
            self._name = "shard-" + hashlib.blake2b(f"{embedder}\n{dim}".encode(), digest_size=6).hexdigest()
            about = self._create(about, dim, embedder)
        shown = about["shards"][self._name]
        self.dim, self.embedder, self.id = shown["dim"], shown["embedder"], shown["id"]
        with _clear(self._home):
            self._shard = _Shard.take((self._home / self._name).resolve())

    def _about(self) -> dict[str, Any] | None:
        file = self._home / "collection.json"
        try:
            about = dict(json.loads(file.read_bytes()))
            format_, _ = about["format"], about["shards"]
        except FileNotFoundError:
            if self._home.is_dir() and any(self._home.iterdir()):
                raise ConfigurationError(
                    f"{self._home} is not a vector store of headrace: choose another one"
                ) from None
            return None
        except NotADirectoryError:
            raise ConfigurationError(f"{self._home.parent} is a file, not the folder of a vector store") from None
        except OSError as error:
            raise StorageError(f"can't read {file}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{file} is damaged: restore it, or remove {self._home} and run again") from error
        if format_ != _FORMAT:
            raise ConfigurationError(f"{file} is of format {format_}, this version reads {_FORMAT}")
        return about

    def _create(self, about: dict[str, Any] | None, dim: int, embedder: str) -> dict[str, Any]:
        """Makes the shard, then names it in the description: a crash in between leaves a folder that is made anew."""
        about = about or {"format": _FORMAT, "current": self._name, "shards": {}}
        if self._name in about["shards"]:
            return about
        with _clear(self._home):
            if not (self._home / "collection.json").exists():
                self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._write({**about, "current": None})
            shutil.rmtree(self._home / self._name, ignore_errors=True)
            _new_shard(self._home / self._name, dim)
            about["shards"][self._name] = {"id": uuid.uuid4().hex, "dim": dim, "embedder": embedder}
            about["current"] = about["current"] or self._name
            self._write(about)
        return about

    def _write(self, about: Mapping[str, Any]) -> None:
        partial = self._home / f"collection.json.{os.getpid()}"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(about, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._home / "collection.json")

    def make_current(self) -> None:
        """See the base class."""
        about = self._about()
        if about is None:
            raise StorageError(f"{self._home} has gone")
        others = [name for name in about["shards"] if name != self._name]
        if others or about["current"] != self._name:
            with _clear(self._home):
                about["current"], about["shards"] = self._name, {self._name: about["shards"][self._name]}
                self._write(about)
                for name in others:
                    shutil.rmtree(self._home / name, ignore_errors=True)

    def optimize(self) -> None:
        """See the base class."""
        with _clear(self._home), self._shard.lock:
            self._shard.engine.optimize()
            self._shard.engine.flush()

    def close(self) -> None:
        """See the base class."""
        self._shard.leave()

    def _update(self, operation: Any) -> None:
        with _clear(self._home), self._shard.lock:
            self._shard.engine.update(operation)

    def _upsert(self, points: Sequence[Point]) -> None:
        import qdrant_edge as q

        made = []
        for point in points:
            vectors: dict[str, Any] = {}
            if point.dense is not None:
                vectors["dense"] = point.dense
            if point.sparse is not None:
                vectors["words"] = q.SparseVector(*point.sparse)
            made.append(q.Point(point.id, vectors, point.payload))
        self._update(q.UpdateOperation.upsert_points(made))

    def _delete(self, where: Conditions, other_than: Conditions | None = None) -> None:
        import qdrant_edge as q

        self._update(q.UpdateOperation.delete_points_by_filter(_filter(where, other_than)))

    def _count(self, where: Conditions) -> int:
        import qdrant_edge as q

        with _clear(self._home):
            return int(self._shard.engine.count(q.CountRequest(exact=True, filter=_filter(where))))

    def _retrieve(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        with _clear(self._home):
            found = self._shard.engine.retrieve([*ids], True, False)
        return {str(record.id): record.payload or {} for record in found}

    def _scroll(self, where: Conditions) -> Iterator[tuple[str, dict[str, Any]]]:
        import qdrant_edge as q

        offset: Any = None
        while True:
            request = q.ScrollRequest(offset, _PAGE, _filter(where), True, False)
            with _clear(self._home):
                records, offset = self._shard.engine.scroll(request)
            yield from ((str(record.id), record.payload or {}) for record in records)
            if offset is None:
                return

    def _query(
        self, vector: list[float], words: tuple[list[int], list[float]] | None, limit: int, where: Conditions
    ) -> list[tuple[float, dict[str, Any]]]:
        import qdrant_edge as q

        dense, only = q.Query.Nearest(vector, using="dense"), _filter(where)
        if words and words[0]:
            sparse = q.Query.Nearest(q.SparseVector(*words), using="words")
            parts = [q.Prefetch(limit * 2, query=query, filter=only) for query in (dense, sparse)]
            joined: Any = q.Fusion.Rrf(_RRF)
            request = q.QueryRequest(limit, query=joined, prefetches=parts, with_payload=True)
        else:
            request = q.QueryRequest(limit, query=dense, filter=only, with_payload=True)
        with _clear(self._home):
            return [(point.score, point.payload or {}) for point in self._shard.engine.query(request)]


def _new_shard(folder: Path, dim: int) -> None:
    import qdrant_edge as q

    config = q.EdgeConfig(
        vectors={"dense": q.EdgeVectorParams(size=dim, distance=q.Distance.Cosine)},
        sparse_vectors={"words": q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
    )
    folder.mkdir(mode=0o700)
    shard = q.EdgeShard.create(str(folder), config)
    for field in INDEXED:
        shard.update(q.UpdateOperation.create_field_index(field, q.PayloadSchemaType.Keyword))
    shard.flush()
    shard.close()


def _filter(where: Conditions, other_than: Conditions | None = None) -> Any:
    import qdrant_edge as q

    def conditions(given: Conditions) -> list[Any]:
        return [
            q.FieldCondition(name, match=q.MatchValue(value) if isinstance(value, str) else q.MatchAny(list(value)))
            for name, value in given.items()
        ]

    return q.Filter(must=conditions(where), must_not=conditions(other_than or {}))


@contextlib.contextmanager
def _clear(home: Path) -> Iterator[None]:
    """The engine's errors as ours, in one line."""
    try:
        yield
    except ImportError:
        raise ConfigurationError(
            "the vector store on disk needs qdrant-edge-py: pip install 'headrace[documents]'"
        ) from None
    except OSError as error:
        raise StorageError(f"can't use the vector store {home}: {error.strerror}") from error
    except (StorageError, ConfigurationError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        if "WouldBlock" in text:
            raise StorageError(
                f"the vector store {home} is open in another process: try again when that is done"
            ) from None
        raise StorageError(f"the vector store {home}: {text}") from error
