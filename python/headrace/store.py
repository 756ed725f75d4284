"""Run stores: the journal, read while a run writes; history, events, verification, retention."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace import _core
from headrace._internal import codecs
from headrace._internal.keys import key_from_json, key_to_json
from headrace._internal.reports import progress_report, stored_stage
from headrace.errors import ConfigurationError, StorageError
from headrace.graph import Graph
from headrace.types import Failure, Key, ProgressReport, StageReport, Status

__all__ = ["Store", "StoredRun", "open_store"]


class NoStoreError(StorageError, ConfigurationError):
    """There is no store at that path: for the command line wrong usage, as any wrong path."""


_RUN = (
    "SELECT r.number, r.id, p.name, r.status, r.params, r.started_ms, r.finished_ms, r.message, r.graph "
    "FROM run r JOIN pipeline p ON p.id=r.pipeline "
)


def open_store(location: str | os.PathLike[str]) -> Store:
    """Open a run store to look at it: ``"runs.db"``. StorageError where there is none, or the file isn't one.

    A store that this user may only read is read without leaving a file beside it.
    """
    path = _path(location)
    if "://" not in path:
        _check_there(path)
    return Store(_core.open_store(path, False))


def _check_there(path: str) -> None:
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NoStoreError(f"there is no store at {path}: give the path of one; a run makes it") from None
    except (OSError, ValueError):
        return  # the core says what is wrong


def as_store(store: Any) -> Store:
    """A store, given one or its location; made where it is missing."""
    return store if isinstance(store, Store) else Store(_core.open_store(_path(store), True))


def _path(location: Any) -> str:
    try:
        return str(os.fspath(location))
    except TypeError:
        raise ConfigurationError(f"store={location!r} is neither the path of a file nor an open store") from None


class Store:
    """A run store. Reading never waits for a run that writes, in this process or another."""

    def __init__(self, core: _core.RunStore) -> None:
        self._core = core

    @property
    def location(self) -> str:
        """Path of the store's file."""
        return self._core.location

    def sql(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run a read-only SQL query; one dict a row. The tables are described in docs/run_store.md."""
        columns, rows = self._core.query(query, arguments)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def runs(self, pipeline: str | None = None) -> list[StoredRun]:
        """All runs, newest first."""
        where, arguments = ("", ()) if pipeline is None else ("WHERE p.name=? ", (pipeline,))
        _, rows = self._core.query(_RUN + where + "ORDER BY r.number DESC", arguments)
        return [StoredRun(self, *row) for row in rows]

    def run(self, run_id: str) -> StoredRun:
        """The run of that id. ConfigurationError where there is none."""
        _, rows = self._core.query(_RUN + "WHERE r.id=?", (run_id,))
        if not rows:
            raise ConfigurationError(f"the store {self.location} has no run '{run_id}': `headrace runs` lists them")
        return StoredRun(self, *rows[0])

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """What happened in a run, in order: dicts with sequence, at_ms, kind, stage, detail."""
        number = self.run(run_id).number
        query = "SELECT sequence, at_ms, kind, stage, detail FROM event WHERE run=? ORDER BY sequence"
        return [{**row, "detail": json.loads(row["detail"])} for row in self.sql(query, number)]

    def errors(self, pipeline: str | None = None) -> dict[str, int]:
        """Failures of all runs (of one pipeline) by category."""
        query = (
            "SELECT f.category, count(*) AS n FROM failure f JOIN run r ON r.number=f.run "
            "JOIN pipeline p ON p.id=r.pipeline WHERE p.name=?1 OR ?1 IS NULL GROUP BY f.category ORDER BY n DESC"
        )
        return {row["category"]: row["n"] for row in self.sql(query, pipeline)}

    def check(self, pipeline: str) -> None:
        """Raise CheckpointCorruptionError where something recorded of the pipeline can't be found. Runs do it too."""
        self._core.check(pipeline)

    def verify(self) -> list[str]:
        """Walk everything; one line a fault. Empty: nothing was altered or left out.

        Raises:
            StorageError: Its owner wrote to the store meanwhile, and this user may only read it: try again.
        """
        return list(self._core.verify())

    def prune(self, keep_last: int = 1, *, days: float | None = None, max_bytes: int | None = None) -> int:
        """Forget old runs of each pipeline and what only they need; returns how many went.

        The newest ``keep_last`` always stay. ``days``: so do those started in the last so many days. ``max_bytes``:
        none goes while what the store holds (rows and blobs, ``size``) is not larger; then the oldest go first.
        What the next run skips by is kept, whatever its size.
        """
        if (days is not None and days < 0) or (max_bytes is not None and max_bytes < 0):
            raise ConfigurationError("prune: days= and max_bytes= can't be negative")
        before = {} if days is None else {"started_before_ms": int((time.time() - days * 86_400) * 1000)}
        if max_bytes is None:
            return self._core.prune(keep_last, **before)
        gone, keep = 0, max(Counter(run.pipeline for run in self.runs()).values(), default=0)
        while keep > keep_last and self.size > max_bytes:
            keep = max(keep_last, keep - max(1, keep // 8))
            gone += self._core.prune(keep, **before)
        return gone

    @property
    def size(self) -> int:
        """Bytes of what the store holds: pages in use and blobs. The file may be larger: freed pages are used again."""
        rows = self.sql("SELECT sum(pgsize) AS n FROM dbstat UNION ALL SELECT coalesce(sum(size), 0) FROM blob")
        return sum(int(row["n"]) for row in rows)

    def approve(self, pipeline: str, stage: str, key: Key | None = None, note: str = "") -> None:
        """Let an output that a guard refused pass: durable, audited. ConfigurationError: nothing to approve."""
        text = "" if key is None else key_to_json(key)
        size = self.recall(pipeline, f"refused:{stage}:{text}")
        if size is None:
            raise ConfigurationError(f"no guard has refused an output of stage '{stage}' in pipeline '{pipeline}'")
        at = "CAST(strftime('%s', 'now') AS INTEGER) * 1000"
        insert = f"INSERT OR REPLACE INTO approval VALUES(?, ?, ?, ?, {at}, ?)"
        self._core.execute(insert, (pipeline, stage, text, int(size), note))

    def approved(self, pipeline: str, stage: str, key: str) -> int | None:
        """The size that was approved for a stage and key (JSON); None: none."""
        query = "SELECT size FROM approval WHERE pipeline=? AND stage=? AND key=?"
        _, rows = self._core.query(query, (pipeline, stage, key))
        return int(rows[0][0]) if rows else None

    def settle(self, pipeline: str, stage: str, key: Key | None = None) -> bool:
        """Take back the intent of an effect whose outcome nobody knew, after you have seen to it by hand."""
        recorded = self.recorded(pipeline).get(stage)
        if recorded is None:
            raise ConfigurationError(f"the store has no stage '{stage}' of pipeline '{pipeline}'")
        table = recorded["id"]
        space = self.recorded(pipeline).get(f"{stage}:parents", recorded)["space"]  # a flat_map acts for its parents
        item = 1
        if key is not None:
            found = self.sql(f"SELECT id FROM items_{int(space)} WHERE key=? AND gone_run IS NULL", key_to_json(key))  # noqa: S608
            item = found[0]["id"] if found else 0
        return self._core.execute("DELETE FROM effect WHERE stage=? AND item=?", (table, item)) > 0

    def recall(self, pipeline: str, name: str) -> Any:
        """A small value that the engine remembers about a pipeline."""
        _, rows = self._core.query("SELECT value FROM state WHERE owner=? AND name=?", (f"pipeline:{pipeline}", name))
        return rows[0][0] if rows else None

    def remember(self, core: _core.RunStore, pipeline: str, name: str, value: str | int) -> None:
        """Remember a small value durably, through the connection of the run that works."""
        core.execute("INSERT OR REPLACE INTO state VALUES(?, ?, ?)", (f"pipeline:{pipeline}", name, value))

    def results(self, pipeline: str, stage: str, number: int, known: Mapping[str, type] | None = None) -> Any:
        """Results of a stage as run ``number`` left them: key -> value; a step's: its value, None where it has none."""
        recorded = self.recorded(pipeline).get(stage)
        if recorded is None:
            return {}
        failed = self._failed(stage, number)
        found = self._core.results(recorded["id"], number)
        if recorded["space"] == 0:
            return codecs.loads(found[0][1], known or {}) if found and None not in failed else None
        keyed = ((key_from_json(key), data) for key, data in found)
        hidden = _Hidden(failed)
        return {key: codecs.loads(data, known or {}) for key, data in keyed if key not in hidden}

    def recorded(self, pipeline: str) -> dict[str, dict[str, Any]]:
        """What is recorded of each stage: name -> dict with id, space (of its items; 0: a step), fingerprint, units."""
        query = (
            "SELECT s.name, s.id, s.space, s.fingerprint, s.units "
            "FROM stage s JOIN pipeline p ON p.id=s.pipeline WHERE p.name=?"
        )
        return {row["name"]: row for row in self.sql(query, pipeline)}

    def unit_keys(self, units: int, space: int) -> list[tuple[str, bool]]:
        """Keys (JSON) of the items of a space, with whether the stage whose id is ``units`` has a record of each."""
        query = (
            f"SELECT i.key, u.item IS NOT NULL AS done FROM items_{int(space)} i "  # noqa: S608 - integers only
            f"LEFT JOIN units_{int(units)} u ON u.item=i.id WHERE i.gone_run IS NULL ORDER BY i.id"
        )
        return [(row["key"], bool(row["done"])) for row in self.sql(query)]

    def last_failures(self, pipeline: str, stage: str) -> dict[str, str]:
        """Dead letters of a stage in the newest run of the pipeline: key (JSON) -> message."""
        query = (
            "SELECT f.key, f.message FROM failure f WHERE f.stage=? AND f.run=(SELECT max(r.number) FROM run r "
            "JOIN pipeline p ON p.id=r.pipeline WHERE p.name=?)"
        )
        return {row["key"]: row["message"] for row in self.sql(query, stage, pipeline)}

    def _failed(self, stage: str, number: int) -> set[Key | None]:
        """Keys that failed in the run at this stage or before it: what is recorded of them is of an older run."""
        graph = self.sql("SELECT graph FROM run WHERE number=?", number)
        entries = json.loads(graph[0]["graph"]) if graph else []
        takes = {entry["name"]: entry["takes"] for entry in entries}
        after = {entry["name"]: entry["after"] for entry in entries}
        # A key that came twice fails at its maker; the item that came first is there all the same.
        makers = {entry["name"] for entry in entries if entry["form"] in ("source", "step")}
        names = _all_before(stage, takes)
        rows = self.sql("SELECT stage, key FROM failure WHERE run=?", number)
        failed = {
            key_from_json(row["key"])
            for row in rows
            if row["stage"] in names and not (row["key"] and row["stage"] in makers)
        }
        waited = _all_before(stage, after)
        if any(row["stage"] in waited and not row["key"] for row in rows) and self._left_out(stage, number):
            failed.add(None)
        return failed

    def _left_out(self, stage: str, number: int) -> bool:
        """Whether the stage did not run, since one before it failed."""
        rows = self.sql("SELECT status FROM run_stage WHERE run=? AND name=?", number, stage)
        return bool(rows) and rows[0]["status"] in ("skipped", "pending")

    def __repr__(self) -> str:
        return f"<Store {self.location}: {len(self.runs())} runs>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import runs_table

        return runs_table(self.runs())


class _Hidden:
    """Keys of items that failed, that came out of one that failed, or out of which one came that failed."""

    def __init__(self, failed: set[Key | None]) -> None:
        self._failed = {_parts(key) for key in failed if key is not None}
        self._above = {key[:length] for key in self._failed for length in range(1, len(key))}

    def __contains__(self, key: Key | None) -> bool:
        if not self._failed:
            return False
        parts = _parts(key)
        return parts in self._above or any(parts[: n + 1] in self._failed for n in range(len(parts)))


def _parts(key: Key | None) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _all_before(stage: str, edges: Mapping[str, list[str]]) -> set[str]:
    """The stage and all that lie before it."""
    names: set[str] = set()
    ahead = [stage]
    while ahead:
        name = ahead.pop()
        if name not in names:
            names.add(name)
            ahead.extend(edges.get(name, ()))
    return names


class StoredRun:
    """A run out of the journal; also one that another process is working on."""

    def __init__(self, store: Store, number: int, run_id: str, pipeline: str, status: str, params: str,
                 started_ms: int, finished_ms: int | None, message: str, graph: str) -> None:  # fmt: skip
        self.store = store
        self.number = number
        self.id = run_id
        self.pipeline = pipeline
        self.status, self.message = self._standing(Status(status), message)
        self.params: dict[str, Any] = json.loads(params)
        self.started_at = started_ms / 1000
        self.finished_at = None if finished_ms is None else finished_ms / 1000
        self._graph = json.loads(graph)

    def _standing(self, status: Status, message: str) -> tuple[Status, str]:
        """What the row says; but a run that nobody works on any more is not running."""
        core = self.store._core
        if status is not Status.RUNNING or core.active(self.number):
            return status, message
        row = self.store.sql("SELECT status, message FROM run WHERE number=?", self.number)[0]  # it may just have ended
        if row["status"] != "running":
            return Status(row["status"]), row["message"]
        return Status.FAILED, "its process died before the end; run again to go on"

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was started with: params and config (JSON texts, secrets masked), seed."""
        return self.store.sql("SELECT params, config, seed FROM run WHERE number=?", self.number)[0]

    def results(self, stage: Any) -> Any:
        """Results of a stage: key -> value; a step's: its value. Classes of the pipeline's own come as records."""
        return self.store.results(self.pipeline, stage if isinstance(stage, str) else stage.name, self.number)

    @property
    def failures(self) -> list[Failure]:
        """The dead letters of the run."""
        query = "SELECT stage, key, error_type, message, attempts, category FROM failure WHERE run=?"
        return [
            Failure(row["stage"], key_from_json(row["key"]), *list(row.values())[2:])
            for row in self.store.sql(query, self.number)
        ]

    @property
    def stages(self) -> list[StageReport]:
        """One report a stage, as last recorded (a live run records twice a second)."""
        query = ("SELECT name, form, status, total, executed, skipped, failed, retries, seconds, first_ms, last_ms, "
                 "latency FROM run_stage WHERE run=? ORDER BY position")  # fmt: skip
        after = {entry["name"]: entry["after"] for entry in self._graph}
        return [
            stored_stage(list(row.values()), after.get(row["name"], ())) for row in self.store.sql(query, self.number)
        ]

    def progress(self) -> ProgressReport:
        """How far the run is: a query, from any process."""
        end = self.finished_at
        if end is None:
            last = self.store.sql("SELECT max(at_ms) AS at FROM sample WHERE run=?", self.number)[0]["at"]
            end = (last or self.started_at * 1000) / 1000
        warnings = self.store.sql("SELECT count(*) AS n FROM event WHERE run=? AND kind='warning'", self.number)[0]["n"]
        return progress_report(self.stages, max(0.0, end - self.started_at), warnings)

    @property
    def graph(self) -> Graph:
        """The stages as they were in this run; it draws itself in a notebook."""
        return Graph(self.pipeline, tuple((e["name"], e["form"], (*e["takes"], *e["after"])) for e in self._graph))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        return self.store.events(self.id)

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Memory and processor time, once a second: dicts with at_ms, rss_bytes, cpu_ms."""
        return self.store.sql("SELECT at_ms, rss_bytes, cpu_ms FROM sample WHERE run=? ORDER BY at_ms", self.number)

    def __repr__(self) -> str:
        return f"<Run {self.id} of '{self.pipeline}': {self.status}>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import run_view

        return run_view(self)
