"""A git repository as a source, over real repositories."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.connectors.git import Repository, looks_like_repository
from headrace.errors import CancelledError, ConfigurationError, StorageError


def git(where: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *arguments], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    root = tmp_path / "origin"
    (root / "30-Aprovados/sub dir").mkdir(parents=True)
    (root / "30-Aprovados/Férias.md").write_text("# Férias")
    (root / "30-Aprovados/sub dir/a b.txt").write_text("texto")
    (root / "30-Aprovados/logo.png").write_bytes(b"\x89PNG")
    (root / "rascunho.md").write_text("draft")
    (root / "link.md").symlink_to("rascunho.md")
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


@pytest.fixture
def clone(tmp_path: Path) -> Callable[..., Repository]:
    def make(url: object, branch: str | None = None, **more: object) -> Repository:
        return Repository(str(url), branch, cache=tmp_path / "cache", **more)  # type: ignore[arg-type]

    return make


def test_lists_a_folder_with_blob_ids(origin: Path, clone: Callable[..., Repository]) -> None:
    with clone(origin) as repository:
        files = list(repository.list_files("30-Aprovados/", (".md", ".txt")))
        assert repository.branch == "main"
        assert [file.path for file in files] == ["30-Aprovados/Férias.md", "30-Aprovados/sub dir/a b.txt"]
        assert files[0].version == git(origin, "rev-parse", "HEAD:30-Aprovados/Férias.md")
        assert [file.load() for file in files] == ["# Férias".encode(), b"texto"]
        assert [file.size for file in files] == [9, 5]
        everything = [file.path.removeprefix("30-Aprovados/") for file in repository.list_files()]
        assert everything == ["Férias.md", "logo.png", "sub dir/a b.txt", "rascunho.md"]


def test_a_second_run_sees_what_changed(origin: Path, clone: Callable[..., Repository]) -> None:
    with clone(origin) as repository:
        before = {file.path: file.version for file in repository.list_files()}
    (origin / "rascunho.md").write_text("final")
    (origin / "30-Aprovados/Férias.md").unlink()
    git(origin, "commit", "-qam", "second")
    with clone(origin) as repository:
        after = {file.path: file.version for file in repository.list_files()}
        assert repository.commit == git(origin, "rev-parse", "HEAD")
    assert set(before) - set(after) == {"30-Aprovados/Férias.md"}
    assert {path for path in after if after[path] != before[path]} == {"rascunho.md"}


def test_branches_tags_and_forced_pushes(origin: Path, clone: Callable[..., Repository]) -> None:
    git(origin, "tag", "v1")
    git(origin, "checkout", "-qb", "other/branch")
    (origin / "new.md").write_text("new")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "branch")
    with clone(origin, "other/branch") as repository:
        assert "new.md" in [file.path for file in repository.list_files()]
    git(origin, "commit", "-q", "--amend", "-m", "rewritten")
    with clone(origin, "other/branch") as repository:
        assert repository.commit == git(origin, "rev-parse", "HEAD")
    with clone(origin, "v1") as repository:
        assert "new.md" not in [file.path for file in repository.list_files()]


def test_many_threads_read_at_once(origin: Path, clone: Callable[..., Repository]) -> None:
    for number in range(40):
        (origin / f"{number}.txt").write_text(f"text {number}\n" * (number + 1))
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "many")
    wrong: list[str] = []
    with clone(origin) as repository:
        files = [file for file in repository.list_files("", (".txt",)) if "/" not in file.path]

        def read() -> None:
            for file in files:
                number = int(file.path[:-4])
                if file.load().decode() != f"text {number}\n" * (number + 1):
                    wrong.append(file.path)

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(files) == 40
    assert not wrong


def test_a_file_in_lfs_is_told_apart(origin: Path, clone: Callable[..., Repository]) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (origin / "big.md").write_text(pointer)
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "lfs")
    with clone(origin) as repository:
        (big,) = [file for file in repository.list_files() if file.path == "big.md"]
        with pytest.raises(StorageError, match=r"big\.md is kept in Git LFS"):
            big.load()


def test_errors_name_what_is_there(origin: Path, clone: Callable[..., Repository], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no branch 'man'; it has 'main'$"):
        clone(origin, "man")
    with pytest.raises(ConfigurationError, match=r"has no branch 'm\*'"):
        clone(origin, "m*")
    with pytest.raises(ConfigurationError, match=r"can't read the git repository .*missing"):
        clone(tmp_path / "missing.git")
    with clone(origin) as repository:
        with pytest.raises(ConfigurationError, match=r"no folder '30-Aprovado' in branch 'main' .* '30-Aprovados'"):
            list(repository.list_files("30-Aprovado"))
        with pytest.raises(ConfigurationError, match="leads out of the repository"):
            list(repository.list_files("../etc"))
    git(tmp_path, "init", "-q", "-b", "main", "empty")
    with pytest.raises(ConfigurationError, match="is empty"):
        clone(tmp_path / "empty")


@pytest.mark.parametrize("url", ["--upload-pack=touch /tmp/headrace-owned", "-u", "ext::sh -c 'touch owned'"])
def test_an_address_is_never_an_option(url: str, clone: Callable[..., Repository], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        clone(url)
    with pytest.raises(ConfigurationError):
        clone(tmp_path, "--upload-pack=touch owned")
    assert not Path("/tmp/headrace-owned").exists()
    assert not Path("owned").exists()


def test_the_callers_own_repository_is_left_alone(
    origin: Path, clone: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(origin / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(origin / "nothing"))
    with clone(origin) as repository:
        assert len(list(repository.list_files())) == 4
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert "copy" not in git(origin, "branch", "-a")


def test_a_password_reaches_no_message(clone: Callable[..., Repository]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        clone("http://me:s3cret@127.0.0.1:9/repo.git?token=s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_silent_server_can_be_left(clone: Callable[..., Repository]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(CancelledError):
            clone(f"git://127.0.0.1:{server.getsockname()[1]}/x", cancelled=lambda: time.monotonic() > began + 0.3)
        assert time.monotonic() - began < 2


def test_what_looks_like_a_repository(origin: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    git(tmp_path, "clone", "-q", "--bare", str(origin), str(bare))
    for source in ("https://example.com/x", "git@example.com:x/y", "ssh://h/x", f"{tmp_path}/x.git", str(bare)):
        assert looks_like_repository(source)
    for source in (str(origin), "docs", "C:/docs", os.curdir):
        assert not looks_like_repository(source)
