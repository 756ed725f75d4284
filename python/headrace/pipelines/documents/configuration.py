"""Configuration with environments: defaults, a YAML file, environment variables, arguments; the later ones win."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from headrace.connectors.docling import EXTENSIONS
from headrace.errors import ConfigurationError

__all__ = ["ConfigurationManager", "PipelineConfiguration"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class GitLabSection(_Section):
    """Where the documents are. ``source``: a folder or a git address instead of a GitLab project."""

    url: str = ""
    project_path: str = ""
    access_token: SecretStr | None = None
    branch: str | None = None
    source: str = ""
    supported_extensions: list[str] = list(EXTENSIONS)


class DoclingSection(_Section):
    """Limits of one conversion: seconds, megabytes; and the folder of Docling's models, if PDF should use them."""

    timeout: float = Field(default=120.0, gt=0)
    memory: int = Field(default=1024, gt=0)
    max_size: int = Field(default=100, gt=0)
    artifacts: str | None = None


class ChunkingSection(_Section):
    """Sizes in characters."""

    target_chunk_size: int = Field(default=800, gt=0)
    overlap: int = Field(default=0, ge=0)


class EmbeddingSection(_Section):
    """The embedder's name, such as ``hashed``, ``onnx:FOLDER`` or ``https://host/v1#MODEL``; its further arguments."""

    model_name: str = "hashed"
    options: dict[str, Any] = Field(default_factory=dict)
    api_key: SecretStr | None = None


class QdrantSection(_Section):
    """The vector store: a folder or a server's address."""

    location: str = "vectors"
    collection_name: str = "documents"
    optimize_collection: bool = True


class PipelineSection(_Section):
    """How it runs, and where its records are."""

    max_concurrent_documents: int = Field(default=2, gt=0)
    processing_pipeline_version: str = "1"
    store: str = "headrace.db"
    output_dir: str = "."
    checkpoint_dir: str = "checkpoints"


class PipelineConfiguration(BaseSettings):
    """All sections. Environment variables: ``HEADRACE_QDRANT__LOCATION=...``."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    gitlab: GitLabSection = GitLabSection()
    docling: DoclingSection = DoclingSection()
    chunking: ChunkingSection = ChunkingSection()
    embedding: EmbeddingSection = EmbeddingSection()
    qdrant: QdrantSection = QdrantSection()
    pipeline: PipelineSection = PipelineSection()


class ConfigurationManager:
    """The configuration of one environment.

    Args:
        config_file: A YAML file: the sections, and under ``environments`` what differs in each of them.
        environment: Which one; None: that of the variable ``HEADRACE_ENVIRONMENT``, else ``development``.
        overrides: Sections as dicts; they win over everything.

    Raises:
        ConfigurationError: The file can't be read, has an unknown name or a wrong value.
    """

    def __init__(
        self, config_file: str | os.PathLike[str] | None = None, environment: str | None = None, **overrides: Any
    ) -> None:
        self.environment = environment or os.environ.get("HEADRACE_ENVIRONMENT") or "development"
        written = _read(Path(config_file), self.environment) if config_file is not None else {}
        self.config = _validated(written, overrides)

    @property
    def config_hash(self) -> str:
        """Changes with every setting; secrets are not in it."""
        text = json.dumps(self.config.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def create_module_configs(self) -> dict[str, dict[str, Any]]:
        """The sections as plain dicts, for each module of the pipeline; secrets stay ``SecretStr``."""
        sections = {name: getattr(self.config, name).model_dump() for name in type(self.config).model_fields}
        return {**sections, "metadata": {"version": self.config.pipeline.processing_pipeline_version}}


def _read(file: Path, environment: str) -> dict[str, Any]:
    import yaml

    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"can't read the configuration {file}: {error}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ConfigurationError(f"{file} is not YAML" + (f": line {where.line + 1}" if where else "")) from None
    if not isinstance(written, dict):
        raise ConfigurationError(f"{file} must hold sections, such as 'qdrant:'")
    environments = written.pop("environments", None) or {}
    if environments and environment not in environments and environment != "development":
        known = ", ".join(sorted(environments))
        raise ConfigurationError(f"{file} has no environment '{environment}'; it has {known}")
    return _merged(written, environments.get(environment) or {})


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(joined.get(name), Mapping)
        joined[name] = _merged(joined[name], value) if both else value
    return joined


def _validated(written: dict[str, Any], overrides: dict[str, Any]) -> PipelineConfiguration:
    class Layered(PipelineConfiguration):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, written)

    try:
        return Layered(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"configuration: {name}: {first['msg']}") from None
