"""The guarantees of every chunker, checked against Python's own str and the regex package's grapheme clusters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import regex
from hypothesis import strategies as st

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FLAG = "\U0001f1e7\U0001f1f7"

ADVERSARIAL = {
    "empty": "",
    "blanks": " \t\r\n\v\f\x85\xa0\u2028\u2029\u3000 ",
    "families": FAMILY * 30,
    "flags": "a" + FLAG * 60,
    "odd flags": FLAG * 31 + "\U0001f1e7",
    "rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308" * 30,
    "skin tones": "x" + "\U0001f44d\U0001f3fd" * 80,
    "combining": "e\u0301" * 100 + " fim",
    "zalgo": "a" + "\u0301" * 5000,
    "stacked": ("a" + "\u0301\u0302\u0323" * 6 + " ") * 60,
    "crlf": "ab\r\n" * 100,
    "lone cr": "ab\r" * 100 + "\r\r\n\n",
    "japanese": "日本語の文章です。次の文も、ここにあります。" * 40,
    "thai": "\u0e01\u0e33\u0e25\u0e31\u0e07" * 90,
    "long word": "x" * 5000,
    "words": "abc def. " * 60,
    "arabic": "السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ اللَّهِ. " * 40,
    "devanagari": "क्षत्रिय ज्ञान स्त्री। " * 40,
    "hangul": "한국어 " * 50 + "\u1112\u1161\u11ab" * 60,
    "prepend": "\u0600 \u06001 a\u0600\n" * 50,
    "blank with mark": "a \u0301b \u0301\u0302 c\n\u0301d" * 40,
    "surrogates": "\ud800 \udc00a\udfff" * 60,
    "nul": "a\x00b c\x0bd\x0c e\x85f " * 50,
    "bom": "\ufeffhello world " * 30,
    "paragraphs": ("Primeiro parágrafo, com acentuação. " * 3 + "\n\n") * 9,
    "far apart": "one" + "\n" * 3000 + "two" + " " * 3000 + "three",
    "joiners": "\u200d" * 300 + "\u200b a" * 50,
    "astral": "\U00020000\U0001d49c " * 200,
}


# Texts made of pieces that join or part each other in every way.
PIECES = [
    " ",
    "\n",
    "\r\n",
    "\n\n",
    ". ",
    "a",
    "é",
    "e\u0301",
    "\u0301",
    "日本",
    "。",
    FAMILY,
    FLAG,
    "\U0001f1e7",
    "\u0600",
]
PIECES += [
    "\u200d",
    "क्ष",
    "\u1112\u1161",
    "\ud800",
    "\x00",
    "\u3000",
    "word",
    "\xad",
    "\ufe0f",
    "\t",
    "\U0001f44d\U0001f3fd",
]
MIXED = st.lists(st.sampled_from(PIECES), max_size=80).map("".join)


def utf8_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def clusters(text: str) -> set[int]:
    return {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}


def longest_cluster(text: str, at: int, edges: list[int], measure: Callable[[str], int]) -> int:
    """Size of the cluster that the position `at` lies in."""
    before = max(edge for edge in edges if edge < at)
    after = min(edge for edge in edges if edge > at)
    return measure(text[before:after])


def check(
    text: str, chunks: Any, size: int, overlap: int = 0, measure: Callable[[str], int] = len, graphemes: bool = True
) -> None:
    """Asserts all guarantees for the chunks of one text."""
    offsets = chunks.offsets.tolist()
    texts = chunks.texts
    assert [text[start:end] for start, end in offsets] == texts
    assert all(0 < measure(each) <= size for each in texts), [measure(each) for each in texts]
    for (start, end), (later_start, later_end) in itertools.pairwise(offsets):
        assert start < later_start, "starts increase"
        assert end < later_end, "ends increase"
        assert measure(text[later_start:end]) <= overlap if later_start < end else True
    at = 0
    for start, end in offsets:
        assert not text[at:start].strip(), f"lost {text[at:start]!r}"
        at = max(at, end)
    assert not text[at:].strip(), f"lost {text[at:]!r}"
    if graphemes:
        check_clusters(text, chunks, size, measure)


def check_clusters(text: str, chunks: Any, size: int, measure: Callable[[str], int]) -> None:
    edges = clusters(text)
    ordered: list[int] | None = None
    for chunk in chunks:
        inside = [at for at in (chunk.start, chunk.end) if at not in edges]
        if inside and ordered is None:
            ordered = sorted(edges)
        for at in inside:
            assert longest_cluster(text, at, ordered or [], measure) > size, f"cluster cut at {at} of {text!r}"
        assert chunk.splits_cluster == bool(inside), (chunk, inside)
