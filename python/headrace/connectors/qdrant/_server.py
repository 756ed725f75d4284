"""A Qdrant server, by its address.

The name of the collection is an alias; the collection behind it is named after its embedder as well, so that another
embedder's vectors can grow beside those in use.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headrace.connectors import redact_url
from headrace.connectors.qdrant._model import SCHEMA, Point
from headrace.connectors.qdrant._store import INDEXED, Conditions, VectorStore
from headrace.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["ServerStore"]

_PAGE = 512
_ABOUT = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://headrace.invalid/collection"))


class ServerStore(VectorStore):
    """A collection on a server.

    Args:
        client: A client of the server; closed with the store.
        collection: The name of the collection.
        dim: Columns of the vectors; None to open what is there.
        embedder: The embedder's ``model_id``; None to open what searches see.
        shown: The address for messages.

    Raises:
        ConfigurationError: There is no such collection (``dim=None``), or somebody else made it.
        StorageError: The server can't be reached.
    """

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        dim: int | None = None,
        embedder: str | None = None,
        shown: str = "the server",
    ) -> None:
        self._client, self._alias, self._shown = client, collection, redact_url(shown)
        with self._clear():
            current = self._current()
            if dim is None or embedder is None:
                if current is None:
                    raise ConfigurationError(f"there is no collection '{collection}' on {self._shown}")
                self._name = current
            else:
                tag = hashlib.blake2b(f"{embedder}\n{dim}".encode(), digest_size=6).hexdigest()
                self._name = f"{collection}@{tag}"
                self._create(dim, embedder)
                if current is None:
                    self._point_alias(None)
        about = self._retrieve([_ABOUT])[_ABOUT]
        self.dim, self.embedder, self.id = about["dim"], about["embedder"], about["id"]

    def _current(self) -> str | None:
        """The collection behind the alias; a collection of that very name is somebody else's."""
        for alias in self._client.get_aliases().aliases:
            if alias.alias_name == self._alias:
                return str(alias.collection_name)
        if self._alias in {entry.name for entry in self._client.get_collections().collections}:
            raise ConfigurationError(
                f"the collection '{self._alias}' on {self._shown}{self._dimension()} was not made by headrace: "
                "choose another name"
            )
        return None

    def _dimension(self) -> str:
        vectors = self._client.get_collection(self._alias).config.params.vectors
        size = getattr(vectors, "size", None)
        return f" (of {size} dimensions)" if size else ""

    def _create(self, dim: int, embedder: str) -> None:
        from qdrant_client import models as m

        if not self._client.collection_exists(self._name):
            self._client.create_collection(
                self._name,
                vectors_config={"dense": m.VectorParams(size=dim, distance=m.Distance.COSINE)},
                sparse_vectors_config={"words": m.SparseVectorParams(modifier=m.Modifier.IDF)},
            )
        if not self._retrieve([_ABOUT]):
            for field in INDEXED:
                self._client.create_payload_index(self._name, field, m.PayloadSchemaType.KEYWORD, wait=True)
            about = {"kind": "collection", "schema": SCHEMA, "id": uuid.uuid4().hex, "dim": dim, "embedder": embedder}
            self._upsert([Point(_ABOUT, about)])

    def _point_alias(self, before: str | None) -> None:
        from qdrant_client import models as m

        drop: list[Any] = []
        if before is not None:
            drop = [m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=self._alias))]
        create = m.CreateAlias(collection_name=self._name, alias_name=self._alias)
        self._client.update_collection_aliases([*drop, m.CreateAliasOperation(create_alias=create)])

    def make_current(self) -> None:
        """See the base class."""
        with self._clear():
            before = self._current()
            if before != self._name:
                self._point_alias(before)
            for entry in self._client.get_collections().collections:
                if entry.name.startswith(f"{self._alias}@") and entry.name != self._name:
                    self._client.delete_collection(entry.name)

    def optimize(self) -> None:
        """A server optimises by itself."""

    def close(self) -> None:
        """See the base class."""
        self._client.close()

    def _upsert(self, points: Sequence[Point]) -> None:
        from qdrant_client import models as m

        made = []
        for point in points:
            vectors: dict[str, Any] = {}
            if point.dense is not None:
                vectors["dense"] = point.dense
            if point.sparse is not None:
                vectors["words"] = m.SparseVector(indices=point.sparse[0], values=point.sparse[1])
            made.append(m.PointStruct(id=point.id, vector=vectors, payload=point.payload))
        with self._clear():
            self._client.upsert(self._name, made, wait=True)

    def _delete(self, where: Conditions, other_than: Conditions | None = None) -> None:
        from qdrant_client import models as m

        with self._clear():
            self._client.delete(self._name, m.FilterSelector(filter=_filter(where, other_than)), wait=True)

    def _count(self, where: Conditions) -> int:
        with self._clear():
            return int(self._client.count(self._name, count_filter=_filter(where), exact=True).count)

    def _retrieve(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        with self._clear():
            found = self._client.retrieve(self._name, ids, with_payload=True)
        return {str(record.id): record.payload or {} for record in found}

    def _scroll(self, where: Conditions) -> Iterator[tuple[str, dict[str, Any]]]:
        offset: Any = None
        while True:
            with self._clear():
                records, offset = self._client.scroll(self._name, _filter(where), limit=_PAGE, offset=offset)
            yield from ((str(record.id), record.payload or {}) for record in records)
            if offset is None:
                return

    def _query(
        self, vector: list[float], words: tuple[list[int], list[float]] | None, limit: int, where: Conditions
    ) -> list[tuple[float, dict[str, Any]]]:
        from qdrant_client import models as m

        only = _filter(where)
        with self._clear():
            if words and words[0]:
                sparse = m.SparseVector(indices=words[0], values=words[1])
                parts = [
                    m.Prefetch(query=vector, using="dense", limit=limit * 2, filter=only),
                    m.Prefetch(query=sparse, using="words", limit=limit * 2, filter=only),
                ]
                joined = m.FusionQuery(fusion=m.Fusion.RRF)
                answer = self._client.query_points(self._name, prefetch=parts, query=joined, limit=limit)
            else:
                answer = self._client.query_points(
                    self._name, query=vector, using="dense", query_filter=only, limit=limit
                )
        return [(point.score, point.payload or {}) for point in answer.points]

    @contextlib.contextmanager
    def _clear(self) -> Iterator[None]:
        """The client's errors as ours, in one line and without secrets."""
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            yield
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                told = "refuses the API key (QDRANT_API_KEY)"
                raise ConfigurationError(f"the vector store {self._shown} {told}") from None
            told = f"answered {error.status_code} {error.reason_phrase}"
            raise StorageError(f"the vector store {self._shown} {told}") from error
        except ApiException as error:
            raise StorageError(f"the vector store {self._shown} can't be reached: {error}") from error


def _filter(where: Conditions, other_than: Conditions | None = None) -> Any:
    from qdrant_client import models as m

    def conditions(given: Conditions) -> list[Any]:
        return [
            m.FieldCondition(
                key=name, match=m.MatchValue(value=value) if isinstance(value, str) else m.MatchAny(any=list(value))
            )
            for name, value in given.items()
        ]

    return m.Filter(must=conditions(where), must_not=conditions(other_than or {}))
