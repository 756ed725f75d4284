"""Documents: how well the questions over the samples are answered with each embedder that runs offline."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.bench_embed import model_folder
from bench.table import Row
from support.retrieval import SAMPLES, quality

GOALS = {"hashed": ("0.95", "0.9"), "hashed:1024": ("0.95", "0.9"), "onnx": ("0.9", "0.8")}


def run(quick: bool) -> list[Row]:
    """Recall@5 and MRR; ``quick`` leaves out the model."""
    names = {"hashed": "hashed", "hashed:1024": "hashed:1024"}
    if not quick:
        names["onnx"] = f"onnx:{model_folder()}"
    return [row for short, name in names.items() for row in _rows(short, name)]


def _rows(short: str, name: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as home:
        recall, reciprocal, count = quality(Path(home), SAMPLES / "documents", embedder=name)
    model = "all-MiniLM-L6-v2 (ONNX)" if short == "onnx" else short
    goals = GOALS[short]
    return [
        Row("documents", f"recall@5 over {count} questions, {model}", recall, "", f">= {goals[0]}"),
        Row("documents", f"MRR over {count} questions, {model}", reciprocal, "", f">= {goals[1]}"),
    ]
