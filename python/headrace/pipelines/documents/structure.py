"""Where a chunk stands in its document: the headings above it, its page."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

__all__ = ["Outline"]

_HEADING = re.compile(r"^(#{1,6}) +(\S.*?) *#*$|^(```|~~~)", re.MULTILINE)


class Outline:
    """The headings and pages of a Markdown text."""

    def __init__(self, text: str, pages: Sequence[int] = ()) -> None:
        self._pages = list(pages)
        self._starts: list[int] = []
        self._paths: list[tuple[str, ...]] = []
        path: list[tuple[int, str]] = []
        fence = ""
        for found in _HEADING.finditer(text):
            if found[3]:  # a heading inside a code block is none
                fence = "" if fence == found[3] else fence or found[3]
            elif not fence:
                level = len(found[1])
                path = [entry for entry in path if entry[0] < level] + [(level, found[2].strip("*_ "))]
                self._starts.append(found.start())
                self._paths.append(tuple(name for _, name in path))

    def heading(self, start: int, end: int) -> tuple[str, ...]:
        """The path of headings above a chunk, or that of the heading which it begins with."""
        at = bisect.bisect_right(self._starts, start) - 1
        if at < 0 and self._starts and self._starts[0] < end:
            at = 0
        return self._paths[at] if at >= 0 else ()

    def page(self, start: int) -> int | None:
        """The page that a position is on, counted from 1."""
        return bisect.bisect_right(self._pages, start) if self._pages else None
