"""Conversion in real worker processes, and what bad documents do to them."""

import io
import os
import signal
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest

from headrace.connectors.docling import ConversionError, Converter
from headrace.errors import CancelledError, ConfigurationError, ResourceError, TimeoutError

SHELF = Path(__file__).parents[3] / "samples" / "documents" / "30-Aprovados"


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter(workers=1, timeout=60) as converter:
        yield converter


def sample(pattern: str) -> tuple[str, bytes]:
    (path,) = SHELF.rglob(pattern)
    return path.name, path.read_bytes()


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("pattern", "format_", "expected", "title"),
    [
        ("PR-010*.docx", "docx", "| Paternidade | 20 dias | Certidão de nascimento |", "PR-010 Férias e licenças"),
        ("PR-012*.html", "html", "| Hospedagem | R$ 380 | R$ 260 |", "PR-012 Reembolso de viagens"),
        ("PR-044*.pptx", "pptx", "- Desligue a fonte antes de tocar na vítima", "Primeiros socorros nas usinas"),
        ("PR-014*.xlsx", "xlsx", "## Instrutores\n\n| Nome | Treinamento |", "PR-014 Treinamentos obrigatórios"),
        ("PR-025*.csv", "csv", "| Capivara no canal de fuga | 25 |", "PR-025 Livro de ocorrências"),
        ("PR-042*.adoc", "asciidoc", "## Piracema\n\nDe 1º de novembro", "PR-042 Vazão ecológica e peixes"),
        (
            "PR-040*.pdf",
            "pdf",
            "## Quem aciona\n\nO coordenador do plano é",
            "PR-040 Plano de ação de emergência da barragem",
        ),
        ("PR-011*.md", "markdown", "até **três dias por semana**. Operadores", "PR-011 Teletrabalho"),
        ("Nota*.txt", "text", "REDE DE AUTOMAÇÃO DA USINA", "Nota técnica rede da usina (latin-1)"),
    ],
)
def test_every_format(converter: Converter, pattern: str, format_: str, expected: str, title: str) -> None:
    converted = converter.convert(*sample(pattern))
    assert converted.format == format_
    assert expected in converted.text
    assert converted.title == title


def test_pages_are_where_they_begin(converter: Converter) -> None:
    converted = converter.convert(*sample("PR-013*.pptx"))
    slides = [converted.text[start:].split("\n")[0] for start in converted.pages]
    assert slides == [
        "# Integração de novos empregados",
        "# Primeiro dia",
        "# Primeira semana",
        "# Primeiros noventa dias",
    ]


def test_paragraphs_of_a_pdf_are_whole(converter: Converter) -> None:
    text = converter.convert(*sample("PL-003*.pdf")).text
    assert "às atividades da Açude Verde.\n\n## Encarregado\n\nO encarregado" in text
    assert "titulares são respondidos em até 15 dias corridos, pelo endereço privacidade@" in text


def packed(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def locked_pdf() -> bytes:
    writer, out = pypdf.PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    writer.encrypt("segredo", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


DOCX = sample("PR-010*.docx")[1]
PDF = sample("PL-003*.pdf")[1]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("half.docx", DOCX[: len(DOCX) // 2], "damaged: its archive is incomplete"),
        ("half.pdf", PDF[:300], "damaged PDF"),
        ("locked.pdf", locked_pdf(), "password-protected"),
        ("locked.docx", OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "password-protected"),
        ("old.doc", OLE + b"\0" * 600, "an old Office file"),
        ("picture.md", b"\x89PNG\r\n\0\0\0", "a binary file"),
        ("archive.docx", packed({"a.txt": b"a"}), "a ZIP archive, not a document"),
        ("hollow.docx", packed({"word/document.xml": b"<w>not Word"}), "not a valid docx file"),
        ("bomb.docx", packed({"word/document.xml": b"\0" * (600 << 20)}), r"unpacks to 600 MB, the limit is 512 MB"),
    ],
)
def test_a_bad_document_says_what_it_is(converter: Converter, name: str, data: bytes, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        converter.convert(name, data)


@pytest.mark.parametrize(
    ("name", "data", "format_", "text", "warning"),
    [
        ("a.txt", b"", "empty", "", "it is empty"),
        ("a.md", b" \n\n", "markdown", " \n\n", "it has no text"),
        ("a.docx", PDF, "pdf", "# PL-003 Prote", "the name says docx, the content is pdf"),
        ("a.docx", b"just text", "text", "just text", "the name says docx, the content is text"),
        (
            "a.xyz",
            b"<!DOCTYPE html><h1>T</h1>",
            "html",
            "# T",
            "the name says nothing that we know",
        ),
        ("a.txt", "ação".encode("cp1252"), "text", "ação", "read as Windows-1252"),
        ("a.txt", "ação é boa".encode() + b"\xff", "text", "ação é boa\ufffd", "1 places are not UTF-8"),
        ("a.html", "<meta charset=iso-8859-1><p>ação</p>".encode("latin-1"), "html", "ação", ""),
        ("a.md", "ação\r\nfim".encode("utf-16"), "markdown", "ação\nfim", ""),
        ("a.csv", "a;b\nação;2".encode("cp1252"), "csv", "| a | b |\n| - | - |\n| ação | 2 |", "Windows-1252"),
        ("a.html", b"<p>5 &lt; 6 &amp; snake_case</p>", "html", "5 < 6 & snake_case", ""),
    ],
)
def test_odd_documents_are_read(
    converter: Converter, name: str, data: bytes, format_: str, text: str, warning: str
) -> None:
    converted = converter.convert(name, data)
    assert converted.format == format_
    assert converted.text.startswith(text)
    assert warning in " ".join(converted.warnings)
    assert bool(warning) == bool(converted.warnings)


def test_a_large_document_is_refused_unread() -> None:
    with Converter(max_size=1 << 20) as converter, pytest.raises(ResourceError, match=r"2 MB, the limit is 1 MB"):
        converter.check_size(2 << 20)


SLOW = ("slow.html", b"<table>" + b"<tr><td>a<td>b<td>c" * 60_000 + b"</table>")


def test_a_document_out_of_time_costs_its_process_only() -> None:
    with Converter(workers=1, timeout=4) as converter:
        converter.convert(*sample("PR-012*.html"))
        (before,) = converter.pids
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"longer than 4 s \(timeout\)"):
            converter.convert(*SLOW)
        assert 4 <= time.monotonic() - began < 5.5
        assert not alive(before)
        assert converter.convert(*sample("PR-011*.md")).format == "markdown"


def test_the_time_of_a_document_starts_when_its_process_is_ready() -> None:
    with Converter(workers=1, timeout=1.2) as converter:  # loading the parsers alone takes longer
        assert converter.convert(*sample("PL-003*.pdf")).format == "pdf"


def test_a_process_that_does_not_get_ready_is_no_fault_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.connectors.docling._process.START_LIMIT", 0.1)
    with Converter(workers=1) as converter:
        with pytest.raises(ResourceError, match=r"the parser's process was not ready within 0\.1 s"):
            converter.convert(*sample("PL-003*.pdf"))
        assert converter.pids == []
    monkeypatch.undo()
    monkeypatch.setattr("sys.executable", "/bin/false")
    told = pytest.raises(ResourceError, match=r"ended before it was ready \(exit code 1\)")
    with Converter(workers=1) as converter, told:
        converter.convert(*sample("PL-003*.pdf"))


def test_cancelling_and_crashing() -> None:
    with Converter(workers=1) as converter:
        stop = threading.Event()
        threading.Timer(1.0, stop.set).start()
        began = time.monotonic()
        with pytest.raises(CancelledError):
            converter.convert(*SLOW, cancelled=stop.is_set)
        assert time.monotonic() - began < 2

        converter.convert(*sample("PR-012*.html"))
        (pid,) = converter.pids
        threading.Timer(0.5, os.kill, (pid, signal.SIGSEGV)).start()
        with pytest.raises(ConversionError, match=r"crashed its parser \(killed by SIGSEGV\)"):
            converter.convert(*SLOW)


def test_memory_is_limited_and_processes_are_recycled() -> None:
    rows = b"".join(b'<row><c t="inlineStr"><is><t>%d</t></is></c></row>' % number for number in range(400_000))
    book = zipfile.ZipFile(io.BytesIO(sample("PR-024*.xlsx")[1]))
    parts = {name: book.read(name) for name in book.namelist()}
    sheet = next(name for name in parts if name.startswith("xl/worksheets/sheet"))
    parts[sheet] = parts[sheet].split(b"<sheetData>")[0] + b"<sheetData>" + rows + b"</sheetData></worksheet>"
    with Converter(workers=1, memory=48 << 20, recycle_after=2) as converter:
        with pytest.raises(ResourceError, match=r"more than 48 MB of memory"):
            converter.convert("large.xlsx", packed(parts))
        assert converter.pids == []
        converter.convert(*sample("PR-012*.html"))
        (pid,) = converter.pids
        converter.convert(*sample("PR-031*.html"))
        assert converter.pids == []
        assert not alive(pid)


def test_closing_leaves_no_process() -> None:
    converter = Converter(workers=1)
    converter.convert(*sample("PL-003*.pdf"))
    pids = converter.pids
    assert [alive(pid) for pid in pids] == [True]
    converter.close()
    assert [alive(pid) for pid in pids] == [False]


def test_without_docling_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.connectors.docling._converter.find_spec", lambda name: None)
    with Converter() as converter:
        with pytest.raises(ConfigurationError, match=r"docx needs docling: pip install 'headrace\[documents\]'"):
            converter.convert("a.docx", DOCX)
        assert converter.convert("a.md", b"# T").title == "T"


def test_models_are_used_where_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no models of Docling: docling-tools models download -o"):
        Converter(artifacts=tmp_path)
    (tmp_path / "docling-project--docling-layout-heron").mkdir()
    monkeypatch.setattr("headrace.connectors.docling._converter.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="need all of it: pip install docling, or set no artifacts"):
        Converter(artifacts=tmp_path)
    monkeypatch.setattr("headrace.connectors.docling._converter.find_spec", lambda name: object())
    with Converter(workers=1, artifacts=tmp_path) as converter:
        # Docling's own pipeline, which looks for its models in vain, or doesn't even load without torch
        missing = pytest.raises((ConversionError, ConfigurationError), match=r"can't read it|is missing")
        with missing:
            converter.convert(*sample("PL-003*.pdf"))
        assert converter.convert(*sample("PR-012*.html")).format == "html"
