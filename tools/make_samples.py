#!/usr/bin/env python3
"""Writes samples/documents from the texts in tools/samples. The same input gives the same bytes.

Each text begins with a line ``=== path`` and is Markdown of a simple kind: ``#`` and ``##`` headings, paragraphs,
lists, numbered lists and pipe tables. The ending of the path decides what is made of it.
"""

from __future__ import annotations

import html
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tools" / "samples"
TARGET = ROOT / "samples" / "documents"
BROKEN = "30-Aprovados/60-Tecnologia/Ata da reunião (arquivo corrompido).docx"
MADE = datetime(2026, 3, 2, 9, 0, 0)  # the office formats store no time zone
Block = tuple[str, Any]  # ("title" | "heading" | "text", str) or ("list" | "steps", [str]) or ("table", [[str]])


def documents() -> Iterator[tuple[str, str]]:
    """All (path, text) of the source files."""
    for source in sorted(SOURCES.glob("*.txt")):
        for part in re.split(r"^=== ", source.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            path, _, text = part.partition("\n")
            yield path.strip(), text


def blocks(text: str) -> list[Block]:
    """The headings, paragraphs, lists and tables of a text."""
    found: list[Block] = []
    for line in filter(None, map(str.rstrip, text.splitlines())):
        if line.startswith("|"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in row):
                _extend(found, "table", row)
        elif line.startswith(("- ", "* ")):
            _extend(found, "list", line[2:])
        elif re.match(r"\d+\. ", line):
            _extend(found, "steps", line.split(". ", 1)[1])
        elif line.startswith("# "):
            found.append(("title", line[2:]))
        elif line.startswith("## "):
            found.append(("heading", line[3:]))
        else:
            found.append(("text", line))
    return found


def _extend(found: list[Block], kind: str, entry: Any) -> None:
    if not found or found[-1][0] != kind:
        found.append((kind, []))
    found[-1][1].append(entry)


def make_html(text: str) -> bytes:
    """A page with a navigation bar, which is no part of the document."""
    body = ["<nav><a href='/'>Intranet</a></nav>", "<main>"]
    tags = {"title": "h1", "heading": "h2", "text": "p", "list": "ul", "steps": "ol"}
    title = ""
    for kind, value in blocks(text):
        if kind == "title":
            title = html.escape(value)
        if kind == "table":
            rows = [
                "<tr>" + "".join(f"<{t}>{html.escape(c)}</{t}>" for c in row) + "</tr>"
                for row, t in zip(value, ["th"] + ["td"] * len(value), strict=False)
            ]
            body.append("<table>" + "\n".join(rows) + "</table>")
        elif kind in ("list", "steps"):
            body.append(f"<{tags[kind]}>" + "".join(f"<li>{html.escape(v)}</li>" for v in value) + f"</{tags[kind]}>")
        else:
            body.append(f"<{tags[kind]}>{html.escape(value)}</{tags[kind]}>")
    page = "\n".join([*body, "</main>"])
    head = f"<head><meta charset='utf-8'><title>{title}</title></head>"
    return f"<!DOCTYPE html>\n<html>{head}\n<body>{page}</body></html>\n".encode()


def make_docx(text: str) -> bytes:
    """A Word document with heading styles, real lists and tables."""
    import docx

    document = docx.Document()
    styles = {"list": "List Bullet", "steps": "List Number"}
    for kind, value in blocks(text):
        if kind in ("title", "heading"):
            document.add_heading(value, 1 if kind == "title" else 2)
        elif kind == "text":
            document.add_paragraph(value)
        elif kind == "table":
            table = document.add_table(len(value), len(value[0]), style="Table Grid")
            for cells, row in zip(table.rows, value, strict=True):
                for cell, entry in zip(cells.cells, row, strict=True):
                    cell.text = entry
        else:
            for entry in value:
                document.add_paragraph(entry, style=styles[kind])
    return _office(document)


def make_pptx(text: str) -> bytes:
    """A presentation: a title slide, then one slide for each heading."""
    import pptx

    deck = pptx.Presentation()
    slide: Any = None
    for kind, value in blocks(text):
        if kind in ("title", "heading"):
            slide = deck.slides.add_slide(deck.slide_layouts[0 if kind == "title" else 1])
            slide.shapes.title.text = value
        else:
            slide.placeholders[1].text = value if kind == "text" else "\n".join(value)
    return _office(deck)


def make_xlsx(text: str) -> bytes:
    """A workbook: one sheet for each heading."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    sheet: Any = None
    for kind, value in blocks(text):
        if kind == "heading":
            sheet = book.create_sheet(value)
        for row in value if kind == "table" else []:
            sheet.append(row)
    book.properties.created = book.properties.modified = MADE
    return _office(book)


def _office(document: Any) -> bytes:
    """The saved package, written anew with fixed times and no trace of who made it."""
    if hasattr(document, "core_properties"):
        properties = document.core_properties
        properties.created = properties.modified = properties.last_printed = MADE
        properties.author = properties.last_modified_by = "Açude Verde Energia"
    raw, packed = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":  # openpyxl stamps the moment of saving
                data = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + MADE.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), data
                )
            target.writestr(zipfile.ZipInfo(name, MADE.timetuple()[:6]), data, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def make_pdf(text: str) -> bytes:
    """A PDF of one or more A4 pages in Helvetica: text without structure, as a printer driver would leave it."""
    lines: list[tuple[int, str]] = []
    for kind, value in blocks(text):
        size = {"title": 18, "heading": 13}.get(kind, 11)
        lines += [(size, part) for part in _wrap(value, 900 // size)] + [(6, "")]
    per_page = 34
    pages = [lines[i : i + per_page] for i in range(0, len(lines), per_page)]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    kids = []
    for page in pages:
        stream = _page_stream(page)
        objects.append(f"<< /Length {len(stream.encode('cp1252'))} >>\nstream\n{stream}\nendstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {len(objects)} 0 R >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    return _pdf_file(objects)


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _page_stream(page: list[tuple[int, str]]) -> str:
    height, shown = 780, []
    for size, line in page:
        escaped = re.sub(r"([\\()])", r"\\\1", line)
        shown.append(f"BT /F1 {size} Tf 60 {height} Td ({escaped}) Tj ET")
        height -= size + 8
    return "\n".join(shown)


def _pdf_file(objects: list[str]) -> bytes:
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def make_txt(text: str) -> bytes:
    """Plain text."""
    return text.strip().encode()


def make_latin1(text: str) -> bytes:
    """Plain text as an old editor on Windows saves it."""
    return text.strip().replace("\n", "\r\n").encode("cp1252")


MAKERS: dict[str, Callable[[str], bytes]] = {
    ".html": make_html,
    ".docx": make_docx,
    ".pptx": make_pptx,
    ".xlsx": make_xlsx,
    ".pdf": make_pdf,
}


def main() -> None:
    """Writes all documents."""
    shutil.rmtree(TARGET, ignore_errors=True)
    for path, text in documents():
        maker = make_latin1 if "latin-1" in path else MAKERS.get(Path(path).suffix, make_txt)
        target = TARGET / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(maker(text) + (b"\n" if maker is make_txt and text.strip() else b""))
    whole = make_docx("# Ata da reunião\nEste arquivo perdeu a segunda metade.")
    (TARGET / BROKEN).write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
