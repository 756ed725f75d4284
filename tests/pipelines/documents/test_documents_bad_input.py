"""What is wrong is named in one line, with the right exit code; and nothing is lost by it."""

import resource
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from documents_shelf import Shelf

import headrace as hr
from headrace.cli import main
from headrace.connectors.qdrant import open_store


@pytest.fixture
def run(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """The command line, in a folder of its own; its code, output and errors."""
    monkeypatch.chdir(shelf.home)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(["documents", *arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


Call = Callable[..., tuple[int, str, str]]


def git(where: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, "-C", str(where), *arguments], check=True)


def test_the_two_commands(run: Call) -> None:
    code, out, err = run("run", "shelf")
    assert (code, err) == (0, "")
    assert "documents  8: 8 converted, 0 unchanged" in out
    code, out, err = run("search", "quantas", "vezes", "a", "sirene", "toca", "--limit", "2")
    assert (code, err) == (0, "")
    assert out.startswith("1. PR-021 Operação das comportas do vertedouro")
    assert "três vezes, durante um minuto" in out
    code, out, err = run("search", "historian", "--json", "--format", "text")
    assert code == 0
    assert '"path": "30-Aprovados/70-English/EN-009 Data historian guide.txt"' in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing"], "the folder missing doesn't exist"),
        (["run", "shelf", "--folder", "40-Outros"], "no folder '40-Outros' in shelf"),
        (["run", "shelf", "--folder", "../.."], "leads out of shelf"),
        (["run", "shelf", "--ext", ".docx"], "there are no documents in shelf (.docx)"),
        (["run", "empty"], "there are no documents in empty (.md, "),
        (["run", "repo", "--branch", "man"], "repo has no branch 'man'; it has 'main'"),
        (["run", "repo", "--branch", "main", "--folder", "nada"], "no folder 'nada' in branch 'main' of repo"),
        (["run", "https://127.0.0.1:9/x.git"], "can't read the git repository https://127.0.0.1:9/x.git: "),
        (["run", "--", "--upload-pack=x.git"], "'--upload-pack=x.git' is not a git address"),
        (["run", "gitlab+https://host"], "gitlab+https://host: write gitlab+https://host/group/project"),
        (["run", "urls:none.txt"], "can't read the list of addresses none.txt"),
        (["run", "shelf", "--vectors", "thesis"], "thesis/documents is not a vector store of headrace"),
        (
            ["run", "shelf", "--vectors", "thesis/documents/mine.txt"],
            "mine.txt is a file, not the folder of a vector store",
        ),
        (["run", "shelf", "--store", "empty"], "the run store empty is a folder; it must be a file"),
        (["run", "shelf", "--store", "http://127.0.0.1:6333"], "is no run store"),
        (["run", "shelf", "--collection", "a/b"], "'a/b' can't be the name of a collection"),
        (["run", "shelf", "--chunk-size", "0"], "chunk_size must be more than 0, not 0"),
        (["run", "shelf", "--chunk-overlap", "800"], "chunk_overlap must be at least 0 and less than chunk_size (800)"),
        (["run", "shelf", "--embedder", "magic"], "there is no embedder 'magic'"),
        (["run", "shelf", "--max-shrink", "7"], "max_shrink"),
        (["search", "x"], "there is no collection 'documents' in vectors: run the pipeline first"),
        (["search", " "], "the query is empty"),
        (["run"], "the following arguments are required: source"),
        (["run", "shelf", "--workers", "two"], "invalid int value: 'two'"),
    ],
)
def test_wrong_usage_is_2_and_one_line(run: Call, shelf: Shelf, arguments: list[str], message: str) -> None:
    (shelf.home / "empty").mkdir()
    (shelf.home / "thesis/documents").mkdir(parents=True)
    (shelf.home / "thesis/documents/mine.txt").write_text("mine")
    repo = shelf.home / "repo"
    repo.mkdir()
    (repo / "a.md").write_text("# A")
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "a")
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err.splitlines()[-1]
    assert out == ""
    assert len(err.splitlines()) == 1 or err.startswith("usage:")
    assert (shelf.home / "thesis/documents/mine.txt").read_text() == "mine"


def test_a_run_store_that_is_none_of_ours(run: Call, shelf: Shelf) -> None:
    (shelf.home / "notes.db").write_text("not a database")
    with sqlite3.connect(shelf.home / "other.db") as other:
        other.execute("CREATE TABLE mine(x)")
    other.close()
    for name in ("notes.db", "other.db"):
        before = (shelf.home / name).read_bytes()
        code, _, err = run("run", "shelf", "--store", name)
        assert code == 1
        assert name in err
        assert len(err.splitlines()) == 1
        assert (shelf.home / name).read_bytes() == before


def test_a_vector_server_that_is_not_there(run: Call) -> None:
    code, _, err = run("run", "shelf", "--vectors", "http://127.0.0.1:9")
    assert code == 1
    assert err.startswith("headrace: the vector store http://127.0.0.1:9 can't be reached")
    assert len(err.splitlines()) == 1


def test_dead_letters_are_0_unless_strict(run: Call, shelf: Shelf) -> None:
    (shelf.folder / "bad.docx").write_bytes(b"PK\x03\x04 broken")
    code, out, _ = run("run", "shelf")
    assert code == 0
    assert "bad.docx: it is damaged: its archive is incomplete" in out
    code, _, _ = run("run", "shelf", "--strict", "--quiet")
    assert code == 1
    (shelf.folder / "bad.docx").unlink()
    assert run("run", "shelf", "--strict", "--quiet")[0] == 0


def test_an_empty_listing_removes_nothing(run: Call, shelf: Shelf) -> None:
    assert run("run", "shelf", "--quiet")[0] == 0
    before = shelf.stored()
    (shelf.folder / "30-Aprovados").rename(shelf.home / "moved")
    code, _, err = run("run", "shelf")
    assert code == 2
    assert "there are no documents in shelf" in err
    assert shelf.stored() == before


def test_a_shrunken_source_is_refused_where_one_asks_for_it(run: Call, shelf: Shelf) -> None:
    assert run("run", "shelf", "--quiet", "--max-shrink", "0.5")[0] == 0
    before = shelf.stored()
    for path in sorted(shelf.folder.rglob("PR-*")):
        path.unlink()
    code, _, err = run("run", "shelf", "--max-shrink", "0.5")
    assert code == 1
    assert "3 items against 8 in the last good run" in err
    assert shelf.stored() == before


def test_bad_documents_and_good_ones(shelf: Shelf) -> None:
    bad = shelf.folder / "bad"
    bad.mkdir()
    (bad / "zero.md").write_bytes(b"")
    (bad / "large.txt").write_bytes(b"a" * (2 << 20))
    (bad / "utf8.md").write_bytes("# Ação\n\nPreço é bom".encode() + b"\xff fim")
    (bad / "wrong.docx").write_text("# Not Word\n\nText all the same")
    (bad / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    with zipfile.ZipFile(bad / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (600 << 20))
    done = shelf.run(max_size=1)
    told = {str(failure.key): failure.message for failure in done.failures}
    assert told == {
        "bad/bomb.docx": "it unpacks to 600 MB, the limit is 512 MB (max_unpacked)",
        "bad/large.txt": "it has 2 MB, the limit is 1 MB (max_size)",
        "bad/picture.txt": "it is a binary file of a kind that can't be converted",
    }
    assert done.summary["warnings"] == [
        "bad/utf8.md: 1 places are not UTF-8 and were replaced",
        "bad/wrong.docx: the name says docx, the content is text",
        "bad/zero.md: it is empty",
    ]
    assert shelf.stored()["bad/wrong.docx"] == ["# Not Word\n\nText all the same"]
    assert len(shelf.stored()) == 10


def test_200_megabytes_are_refused_and_not_read_into_memory(shelf: Shelf) -> None:
    with (shelf.folder / "huge.pdf").open("wb") as file:
        file.write(b"%PDF-1.7\n")
        file.truncate(200 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = shelf.run()
    assert [failure.message for failure in done.failures] == ["it has 200 MB, the limit is 100 MB (max_size)"]
    assert done.counts["executed"] == 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 << 10  # kilobytes


def test_a_store_in_use_elsewhere_is_named(run: Call, shelf: Shelf) -> None:
    import sys

    hold = "import sys; from headrace.connectors.qdrant import open_store\n"
    hold += "s = open_store(sys.argv[1], dim=8, embedder='e'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, shelf.vectors]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        code, _, err = run("search", "x", "--vectors", shelf.vectors)
        other.communicate("")
    assert code == 1
    assert "is open in another process: try again when that is done" in err


def test_a_vector_store_that_dies_half_way(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.connectors.qdrant._edge import EdgeStore

    real, calls = EdgeStore._upsert, [0]

    def failing(self: EdgeStore, points: object) -> None:
        calls[0] += 1
        if calls[0] > 7:
            raise hr.StorageError("the vector store has gone")
        real(self, points)  # type: ignore[arg-type]

    monkeypatch.setattr(EdgeStore, "_upsert", failing)
    monkeypatch.setattr(hr.Retry, "delay_before", lambda self, attempt, rng=None: 0.0)
    with pytest.raises(hr.StageError, match=r"publish.*the vector store has gone"):
        shelf.run()
    with open_store(shelf.vectors) as store:
        assert len(list(store.documents())) == 3
    monkeypatch.undo()
    done = shelf.run()
    assert done.status is hr.Status.SUCCEEDED
    assert done.counts["executed"] == 0  # nothing is converted again
    assert len(shelf.stored()) == 8
