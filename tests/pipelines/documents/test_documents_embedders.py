"""Other embedders than the default one: their limits hold, and what goes wrong with them costs nothing."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from documents_shelf import Shelf

import headrace as hr
from headrace.connectors.qdrant import open_store
from headrace.embed import OnnxEmbedder
from headrace.pipelines.documents.embedders import open_embedder
from headrace.pipelines.documents.structure import Chunking
from servers.embeddings import EmbeddingsServer
from support.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny", limit=40)


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with EmbeddingsServer() as server:
        yield server


def covered(text: str, chunks: list[dict[str, object]]) -> bool:
    seen: set[int] = set()
    for chunk in chunks:
        start, end = int(str(chunk["start"])), int(str(chunk["end"]))
        assert text[start:end] == chunk["text"]
        seen.update(range(start, end))
    return not [at for at, letter in enumerate(text) if at not in seen and not letter.isspace()]


TABLE = "| pump | flow |\n| --- | --- |\n" + "".join(f"| P{n} | {n} m3/s of water |\n" for n in range(60))
TEXTS = [
    f"# The dam\n\n## A very long heading of a section of the dam by the river\n\n{'The cat sat on the mat. ' * 40}",
    f"# Pumps\n\n{TABLE}\nThe end.",
    "x" * 500,
    "# 🚒\n\n" + "👩‍👩‍👧‍👦" * 60,
    "# " + "heading " * 80 + "\n\nShort.",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("overlap", [0, 50])
def test_no_chunk_is_over_the_limit_of_the_model(model: Path, text: str, overlap: int) -> None:
    embedder = OnnxEmbedder(model)
    document = {"version": "1", "title": "The title of it", "format": "markdown", "text": text, "pages": ()}
    chunks = Chunking(600, overlap, embedder).chunks(document)
    assert max(embedder.count_tokens([c["before"] + c["text"] for c in chunks]), default=0) <= 40
    assert covered(text, chunks)
    assert [chunk["index"] for chunk in chunks] == list(range(len(chunks)))
    if text:
        assert len(embedder.embed([c["before"] + c["text"] for c in chunks])) == len(chunks)


def test_a_model_folder(shelf: Shelf, model: Path) -> None:
    done = shelf.run(embedder=f"onnx:{model}")
    assert done.status is hr.Status.SUCCEEDED
    assert done.summary["dimensions"] == 32
    hits = shelf.search("quantas vezes a sirene toca", embedder=f"onnx:{model}")
    assert any(hit.path.rsplit("/", 1)[1].startswith("PR-021") for hit in hits)  # found by its words
    assert shelf.run(embedder=f"onnx:{model}").counts["executed"] == 0


def test_a_server(shelf: Shelf, server: EmbeddingsServer) -> None:
    name = f"{server.url}#small"
    done = shelf.run(embedder=name, embedder_options={"prefix": "passage: "})
    assert done.summary["dimensions"] == 3
    texts = [text for body in server.bodies[1:] for text in body["input"]]
    assert len(texts) == len(set(texts)) == done.counts["chunks"]
    asked = len(server.bodies)
    shelf.run(embedder=name, embedder_options={"prefix": "passage: "})
    assert len(server.bodies) == asked + 1  # for the number of dimensions
    assert shelf.search("sirene", embedder=name, embedder_options={"prefix": "passage: "})
    with pytest.raises(hr.ConfigurationError, match="was made with another embedder"):
        shelf.search("sirene", embedder=name)


def test_a_text_is_embedded_once_whatever_document_or_run_it_is_in(shelf: Shelf, server: EmbeddingsServer) -> None:
    name = f"{server.url}#small"
    shelf.run(embedder=name)
    asked = len(server.bodies)
    first = next(path for path in sorted(shelf.folder.rglob("*.md")))
    shutil.copy(first, first.with_name("A copy.md"))  # a new document of known texts
    done = shelf.run(embedder=name, vectors=f"{shelf.vectors}-new", name="another source")  # and a run that knows none
    assert done.counts["executed"] == 9
    assert len(shelf.stored()) == 8
    assert len(server.bodies) == asked + 1  # for the number of dimensions
    assert hr.open_store(shelf.store).verify() == []


def test_a_text_that_the_server_refuses_is_a_dead_letter(shelf: Shelf, server: EmbeddingsServer) -> None:
    (shelf.folder / "poison.md").write_text("# Poison\n\nveneno")
    server.rule = lambda body, number: (400, "no", {}) if any("veneno" in text for text in body["input"]) else None
    done = shelf.run(embedder=f"{server.url}#small")
    assert [(failure.stage, failure.error_type) for failure in done.failures] == [("embed", "EmbeddingError")]
    assert "answers 400" in done.failures[0].message
    assert len(shelf.stored()) == 8


ONE = {"workers": 1}  # requests at a time


def test_a_cool_down_outlives_the_process(shelf: Shelf, server: EmbeddingsServer) -> None:
    name = f"{server.url}#small"
    server.rule = lambda body, number: (429, "tomorrow", {"Retry-After": "86400"}) if number > 1 else None
    with pytest.raises(hr.StageError, match="answers 429"):
        shelf.run(embedder=name, embedder_options=ONE)
    assert len(server.bodies) == 2  # one for the dimensions, one refusal: no batch was tried in halves
    server.rule = lambda body, number: None
    began = time.monotonic()
    with pytest.raises(hr.HeadraceError, match="wants to be left alone until"):
        shelf.run(embedder=name)
    assert time.monotonic() - began < 5
    assert len(server.bodies) == 2
    kept = Path(shelf.store).with_suffix(".cooldown.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    (until,) = json.loads(kept.read_text()).values()
    assert 86_000 < until - time.time() <= 86_400
    kept.write_text(json.dumps({server.url: time.time() + 1.5}))
    done = shelf.run(embedder=name)
    assert server.times[2] - began >= 1.4
    assert done.status is hr.Status.SUCCEEDED
    assert done.summary["stages"]["convert"]["executed"] == 0
    assert len(shelf.stored()) == 8


def test_a_short_pause_is_waited_for(shelf: Shelf, server: EmbeddingsServer) -> None:
    server.rule = lambda body, number: (429, "wait", {"Retry-After": "1"}) if number == 2 else None
    assert shelf.run(embedder=f"{server.url}#small", embedder_options=ONE).status is hr.Status.SUCCEEDED
    assert server.times[2] - server.times[1] >= 0.95


def test_a_server_that_stays_busy_stops_the_run(shelf: Shelf, server: EmbeddingsServer) -> None:
    server.rule = lambda body, number: (503, "busy", {}) if number > 1 else None
    with pytest.raises(hr.StageError, match="answers 503"):
        shelf.run(embedder=f"{server.url}#small", embedder_options={**ONE, "attempts": 3, "delay": 0.01})
    assert len(server.bodies) == 4
    server.rule = lambda body, number: None
    assert shelf.run(embedder=f"{server.url}#small").status is hr.Status.SUCCEEDED


def test_a_wrong_key_stops_the_run_and_is_not_shown(
    shelf: Shelf, server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_EMBEDDER_KEY", "s3cret-key")
    server.rule = lambda body, number: (401, "who is s3cret-key", {}) if number > 1 else None
    with pytest.raises(hr.StageError, match="answers 401: check url, model and api_key") as told:
        shelf.run(embedder=f"{server.url}#small", embedder_options=ONE)
    assert "s3cret" not in str(told.value)
    assert len(server.bodies) == 2
    stores = [Path(shelf.store), *Path(shelf.home).glob("*.json")]
    assert not [path for path in stores if b"s3cret" in path.read_bytes()]


def test_the_old_vectors_serve_until_the_new_ones_are_complete(shelf: Shelf, server: EmbeddingsServer) -> None:
    """Another model: its vectors grow beside those in use, which go when the run is done."""
    shelf.run()
    before = shelf.search("sirene")
    server.rule = lambda body, number: (429, "tomorrow", {"Retry-After": "86400"}) if number > 1 else None
    with pytest.raises(hr.StageError, match="answers 429"):
        shelf.run(embedder=f"{server.url}#small", embedder_options=ONE)
    assert shelf.search("sirene") == before
    server.rule = lambda body, number: None
    Path(shelf.store).with_suffix(".cooldown.json").unlink()
    done = shelf.run(embedder=f"{server.url}#small", embedder_options=ONE)
    assert done.summary["stages"]["convert"]["executed"] == 0
    with open_store(shelf.vectors) as store:
        assert (store.dim, store.count()) == (3, done.counts["chunks"])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("magic", {}, "there is no embedder 'magic': use hashed, hashed:DIM, onnx:FOLDER"),
        ("onnx:", {}, "there is no embedder 'onnx:'"),
        ("onnx:/nowhere", {}, "there is no folder /nowhere"),
        ("http://127.0.0.1:9/v1", {}, r"use .*http\(s\)://host/v1#MODEL"),
        ("hashed", {"colour": 1}, "unexpected keyword argument 'colour'"),
        ("https://me:s3cret@h/v1", {}, "there is no embedder 'https://h/v1'"),
    ],
)
def test_a_wrong_name_is_told(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(hr.ConfigurationError, match=message):
        open_embedder(name, options)


def test_options_on_the_command_line(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    from headrace.cli import main

    command: Callable[..., int] = lambda *more: main(["documents", *more, "--vectors", shelf.vectors])  # noqa: E731
    options = ["--embedder-option", "dim=128", "--embedder-option", "seed=7"]
    assert command("run", str(shelf.folder), "--store", shelf.store, "--json", *options) == 2
    assert "argument" in capsys.readouterr().err
    assert command("run", str(shelf.folder), "--store", shelf.store, "--json", *options[:2]) == 0
    assert json.loads(capsys.readouterr().out)["dimensions"] == 128
    with pytest.raises(SystemExit):
        command("search", "x", "--embedder-option", "dim")
    assert "write NAME=VALUE" in capsys.readouterr().err
