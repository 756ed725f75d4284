"""The pipeline over a GitLab project: only what changed is downloaded, and what goes wrong is told."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents_shelf import TEXTS, copy_samples

import headrace as hr
from headrace.connectors.qdrant import open_store
from headrace.pipelines import documents
from servers.gitlab_server import GitLabServer

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def git(where: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, *arguments], cwd=where, check=True, capture_output=True)


class Remote:
    """A project on a GitLab server, and a working copy that pushes to it."""

    def __init__(self, server: GitLabServer, work: Path, home: Path) -> None:
        self.server, self.work, self.home = server, work, home
        self.folder = work / "30-Aprovados"

    def push(self) -> None:
        git(self.work, "add", "-A")
        git(self.work, "commit", "-qm", "change")
        git(self.work, "push", "-q", "origin", "main")

    def run(self, token: str = "good", **settings: Any) -> documents.DocumentsRun:
        self.server.requests.clear()
        stores = {"store": str(self.home / "headrace.db"), "vectors": str(self.home / "vectors")}
        source = f"gitlab+{self.server.url}/group/shelf"
        given = {"folder": "30-Aprovados", "token": token, **stores, **settings}
        return documents.run(source, progress=False, **given)

    @property
    def downloads(self) -> int:
        return sum("/blobs/" in request for request in self.server.requests)

    def stored(self) -> set[str]:
        with open_store(str(self.home / "vectors")) as store:
            return {payload["path"] for payload in store.documents()}


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    root, work = tmp_path / "gitlab", tmp_path / "work"
    copy_samples(work, *TEXTS)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    (root / "group").mkdir(parents=True)
    git(root, "clone", "-q", "--bare", str(work), str(root / "group/shelf.git"))
    git(work, "remote", "add", "origin", str(root / "group/shelf.git"))
    with GitLabServer(root, {"good": None, "blind": set()}) as server:
        yield Remote(server, work, tmp_path)


def test_only_what_changed_is_downloaded(remote: Remote) -> None:
    assert remote.run().counts["executed"] == 8
    assert remote.downloads == 8
    assert remote.run().counts["skipped"] == 8
    assert remote.downloads == 0
    changed, gone, moved, *_ = sorted(remote.folder.rglob("*.md"))
    changed.write_text("# Changed\n\nAll of it.")
    gone.unlink()
    moved.rename(remote.folder / "moved.md")
    remote.push()
    done = remote.run()
    assert (done.counts["executed"], done.counts["removed"], done.counts["skipped"]) == (2, 2, 5)
    assert remote.downloads == 2
    assert len(remote.stored()) == 7
    assert "30-Aprovados/moved.md" in remote.stored()


def test_being_asked_to_wait_loses_nothing(remote: Remote) -> None:
    remote.run()
    changed = sorted(remote.folder.rglob("*.md"))
    for number, path in enumerate(changed):
        path.write_text(f"# New {number}\n\nAll of it.")
    remote.push()
    remote.server.faults.extend([(429, {"Retry-After": "1"}), (429, {"Retry-After": "0"})])
    done = remote.run()
    assert not remote.server.faults
    assert done.status is hr.Status.SUCCEEDED
    assert done.counts["executed"] == remote.downloads == len(changed)
    assert len(remote.stored()) == 8


def test_a_pointer_of_git_lfs_is_a_dead_letter(remote: Remote) -> None:
    (remote.folder / "large.docx").write_text(LFS)
    remote.push()
    done = remote.run()
    assert [str(failure.key) for failure in done.failures] == ["30-Aprovados/large.docx"]
    assert "is kept in Git LFS and only its pointer is" in done.failures[0].message
    assert len(remote.stored()) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"token": "stolen"}, "doesn't accept the token"),
        ({"token": "blind"}, r"has no project 'group/shelf' \(or the token may not see it\)"),
        ({"branch": "man"}, "has no branch 'man' .*it has 'main'"),
        ({"folder": "40-Outros"}, "has no folder '40-Outros' in branch 'main'"),
    ],
)
def test_without_rights_or_branch_nothing_is_touched(remote: Remote, settings: dict[str, str], message: str) -> None:
    remote.run()
    before = remote.stored()
    with pytest.raises(hr.ConfigurationError, match=message):
        remote.run(**settings)
    assert remote.stored() == before
