"""MarkdownChunker: structure, metadata, and the guarantees of every chunker."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, FAMILY, check, utf8_size

import headrace as hr

PIECES = [
    "# H\n",
    "## Sub ##\n",
    "\n",
    "\n\n",
    "text ",
    "Setext\n===\n",
    "- item\n",
    "  - inner\n",
    "1. one\n",
    "```py\n",
    "```\n",
]
PIECES += [
    "| a | b |\n|---|:-:|\n",
    "| 1 | 2 |\n",
    "> quote\n",
    "---\n",
    "***\n",
    "~~~\n",
    "    code\n",
    "word. Next ",
    FAMILY,
]
PIECES += ["e\u0301", "\r\n", "\t", "+++\n", "...\n", "\u0600 ", "\ufeff", "#\n", "#hash\n", "日本。"]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def paths(chunks: hr.text.Chunks) -> list[tuple[str, list[str]]]:
    return [(chunk.text, chunk.metadata["heading_path"]) for chunk in chunks]


@pytest.mark.parametrize("overlap", [0, 20])
@pytest.mark.parametrize("size", [1, 30, 1000])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_guarantees_over_adversarial_texts(name: str, size: int, overlap: int) -> None:
    overlap = min(overlap, size - 1)
    for text in (ADVERSARIAL[name], "# Title\n\n- item\n\n" + ADVERSARIAL[name]):
        check(text, hr.text.MarkdownChunker(size, overlap).chunk(text), size, overlap)


@settings(max_examples=500, deadline=None)
@given(MARKDOWN, st.integers(4, 60), st.integers(0, 30), st.booleans(), st.integers(0, 50))
def test_guarantees_over_mixed_markdown(text: str, size: int, overlap: int, in_bytes: bool, section: int) -> None:
    overlap = min(overlap, size - 1)
    measure = utf8_size if in_bytes else len
    chunks = hr.text.MarkdownChunker(size, overlap, "bytes" if in_bytes else "chars", min_section=section).chunk(text)
    check(text, chunks, size, overlap, measure)
    assert all(measure(chunk.context + chunk.text) <= size for chunk in chunks)


def test_a_heading_begins_a_chunk_and_names_it() -> None:
    text = "before\n\n# A\n\na\n\n## B ##\n\nb\n\nC\n===\n\nc\n\n## *D*\n### E\n\ne"
    assert paths(hr.text.MarkdownChunker(100).chunk(text)) == [
        ("before", []),
        ("# A\n\na", ["A"]),
        ("## B ##\n\nb", ["A", "B"]),
        ("C\n===\n\nc", ["C"]),
        ("## *D*\n### E\n\ne", ["C", "*D*", "E"]),
    ]


def test_small_sections_can_share_a_chunk() -> None:
    text = "# A\n\na\n\n# B\n\nb\n\n# C\n\n" + "c" * 30
    chunks = hr.text.MarkdownChunker(100, min_section=15).chunk(text)
    assert [chunk.text[:9] for chunk in chunks] == ["# A\n\na\n\n#", "# C\n\ncccc"]


@pytest.mark.parametrize("mark", ["---", "+++"])
def test_front_matter_stands_alone(mark: str) -> None:
    text = f"{mark}\ntitle: x\n\n# no heading\n{mark}\n# A\n\na"
    chunks = hr.text.MarkdownChunker(100).chunk(text)
    assert [chunk.metadata for chunk in chunks] == [{"heading_path": [], "front_matter": True}, {"heading_path": ["A"]}]
    assert chunks[0].text == text[: text.index("\n# A")]


def test_a_rule_is_no_front_matter() -> None:
    chunks = hr.text.MarkdownChunker(100).chunk("---\n\ntext without an end\n")
    assert "front_matter" not in chunks[0].metadata


def test_code_is_no_structure_and_stays_whole_if_it_fits() -> None:
    code = "```python\n# no heading\n\n| a |\n|---|\n- no item\n```"
    text = f"# A\n\nSome words before it.\n\n{code}\n\nafter"
    assert [chunk.text for chunk in hr.text.MarkdownChunker(55).chunk(text)] == [
        "# A\n\nSome words before it.",
        code,
        "after",
    ]


def test_long_code_is_cut_between_lines_and_says_its_language() -> None:
    lines = [f"value_{i} = {i}" for i in range(40)]
    text = "```python title\n" + "\n".join(lines) + "\n```\n\nafter"
    chunks = list(hr.text.MarkdownChunker(100).chunk(text))
    assert [line for chunk in chunks for line in chunk.text.splitlines() if line.startswith("value")] == lines
    assert all(chunk.metadata["code"] == "python title" for chunk in chunks[1:-1])
    assert "code" not in chunks[-1].metadata or chunks[-1].text.startswith(("value", "```"))


def test_an_unclosed_fence_runs_to_the_end() -> None:
    chunks = hr.text.MarkdownChunker(100).chunk("~~~\n# no heading\n```\n# nor this")
    assert [chunk.metadata["heading_path"] for chunk in chunks] == [[]]


def test_a_long_table_repeats_its_header_within_the_limit() -> None:
    header = "| name | value |\n|------|:-----:|\n"
    rows = [f"| row {i} | {'é' * (i % 9)} |" for i in range(60)]
    text = "# T\n\nwords\n\n" + header + "\n".join(rows) + "\n\nafter"
    chunks = list(hr.text.MarkdownChunker(200).chunk(text))
    table = [chunk for chunk in chunks if "row" in chunk.text]
    assert table[0].context == ""
    assert header in table[0].text
    assert all(chunk.context == chunk.metadata["table_header"] == header for chunk in table[1:])
    assert all(len(chunk.context + chunk.text) <= 200 for chunk in chunks)
    assert [row for chunk in table for row in chunk.text.splitlines() if row.startswith("| row")] == rows
    assert chunks[-1].text == "after"
    assert all(chunk.metadata["heading_path"] == ["T"] for chunk in chunks)


def test_a_table_that_fits_stays_whole() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    text = "Some words that stand before it, and some more.\n\n" + table
    assert hr.text.MarkdownChunker(60).chunk(text).texts == ["Some words that stand before it, and some more.", table]


def test_list_items_stay_whole_if_they_fit() -> None:
    items = [f"- item {i} has a few words\n  and a second line" for i in range(9)]
    chunks = hr.text.MarkdownChunker(100).chunk("Intro:\n\n" + "\n".join(items))
    assert all(chunk.text.startswith(("Intro", "- item")) for chunk in chunks)


def test_chunk_many_keeps_the_headings_of_each_text_apart() -> None:
    texts = [f"# Title {i}\n\n## Part\n\n" + "words here. " * (i * 3) for i in range(50)]
    for chunks, i in zip(hr.text.MarkdownChunker(80).chunk_many(texts, threads=3), range(50), strict=True):
        assert all(chunk.metadata["heading_path"] == [f"Title {i}", "Part"] for chunk in chunks)
        assert all(before.end <= after.start for before, after in pairwise(chunks))


def test_wrong_settings_are_named() -> None:
    with pytest.raises(hr.ConfigurationError, match="min_section must be at least 0"):
        hr.text.MarkdownChunker(100, min_section=-1)
