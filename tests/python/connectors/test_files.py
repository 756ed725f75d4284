"""A folder as a source: what is listed, and that nothing outside it ever is."""

import os
from pathlib import Path

import pytest

from headrace.connectors.files import list_files
from headrace.errors import ConfigurationError, StorageError


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")


def test_lists_by_ending_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b/Ação.MD", "a.txt", "c.bin", "b/a.md", ".git/x.md", "b/.hidden.md")
    found = list(list_files(tmp_path, (".md", ".txt")))
    assert [file.path for file in found] == ["a.txt", "b/Ação.MD", "b/a.md"]
    assert found[1].load().decode() == "b/Ação.MD"
    assert found[0].size == 5


def test_version_follows_the_content_not_the_time(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (before,) = list_files(tmp_path)
    os.utime(tmp_path / "a.txt", (1, 1))
    (touched,) = list_files(tmp_path)
    (tmp_path / "a.txt").write_text("other")
    (changed,) = list_files(tmp_path)
    assert before.version == touched.version != changed.version


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "in/a.txt", "secret.txt")
    (tmp_path / "in/out.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "in/folder").symlink_to(tmp_path)
    (tmp_path / "in/same.txt").symlink_to("a.txt")
    (tmp_path / "in/dangling.txt").symlink_to("nowhere")
    assert [file.path for file in list_files(tmp_path / "in")] == ["a.txt", "same.txt"]


def test_an_unreadable_file_is_listed_and_fails_when_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.txt", "b.txt")
    real = Path.open

    def deny(self: Path, *args: object, **more: object) -> object:
        if self.name == "a.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", deny)
    found = list(list_files(tmp_path))
    assert [file.path for file in found] == ["a.txt", "b.txt"]
    with pytest.raises(StorageError, match=r"can't read .*a\.txt: Permission denied"):
        found[0].load()


@pytest.mark.parametrize(("name", "message"), [("missing", "doesn't exist"), ("file", "is a file, not a folder")])
def test_not_a_folder(tmp_path: Path, name: str, message: str) -> None:
    write(tmp_path, "file")
    with pytest.raises(ConfigurationError, match=message):
        list(list_files(tmp_path / name))
