"""The conversion itself. Runs in a worker process; the main process never loads a parser."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from headrace.connectors.docling._formats import check_archive, decode, detect
from headrace.connectors.docling._pdf import pdf_pages
from headrace.connectors.docling._result import ConversionError, Converted

__all__ = ["convert", "convert_text", "load_models", "load_parser", "needs_parser"]

_SUFFIX = {
    "html": ".html",
    "csv": ".csv",
    "asciidoc": ".adoc",
    "docx": ".docx",
    "pptx": ".pptx",
    "xlsx": ".xlsx",
    "pdf": ".pdf",
}
_TITLE = re.compile(r"^#{1,6} +(\S.*?) *#*$", re.MULTILINE)


def needs_parser(format_: str) -> bool:
    """Whether the format is more than text."""
    return format_ not in ("markdown", "text")


def convert_text(name: str, data: bytes, format_: str, warnings: list[str]) -> Converted:
    """Plain text and Markdown are taken as they are: what Docling writes is Markdown too, with small losses."""
    text, more = decode(data, format_)
    return Converted(text, format_, title_of(name, text), (), (*warnings, *more))


def convert(name: str, data: bytes, max_unpacked: int, artifacts: str | None = None) -> Converted:
    """A document as Markdown; PDF by the models in the folder ``artifacts``, if one is given.

    Raises:
        ConversionError: It can't be converted.
    """
    format_, warnings = detect(name, data)
    if not needs_parser(format_):
        return convert_text(name, data, format_, warnings)
    if format_ == "pdf" and artifacts:
        document = _parse(load_models(artifacts), name, data, format_)
        return _joined(name, format_, _pages(document), warnings)
    if format_ == "pdf":
        pages = pdf_pages(data)
        if pages and not any(pages):
            warnings.append(f"no text on {len(pages)} pages: it may be scanned")
        return _joined(name, format_, pages, warnings)
    if format_ in ("docx", "pptx", "xlsx"):
        check_archive(data, max_unpacked)
    else:
        text, more = decode(data, format_)
        warnings += more
        data = b"\xef\xbb\xbf" + text.encode() if format_ == "html" else text.encode()
    return _joined(name, format_, _pages(_parse(load_parser(), name, data, format_)), warnings)


@functools.cache
def load_parser() -> Any:
    """Docling's converter: some seconds at the first call."""
    from docling.datamodel.base_models import InputFormat
    from docling.document_converter import DocumentConverter

    names = ("HTML", "CSV", "ASCIIDOC", "DOCX", "PPTX", "XLSX")
    return DocumentConverter(allowed_formats=[InputFormat[name] for name in names])


@functools.cache
def load_models(artifacts: str) -> Any:
    """Docling's own pipeline for PDF: layout, reading order, tables; text recognition where its models are there."""
    from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
    from docling.datamodel.base_models import InputFormat
    from docling.datamodel.pipeline_options import PdfPipelineOptions
    from docling.document_converter import DocumentConverter, PdfFormatOption

    recognises = any((Path(artifacts) / name).is_dir() for name in ("RapidOcr", "EasyOcr"))
    options = PdfPipelineOptions(artifacts_path=artifacts, do_ocr=recognises)
    pdf = PdfFormatOption(pipeline_options=options, backend=PyPdfiumDocumentBackend)
    return DocumentConverter(allowed_formats=[InputFormat.PDF], format_options={InputFormat.PDF: pdf})


def _parse(parser: Any, name: str, data: bytes, format_: str) -> Any:
    from docling.datamodel.base_models import DocumentStream

    stream = DocumentStream(name=PurePosixPath(name).stem + _SUFFIX[format_], stream=io.BytesIO(data))
    try:
        return parser.convert(stream).document
    except ImportError:
        raise
    except Exception as error:
        causes = list(_causes(error))
        if any(isinstance(cause, MemoryError) or "memory" in str(cause).lower() for cause in causes):
            raise MemoryError from error
        what = "Docling's models can't read it" if format_ == "pdf" else f"it is not a valid {format_} file"
        raise ConversionError(f"{what}: {_told(causes[-1])}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it, the root last."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _pages(document: Any) -> list[str]:
    export = functools.partial(
        document.export_to_markdown,
        escape_html=False,
        escape_underscores=False,
        image_placeholder="",
        compact_tables=True,
    )
    if not document.pages:
        return [export()]
    sheets = [group.name for group in document.groups if group.label == "sheet"]
    pages = [export(page_no=number) for number in sorted(document.pages)]
    if len(sheets) == len(pages):
        return [f"## {sheet}\n\n{page}" for sheet, page in zip(sheets, pages, strict=True)]
    return pages


def _joined(name: str, format_: str, pages: list[str], warnings: list[str]) -> Converted:
    text, starts = "", []
    for page in pages:
        if text and page:
            text += "\n\n"
        starts.append(len(text))
        text += page
    paged = tuple(starts) if format_ in ("pdf", "pptx", "xlsx") else ()
    title = PurePosixPath(name).stem if format_ in ("xlsx", "csv") else title_of(name, text)
    return Converted(text, format_, title, paged, tuple(warnings))


def title_of(name: str, text: str) -> str:
    """The first heading, or the name of the file without its ending."""
    found = _TITLE.search(text)
    return found[1].strip("*_ ") if found else PurePosixPath(name).stem
