"""The corpus of the text and embedding benchmarks: about 100 MB of real documents in ten languages.

Made from Debian's documentation packages, fetched with `apt-get download` and unpacked (not installed) under
build/corpus; HTML pages and manual pages become one UTF-8 text file each in build/corpus/docs.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2] / "build" / "corpus"
DOCS = ROOT / "docs"
DONE = ROOT / "done"
PACKAGES = [
    "python3.11-doc", "postgresql-doc-15", "linux-doc-6.1", "libstdc++-12-doc", "debian-handbook",
    "debian-reference-pt", "debian-reference-ja", "debian-reference-zh-cn", "debian-faq", "manpages-pt-br",
    "manpages-pt-br-dev", "manpages-ja", "manpages-ja-dev", "manpages-zh", "manpages-ru", "manpages-ru-dev",
    "groff-base",
]  # fmt: skip
# (glob below usr/share, language and source)
HTML = [
    ("doc/python3.11/html/**/*.html", "en_python"),
    ("doc/postgresql-doc-15/html/*.html", "en_postgres"),
    ("doc/linux-doc-6.1/html/**/*.html", "en_linux"),
    ("debian-reference/*.pt.html", "pt_debref"),
    ("debian-reference/*.ja.html", "ja_debref"),
    ("debian-reference/*.zh-cn.html", "zh_debref"),
    ("doc/debian/FAQ/*.html", "en_faq"),
    ("doc/gcc-12-base/libstdc++/**/manual/*.html", "en_libstdcxx"),
]
HTML += [
    (f"doc/debian-handbook/html/{folder}/*.html", f"{folder[:2]}_handbook")
    for folder in ("pt-BR", "en-US", "ja-JP", "ar-MA", "ru-RU", "zh-CN", "vi-VN", "ko-KR", "fa-IR")
]
MANUAL = [(f"man/{folder}/**/*.gz", f"{folder[:2]}_man") for folder in ("pt_BR", "ja", "ru", "zh_CN")]
MIN_SIZE = 300  # characters: shorter pages are redirects and stubs

SKIPPED = {"script", "style", "head", "nav", "noscript", "title"}
PARAGRAPHS = {"p", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "section", "dl", "ul", "ol"}
LINES = {
    "div",
    "li",
    "dt",
    "dd",
    "tr",
    "blockquote",
    "hr",
    "article",
    "main",
    "body",
    "figure",
    "figcaption",
    "caption",
}
NAVIGATION = {"sphinxsidebar", "related", "navheader", "navfooter", "headerlink", "footer"}


def documents(limit: int | None = None) -> list[tuple[str, str]]:
    """(name, text) of every document, or of every n-th so that about `limit` are left; made on the first call."""
    if not DONE.exists():
        make()
    files = sorted(DOCS.iterdir())
    step = 1 if limit is None else max(1, len(files) // limit)
    return [(path.stem, path.read_text(encoding="utf-8")) for path in files[::step]]


def make() -> None:
    """Fetches the packages and converts their documents, on all processors."""
    (ROOT / "packages").mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(exist_ok=True)
    tree = ROOT / "tree"
    for package in PACKAGES:
        if not list((ROOT / "packages").glob(f"{package}_*.deb")):
            subprocess.run(
                ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
                cwd=ROOT / "packages",
                check=True,
            )
    for package in sorted((ROOT / "packages").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    with ProcessPoolExecutor() as workers:
        sizes = list(workers.map(convert, jobs(tree / "usr/share"), chunksize=16))
    print(f"corpus: {sum(map(bool, sizes))} documents, {sum(sizes) / 1e6:.1f} MB", file=sys.stderr)
    DONE.touch()


def jobs(share: Path) -> Iterator[tuple[Path, str, Callable[[Path], str]]]:
    """(file, name of the document, converter) of every page."""
    for patterns, converter in ((HTML, from_html), (MANUAL, from_manual)):
        for pattern, source in patterns:
            for path in sorted(share.glob(pattern)):
                if path.is_file() and not path.is_symlink():
                    inner = "_".join(path.relative_to(share).parts[1:])
                    yield path, f"{source}__{re.sub('[^A-Za-z0-9_.+-]', '_', inner)[-150:]}", converter


def convert(job: tuple[Path, str, Callable[[Path], str]]) -> int:
    """Writes one document; its size in bytes, 0 where the page holds too little."""
    path, name, converter = job
    text = converter(path)
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    if len(text) < MIN_SIZE or text.count("\ufffd") > 5:
        return 0
    return (DOCS / f"{name}.txt").write_bytes(text.encode("utf-8", "replace"))


def from_html(path: Path) -> str:
    from lxml import html

    page = html.document_fromstring(path.read_bytes(), parser=html.HTMLParser(encoding="utf-8"))
    body = page.find("body")
    parts: list[str] = []
    walk(page if body is None else body, parts, False)
    return "".join(parts).replace("¶", "")


def walk(element: Any, parts: list[str], verbatim: bool) -> None:
    """Appends the text of an element: Markdown headings and lists, blank lines between paragraphs."""
    tag = element.tag if isinstance(element.tag, str) else None
    if tag is None or tag in SKIPPED or element.get("role") == "navigation" or element.get("class") in NAVIGATION:
        return
    verbatim = verbatim or tag == "pre"
    gap = "\n\n" if tag in PARAGRAPHS else "\n" if tag in LINES else ""
    mark = "#" * int(tag[1]) + " " if re.fullmatch("h[1-6]", tag) else {"li": "- ", "br": "\n"}.get(tag, "")
    parts.append(gap + mark + flowing(element.text, verbatim))
    for child in element:
        walk(child, parts, verbatim)
        parts.append(flowing(child.tail, verbatim))
    parts.append((" | " if tag in {"td", "th"} else "") + gap)


def flowing(text: str | None, verbatim: bool) -> str:
    return (text or "") if verbatim else re.sub(r"[ \t\r\n\f]+", " ", text or "")


def from_manual(path: Path) -> str:
    source = gzip.decompress(path.read_bytes())
    if source.startswith(b".so ") or len(source) < 200:
        return ""
    groff = ROOT / "tree/usr/bin/groff"
    command = [
        groff,
        "-KUTF-8",
        "-Tutf8",
        "-mandoc",
        "-P-c",
        "-rLL=100n",
        f"-F{ROOT}/tree/usr/share/groff/current/font",
    ]
    command.append(f"-M{ROOT}/tree/usr/share/groff/current/tmac")
    paths = {"PATH": f"{ROOT}/tree/usr/bin:/usr/bin:/bin"}
    done = subprocess.run(command, input=source, capture_output=True, timeout=60, env=paths, check=False)
    return re.sub(".\b", "", done.stdout.decode("utf-8", "replace"))


if __name__ == "__main__":
    make()
