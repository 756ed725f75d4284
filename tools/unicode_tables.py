#!/usr/bin/env python3
"""Writes cpp/src/text/unicode_tables.cpp from the Unicode Character Database, version 15.0.0.

The database is Debian 12's package `unicode-data`; fetch it and run this after a change of the rules:

    apt-get download unicode-data && dpkg-deb -x unicode-data_*.deb build/ucd
    python3 tools/unicode_tables.py build/ucd/usr/share/unicode

The result is committed: a build needs neither the package nor this script.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

VERSION = "15.0.0"
CODE_POINTS = 0x110000
BLOCK = 128
TARGET = Path(__file__).resolve().parent.parent / "cpp/src/text/unicode_tables.cpp"

# Values of the enums in cpp/src/text/unicode.h, in their order.
GRAPHEME = ["Other", "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark"]
GRAPHEME += ["L", "V", "T", "LV", "LVT", "Extended_Pictographic", "Consonant"]
CONJUNCT_LINKER, CONJUNCT_EXTEND = 0x10, 0x20
SENTENCE = ["Other", "CR", "LF", "Sep", "Extend", "Format", "Sp", "Lower", "Upper", "OLetter", "Numeric"]
SENTENCE += ["ATerm", "SContinue", "STerm", "Close"]

# Scripts whose consonants form conjuncts: those of rule GB9c (Unicode 15.1), and those with an invisible
# stacker, which later versions added. Keeping more together can never cut a cluster.
CONJUNCT_SCRIPTS = {"Beng", "Deva", "Gujr", "Mlym", "Orya", "Telu"}
STACKER = "Invisible_Stacker"
SCRIPT_NAMES = {
    "Bengali": "Beng", "Devanagari": "Deva", "Gujarati": "Gujr", "Malayalam": "Mlym", "Oriya": "Orya", "Telugu": "Telu",
}  # fmt: skip


def records(path: Path) -> Iterator[tuple[range, str]]:
    """The (code points, value) pairs of a UCD property file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*(\w+)", line)
        if match:
            first = int(match[1], 16)
            yield range(first, int(match[2] or match[1], 16) + 1), match[3]


def property_map(path: Path) -> dict[int, str]:
    """The value of each code point that a UCD property file names."""
    return {code: value for codes, value in records(path) for code in codes}


def grapheme_values(ucd: Path) -> list[int]:
    """Grapheme_Cluster_Break, with Extended_Pictographic and the conjunct classes of GB9c folded in."""
    values = [0] * CODE_POINTS
    for codes, name in records(ucd / "auxiliary/GraphemeBreakProperty.txt"):
        for code in codes:
            values[code] = GRAPHEME.index(name)
    for codes, name in records(ucd / "emoji/emoji-data.txt"):
        if name == "Extended_Pictographic":
            for code in codes:
                assert values[code] == 0, f"U+{code:04X} is pictographic and something else"
                values[code] = GRAPHEME.index(name)
    script = property_map(ucd / "Scripts.txt")
    syllabic = property_map(ucd / "IndicSyllabicCategory.txt")
    stacked = {script[code] for code, name in syllabic.items() if name == STACKER}
    for code, name in syllabic.items():
        indic = SCRIPT_NAMES.get(script.get(code, ""), "") in CONJUNCT_SCRIPTS
        if name == "Consonant" and (indic or script.get(code) in stacked) and values[code] == 0:
            values[code] = GRAPHEME.index("Consonant")
        elif (name == "Virama" and indic) or name == STACKER:
            values[code] |= CONJUNCT_LINKER
    for code, value in enumerate(values):
        joins = value in (GRAPHEME.index("Extend"), GRAPHEME.index("ZWJ"))
        if joins and code != 0x200C:  # ZERO WIDTH NON-JOINER parts what it stands between
            values[code] |= CONJUNCT_EXTEND
    return values


def sentence_values(ucd: Path) -> list[int]:
    """Sentence_Break."""
    values = [0] * CODE_POINTS
    for codes, name in records(ucd / "auxiliary/SentenceBreakProperty.txt"):
        for code in codes:
            values[code] = SENTENCE.index(name)
    return values


def two_stage(values: list[int]) -> tuple[list[int], list[int]]:
    """(block number of every 128 code points, the distinct blocks one after the other)."""
    blocks: dict[tuple[int, ...], int] = {}
    index = []
    for start in range(0, CODE_POINTS, BLOCK):
        block = tuple(values[start : start + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    return index, [value for block in blocks for value in block]


def array(kind: str, name: str, values: list[int]) -> str:
    """A C++ definition."""
    rows = [", ".join(map(str, values[i : i + 32])) for i in range(0, len(values), 32)]
    return f"const {kind} {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


def table(name: str, values: list[int]) -> str:
    """The definitions of both stages of a property."""
    index, data = two_stage(values)
    assert len(data) // BLOCK <= 256
    return array("uint8_t", f"k{name}Index", index) + "\n" + array("uint8_t", f"k{name}Data", data)


TABLES: dict[str, Callable[[Path], list[int]]] = {"Grapheme": grapheme_values, "Sentence": sentence_values}


def main(ucd: Path) -> None:
    """Writes the file, or refuses another version."""
    found = (ucd / "auxiliary/GraphemeBreakProperty.txt").read_text(encoding="utf-8").splitlines()[0]
    if VERSION not in found:
        sys.exit(f"{ucd} holds '{found}', not version {VERSION}")
    parts = [table(name, values(ucd)) for name, values in TABLES.items()]
    head = f"// Unicode {VERSION}. Generated by tools/unicode_tables.py: change that, not this.\n"
    head += '#include "unicode_tables.h"\n\nnamespace headrace::text {\n\n// clang-format off\n'
    TARGET.write_text(
        head + "\n".join(parts) + "// clang-format on\n\n}  // namespace headrace::text\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"))
