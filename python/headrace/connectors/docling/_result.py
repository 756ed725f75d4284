"""What a conversion answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.errors import PipelineError

__all__ = ["ConversionError", "Converted"]


class ConversionError(PipelineError):
    """A document can't be turned into text: damaged, encrypted, of an unknown kind, or its parser crashed."""


@dataclass(frozen=True)
class Converted:
    """A document as Markdown.

    Attributes:
        text: The Markdown, with ``\\n`` ends of lines.
        format: What the document is, by its content: ``docx``, ``pdf``, ``text``, ...
        title: Its first heading, or the name of the file.
        pages: Where each page, slide or sheet begins in ``text`` (code points); empty for formats without pages.
        warnings: One line each.
    """

    text: str
    format: str
    title: str
    pages: tuple[int, ...] = ()
    warnings: tuple[str, ...] = field(default=())
