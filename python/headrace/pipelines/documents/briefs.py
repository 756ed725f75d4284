"""What is recorded of the converted documents, without their texts: all of those would not fit into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace._internal import codecs

if TYPE_CHECKING:
    from headrace import Run

__all__ = ["briefs"]

_FIELDS = ("version", "title", "format", "warnings")
_BRIEF = ", ".join(f"'{name}', json_extract(r.value, '$.{name}')" for name in _FIELDS)
_QUERY = f"""
SELECT r.key, CASE typeof(r.value) WHEN 'text' THEN json_object({_BRIEF}) END AS brief, lower(hex(b.digest)) AS digest
FROM results r LEFT JOIN blob b ON typeof(r.value)='integer' AND b.id=r.value
WHERE r.pipeline=? AND r.stage='convert'
"""  # noqa: S608 - the names above


def briefs(run: Run) -> dict[str, dict[str, Any]]:
    """Path -> ``version``, ``title``, ``format`` and ``warnings`` of each document that this run knows as converted."""
    failed = {str(failure.key) for failure in run.failures if failure.stage in ("documents", "convert")}
    blobs = Path(f"{run.store.location}-blobs")
    found = {}
    for row in run.store.sql(_QUERY, run.pipeline.name):
        path = str(json.loads(row["key"]))
        if path not in failed:
            found[path] = _large(blobs, row["digest"]) if row["brief"] is None else codecs.loads(row["brief"], {})
    return found


def _large(blobs: Path, digest: str) -> dict[str, Any]:
    """Of a document whose text lies in a file of its own."""
    converted = codecs.loads((blobs / digest[:2] / digest[2:]).read_text(encoding="utf-8"), {})
    return {name: converted[name] for name in _FIELDS}
