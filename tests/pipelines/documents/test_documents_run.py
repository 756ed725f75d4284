"""The whole job on real documents, and what a second run does."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from documents_shelf import Shelf, copy_samples

import headrace as hr
from headrace.connectors.qdrant import open_store
from headrace.pipelines import documents
from headrace.pipelines.documents.briefs import briefs
from support.retrieval import quality


def shelf_text(shelf: Shelf, path: str) -> str:
    return (shelf.folder / path).read_text(encoding="utf-8")


def test_all_samples_through_a_git_repository(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf("*")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(shelf.folder)]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    first = shelf.run(branch="main", folder="30-Aprovados", cache=shelf.home / "cache")
    assert first.status is hr.Status.PARTIAL
    assert first.counts == {"total": 46, "executed": 45, "skipped": 0, "failed": 1, "removed": 0, "chunks": 81}
    (failure,) = first.failures
    assert failure.key == "30-Aprovados/60-Tecnologia/Ata da reunião (arquivo corrompido).docx"
    assert (failure.error_type, failure.message) == ("ConversionError", "it is damaged: its archive is incomplete")
    stored = shelf.stored()
    assert len(stored) == 44  # without the broken and the empty one
    assert not any("Rascunho" in path or "revisão)" in path for path in stored)

    again = shelf.run(branch="main", folder="30-Aprovados", cache=shelf.home / "cache")
    assert again.counts == {**first.counts, "executed": 0, "skipped": 45}
    assert shelf.stored() == stored


@pytest.mark.parametrize(
    ("question", "path", "answer"),
    [
        ("Quantas vezes a sirene toca antes de abrir as comportas?", "PR-021", "três vezes, durante um minuto"),
        ("multa para presentes de fornecedores", "PL-002", "R$ 150"),
        ("how long are historian values kept", "EN-009", "13 months"),
    ],
)
def test_searches_find_the_answer(shelf: Shelf, question: str, path: str, answer: str) -> None:
    shelf.run()
    best, *others = shelf.search(question, limit=3)
    assert best.path.rsplit("/", 1)[1].startswith(path)
    assert answer in best.text
    assert len(others) == 2
    source = shelf_text(shelf, best.path)
    assert source[best.start : best.end] == best.text


def test_change_add_delete_and_rename_touch_only_their_own(shelf: Shelf) -> None:
    shelf.run()
    before = shelf.stored()
    ids = points(shelf)
    changed, deleted, renamed = (
        next(path for path in before if name in path) for name in ("PR-011", "PR-034", "EN-009")
    )
    with (shelf.folder / changed).open("a", encoding="utf-8") as file:
        file.write("\n## Novidade\n\nAgora são quatro dias por semana.\n")
    (shelf.folder / deleted).unlink()
    (shelf.folder / renamed).rename(shelf.folder / "30-Aprovados/historian.txt")
    copy_samples(shelf.folder, "PR-051*")
    second = shelf.run()
    after = shelf.stored()
    assert second.counts == {
        "total": 8,
        "executed": 3,
        "skipped": 5,
        "failed": 0,
        "removed": 2,
        "chunks": sum(map(len, after.values())),
    }
    assert sorted(second.summary["removed"]) == sorted([deleted, renamed])
    assert set(before) - set(after) == {deleted, renamed}
    assert {path for path in after if after[path] != before.get(path)} == {
        changed,
        "30-Aprovados/historian.txt",
        next(path for path in after if "PR-051" in path),
    }
    assert after["30-Aprovados/historian.txt"] == before[renamed]
    now = points(shelf)
    assert {path for path in now if now[path] != ids.get(path)} == {
        path for path in after if after[path] != before.get(path)
    }
    assert "quatro dias" in shelf.search("quatro dias por semana", limit=1)[0].text


def points(shelf: Shelf) -> dict[str, str]:
    with open_store(shelf.vectors) as store:
        return {payload["path"]: payload["generation"] for payload in store.documents()}


def test_an_emptied_document_loses_its_chunks(shelf: Shelf) -> None:
    shelf.run()
    path = next(path for path in shelf.stored() if "PR-043" in path)
    (shelf.folder / path).write_text("")
    done = shelf.run()
    assert done.status is hr.Status.SUCCEEDED
    assert path not in shelf.stored()
    assert done.summary["warnings"] == [f"{path}: it is empty"]
    assert shelf.run().summary["warnings"] == [f"{path}: it is empty"]  # also when it is skipped


def test_a_document_that_breaks_keeps_its_last_good_version(shelf: Shelf) -> None:
    shelf.run()
    before = shelf.stored()
    path = next(path for path in before if "PR-043" in path)
    (shelf.folder / path).write_bytes(b"\0\1\2")
    broken = shelf.run()
    assert broken.status is hr.Status.PARTIAL
    assert [failure.message for failure in broken.failures] == ["it is a binary file of a kind that can't be converted"]
    assert shelf.stored() == before
    (shelf.folder / path).write_text("# De volta\n\nInteiro outra vez.")
    assert shelf.run().status is hr.Status.SUCCEEDED
    assert shelf.stored()[path] == ["# De volta\n\nInteiro outra vez."]


def test_two_documents_of_the_same_name(shelf: Shelf) -> None:
    for place in ("a", "b/a"):
        (shelf.folder / place).mkdir(parents=True)
        (shelf.folder / place / "igual.md").write_text(f"# Igual em {place}\n\nTexto {place}")
    shelf.run()
    stored = shelf.stored()
    assert stored["a/igual.md"] == ["# Igual em a\n\nTexto a"]
    assert stored["b/a/igual.md"] == ["# Igual em b/a\n\nTexto b/a"]


def test_a_changed_setting_runs_what_it_touches(shelf: Shelf) -> None:
    def executed(done: documents.DocumentsRun) -> dict[str, int]:
        return {
            name: stage["executed"]
            for name, stage in done.summary["stages"].items()
            if name not in ("documents", "finalise")
        }

    first = executed(shelf.run())
    assert first["convert"] == 8
    smaller = executed(shelf.run(chunk_size=200))
    assert smaller["convert"] == 0
    assert smaller["chunk"] == 8
    assert smaller["publish"] == 8
    assert max(len(text) for texts in shelf.stored().values() for text in texts) <= 200
    again = executed(shelf.run(chunk_size=200))
    assert again == {"convert": 0, "chunk": 0, "embed": 0, "publish": 0}


def test_another_embedder_builds_a_new_generation(shelf: Shelf) -> None:
    shelf.run()
    texts = shelf.stored()
    done = shelf.run(embedder="hashed:64")
    assert done.summary["dimensions"] == 64
    assert done.summary["stages"]["convert"]["executed"] == 0
    assert done.summary["stages"]["publish"]["executed"] == 8
    assert shelf.stored() == texts
    assert shelf.search("sirene", embedder="hashed:64")[0].text
    with pytest.raises(hr.ConfigurationError, match="was made with another embedder than 'hashed'"):
        shelf.search("sirene")
    folders = [path for path in Path(shelf.vectors, "documents").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_a_lost_vector_store_is_filled_again_from_the_records(shelf: Shelf) -> None:
    shelf.run()
    before = shelf.stored()
    shutil.rmtree(shelf.vectors)
    done = shelf.run()
    assert shelf.stored() == before
    stages = done.summary["stages"]
    assert (stages["convert"]["executed"], stages["embed"]["executed"], stages["publish"]["executed"]) == (0, 0, 8)


def test_two_sources_share_a_collection(shelf: Shelf, tmp_path: Path) -> None:
    shelf.run()
    other = tmp_path / "other"
    copy_samples(other, "EN-010*", "EN-005*")
    documents.run(str(other), progress=False, **shelf.stores)
    assert len(shelf.stored()) == 10
    shutil.rmtree(other / "30-Aprovados/70-English")
    (other / "new.md").write_text("# New\n\nShelf")
    documents.run(str(other), progress=False, **shelf.stores)
    assert len(shelf.stored()) == 9
    assert shelf.run().counts["executed"] == 0


def test_the_summary_file_says_what_happened(shelf: Shelf) -> None:
    (shelf.folder / "bad.docx").write_bytes(b"PK\x03\x04 broken")
    done = shelf.run()
    file = Path(shelf.store).with_suffix(".summary.json")
    assert json.loads(file.read_text(encoding="utf-8")) == done.summary
    assert file.stat().st_mode & 0o777 == 0o600
    assert done.summary["status"] == "partial"
    assert done.summary["failures"] == [
        {
            "stage": "convert",
            "document": "bad.docx",
            "error": "ConversionError",
            "message": "it is damaged: its archive is incomplete",
            "category": done.failures[0].category,
        }
    ]
    assert done.summary["counts"]["total"] == 9
    assert done.summary["documents_per_second"] > 0


def test_what_is_told_of_documents_needs_none_of_their_texts(shelf: Shelf) -> None:
    large = "É longo. " * 20_000
    (shelf.folder / "large.txt").write_bytes(f"{large}\n".encode("cp1252"))  # a text in a file of its own
    (shelf.folder / "wrong.docx").write_text("# Not Word")
    (shelf.folder / "bad.docx").write_bytes(b"PK\x03\x04 broken")
    run = shelf.run().run
    converted = run.results("convert")
    told = briefs(run)
    assert set(told) == set(converted)
    assert "bad.docx" not in told
    for path, brief in told.items():
        assert {name: converted[path][name] for name in ("version", "title", "format")} == {
            name: brief[name] for name in ("version", "title", "format")
        }
        assert converted[path]["warnings"] == brief["warnings"]
    assert told["large.txt"]["warnings"] == ("it is not UTF-8 and was read as Windows-1252",)
    assert len(converted["large.txt"]["text"]) > 65536


def test_every_character_is_in_a_chunk_and_none_is_too_long(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf("*.md", "*.txt")
    shelf.run(chunk_size=120, chunk_overlap=20)
    with open_store(shelf.vectors) as store:
        chunks = list(store.chunks())
    assert max(len(chunk["text"]) for chunk in chunks) <= 120
    for path in {chunk["path"] for chunk in chunks}:
        text = (
            (shelf.folder / path).read_bytes().decode("cp1252" if "latin-1" in path else "utf-8").replace("\r\n", "\n")
        )
        covered = set()
        for chunk in (chunk for chunk in chunks if chunk["path"] == path):
            assert text[chunk["start"] : chunk["end"]] == chunk["text"]
            covered.update(range(chunk["start"], chunk["end"]))
        assert not [i for i, letter in enumerate(text) if i not in covered and not letter.isspace()]


def test_provenance_of_a_chunk(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf("PR-013*", "PR-061*")
    shelf.run(chunk_size=150)
    (best, *_) = shelf.search("teste de restauração do supervisório", limit=1)
    assert best.heading == ("PR-061 Cópias de segurança 💾", "Teste de restauração")
    assert best.title == "PR-061 Cópias de segurança 💾"
    (slide, *_) = shelf.search("avaliação de experiência no 85º dia", limit=1)
    assert slide.page == 4
    assert slide.format == "pptx"
    assert {hit.format for hit in shelf.search("dia", where={"format": ["markdown"]})} == {"markdown"}


@pytest.mark.parametrize(("embedder", "floors"), [("hashed", (0.95, 0.9)), ("hashed:1024", (0.95, 0.9))])
def test_retrieval_quality(new_shelf: Callable[..., Shelf], embedder: str, floors: tuple[float, float]) -> None:
    """Questions with known answers: how many are in the first five hits, and how high; models: `make bench`."""
    shelf = new_shelf("*")
    recall, reciprocal, count = quality(shelf.home, shelf.folder, embedder=embedder)
    print(f"{embedder}: recall@5 {recall:.3f}, MRR {reciprocal:.3f} over {count} questions")
    assert count >= 30
    assert recall >= floors[0]
    assert reciprocal >= floors[1]
