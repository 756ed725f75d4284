"""Lists a branch of a project by blob ids, and reads blobs: what has not changed is never downloaded."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from headrace.connectors import SourceFile, has_extension, is_lfs_pointer, redact_url
from headrace.errors import ConfigurationError, ResourceError, StorageError

if TYPE_CHECKING:
    import gitlab

__all__ = ["Project"]

_PIECE = 1 << 16


class Project:
    """One branch of a GitLab project. Threads may share it.

    Answers 429 (with their ``Retry-After``) and 5xx are waited for and tried again.

    Args:
        url: The address of the GitLab instance.
        project: The project's path (``group/name``) or its number.
        token: An access token with the scope ``read_api`` or ``read_repository``; None for public projects.
        branch: The branch; None for the project's default.
        timeout: Seconds to wait for one answer.
        max_size: Bytes of a file; the download of a larger one is broken off.

    Raises:
        ConfigurationError: No such project or branch, or the token may not read it.
        StorageError: GitLab can't be reached.
    """

    def __init__(
        self,
        url: str,
        project: str | int,
        token: str | None = None,
        branch: str | None = None,
        *,
        timeout: float = 30.0,
        max_size: int = 100 << 20,
    ) -> None:
        try:
            import gitlab
        except ImportError:
            raise ConfigurationError("GitLab needs python-gitlab: pip install 'headrace[gitlab]'") from None
        self.url, self.name, self._max_size = redact_url(url).rstrip("/"), str(project), max_size
        self._gitlab = gitlab.Gitlab(
            url, private_token=token, timeout=timeout, retry_transient_errors=True, keep_base_url=True
        )
        with self._clear(f"no project '{project}' (or the token may not see it)"):
            # The first answer is not waited for: a wrong address should be told at once.
            self._project = self._gitlab.projects.get(project, retry_transient_errors=False)
        self.branch = branch or self._default_branch()
        with self._clear(lambda: f"no branch '{self.branch}' in project '{project}'; {self._branches()}"):
            self.commit = str(self._project.branches.get(self.branch).commit["id"])

    def _default_branch(self) -> str:
        branch = self._project.attributes.get("default_branch")
        if not branch:
            raise ConfigurationError(f"the project '{self.name}' on {self.url} is empty")
        return str(branch)

    def _branches(self) -> str:
        with self._clear("no list of branches"):
            names = [branch.name for branch in self._project.branches.list(per_page=8, page=1)]
        return "it has " + ", ".join(f"'{name}'" for name in names)

    def list_files(self, folder: str = "", extensions: tuple[str, ...] | None = None) -> Iterator[SourceFile]:
        """The files below a folder of the branch, sorted by path; the version is the blob id.

        Raises:
            ConfigurationError: There is no such folder in the branch.
        """
        wanted = str(PurePosixPath(folder)).strip("/") if folder.strip("/") else ""
        found = []
        with self._clear(f"no folder '{folder}' in branch '{self.branch}' of project '{self.name}'"):
            entries: Iterator[Any] = self._project.repository_tree(  # type: ignore[assignment]
                path=wanted,
                ref=self.commit,
                recursive=True,
                iterator=True,
                pagination="keyset",
                order_by="id",
                per_page=100,
            )
            for entry in entries:
                if entry["type"] == "blob" and entry["mode"] != "120000" and has_extension(entry["path"], extensions):
                    found.append((entry["path"], entry["id"]))
        for path, blob in sorted(found):
            yield SourceFile(path, blob, functools.partial(self.read, blob, path))

    def read(self, blob: str, path: str = "") -> bytes:
        """The content of a blob.

        Raises:
            ResourceError: It is too large.
            StorageError: It can't be read, or only a Git LFS pointer is there.
        """
        data = bytearray()
        with self._clear(f"{path or blob} has gone from project '{self.name}'"):
            pieces: Iterator[Any] = self._project.repository_raw_blob(blob, iterator=True)
            for piece in pieces:
                data += piece
                if len(data) > self._max_size:
                    raise ResourceError(f"it has more than {self._max_size >> 20} MB, the limit (max_size)")
        if is_lfs_pointer(bytes(data)):
            raise StorageError(f"{path or blob} is kept in Git LFS and only its pointer is in project '{self.name}'")
        return bytes(data)

    @contextlib.contextmanager
    def _clear(self, missing: str | Callable[[], str]) -> Iterator[None]:
        """The client's errors as ours, in one line and without the token."""
        import gitlab
        import requests

        try:
            yield
        except gitlab.GitlabError as error:
            raise self._ours(error, missing) from error
        except requests.RequestException as error:
            reason = getattr(error.args[0], "reason", error) if error.args else error
            told = str(reason).rpartition(": ")[2]
            raise StorageError(f"GitLab at {self.url} can't be reached: {told or type(error).__name__}") from error

    def _ours(self, error: gitlab.GitlabError, missing: str | Callable[[], str]) -> Exception:
        code = error.response_code
        if code == 401:
            return ConfigurationError(f"GitLab at {self.url} doesn't accept the token")
        if code == 403:
            return ConfigurationError(f"the token may not read project '{self.name}' on {self.url} (403)")
        if code == 404:
            return ConfigurationError(f"{self.url} has {missing() if callable(missing) else missing}")
        if code == 429:
            return StorageError(f"GitLab at {self.url} asks for fewer requests (429), again and again")
        return StorageError(f"GitLab at {self.url} answered {code}: {' '.join(str(error.error_message).split())[:200]}")
