"""How well questions with known answers are answered over the sample documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headrace.connectors.qdrant import open_store
from headrace.pipelines import documents

SAMPLES = Path(__file__).parents[2] / "samples"


def quality(home: Path, folder: Path, **embedder: Any) -> tuple[float, float, int]:
    """Recall@5, mean reciprocal rank, and the number of questions; a hit must hold the answer's own words."""
    stores = {"vectors": str(home / "vectors"), **embedder}
    documents.run(str(folder), progress=False, store=str(home / "headrace.db"), **stores)
    questions = json.loads((SAMPLES / "questions.json").read_text(encoding="utf-8"))
    with open_store(stores["vectors"]):  # kept open: the searches share it
        ranks = [_rank(question, stores) for question in questions]
    recall = sum(rank > 0 for rank in ranks) / len(ranks)
    return recall, sum(1 / rank for rank in ranks if rank) / len(ranks), len(ranks)


def _rank(question: dict[str, str], stores: dict[str, Any]) -> int:
    """The place of the first right hit, 0 where it is not among the first five."""
    hits = documents.search(question["question"], limit=5, **stores)
    right = [hit.path == question["document"] and question["answer"].lower() in hit.text.lower() for hit in hits]
    return right.index(True) + 1 if True in right else 0
