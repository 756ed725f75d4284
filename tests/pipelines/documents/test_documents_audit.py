"""The journal against the vector store: what was changed behind our back is found and mended."""

import dataclasses
import json

import numpy as np
import pytest
from documents_shelf import Shelf

from headrace.connectors.qdrant import Chunk, Document, document_id, open_store
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.audit import Audit, audit


def test_drift_is_found_and_mended(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    bad = shelf.folder / "broken.md"
    bad.write_text("# Whole\n\nStill whole.")
    shelf.run()
    bad.write_bytes(b"\0")
    shelf.run()  # the last good version of a document that broke is no orphan
    before = shelf.stored()
    check = {"store": shelf.store, "vectors": shelf.vectors}
    assert audit(str(shelf.folder), **check).clean

    source = str(shelf.folder.resolve())
    missing, incomplete, stale = [path for path in before if path != "broken.md"][:3]
    with open_store(shelf.vectors) as store:
        store.remove(document_id(source, missing))
        store._delete({"kind": "chunk", "document": document_id(source, incomplete)})
        payload = next(payload for payload in store.chunks(document_id(source, stale)))
        row = np.ones(store.dim, np.float32)
        foreign = Document("somebody else", "x.md", "1")
        store.publish(foreign, [Chunk("theirs", 0, 6)], [row])
        store.publish(dataclasses.replace(foreign, source=source, path="ghost.md"), [Chunk("ghost", 0, 5)], [row])
        store._upsert(staged(payload, store.dim))
    found = audit(str(shelf.folder), **check)
    assert found == Audit((missing,), (incomplete,), (stale,), ("ghost.md",))
    assert not found.clean

    from headrace.cli import main

    command = ["documents", "audit", str(shelf.folder), "--store", shelf.store, "--vectors", shelf.vectors]
    assert main(command) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [f"missing    {missing}", f"incomplete {incomplete}", f"stale      {stale}", "orphans    ghost.md"]

    assert audit(str(shelf.folder), repair=True, **check) == found
    assert audit(str(shelf.folder), **check).clean
    assert shelf.stored() == {**before, "x.md": ["theirs"]}
    assert main([*command, "--repair"]) == 0
    assert capsys.readouterr().out == "journal and vector store agree\n"
    assert shelf.run().counts["executed"] == 0


def test_the_command_mends_and_says_so(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    from headrace.cli import main

    shelf.run()
    before = shelf.stored()
    path = next(iter(before))
    with open_store(shelf.vectors) as store:
        store.remove(document_id(str(shelf.folder.resolve()), path))
    command = ["documents", "audit", str(shelf.folder), "--store", shelf.store, "--vectors", shelf.vectors, "--repair"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"missing": [path], "incomplete": [], "stale": [], "orphans": [], "clean": True}
    assert shelf.stored() == before


def staged(payload: dict[str, object], dim: int) -> list[object]:
    from headrace.connectors.qdrant._model import Point

    old = {**payload, "generation": "of a run that was killed"}
    return [Point("00000000-0000-4000-8000-000000000001", old, [1.0] * dim)]


def test_without_a_run_there_is_nothing_to_compare(shelf: Shelf) -> None:
    shelf.run()
    with pytest.raises(ConfigurationError, match="into collection 'other' is recorded"):
        audit(str(shelf.folder), store=shelf.store, vectors=shelf.vectors, collection="other")
    with pytest.raises(ConfigurationError, match="was made with another embedder than 'hashed:64'"):
        audit(str(shelf.folder), store=shelf.store, vectors=shelf.vectors, embedder="hashed:64")
