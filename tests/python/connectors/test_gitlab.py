"""GitLab as a source: the real client against a server over a real repository."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.connectors.gitlab import Project
from headrace.errors import ConfigurationError, ResourceError, StorageError
from servers.gitlab_server import GitLabServer


def git(where: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(["git", *who, *arguments], cwd=where, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabServer]:
    root = tmp_path_factory.mktemp("gitlab")
    work = root / "work"
    folder = work / "30-Aprovados" / "sub é"
    folder.mkdir(parents=True)
    for number in range(130):  # more than one page
        (folder / f"doc {number:03}.md").write_text(f"# Document {number}")
    (work / "30-Aprovados/big.bin").write_bytes(b"x" * 3_000_000)
    (work / "30-Aprovados/lfs.docx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (work / "30-Aprovados/link.md").symlink_to("big.bin")
    (work / "draft.md").write_text("draft")
    git(root, "init", "-q", "-b", "main", str(work))
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(work, "branch", "release/2026")
    git(root, "clone", "-q", "--bare", str(work), str(root / "group/shelf.git"))
    with GitLabServer(root, {"good": None, "blind": set()}) as server:
        yield server


@pytest.fixture
def project(server: GitLabServer) -> Project:
    return Project(server.url, "group/shelf", "good")


def test_all_pages_of_a_folder(project: Project) -> None:
    files = list(project.list_files("/30-Aprovados/", (".md",)))
    assert project.branch == "main"
    assert [file.path for file in files] == [f"30-Aprovados/sub é/doc {number:03}.md" for number in range(130)]
    assert len({file.version for file in files}) == 130


def test_only_what_is_loaded_is_downloaded(project: Project, server: GitLabServer) -> None:
    files = list(project.list_files("30-Aprovados", (".md",)))
    server.requests.clear()
    assert files[7].load() == b"# Document 7"
    assert [request for request in server.requests if "/blobs/" in request] == server.requests
    assert len(server.requests) == 1


def test_another_branch_and_the_whole_tree(server: GitLabServer) -> None:
    project = Project(server.url, "group/shelf", "good", "release/2026")
    assert len(list(project.list_files())) == 133


def test_errors_name_what_is_wrong(server: GitLabServer, project: Project) -> None:
    with pytest.raises(ConfigurationError, match="doesn't accept the token") as caught:
        Project(server.url, "group/shelf", "s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"has no project 'group/shelf' \(or the token may not see it\)"):
        Project(server.url, "group/shelf", "blind")
    with pytest.raises(ConfigurationError, match=r"has no branch 'man' .*; it has 'main', 'release/2026'"):
        Project(server.url, "group/shelf", "good", "man")
    with pytest.raises(ConfigurationError, match="has no folder '40-Outros' in branch 'main'"):
        list(project.list_files("40-Outros"))
    with pytest.raises(StorageError, match=r"can't be reached: .*refused"):
        Project("http://127.0.0.1:9", "group/shelf", "good", timeout=1)


def test_a_token_without_rights_is_named(server: GitLabServer, project: Project) -> None:
    server.faults.append((403, {}))
    with pytest.raises(ConfigurationError, match="may not read project 'group/shelf'"):
        list(project.list_files("30-Aprovados"))


def test_it_waits_as_long_as_gitlab_asks(server: GitLabServer, project: Project) -> None:
    server.faults.extend([(429, {"Retry-After": "1"}), (502, {})])
    began = time.monotonic()
    assert len(list(project.list_files("30-Aprovados", (".md",)))) == 130
    assert 1 <= time.monotonic() - began < 4


def test_large_files_and_lfs_pointers(server: GitLabServer) -> None:
    project = Project(server.url, "group/shelf", "good", max_size=1 << 20)
    files = {Path(file.path).name: file for file in project.list_files("30-Aprovados")}
    assert "link.md" not in files
    with pytest.raises(ResourceError, match="more than 1 MB"):
        files["big.bin"].load()
    with pytest.raises(StorageError, match=r"lfs\.docx is kept in Git LFS"):
        files["lfs.docx"].load()
