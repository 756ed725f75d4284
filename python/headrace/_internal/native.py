"""What native stages have in common: stages that the core runs without a line of Python."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from headrace import _core
    from headrace.stage import Stage

__all__ = ["NativeStage", "digest", "is_native"]


class NativeStage:
    """Passed to a pipeline in place of a function: ``pipe.map(stage, over=...)`` or ``pipe.map(over=...)(stage)``."""

    forms: ClassVar[tuple[str, ...]]
    """The stage forms it can have."""
    types: ClassVar[tuple[type, ...]] = ()
    """Classes of its results."""

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"name must be a string, not {name!r}")
        self.__name__ = name

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it."""
        raise NotImplementedError

    def identity(self) -> str:
        """What its results hang on, beside the items: units whose recorded identity is another one run again."""
        raise NotImplementedError

    def check(self, stage: Stage) -> None:
        """Raise ConfigurationError where the stage was given what only Python code can have."""
        if stage.form not in self.forms:
            forms = " or ".join(f"pipe.{form}" for form in self.forms)
            raise ConfigurationError(f"{stage.form} '{stage.name}': {type(self).__name__} goes into {forms}")
        policy = stage.policy
        given = {
            "guard=": policy.guard,
            "codec=": policy.codec,
            "effect=": policy.effect,
            "removed=": stage.removed,
            "isolation='process'": policy.isolation == "process",
        }
        for setting, value in given.items():
            if value:
                raise ConfigurationError(
                    f"{stage.form} '{stage.name}': {setting} can't be had with {type(self).__name__}, "
                    "which runs no Python: put it on a stage after it"
                )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.__name__}'>"


def is_native(function: Any) -> TypeGuard[NativeStage]:
    """Whether what a decorator got is a native stage."""
    return callable(getattr(function, "native", None)) and callable(getattr(function, "identity", None))


def digest(kind: str, **settings: Any) -> str:
    """An identity out of settings that JSON can hold."""
    text = json.dumps([kind, settings], sort_keys=True, default=_text)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return str(value)
