"""A bare, shallow copy of one branch, kept in a cache; files are read from it by their blob id."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import functools
import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from headrace.connectors import SourceFile, has_extension, is_lfs_pointer, redact_url
from headrace.connectors.git._command import GitError, environment, run_git
from headrace.errors import ConfigurationError, StorageError

_ADDRESS = re.compile(r"(https?|ssh|git|file)://|[\w.+-]+@[\w.-]+:")


def looks_like_repository(source: str) -> bool:
    """Whether this names a git repository rather than a folder: an address, or a bare repository on disk."""
    if _ADDRESS.match(source):
        return True
    folder = Path(source)
    return source.endswith(".git") or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


class Repository:
    """One branch of a repository. Threads may share it; close it when done.

    Args:
        url: Anything that git can clone: an address or a folder.
        branch: The branch (or tag); None for the one that the repository calls its own.
        cache: The folder that keeps the copies (its owner's alone), so that the next run fetches only what is new.
        cancelled: Asked while git works; True ends it.

    Raises:
        ConfigurationError: No such repository or branch, or no right to read it.
    """

    def __init__(
        self,
        url: str,
        branch: str | None = None,
        *,
        cache: str | os.PathLike[str],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        for name, value in (("address", url), ("branch", branch or "")):
            if value.startswith("-") or any(ord(letter) < 32 for letter in value):
                raise ConfigurationError(f"{value!r} is not a git {name}")
        self.url = url
        self._shown = redact_url(url)
        self._cancelled = cancelled
        self.branch = branch or self._default_branch()
        self._reader: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        identity = hashlib.sha256(f"{url}\n{self.branch}".encode()).hexdigest()[:24]
        self._copy = Path(cache) / f"{identity}.git"
        self.commit = self._fetch()

    def _default_branch(self) -> str:
        told = self._remote("ls-remote", "--symref", "--", self.url, "HEAD")
        found = re.match(r"ref: refs/heads/(\S+)\tHEAD", told)
        if not found:
            raise ConfigurationError(f"the git repository {self._shown} is empty")
        return found[1]

    def _remote(self, *arguments: str) -> str:
        try:
            return run_git(arguments, cancelled=self._cancelled).decode(errors="replace")
        except GitError as error:
            raise ConfigurationError(f"can't read the git repository {self._shown}: {error}") from error

    def _fetch(self) -> str:
        remote_ref = self._remote_ref()
        url = str(Path(self.url).resolve()) if Path(self.url).exists() else self.url
        with self._locked():
            if not (self._copy / "HEAD").exists():
                run_git(["init", "--quiet", "--bare", "--", str(self._copy)])
            # A path is fetched as an address, because git ignores --depth for plain paths.
            source = f"file://{url}" if url.startswith("/") else url
            wanted = f"+{remote_ref}:refs/heads/copy"
            self._fetch_into_copy(source, wanted)
            return run_git(["rev-parse", "refs/heads/copy^{commit}"], folder=self._copy).decode().strip()

    def _remote_ref(self) -> str:
        names = [f"refs/heads/{self.branch}", f"refs/tags/{self.branch}"]
        told = self._remote("ls-remote", "--", self.url, *names)
        found = [name for name in names if f"\t{name}\n" in told]  # git takes the names for patterns
        if not found:
            raise ConfigurationError(f"{self._shown} has no branch '{self.branch}'; {self._branches()}")
        return found[0]

    def _fetch_into_copy(self, source: str, wanted: str) -> None:
        arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth", "1", "--", source, wanted]
        try:
            run_git(arguments, folder=self._copy, cancelled=self._cancelled)
        except GitError as error:
            raise ConfigurationError(f"can't fetch '{self.branch}' from {self._shown}: {error}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time fetches into a copy; the kernel frees the lock of a dead one."""
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._copy.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StorageError(
                f"can't keep a copy of {self._shown} in {self._copy.parent}: {error.strerror}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _branches(self) -> str:
        told = self._remote("ls-remote", "--heads", "--", self.url)
        names = [line.split("\trefs/heads/")[1] for line in told.splitlines()]
        return f"it has {_shortened(names)}" if names else "it has no branches at all"

    def list_files(self, folder: str = "", extensions: tuple[str, ...] | None = None) -> Iterator[SourceFile]:
        """The files below a folder of the branch, sorted by path; the version is the blob id.

        Paths are given from the repository's root. Symbolic links and submodules are left out.

        Raises:
            ConfigurationError: There is no such folder in the branch.
        """
        wanted = folder.strip("/")
        below = [f"{wanted}/"] if wanted else []
        self._check_folder(wanted)
        entries = run_git(["ls-tree", "-r", "-z", "--long", self.commit, "--", *below], folder=self._copy)
        for entry in filter(None, entries.split(b"\0")):
            about, _, raw = entry.partition(b"\t")
            mode, _, blob, size = about.decode().split()
            path = os.fsdecode(raw)
            if mode in ("100644", "100755") and has_extension(path, extensions):
                yield SourceFile(path, blob, functools.partial(self.read, blob, path), int(size))

    def _check_folder(self, wanted: str) -> None:
        if not wanted:
            return
        if ".." in wanted.split("/"):
            raise ConfigurationError(f"the folder '{wanted}' leads out of the repository")
        try:
            kind = run_git(["cat-file", "-t", f"{self.commit}:{wanted}"], folder=self._copy).strip()
        except GitError:
            kind = b""
        if kind != b"tree":
            listed = run_git(["ls-tree", "-r", "-d", "-z", "--name-only", self.commit], folder=self._copy)
            folders = [os.fsdecode(name) for name in listed.split(b"\0") if name]
            near = difflib.get_close_matches(wanted, folders, 3, 0.5) or [f for f in folders if "/" not in f]
            there = f"it has {_shortened(near)}" if near else "it has no folders"
            raise ConfigurationError(f"no folder '{wanted}' in branch '{self.branch}' of {self._shown}; {there}")

    def read(self, blob: str, path: str = "") -> bytes:
        """The content of a blob.

        Raises:
            StorageError: The blob is not there, or only a Git LFS pointer is.
        """
        with self._lock:
            data = self._ask(blob)
        if data is None:
            raise StorageError(f"{path or blob} is missing in the copy of {self._shown} in {self._copy}")
        if is_lfs_pointer(data):
            raise StorageError(f"{path or blob} is kept in Git LFS and only its pointer is in {self._shown}")
        return data

    def _ask(self, blob: str) -> bytes | None:
        if self._reader is None:
            self._reader = subprocess.Popen(
                ["git", "--git-dir", str(self._copy), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,  # Ctrl-C is for the caller, not for it
            )
        asked, told = self._reader.stdin, self._reader.stdout
        assert asked is not None and told is not None
        asked.write(blob.encode() + b"\n")
        asked.flush()
        header = told.readline().split()
        if len(header) != 3:
            return None
        data = told.read(int(header[2]))
        told.read(1)
        return data

    def close(self) -> None:
        """Ends the reading process."""
        with self._lock:
            if self._reader is not None:
                self._reader.communicate()
                self._reader = None

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _shortened(names: list[str], most: int = 8) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
