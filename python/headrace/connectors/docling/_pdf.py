"""The text of a PDF without models: lines joined to paragraphs, larger lines as headings, pages kept apart.

PDFium's order of text is kept. Docling's own pipeline without models leaves one paragraph a line and takes fifty
times as long.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any

from headrace.connectors.docling._result import ConversionError

__all__ = ["pdf_pages"]

_BULLETS = ("• ", "- ", "– ", "* ", "▪ ", "◦ ")
_HEADING = 1.12  # times the size of most of the text
_PARAGRAPH = 1.3  # times the usual distance of two lines


@dataclass
class _Line:
    left: float
    bottom: float
    right: float
    top: float
    size: float
    text: str


def pdf_pages(data: bytes) -> list[str]:
    """The Markdown of each page.

    Raises:
        ConversionError: It is damaged or password-protected.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        why = "it is password-protected" if "password" in str(error).lower() else "it is a damaged PDF"
        raise ConversionError(why) from error
    try:
        pages = [_page_lines(document, number) for number in range(len(document))]
    except pypdfium2.PdfiumError as error:
        raise ConversionError(f"it is a damaged PDF: {error}") from error
    finally:
        document.close()
    body = _body_size([line for lines, _ in pages for line in lines])
    return [plain if lines is None else _markdown(lines, body) for lines, plain in map(_checked, pages)]


def _page_lines(document: Any, number: int) -> tuple[list[_Line], str]:
    page = document[number]
    textpage = page.get_textpage()
    try:
        lines: list[_Line] = []
        for index in range(textpage.count_rects()):
            left, bottom, right, top = textpage.get_rect(index)
            text = textpage.get_text_bounded(left, bottom, right, top).strip()
            if text:
                size = _size(textpage, left, bottom, right, top)
                _add(lines, _Line(left, bottom, right, top, size, " ".join(text.split())))
        return lines, textpage.get_text_range().replace("\r\n", "\n").strip()
    finally:
        textpage.close()
        page.close()


def _size(textpage: Any, left: float, bottom: float, right: float, top: float) -> float:
    """The height that the font reserves for a line: unlike the box, it doesn't depend on the letters."""
    index = textpage.get_index(left + 0.5, (bottom + top) / 2, right - left, top - bottom)
    if index is None:
        return float(top - bottom)
    box = textpage.get_charbox(index, loose=True)
    return float(box[3] - box[1]) or float(top - bottom)


def _add(lines: list[_Line], new: _Line) -> None:
    """Adds a run of text: to the last line if it continues it, else as a line of its own."""
    last = lines[-1] if lines else None
    if last is not None:
        overlap = min(last.top, new.top) - max(last.bottom, new.bottom)
        height = min(last.top - last.bottom, new.top - new.bottom)
        if height > 0 and overlap > height / 2 and new.left >= last.right - height:
            gap = " " if new.left - last.right > 0.12 * height else ""
            last.text += gap + new.text
            last.right, last.bottom = max(last.right, new.right), min(last.bottom, new.bottom)
            last.top, last.size = max(last.top, new.top), max(last.size, new.size)
            return
    lines.append(new)


def _checked(page: tuple[list[_Line], str]) -> tuple[list[_Line] | None, str]:
    """No lines where they don't hold just the letters that the page has (boxes that lie over each other)."""
    lines, plain = page
    ours = Counter("".join(line.text for line in lines).replace(" ", ""))
    whole = Counter("".join(plain.split()))
    differing = sum(((ours - whole) + (whole - ours)).values())
    return (None if differing > 0.01 * sum(whole.values()) + 2 else lines), plain


def _body_size(lines: list[_Line]) -> float:
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def _markdown(lines: list[_Line], body: float) -> str:
    pitches = [
        above.bottom - below.bottom
        for above, below in itertools.pairwise(lines)
        if above.bottom > below.bottom and abs(above.size - below.size) < 0.5
    ]
    pitch = statistics.quantiles(pitches, n=4)[0] if len(pitches) > 1 else body * 2
    sizes = sorted({round(line.size, 1) for line in lines if line.size > _HEADING * body}, reverse=True)
    parts: list[str] = []
    last: _Line | None = None
    for line in lines:
        heading = line.size > _HEADING * body and len(line.text) < 200
        if last is not None and not heading and _continues(last, line, pitch):
            parts[-1] = _joined(parts[-1], line.text)
        elif heading:
            level = min(sizes.index(round(line.size, 1)) + 1, 6)
            parts.append("#" * level + " " + line.text)
        else:
            parts.append("- " + line.text[2:] if line.text.startswith(_BULLETS) else line.text)
        last = None if heading else line
    return "\n\n".join(parts)


def _continues(last: _Line, line: _Line, pitch: float) -> bool:
    distance = last.bottom - line.bottom
    same = abs(last.size - line.size) < 0.15 * last.size
    return same and 0 < distance <= _PARAGRAPH * pitch and not line.text.startswith(_BULLETS)


def _joined(text: str, more: str) -> str:
    """Two lines as one; a word that was divided at the end of the line is whole again."""
    if len(text) > 1 and text[-1] in "-\u00ad" and text[-2].islower() and more[:1].islower():
        return text[:-1] + more
    return f"{text} {more}"
