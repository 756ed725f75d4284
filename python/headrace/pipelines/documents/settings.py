"""What a run of the pipeline is told."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.connectors.docling import EXTENSIONS
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from headrace.embed import Embedder

__all__ = ["Settings", "default_cache"]


def default_cache() -> Path:
    """Where copies of git repositories are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace" / "git"


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        source: A folder; a git repository (address, or folder with ``branch``); ``gitlab+https://host/group/project``;
            ``urls:FILE``, a list of addresses, one a line.
        branch: Of a git repository or a GitLab project; None for its default.
        folder: Only what lies below this folder of the source.
        extensions: Endings of the files to take.
        store: The run store: a file.
        vectors: The vector store: a folder, or the address of a Qdrant server.
        collection: The collection in it.
        name: What the source is called in the collection; None: by its address. A source that moves keeps its
            documents if it keeps its name.
        chunk_size: Most characters of a chunk.
        chunk_overlap: Characters that a chunk repeats of the one before.
        embedder: Which embedder: ``hashed``, ``hashed:DIM``, ``onnx:FOLDER``, ``sentence-transformers:NAME`` or
            ``https://host/v1#MODEL`` (OpenAI-compatible).
        embedder_options: Further arguments of its class in :mod:`headrace.embed`, such as ``requests_per_minute``.
        embedder_key: Of an embedding server; None: the environment variable ``HEADRACE_EMBEDDER_KEY``.
        workers: Documents that are converted at the same time.
        timeout: Seconds that one conversion may take.
        memory: Megabytes that one conversion may take.
        max_size: Megabytes of the largest document.
        artifacts: The folder of Docling's models, for PDF; None: the environment variable ``DOCLING_ARTIFACTS_PATH``,
            and without it PDFium's text without models.
        max_shrink: The run is refused if the source lost more than this share of its documents; None: never.
        optimize: Whether the collection is optimised at the end of a run.
        token: For GitLab; None: the environment variable ``GITLAB_TOKEN``.
        cache: Where copies of git repositories are kept.
    """

    source: str
    branch: str | None = None
    folder: str = ""
    extensions: tuple[str, ...] = EXTENSIONS
    store: str = "headrace.db"
    vectors: str = "vectors"
    collection: str = "documents"
    name: str | None = None
    chunk_size: int = 800
    chunk_overlap: int = 0
    embedder: str = "hashed"
    embedder_options: Mapping[str, Any] = field(default_factory=dict)
    embedder_key: Any = field(default=None, repr=False)
    workers: int = 2
    timeout: float = 120.0
    memory: int = 1024
    max_size: int = 100
    artifacts: str | None = field(default_factory=lambda: os.environ.get("DOCLING_ARTIFACTS_PATH") or None)
    max_shrink: float | None = None
    optimize: bool = True
    token: str | None = field(default=None, repr=False)
    cache: Path = field(default_factory=default_cache)

    def __post_init__(self) -> None:
        if not self.source:
            raise ConfigurationError("the source is empty: give a folder, a git repository or a GitLab project")
        for what in ("chunk_size", "workers", "timeout", "memory", "max_size"):
            if getattr(self, what) <= 0:
                raise ConfigurationError(f"{what} must be more than 0, not {getattr(self, what)}")
        if not 0 <= self.chunk_overlap < self.chunk_size:
            raise ConfigurationError(f"chunk_overlap must be at least 0 and less than chunk_size ({self.chunk_size})")
        wanted = tuple(f".{ending.strip().lower().lstrip('.')}" for ending in self.extensions if ending.strip())
        if not wanted:
            raise ConfigurationError("no extensions: give some, such as .md and .docx")
        object.__setattr__(self, "extensions", wanted)
        if "://" in self.store and not self.store.startswith("postgresql"):
            raise ConfigurationError(f"{self.store!r} is no run store; the vector store's address goes to vectors")
        if Path(self.store).is_dir():
            raise ConfigurationError(f"the run store {self.store} is a folder; it must be a file, such as headrace.db")

    def open_embedder(self) -> Embedder:
        """The embedder that these settings name."""
        from headrace.pipelines.documents.embedders import open_embedder

        cooldown = None if "://" in self.store else Path(self.store).with_suffix(".cooldown.json")
        return open_embedder(self.embedder, self.embedder_options, key=self.embedder_key, cooldown=cooldown)

    def pipeline_name(self, source: str) -> str:
        """The name under which a source's runs into this collection are recorded: one history for each of them.

        Args:
            source: The full name of the source.
        """
        vectors = self.vectors if "://" in self.vectors else str(Path(self.vectors).resolve())
        identity = "\n".join((source, self.folder, vectors, self.collection))
        tag = hashlib.blake2b(identity.encode(), digest_size=3).hexdigest()
        words = re.findall(r"[\w.-]+", f"{Path(source).name}/{self.folder}")
        return f"documents:{'-'.join(words)[:60]}:{tag}"
