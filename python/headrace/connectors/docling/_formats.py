"""What a file is, by its content first and its name second."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath

from headrace.connectors.docling._result import ConversionError

__all__ = ["EXTENSIONS", "check_archive", "decode", "detect"]

_BY_EXTENSION = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".pdf": "pdf",
}
EXTENSIONS = tuple(_BY_EXTENSION)
"""The endings that can be converted."""

_TEXTUAL = ("markdown", "text", "html", "csv", "asciidoc")
_INSIDE = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{3,20})", re.IGNORECASE)


def detect(name: str, data: bytes) -> tuple[str, list[str]]:
    """The format, and a warning where the name says something else.

    Raises:
        ConversionError: It is nothing that we can convert.
    """
    named = _BY_EXTENSION.get(PurePosixPath(name).suffix.lower())
    found = _by_content(data, named)
    if found == named:
        return found, []
    return found, [f"the name says {named or 'nothing that we know'}, the content is {found}"]


def _by_content(data: bytes, named: str | None) -> str:
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(_OLE):
        protected = "EncryptedPackage".encode("utf-16-le") in data
        raise ConversionError("it is password-protected" if protected else "it is an old Office file: save it as OOXML")
    if data.startswith(b"PK\x03\x04"):
        return _office(data)
    if named in _TEXTUAL and named != "html":
        text = named
    else:
        text = "html" if _HTML.match(data[:4096]) or named == "html" else "text"
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConversionError("it is a binary file of a kind that can't be converted")
    return text


def _office(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ConversionError("it is damaged: its archive is incomplete") from error
    for prefix, format_ in _INSIDE.items():
        if any(name.startswith(prefix) for name in names):
            return format_
    raise ConversionError("it is a ZIP archive, not a document")


def check_archive(data: bytes, most: int) -> None:
    """Refuses an Office file that would unpack to more than ``most`` bytes.

    Raises:
        ConversionError: It is a zip bomb, or its parts overlap.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    if unpacked > most:
        raise ConversionError(f"it unpacks to {unpacked >> 20} MB, the limit is {most >> 20} MB (max_unpacked)")
    if sum(part.compress_size for part in parts) > len(data):
        raise ConversionError("it is a malformed archive: its parts overlap")


def decode(data: bytes, format_: str) -> tuple[str, list[str]]:
    """The text of a textual file, and a warning where its encoding had to be guessed.

    A byte order mark counts first, then UTF-8, then what an HTML page says of itself, then Windows-1252.
    """
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return _lines(data.decode(encoding, "replace")), []
    try:
        return _lines(data.decode()), []
    except UnicodeDecodeError:
        pass
    declared = _META.search(data[:2048]) if format_ == "html" else None
    if declared:
        try:
            return _lines(data.decode(declared[1].decode(), "replace")), []
        except LookupError:
            pass
    as_utf8 = data.decode(errors="replace")
    good = sum(letter > "\x7f" and letter != "\ufffd" for letter in as_utf8)
    bad = as_utf8.count("\ufffd")
    if good > bad:
        return _lines(as_utf8), [f"{bad} places are not UTF-8 and were replaced"]
    return _lines(data.decode("cp1252", "replace")), ["it is not UTF-8 and was read as Windows-1252"]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
