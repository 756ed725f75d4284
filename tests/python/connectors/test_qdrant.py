"""The vector store: the real engine on disk, and a server's client in its local mode."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient

from headrace.connectors.qdrant import Chunk, Document, VectorStore, document_id, is_server, open_store
from headrace.connectors.qdrant._edge import EdgeStore
from headrace.connectors.qdrant._model import Point
from headrace.connectors.qdrant._server import ServerStore
from headrace.errors import ConfigurationError, StorageError

DIM = 8
pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
Opener = Callable[..., VectorStore]


@pytest.fixture(params=["edge", "server"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same collection again and again."""
    client = QdrantClient(":memory:")
    really_close, client.close = client.close, lambda **_: None  # type: ignore[method-assign]
    opened: list[VectorStore] = []

    def open_again(collection: str = "docs", dim: int | None = DIM, embedder: str | None = "test-1") -> VectorStore:
        if request.param == "edge":
            opened.append(EdgeStore(tmp_path, collection, dim, embedder))
        else:
            opened.append(ServerStore(client, collection, dim, embedder))
        return opened[-1]

    yield open_again
    really_close()


@pytest.fixture
def store(opener: Opener) -> Iterator[VectorStore]:
    with opener() as store:
        yield store


def document(path: str = "a.md", version: str = "1", **more: Any) -> Document:
    return Document("shelf", path, version, title=path, format="markdown", **more)


def chunks(*texts: str) -> list[Chunk]:
    return [Chunk(text, 10 * i, 10 * i + len(text), ("Top",), i + 1) for i, text in enumerate(texts)]


def vectors(*texts: str) -> Any:
    """A vector for each text, always the same for the same text."""
    rows = [np.random.default_rng(sum(map(ord, text))).normal(size=DIM) for text in texts]
    return np.array(rows, np.float32).reshape(-1, DIM)


def publish(store: VectorStore, which: Document, *texts: str) -> Any:
    return store.publish(which, chunks(*texts), vectors(*texts))


def stored(store: VectorStore) -> set[tuple[str, str]]:
    return {(payload["path"], payload["text"]) for payload in store.chunks()}


def test_what_was_published_is_found(store: VectorStore) -> None:
    assert (
        publish(store, document("a.md", metadata={"author": "Ana"}), "férias de verão", "canal de adução").stored == 2
    )
    publish(store, document("b/a.md"), "turbina Francis")
    (best, *_) = store.search(vectors("canal de adução")[0], limit=3)
    assert (best.text, best.path, best.title, best.source) == ("canal de adução", "a.md", "a.md", "shelf")
    assert (best.chunk, best.start, best.end, best.heading, best.page) == (1, 10, 25, ("Top",), 2)
    assert (best.format, best.metadata, best.document) == ("markdown", {"author": "Ana"}, document_id("shelf", "a.md"))
    assert store.count() == 3
    assert sorted((p["path"], p["chunks"]) for p in store.documents()) == [("a.md", 2), ("b/a.md", 1)]


def test_words_count_beside_the_vector(store: VectorStore) -> None:
    publish(store, document("a.md"), "férias de verão", "turbina Francis")
    (best, *_) = store.search(vectors("zzz")[0], "FERIAS", limit=1)
    assert best.text == "férias de verão"
    assert len(store.search(vectors("zzz")[0], "!?", limit=5)) == 2


def test_conditions_restrict_the_hits(store: VectorStore) -> None:
    publish(store, document("a.md"), "um", "dois")
    store.publish(Document("shelf", "b.pdf", "1", "b", "pdf"), chunks("um"), vectors("um"))
    found = store.search(vectors("um")[0], "um", where={"format": ["pdf", "docx"]})
    assert [hit.path for hit in found] == ["b.pdf"]
    assert store.count({"format": "markdown"}) == 2


def test_a_new_version_replaces_the_old_one(store: VectorStore) -> None:
    publish(store, document("a.md", "1"), "one", "two", "three")
    publish(store, document("b.md", "1"), "other")
    again = publish(store, document("a.md", "1"), "one", "two", "three")
    assert (again.stored, again.removed, store.count()) == (3, 0, 4)
    changed = publish(store, document("a.md", "2"), "one", "four")
    assert (changed.stored, changed.removed) == (2, 3)
    assert stored(store) == {("a.md", "one"), ("a.md", "four"), ("b.md", "other")}
    emptied = publish(store, document("a.md", "3"))
    assert (emptied.stored, emptied.removed) == (0, 2)
    assert stored(store) == {("b.md", "other")}


def test_removing_touches_one_document_only(store: VectorStore) -> None:
    publish(store, document("a.md"), "one", "two")
    publish(store, document("x/a.md"), "one", "two")
    assert store.remove(document("a.md").id) == 2
    assert store.remove(document("a.md").id) == 0
    assert stored(store) == {("x/a.md", "one"), ("x/a.md", "two")}
    assert [p["path"] for p in store.documents()] == ["x/a.md"]


class Broken(Exception):
    pass


@pytest.mark.parametrize("calls", range(5))
def test_a_version_is_visible_whole_or_not_at_all(
    store: VectorStore, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails at its n-th writing call: a search finds one whole version, and repeating mends it."""
    old, new = [f"old {i}" for i in range(300)], [f"new {i}" for i in range(400)]
    publish(store, document("a.md", "1"), *old)
    made = [0]

    def failing(name: str) -> None:
        real = getattr(store, name)

        def call(*arguments: Any) -> None:
            made[0] += 1
            if made[0] > calls:
                raise Broken
            real(*arguments)

        monkeypatch.setattr(store, name, call)

    failing("_upsert")
    failing("_delete")
    if calls < 4:
        with pytest.raises(Broken):
            publish(store, document("a.md", "2"), *new)
    else:
        publish(store, document("a.md", "2"), *new)
    found = {hit.text for hit in store.search(vectors("new 1")[0], limit=1000)}
    assert found == set(old if calls < 3 else new)  # two calls for the chunks, one for the switch, one to clear up
    monkeypatch.undo()
    publish(store, document("a.md", "2"), *new)
    assert stored(store) == {("a.md", text) for text in new}


def test_point_ids_are_the_same_everywhere(opener: Opener) -> None:
    kept: list[list[str]] = []

    class Spy:
        def __init__(self, store: VectorStore) -> None:
            self.real, store._upsert = store._upsert, self.upsert  # type: ignore[method-assign]
            self.ids: list[str] = []

        def upsert(self, points: list[Point]) -> None:
            self.ids += [point.id for point in points]
            self.real(points)

    for name in ("one", "two"):
        with opener(name) as store:
            spy = Spy(store)
            publish(store, document("a.md"), "a", "b")
            kept.append(spy.ids)
    assert kept[0] == kept[1]
    assert len(set(kept[0])) == 3


def test_everything_is_there_after_opening_again(opener: Opener) -> None:
    with opener() as store:
        publish(store, document("a.md"), "one", "two")
        store.optimize()
    with opener(dim=None, embedder=None) as store:
        assert (store.dim, store.embedder, store.count()) == (DIM, "test-1", 2)


def test_another_embedder_grows_beside_until_it_is_made_current(opener: Opener) -> None:
    with opener() as store:
        publish(store, document("a.md"), "one", "two")
    with opener(dim=DIM, embedder="test-2") as building:
        assert building.count() == 0
        publish(building, document("a.md"), "one")
        with opener(dim=None, embedder=None) as seen:
            assert (seen.embedder, seen.count()) == ("test-1", 2)
        building.make_current()
    with opener(dim=None, embedder=None) as seen:
        assert (seen.embedder, seen.count()) == ("test-2", 1)
    with opener() as again:
        assert again.count() == 0  # the first one's vectors went


def test_a_missing_collection_is_named(opener: Opener) -> None:
    with pytest.raises(ConfigurationError, match="there is no collection 'nothing'"):
        opener("nothing", None, None)


# --- only on disk


def test_many_threads_publish_at_once(tmp_path: Path) -> None:
    def work(number: int) -> None:
        for version in range(3):
            publish(store, document(f"{number}.md", str(version)), *[f"{number} {version} {i}" for i in range(20)])

    with open_store(str(tmp_path), dim=DIM, embedder="e") as store:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(store) == {(f"{n}.md", f"{n} 2 {i}") for n in range(6) for i in range(20)}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="is not a vector store of headrace"):
        open_store(str(tmp_path), "docs", dim=DIM, embedder="e")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="is a file, not the folder of a vector store"):
        open_store(str(tmp_path / "file"), "docs", dim=DIM, embedder="e")
    assert (tmp_path / "docs/thesis.txt").read_text() == "mine"


def test_a_damaged_or_newer_description_is_named(tmp_path: Path) -> None:
    open_store(str(tmp_path), "docs", dim=DIM, embedder="e").close()
    about = tmp_path / "docs/collection.json"
    assert about.stat().st_mode & 0o777 == 0o600
    text = about.read_text()
    about.write_text(text[:20])
    with pytest.raises(StorageError, match=r"collection\.json is damaged"):
        open_store(str(tmp_path), "docs")
    about.write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ConfigurationError, match="is of format 2, this version reads 1"):
        open_store(str(tmp_path), "docs")


OTHER_PROCESS = """
import sys
from headrace.connectors.qdrant import open_store
from headrace.errors import StorageError
try:
    open_store(sys.argv[1], "docs")
except StorageError as error:
    print(error)
"""


def open_elsewhere(path: Path) -> str:
    command = [sys.executable, "-c", OTHER_PROCESS, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_another_process_is_refused_and_this_one_shares(tmp_path: Path) -> None:
    with open_store(str(tmp_path), "docs", dim=DIM, embedder="e") as first:
        told = subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS, tmp_path], capture_output=True, text=True, check=True
        )
        assert "is open in another process: try again when that is done" in told.stdout
        with open_store(str(tmp_path), "docs") as second:
            publish(first, document("a.md"), "one")
            assert second.count() == 1
        publish(first, document("b.md"), "two")
    assert open_elsewhere(tmp_path) == ""


WRITER = """
import json, sys
import numpy as np
from headrace.connectors.qdrant import Chunk, Document, open_store
store = open_store(sys.argv[1], "docs", dim=8, embedder="e")
for number in range(100_000):
    texts = [f"{number} {i}" for i in range(10)]
    store.publish(Document("s", f"{number}.md", "1"), [Chunk(t, 0, 1) for t in texts], np.ones((10, 8), np.float32))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 60:
                os.kill(writer.pid, signal.SIGKILL)
                break
        last = max([60, *map(int, writer.stdout.read().split())])
    with open_store(str(tmp_path), "docs") as store:
        whole = {payload["path"] for payload in store.documents()}
        assert {f"{number}.md" for number in range(last + 1)} <= whole
        found = store.search(np.ones(8, np.float32), limit=10_000)
        assert len(found) == 10 * len(whole)


# --- only on a server


def test_a_collection_of_somebody_else_is_left_alone() -> None:
    from qdrant_client import models as m

    client = QdrantClient(":memory:")
    client.create_collection("docs", vectors_config=m.VectorParams(size=768, distance=m.Distance.DOT))
    with pytest.raises(
        ConfigurationError, match=r"'docs' on the server \(of 768 dimensions\) was not made by headrace"
    ):
        ServerStore(client, "docs", DIM, "e")
    client.close()


def test_an_unreachable_server_is_named() -> None:
    with pytest.raises(StorageError, match=r"the vector store http://127\.0\.0\.1:9 can't be reached: .*refused"):
        open_store("http://user:secret@127.0.0.1:9", dim=DIM, embedder="e")


@pytest.mark.parametrize("location", ["ftp://x", "http://", "://"])
def test_a_wrong_address_is_named(location: str) -> None:
    assert is_server(location)
    with pytest.raises(ConfigurationError, match="is not the address of a Qdrant server"):
        open_store(location)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 200])
def test_a_wrong_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be the name of a collection"):
        open_store(str(tmp_path), name)


def test_a_collection_made_anew_has_another_id(tmp_path: Path) -> None:
    with open_store(str(tmp_path), "docs", dim=DIM, embedder="e") as store:
        first = store.id
    with open_store(str(tmp_path), "docs", dim=DIM, embedder="e") as store:
        assert store.id == first
    shutil.rmtree(tmp_path / "docs")
    with open_store(str(tmp_path), "docs", dim=DIM, embedder="e") as store:
        assert store.id != first
