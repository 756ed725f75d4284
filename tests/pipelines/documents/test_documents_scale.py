"""The check at full size (``make scale``), with a few hundred documents."""

from pathlib import Path

from scale.documents import check


def test_three_kills_and_one_in_a_hundred_changed(tmp_path: Path) -> None:
    figures = check(tmp_path, 300)
    assert figures["memory_mb"] < 300
