"""Which connector a source needs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.connectors import SourceFile, redact_url
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.settings import Settings

__all__ = ["Source", "open_source"]

_GITLAB = re.compile(r"gitlab\+(https?://[^/]+(?:/[^/]+)*?)/([^/]+/.+)")


@dataclass
class Source:
    """An open source: its full name, its files, and how to let go of it."""

    name: str
    files: Callable[[], Iterator[SourceFile]]
    close: Callable[[], None] = lambda: None


def open_source(settings: Settings, cancelled: Callable[[], bool] = lambda: False) -> Source:
    """The source that the settings name.

    Raises:
        ConfigurationError: There is no such folder, repository, branch or project, or no right to read it.
        StorageError: It can't be read.
    """
    opened = _open(settings, cancelled)
    return replace(opened, name=settings.name) if settings.name else opened


def _open(settings: Settings, cancelled: Callable[[], bool]) -> Source:
    from headrace.connectors.git import looks_like_repository

    source = settings.source
    if source.startswith("gitlab+"):
        return _gitlab(settings)
    if source.startswith("urls:"):
        return _addresses(settings)
    if settings.branch is not None or looks_like_repository(source):
        return _git(settings, cancelled)
    return _folder(settings)


def _folder(settings: Settings) -> Source:
    from headrace.connectors.files import list_files

    root, below = Path(settings.source), settings.folder.strip("/")
    if ".." in Path(below).parts:
        raise ConfigurationError(f"the folder '{below}' leads out of {root}")
    if not (root / below).is_dir():
        list(list_files(root))  # names the root, if that is what is missing
        raise ConfigurationError(f"no folder '{below}' in {root}")

    def files() -> Iterator[SourceFile]:
        for file in list_files(root / below, settings.extensions):
            yield replace(file, path=f"{below}/{file.path}" if below else file.path)

    return Source(str(root.resolve()), files)


def _git(settings: Settings, cancelled: Callable[[], bool]) -> Source:
    from headrace.connectors.git import Repository

    repository = Repository(settings.source, settings.branch, cache=settings.cache, cancelled=cancelled)
    local = Path(settings.source)
    name = str(local.resolve()) if local.exists() else redact_url(settings.source)
    return Source(
        f"{name}@{repository.branch}",
        lambda: repository.list_files(settings.folder, settings.extensions),
        repository.close,
    )


def _gitlab(settings: Settings) -> Source:
    from headrace.connectors.gitlab import Project

    found = _GITLAB.fullmatch(settings.source)
    if not found:
        raise ConfigurationError(f"{redact_url(settings.source)}: write gitlab+https://host/group/project")
    token = settings.token or os.environ.get("GITLAB_TOKEN") or None
    project = Project(found[1], found[2], token, settings.branch, max_size=settings.max_size << 20)
    name = f"{project.url}/{project.name}@{project.branch}"
    return Source(name, lambda: project.list_files(settings.folder, settings.extensions))


def _addresses(settings: Settings) -> Source:
    from headrace.connectors.web import list_addresses, read_list

    file = settings.source.removeprefix("urls:")
    addresses = read_list(file)
    return Source(f"urls:{Path(file).resolve()}", lambda: list_addresses(addresses, max_size=settings.max_size << 20))
