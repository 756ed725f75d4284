"""
The C++ core of headrace. Private: use the headrace package.
"""

from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing

__all__: list[str] = [
    "BM25",
    "Batcher",
    "Chunk",
    "ChunkSettings",
    "Chunker",
    "Chunks",
    "Form",
    "HashedEmbedder",
    "HttpCollector",
    "HttpOptions",
    "LogLines",
    "MarkdownChunker",
    "OnError",
    "OutcomeStream",
    "Pipeline",
    "ProcessOptions",
    "Progress",
    "PythonStage",
    "RecursiveChunker",
    "RetryPolicy",
    "RunOptions",
    "RunStatus",
    "RunStore",
    "Runner",
    "SentenceChunker",
    "SshLogin",
    "SshOptions",
    "Stage",
    "StageMode",
    "StagePolicy",
    "StageReport",
    "TokenChunker",
    "Tokenizer",
    "Trigger",
    "UNICODE_VERSION",
    "UnitView",
    "chunk_stage",
    "collect_processes",
    "collect_ssh",
    "dequantise_int8",
    "embed_stage",
    "embedding_cache_key",
    "estimate_tokens",
    "http_stage",
    "l2_normalise",
    "mean_pool",
    "native_tokenizer",
    "open_store",
    "process_stage",
    "python_tokenizer",
    "quantise_binary",
    "quantise_int8",
    "sentence_boundaries",
    "ssh_stage",
    "top_k",
    "top_k_kernels",
]

class RunStore:
    """
    The journal of runs in one SQLite file.
    """
    def active(self, run: typing.SupportsInt | typing.SupportsIndex) -> bool:
        """
        Whether a live process works on the run.
        """
    def check(self, pipeline: str | bytes) -> None:
        """
        Raises where something recorded of a pipeline can't be found.
        """
    def execute(self, sql: str | bytes, arguments: collections.abc.Sequence = ()) -> int:
        """
        One durable writing statement.
        """
    def flush(self) -> None:
        """
        Waits until all that was appended is durable.
        """
    def prune(
        self,
        keep_last: typing.SupportsInt | typing.SupportsIndex,
        started_before_ms: typing.SupportsInt | typing.SupportsIndex = 9223372036854775807,
    ) -> int:
        """
        Forgets old runs; returns how many.
        """
    def query(self, sql: str | bytes, arguments: collections.abc.Sequence = ()) -> tuple:
        """
        Read-only SQL: (columns, rows).
        """
    def results(
        self, stage: typing.SupportsInt | typing.SupportsIndex, run: typing.SupportsInt | typing.SupportsIndex
    ) -> list:
        """
        Checked results of a stage's table in a run.
        """
    def verify(self) -> list[str]:
        """
        One line a fault; empty: nothing was altered or left out.
        """
    @property
    def location(self) -> str: ...

class UnitView:
    """
    The unit a callable works on.
    """
    @property
    def attempt(self) -> int: ...
    @property
    def cancelled(self) -> bool: ...
    @property
    def key(self) -> typing.Any: ...
    @property
    def previous(self) -> typing.Any: ...
    @property
    def reconcile(self) -> bool: ...

class Form:
    """
    Members:

      step

      source

      map

      flat_map

      batch

      group
    """

    __members__: typing.ClassVar[dict[str, Form]]
    batch: typing.ClassVar[Form]
    flat_map: typing.ClassVar[Form]
    group: typing.ClassVar[Form]
    map: typing.ClassVar[Form]
    source: typing.ClassVar[Form]
    step: typing.ClassVar[Form]
    @typing.overload
    def __eq__(self, other: Form) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Form) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Trigger:
    """
    Members:

      on_success

      on_failure

      always
    """

    __members__: typing.ClassVar[dict[str, Trigger]]
    always: typing.ClassVar[Trigger]
    on_failure: typing.ClassVar[Trigger]
    on_success: typing.ClassVar[Trigger]
    @typing.overload
    def __eq__(self, other: Trigger) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Trigger) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class OnError:
    """
    Members:

      collect

      stop
    """

    __members__: typing.ClassVar[dict[str, OnError]]
    collect: typing.ClassVar[OnError]
    stop: typing.ClassVar[OnError]
    @typing.overload
    def __eq__(self, other: OnError) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: OnError) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class RetryPolicy:
    timeouts: bool
    @property
    def attempts(self) -> int: ...
    @attempts.setter
    def attempts(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def delay(self) -> float: ...
    @delay.setter
    def delay(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def jitter(self) -> float: ...
    @jitter.setter
    def jitter(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def max_delay(self) -> float: ...
    @max_delay.setter
    def max_delay(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def multiplier(self) -> float: ...
    @multiplier.setter
    def multiplier(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...

class StagePolicy:
    effect: bool
    guarded: bool
    on_error: OnError
    reconciles: bool
    removes: bool
    retry: RetryPolicy
    serial: bool
    trigger: Trigger
    @property
    def size(self) -> int: ...
    @size.setter
    def size(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def timeout(self) -> float: ...
    @timeout.setter
    def timeout(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def workers(self) -> int: ...
    @workers.setter
    def workers(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...

class Stage:
    """
    A named unit of work with its place and its policy.
    """

    by: str
    over: str
    policy: StagePolicy
    def keeps_timeout(self, seconds: typing.SupportsFloat | typing.SupportsIndex) -> bool:
        """
        Whether it ends its units itself after so many seconds.
        """
    @property
    def after(self) -> list[str]: ...
    @after.setter
    def after(self, arg0: collections.abc.Sequence[str | bytes]) -> None: ...
    @property
    def form(self) -> Form: ...
    @property
    def identity(self) -> str: ...
    @property
    def name(self) -> str: ...

class PythonStage(Stage):
    """
    A stage whose work is a callable.
    """

    whole_slices: bool
    def __init__(
        self, name: str | bytes, form: Form, function: typing.Any, glue: typing.Any, identity: str | bytes
    ) -> None: ...
    def time_slices(self, count: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        Nanoseconds a unit of calling it from a worker.
        """

class RunStatus:
    """
    Members:

      pending

      running

      succeeded

      failed

      cancelled

      partial

      skipped
    """

    __members__: typing.ClassVar[dict[str, RunStatus]]
    cancelled: typing.ClassVar[RunStatus]
    failed: typing.ClassVar[RunStatus]
    partial: typing.ClassVar[RunStatus]
    pending: typing.ClassVar[RunStatus]
    running: typing.ClassVar[RunStatus]
    skipped: typing.ClassVar[RunStatus]
    succeeded: typing.ClassVar[RunStatus]
    @typing.overload
    def __eq__(self, other: RunStatus) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: RunStatus) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class StageMode:
    """
    Members:

      run

      replay

      off
    """

    __members__: typing.ClassVar[dict[str, StageMode]]
    off: typing.ClassVar[StageMode]
    replay: typing.ClassVar[StageMode]
    run: typing.ClassVar[StageMode]
    @typing.overload
    def __eq__(self, other: StageMode) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: StageMode) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class StageReport:
    @property
    def executed(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def form(self) -> Form: ...
    @property
    def mean_micros(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def p50_micros(self) -> int: ...
    @property
    def p95_micros(self) -> int: ...
    @property
    def p99_micros(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def skipped(self) -> int: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def total(self) -> int: ...
    @property
    def total_known(self) -> bool: ...

class Progress:
    @property
    def elapsed(self) -> float: ...
    @property
    def stages(self) -> list[StageReport]: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def warnings(self) -> int: ...

class Pipeline:
    """
    A named DAG of stages; validated before it runs.
    """
    def __init__(self, name: str | bytes, version: str | bytes = "1") -> None: ...
    def add(self, stage: Stage) -> None: ...
    def ordered(self) -> list[str]: ...
    def validate(self) -> None: ...

class LogLines:
    """
    Log lines until they are taken.
    """
    def __init__(self) -> None: ...
    def take(self) -> list[tuple[int, str]]:
        """
        Tuples (level, text), oldest first; level: 2 info, 3 warning, 4 error.
        """

class RunOptions:
    config: str
    drift_refuse: bool
    params: str
    resume: str
    skip_existing: bool
    def __init__(self) -> None: ...
    def log_to(self, lines: LogLines) -> None:
        """
        Lines of what happens go there.
        """
    @property
    def max_memory(self) -> int: ...
    @max_memory.setter
    def max_memory(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def max_seconds(self) -> float: ...
    @max_seconds.setter
    def max_seconds(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def modes(self) -> list[StageMode]: ...
    @modes.setter
    def modes(self, arg0: collections.abc.Sequence[StageMode]) -> None: ...
    @property
    def only_keys(self) -> set[str]: ...
    @only_keys.setter
    def only_keys(self, arg0: collections.abc.Set[str | bytes]) -> None: ...
    @property
    def seed(self) -> int: ...
    @seed.setter
    def seed(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...

class Runner:
    """
    Executes one run of a pipeline.
    """
    def __init__(self, pipeline: Pipeline, store: RunStore, options: RunOptions) -> None: ...
    def abandon(self) -> None: ...
    def cancel(self, reason: str | bytes) -> None: ...
    def check(self) -> None:
        """
        Raises what stopped the run, where that wasn't a unit's own fault.
        """
    def failures(self) -> list:
        """
        Tuples (stage, key JSON, error type, message, attempts, category).
        """
    def join(self) -> None:
        """
        Waits for the end, and until its threads are gone.
        """
    def message(self) -> str: ...
    def progress(self) -> Progress: ...
    def start(self) -> None: ...
    def status(self) -> RunStatus: ...
    def wait(self, seconds: typing.SupportsFloat | typing.SupportsIndex = -1.0) -> bool:
        """
        True when the run has ended.
        """
    def warn(self, stage: str | bytes, key: str | bytes, text: str | bytes) -> None: ...
    @property
    def id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def resumed(self) -> bool: ...

class OutcomeStream:
    """
    A collection in a thread of its own.
    """
    def cancel(self) -> None:
        """
        The rest comes out as cancelled.
        """
    def close(self) -> None:
        """
        Cancel, and wait for the end.
        """
    def exhausted(self) -> bool:
        """
        Nothing more will come.
        """
    def take(
        self,
        seconds: typing.SupportsFloat | typing.SupportsIndex,
        wanted: typing.SupportsInt | typing.SupportsIndex = 1,
    ) -> list:
        """
        Finished outcomes as tuples, after waiting so long for as many as are wanted, or the last.
        """

class ProcessOptions:
    """
    How commands are run. Shows nothing.
    """
    def __init__(
        self,
        *,
        limits: tuple[
            typing.SupportsInt | typing.SupportsIndex,
            typing.SupportsFloat | typing.SupportsIndex,
            typing.SupportsInt | typing.SupportsIndex,
            tuple[
                typing.SupportsInt | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
            ],
        ],
        input: str | bytes | None,
        env: collections.abc.Sequence[tuple[str | bytes, str | bytes]] | None,
        cwd: str | bytes,
        grace: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...

class HttpOptions:
    """
    How URLs are asked. Shows nothing.
    """
    def __init__(
        self,
        *,
        limits: tuple[
            typing.SupportsInt | typing.SupportsIndex,
            typing.SupportsFloat | typing.SupportsIndex,
            typing.SupportsInt | typing.SupportsIndex,
            tuple[
                typing.SupportsInt | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
            ],
        ],
        method: str | bytes,
        headers: collections.abc.Sequence[tuple[str | bytes, str | bytes]],
        body: str | bytes | None,
        rate: typing.SupportsFloat | typing.SupportsIndex,
        burst: typing.SupportsInt | typing.SupportsIndex,
        max_retry_after: typing.SupportsFloat | typing.SupportsIndex,
        ca_file: str | bytes,
    ) -> None: ...

class HttpCollector:
    """
    Connections that are kept, and rate limits.
    """
    def __init__(self, options: HttpOptions) -> None: ...
    def stream(
        self, urls: collections.abc.Sequence[str | bytes], capacity: typing.SupportsInt | typing.SupportsIndex
    ) -> OutcomeStream:
        """
        Ask all URLs.
        """

class SshLogin:
    """
    Who logs in where, and whom to trust. Shows nothing.
    """
    def __init__(
        self,
        *,
        username: str | bytes,
        port: typing.SupportsInt | typing.SupportsIndex,
        key_files: collections.abc.Sequence[str | bytes],
        passphrase: str | bytes,
        agent_socket: str | bytes,
        password: str | bytes | None,
        known_hosts: str | bytes,
        accept_new: bool,
    ) -> None: ...

class SshOptions:
    """
    How hosts are asked. Shows nothing.
    """
    def __init__(
        self,
        *,
        limits: tuple[
            typing.SupportsInt | typing.SupportsIndex,
            typing.SupportsFloat | typing.SupportsIndex,
            typing.SupportsInt | typing.SupportsIndex,
            tuple[
                typing.SupportsInt | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
            ],
        ],
        login: SshLogin,
        input: str | bytes | None,
        require_status: bool,
        legacy: bool,
        list_commands: bool,
    ) -> None: ...

class HashedEmbedder:
    """
    The C++ part of headrace.embed.HashedEmbedder.
    """
    @staticmethod
    def from_state(state: bytes) -> HashedEmbedder:
        """
        The embedder whose state() this is.
        """
    def __init__(
        self,
        *,
        dim: typing.SupportsInt | typing.SupportsIndex,
        word_ngrams: typing.SupportsInt | typing.SupportsIndex,
        char_ngrams: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex] | None,
        char_share: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    def add(self, texts: typing.Any, threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        Count the documents' features.
        """
    def begin_fit(self) -> None:
        """
        Start collecting a corpus for the idf.
        """
    def count_tokens(self, texts: typing.Any) -> list[int]:
        """
        Words of each text.
        """
    def embed(
        self, texts: typing.Any, threads: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> numpy.typing.NDArray[numpy.float32]:
        """
        Rows of the texts: float32 (n, dim), C-contiguous.
        """
    def end_fit(self) -> None:
        """
        Use the new idf from now on.
        """
    def state(self) -> bytes:
        """
        Settings and idf as bytes.
        """
    @property
    def dim(self) -> int: ...
    @property
    def documents(self) -> int: ...
    @property
    def model_id(self) -> str: ...

class Batcher:
    """
    The C++ part of headrace.embed.Batcher.
    """
    def __init__(
        self,
        embed: typing.Any,
        count_tokens: typing.Any,
        interrupt: typing.Any,
        cache: typing.Any,
        max_tokens: typing.SupportsInt | typing.SupportsIndex,
        max_batch: typing.SupportsInt | typing.SupportsIndex,
        window: typing.SupportsInt | typing.SupportsIndex,
        workers: typing.SupportsInt | typing.SupportsIndex,
        model_id: str | bytes,
        dim: typing.SupportsInt | typing.SupportsIndex,
        max_text_tokens: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...
    def embed(self, texts: typing.Any) -> tuple:
        """
        Rows float32 (n, dim), and (index, exception, message) of each failed text.
        """
    @property
    def max_tokens(self) -> typing.Any: ...
    @property
    def stats(self) -> dict: ...

class BM25:
    """
    The C++ part of headrace.embed.BM25.
    """
    @staticmethod
    def from_state(state: bytes) -> BM25:
        """
        The model whose state() this is.
        """
    def __init__(
        self,
        k1: typing.SupportsFloat | typing.SupportsIndex,
        b: typing.SupportsFloat | typing.SupportsIndex,
        average_length: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    def add(self, texts: typing.Any) -> None:
        """
        Count the documents' words.
        """
    def begin_fit(self) -> None:
        """
        Start collecting a corpus.
        """
    def embed_documents(self, texts: typing.Any) -> tuple:
        """
        (starts, indices, values).
        """
    def embed_queries(self, texts: typing.Any) -> tuple:
        """
        (starts, indices, values).
        """
    def end_fit(self) -> None:
        """
        Use the new frequencies from now on.
        """
    def state(self) -> bytes:
        """
        Settings and frequencies as bytes.
        """
    @property
    def average_length(self) -> float: ...
    @property
    def documents(self) -> int: ...
    @property
    def model_id(self) -> str: ...

class Chunk:
    """
    One chunk: source[start:end] == text. Positions count code points.
    """
    def __eq__(self, arg0: typing.Any) -> bool: ...
    def __getstate__(self) -> tuple: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, arg0: tuple) -> None: ...
    @property
    def context(self) -> typing.Any:
        """
        Text to put before the chunk's own: the header of a table that it goes on with, else empty.
        """
    @property
    def end(self) -> int:
        """
        Position behind its last code point.
        """
    @property
    def metadata(self) -> dict:
        """
        dict: heading_path, and table_header, code, front_matter where they apply (Markdown).
        """
    @property
    def splits_cluster(self) -> bool:
        """
        True where an edge lies inside a grapheme cluster that alone exceeds the limit.
        """
    @property
    def start(self) -> int:
        """
        Position of its first code point in the source.
        """
    @property
    def text(self) -> typing.Any:
        """
        The chunk's text.
        """

class Chunks:
    """
    The chunks of one text: a sequence of Chunk, made when asked for.
    """
    @typing.overload
    def __getitem__(self, index: typing.SupportsInt | typing.SupportsIndex) -> Chunk: ...
    @typing.overload
    def __getitem__(self, index: slice) -> list: ...
    def __iter__(self) -> collections.abc.Iterator[Chunk]: ...
    def __len__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def offsets(self) -> numpy.typing.NDArray[numpy.int64]:
        """
        int64 array (n, 2): start and end of each chunk, in code points; read-only.
        """
    @property
    def source(self) -> typing.Any:
        """
        The text that was chunked.
        """
    @property
    def texts(self) -> list:
        """
        list of str: the text of each chunk.
        """

class Tokenizer:
    """
    Turns text into the tokens of a model.
    """
    def count(
        self, texts: collections.abc.Iterable, threads: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> list[int]:
        """
        list of int: how many tokens the model sees for each text, special tokens included.
        """
    def encode(self, text: typing.Any) -> tuple:
        """
        (ids int32 (n,), offsets int32 (n, 2) in code points) of one text, no special tokens added.
        """
    @property
    def special_tokens(self) -> int:
        """
        How many tokens the model adds to a text.
        """

class Chunker:
    """
    What all chunkers can do.
    """
    def chunk(self, text: typing.Any) -> Chunks:
        """
        The Chunks of one text.
        """
    def chunk_many(
        self, texts: collections.abc.Iterable, threads: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> list:
        """
        A list with the Chunks of each text, on `threads` threads (0: all processors), the GIL released.
        """

class ChunkSettings:
    """
    What all chunkers take.
    """
    def __init__(
        self,
        size: typing.SupportsInt | typing.SupportsIndex,
        overlap: typing.SupportsInt | typing.SupportsIndex,
        unit: str | bytes,
        tokenizer: Tokenizer,
        prefix: str | bytes,
        min_size: typing.SupportsInt | typing.SupportsIndex | None,
        stable: bool,
    ) -> None: ...

class RecursiveChunker(Chunker):
    """
    Cuts at the best break that the limit allows.
    """
    def __init__(self, settings: ChunkSettings) -> None: ...

class SentenceChunker(Chunker):
    """
    As many whole sentences as the limit allows.
    """
    def __init__(self, settings: ChunkSettings, abbreviations: bool, wrapped: bool) -> None: ...

class MarkdownChunker(Chunker):
    """
    Cuts Markdown along its structure.
    """
    def __init__(self, settings: ChunkSettings, min_section: typing.SupportsInt | typing.SupportsIndex) -> None: ...

class TokenChunker(Chunker):
    """
    As many tokens as the limit allows.
    """
    def __init__(self, settings: ChunkSettings) -> None: ...

def chunk_stage(name: str | bytes, identity: str | bytes, chunker: typing.Any, field: str | bytes) -> Stage:
    """
    A stage that cuts the text of each item into chunks.
    """

def collect_processes(
    commands: collections.abc.Sequence[collections.abc.Sequence[str | bytes]],
    options: ProcessOptions,
    capacity: typing.SupportsInt | typing.SupportsIndex,
) -> OutcomeStream:
    """
    Run commands; words as bytes.
    """

def collect_ssh(
    hosts: collections.abc.Sequence[str | bytes],
    commands: collections.abc.Sequence[str | bytes],
    options: SshOptions,
    capacity: typing.SupportsInt | typing.SupportsIndex,
) -> OutcomeStream:
    """
    Run commands on hosts.
    """

def dequantise_int8(
    codes: typing.Annotated[numpy.typing.ArrayLike, numpy.int8],
    scales: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
) -> numpy.typing.NDArray[numpy.float32]:
    """
    codes * scales: float32 (n, dim).
    """

def embed_stage(
    name: str | bytes,
    identity: str | bytes,
    *,
    embed: typing.Any,
    count_tokens: typing.Any,
    interrupt: typing.Any,
    cache: typing.Any,
    store: bool,
    max_tokens: typing.SupportsInt | typing.SupportsIndex,
    max_batch: typing.SupportsInt | typing.SupportsIndex,
    window: typing.SupportsInt | typing.SupportsIndex,
    workers: typing.SupportsInt | typing.SupportsIndex,
    model_id: str | bytes,
    dim: typing.SupportsInt | typing.SupportsIndex,
    max_text_tokens: typing.SupportsInt | typing.SupportsIndex,
    field: str | bytes,
) -> Stage:
    """
    A stage that embeds the text of each item, in batches across documents.
    """

def embedding_cache_key(model_id: str | bytes, text: str | bytes) -> str:
    """
    Key of a row in an embedding cache.
    """

def estimate_tokens(texts: typing.Any) -> list[int]:
    """
    A guess at a subword tokenizer's count for each text.
    """

def http_stage(name: str | bytes, identity: str | bytes, options: HttpOptions) -> Stage:
    """
    A stage that asks the URL that each item names.
    """

def l2_normalise(rows: numpy.typing.NDArray[numpy.float32]) -> None:
    """
    Divide each row by its length, in place.
    """

def mean_pool(
    tokens: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
    mask: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
) -> numpy.typing.NDArray[numpy.float32]:
    """
    Mean of each text's token vectors: float32 (batch, dim).
    """

def native_tokenizer(json: str | bytes) -> Tokenizer:
    """
    The tokenizer of a tokenizer.json, run in C++. ConfigurationError where it can't be.
    """

def open_store(location: str | bytes, create: bool = True) -> RunStore:
    """
    Opens a run store.
    """

def process_stage(
    name: str | bytes, identity: str | bytes, command: collections.abc.Sequence[str | bytes], options: ProcessOptions
) -> Stage:
    """
    A stage that runs a command for each item.
    """

def python_tokenizer(encode: typing.Any, special_tokens: typing.SupportsInt | typing.SupportsIndex) -> Tokenizer:
    """
    A tokenizer that calls encode(text) -> (ids, starts, ends, begins).
    """

def quantise_binary(rows: typing.Annotated[numpy.typing.ArrayLike, numpy.float32]) -> numpy.typing.NDArray[numpy.uint8]:
    """
    Signs as bits: uint8 (n, ceil(dim / 8)).
    """

def quantise_int8(rows: typing.Annotated[numpy.typing.ArrayLike, numpy.float32]) -> tuple:
    """
    Codes int8 (n, dim) and scales float32 (n,).
    """

def sentence_boundaries(
    text: typing.Any, abbreviations: bool = False, wrapped: bool = False
) -> numpy.typing.NDArray[numpy.int64]:
    """
    int64 array of the sentence boundaries of UAX #29, from 0 to the size of the text.
    """

def ssh_stage(
    name: str | bytes, identity: str | bytes, commands: collections.abc.Sequence[str | bytes], options: SshOptions
) -> Stage:
    """
    A stage that runs commands on the host that each item names.
    """

def top_k(
    queries: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
    rows: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
    k: typing.SupportsInt | typing.SupportsIndex,
    cosine: bool,
    threads: typing.SupportsInt | typing.SupportsIndex,
    kernel: str | bytes,
) -> tuple:
    """
    Row numbers int64 (q, k) and scores float32 (q, k), best first.
    """

def top_k_kernels() -> list[str]:
    """
    Names of the kernels that this processor can run, fastest first.
    """

UNICODE_VERSION: str = "15.0.0"
__version__: str = "0.1.0"
