"""Junos configurations as paths: the curly and the set form give the same ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.pipelines.bgp.errors import IncompleteConfigurationError
from headrace.pipelines.bgp.wording import counted

__all__ = ["Path", "curly_paths", "set_paths"]

Path = tuple[str, ...]
"""One statement, from the root: ``("protocols", "bgp", "group", "EXT", "peer-as", "65001")``."""

_TOKEN = re.compile(
    r"""
    (?P<comment>/\*.*?\*/|\#[^\n]*)    # kept apart, so that braces inside them count for nothing
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<mark>[{};\[\]])
  | (?P<word>[^\s{};\[\]"\#]+)
  | (?P<open>"|/\*)                    # a string or comment that never ends
    """,
    re.VERBOSE | re.DOTALL,
)
_ONLY_WORDS = re.compile(r"""(?:[^{};\[\]"\#/]|/(?!\*))*""").fullmatch
_MODE_LINE = re.compile(r"^\{(?:master|backup|linecard|primary|secondary)(?::\w+)?\}[ \t]*$", re.MULTILINE)
_TAGS = ("inactive:", "protect:", "replace:", "active:")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(_MODE_LINE.sub("", text)):
        kind = match.lastgroup or ""
        if kind == "open":
            raise IncompleteConfigurationError("the configuration ends inside a string or a comment: it was cut off")
        if kind != "comment":
            yield kind, match.group().strip('"') if kind == "string" else match.group()


class _CurlyReader:
    """Walks the lexemes once; holds the path of the open blocks and the words of the statement at hand."""

    def __init__(self) -> None:
        self.blocks: list[Path] = []
        self.inactive: list[bool] = []
        self.words: list[str] = []
        self.members: list[str] | None = None
        self.skip = False

    def paths(self, text: str) -> Iterator[Path]:
        for kind, lexeme in _tokens(text):
            if kind == "mark":
                yield from self._mark(lexeme)
            elif kind == "word" and lexeme in _TAGS and not self.words:
                self.skip = self.skip or lexeme == "inactive:"
            else:
                (self.words if self.members is None else self.members).append(lexeme)
        if self.blocks or self.words or self.members is not None:
            left = counted(len(self.blocks), "block") if self.blocks else "a statement"
            raise IncompleteConfigurationError(f"the configuration was cut off: {left} left open")

    def _mark(self, lexeme: str) -> Iterator[Path]:
        if lexeme == "[":
            self.members = []
        elif lexeme == "]":
            return
        elif lexeme == "{":
            self.blocks.append(tuple(self.words))
            self.inactive.append(self.skip)
            self._next_statement()
        elif lexeme == ";":
            yield from self._statement()
        else:
            self._close()

    def _statement(self) -> Iterator[Path]:
        prefix = tuple(word for block in self.blocks for word in block)
        if self.words and not self.skip and not any(self.inactive):
            for member in self.members if self.members is not None else [None]:
                yield (*prefix, *self.words) if member is None else (*prefix, *self.words, member)
        self._next_statement()

    def _close(self) -> None:
        if not self.blocks or self.words:
            raise IncompleteConfigurationError("the configuration is not whole: a '}' that closes nothing")
        self.blocks.pop()
        self.inactive.pop()

    def _next_statement(self) -> None:
        self.words, self.members, self.skip = [], None, False


def curly_paths(text: str) -> list[Path]:
    """Return the active statements of a configuration in curly form.

    IncompleteConfigurationError where braces, strings or comments do not close.
    """
    return list(_CurlyReader().paths(text))


def set_paths(text: str) -> list[Path]:
    """Return the active statements of a configuration in set form; what ``deactivate`` names is left out."""
    found: list[Path] = []
    inactive: list[Path] = []
    for line in text.splitlines():
        plain = _ONLY_WORDS(line)
        words = line.split() if plain else [lexeme for _, lexeme in _tokens(line)]
        if not words:
            continue
        if words[0] == "set":
            found.extend([tuple(words[1:])] if plain else _expand(words[1:]))
        elif words[0] == "deactivate":
            inactive.append(tuple(words[1:]))
    if not inactive:
        return found
    return [path for path in found if not any(path[: len(off)] == off for off in inactive)]


def _expand(words: list[str]) -> Iterator[Path]:
    if "[" not in words:
        yield tuple(words)
        return
    start = words.index("[")
    for member in words[start + 1 :]:
        if member != "]":
            yield (*words[:start], member)
