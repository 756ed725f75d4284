"""What models that are fitted on a corpus have in common: fitting, and keeping what was learnt."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from headrace.embed import files
from headrace.errors import ConfigurationError

__all__ = ["Fitted"]

Self = TypeVar("Self", bound="Fitted")
_FIT_SLICE = 1024  # texts handed to the core at a time: a generator of any length needs bounded memory


class Fitted:
    """A model whose numbers come from a corpus. Its core has begin_fit, add, end_fit, state and from_state."""

    _core_class: ClassVar[Any]
    _core: Any

    @property
    def model_id(self) -> str:
        """Changes with everything that changes a text's vector: settings, what was fitted, version of the algorithm."""
        return str(self._core.model_id)

    @property
    def documents(self) -> int:
        """How many texts it was fitted on; 0 when unfitted."""
        return int(self._core.documents)

    def _fit(self: Self, texts: Iterable[str], *settings: Any) -> Self:
        if isinstance(texts, (str, bytes)):
            raise ConfigurationError("texts must be a list of strings, not a single one: write [text]")
        self._core.begin_fit()
        source = iter(texts)
        while part := list(itertools.islice(source, _FIT_SLICE)):
            self._core.add(part, *settings)
        self._core.end_fit()
        return self

    def state(self) -> bytes:
        """Settings and frequencies as bytes: a line of JSON, the counts, a checksum."""
        return bytes(self._core.state())

    @classmethod
    def from_state(cls: type[Self], state: bytes) -> Self:
        """The model whose :meth:`state` this is.

        Raises:
            ConfigurationError: These bytes are something else, or of another version of the algorithm.
            CheckpointCorruptionError: The bytes are damaged.
        """
        model = cls.__new__(cls)
        model._core = cls._core_class.from_state(state)
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`state` to a file (0600), whole or not at all."""
        files.write_private(path, self.state())

    @classmethod
    def load(cls: type[Self], path: str | os.PathLike[str]) -> Self:
        """The model that :meth:`save` wrote."""
        return cls.from_state(files.read(path))
