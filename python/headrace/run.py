"""A run: its progress while it goes on, its results and reports when it has ended."""

from __future__ import annotations

import contextlib
import logging
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from headrace import _core
from headrace._internal import codecs, failures, world_state
from headrace._internal.compile import compile_pipeline, stable_json, stages_before
from headrace._internal.glue import RunScope
from headrace._internal.keys import key_from_json, key_to_json
from headrace._internal.reports import stage_reports, to_progress
from headrace.errors import CancelledError, ConfigurationError, StageError, WorkflowValidationError
from headrace.stage import stage_name
from headrace.store import Store, as_store
from headrace.types import Failure, Key, ProgressReport, StageReport, Status

if TYPE_CHECKING:
    from headrace.pipeline import Pipeline
    from headrace.store import StoredRun

__all__ = ["Run"]

T = TypeVar("T")

LOG = logging.getLogger("headrace.engine")
"""Starts, retries, dead letters and ends of runs, a line each. Silent until the program sets up logging."""
LOG.addHandler(logging.NullHandler())
PATIENCE = 0.5
"""Seconds after Ctrl-C until the user is told what is waited for."""
_LEVELS = {2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}


class Run:
    """One execution of a pipeline. What it recorded stays readable as long as the store keeps it."""

    def __init__(
        self,
        pipeline: Pipeline,
        runner: _core.Runner,
        store: Store,
        scope: RunScope,
        options: Any,
        lines: _core.LogLines,
    ) -> None:
        self.pipeline = pipeline
        self.store = store
        self.params = scope.params
        self._runner = runner
        self._scope = scope
        self._options = options
        self._lines = lines

    @property
    def id(self) -> str:
        """The run's id."""
        return self._runner.id

    @property
    def resumed(self) -> bool:
        """Whether it went on with an unfinished run."""
        return self._runner.resumed

    @property
    def status(self) -> Status:
        """How the run stands."""
        return Status(self._runner.status().name)

    @property
    def message(self) -> str:
        """One line on why it stopped, where it didn't simply end."""
        return self._runner.message()

    def results(self, stage: Any) -> Any:
        """Results of a stage (or its name): key -> value; of a step: its value. Failed items have none."""
        name = stage_name(stage)
        if name not in self.pipeline.stages:
            known = ", ".join(self.pipeline.stages)
            raise ConfigurationError(f"pipeline '{self.pipeline.name}' has no stage '{name}'; it has {known}")
        return self.store.results(self.pipeline.name, name, self._runner.number, self._known)

    @property
    def failures(self) -> list[Failure]:
        """The dead letters: units that failed for good."""
        return [
            Failure(stage, key_from_json(key), error_type, message, attempts, category)
            for stage, key, error_type, message, attempts, category in self._runner.failures()
        ]

    @property
    def errors(self) -> dict[str, int]:
        """Failures by category: transient, permanent, resource, configuration, code."""
        return dict(Counter(failure.category for failure in self.failures))

    @property
    def stages(self) -> list[StageReport]:
        """One report a stage, in the order they run."""
        return stage_reports(self.pipeline, self._runner.progress())

    def progress(self) -> ProgressReport:
        """How far the run is; from any thread, at any time."""
        return to_progress(self.pipeline, self._runner.progress())

    def cancel(self) -> None:
        """Stop cleanly: units in work finish and are recorded; run the pipeline again to go on."""
        self._runner.cancel("cancelled")

    def retry_failed(self, **options: Any) -> Run:
        """Run just the dead letters again, as a run of its own."""
        roots = {root for failure in self.failures if failure.key is not None for root in _roots(failure.key)}
        steps = any(failure.key is None for failure in self.failures)
        settings = {**self._options, "resume": None, **options}
        return self.pipeline.run(self.params, self.store, only_keys=None if steps else roots or None, **settings)

    def approve(self, stage: Any, key: Key | None = None, note: str = "") -> None:
        """Let an output that a guard refused pass when the pipeline runs again: a durable, audited decision."""
        self.store.approve(self.pipeline.name, stage_name(stage), key, note)

    def join(self, progress: bool | Literal["auto"] = False) -> Run:
        """Wait for the end, showing progress; Ctrl-C stops cleanly, a second one at once."""
        with _display(progress, self) as show:
            try:
                while not self._runner.wait(0.05):
                    show()
            except KeyboardInterrupt:
                self._interrupted()
                show()
                raise _stopped() from None
            finally:
                self.release()
            show()
        self._raise()
        return self

    async def ajoin(self, progress: bool | Literal["auto"] = False) -> Run:
        """``join`` in a running event loop; cancelling the task stops the run cleanly."""
        import asyncio

        with _display(progress, self) as show:
            try:
                while not self._runner.wait(0):
                    show()
                    await asyncio.sleep(0.02)
            except (asyncio.CancelledError, KeyboardInterrupt):
                self._runner.cancel("interrupted")
                await asyncio.shield(asyncio.to_thread(self._runner.wait))
                raise
            finally:
                self.release()
            show()
        self._raise()
        return self

    def release(self) -> None:
        """End the worker processes and the threads of the run; ``join`` does it."""
        if self._scope.nursery is not None:
            self._scope.nursery.close()
        if self._runner.wait(0):  # else it was interrupted twice, and something is stuck
            self._runner.join()
        self._tell()

    def _tell(self) -> None:
        """Pass the engine's log lines on to Python's logging."""
        for level, text in self._lines.take():
            LOG.log(_LEVELS.get(level, logging.DEBUG), "%s", text)

    def _interrupted(self) -> None:
        self._runner.cancel("interrupted")
        try:
            if not self._runner.wait(PATIENCE):
                print(f"stopping: {self._at_work()}; Ctrl-C again stops at once", file=sys.stderr)  # noqa: T201
            while not self._runner.wait(0.05):
                pass
        except KeyboardInterrupt:
            self._runner.abandon()
            self._runner.wait(2.0)

    def _at_work(self) -> str:
        """What a run that stops still waits for."""
        working = [stage.name for stage in self.stages if stage.status is Status.RUNNING]
        return f"waiting for the units in work ({', '.join(working)})" if working else "waiting for the journal"

    def _raise(self) -> None:
        try:
            self._runner.check()
        except StageError as error:
            raise self._stage_error(error) from None
        finally:
            self._scope.errors.clear()

    def _stage_error(self, error: StageError) -> StageError:
        """The core's error with its key as a value, and with the exception where it is at hand."""
        where = f"stage '{error.stage}', item {error.key}: "
        text = error.message.removeprefix(where)
        original = self._scope.errors.get(error.stage)
        if original is not None and failures.describe(original) != tuple(text.partition(": ")[::2]):
            original = None  # of another unit that failed at the same time
        key = None if error.key == "-" else key_from_json(error.key)
        message = text if original is None else text.partition(": ")[2]
        told = StageError(error.stage, key, original, message)
        told.run = self  # type: ignore[attr-defined]
        return told

    @property
    def _known(self) -> dict[str, type]:
        return self._scope.known

    def __repr__(self) -> str:
        stages = ", ".join(
            f"{s.name} {s.executed}+{s.skipped}" + (f"!{s.failed}" if s.failed else "") for s in self.stages
        )
        return f"<Run {self.id} of '{self.pipeline.name}': {self.status} (executed+skipped: {stages})>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import run_view

        return run_view(self)


def _stopped() -> KeyboardInterrupt:
    """Ctrl-C or the notebook's stop button, with the run stopped cleanly.

    Exactly KeyboardInterrupt: Python dies of SIGINT by no class that is derived from it, and a shell's loop goes on.
    """
    stopped = KeyboardInterrupt("stopped: what had finished is recorded, the same cell or command goes on from there")
    # IPython shows this in the place of a traceback.
    stopped._render_traceback_ = lambda: [f"KeyboardInterrupt: {stopped}"]  # type: ignore[attr-defined]
    return stopped


def _roots(key: Key) -> set[Key]:
    """The keys that the source's item may have: a child's key starts with that of its parent."""
    if not isinstance(key, tuple):
        return {key}
    return {key[0], *(key[:length] for length in range(1, len(key) + 1))}


@contextlib.contextmanager
def _display(progress: bool | Literal["auto"], run: Run) -> Iterator[Callable[[], None]]:
    """Give a function that tells where the run stands: to the log, and to whoever looks at its progress."""
    if not progress:
        yield run._tell
        return
    from headrace.widgets.progress import display

    with display(progress, f"{run.pipeline.name} {run.id}") as draw:

        def show() -> None:
            run._tell()
            draw(run.progress())

        yield show


def start(
    pipeline: Pipeline,
    params: Mapping[str, Any] | None = None,
    store: Any = "headrace.db",
    *,
    modes: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    drift: str = "rerun",
    resume: str | None = "last",
    fresh: bool = False,
    skip_existing: bool = True,
    executor: str = "threads",
    on_error: str = "collect",
    threads: int = 0,
    max_seconds: float = 0,
    max_memory: int = 0,
    only_keys: set[Key] | None = None,
) -> Run:
    """Claim a run and start its workers; the arguments are those of ``Pipeline.run``."""
    _check_choices(drift=drift, executor=executor, on_error=on_error)
    _check_limits(threads=threads, max_seconds=max_seconds, max_memory=max_memory)
    if resume not in (None, "last") and not fresh:
        params, config, seed = _settings_of(as_store(store).run(resume), params, config, seed)
    pipeline.validate()
    opened = as_store(store)
    core = _core.open_store(opened.location, True)  # a run has a journal of its own
    scope = RunScope(pipeline.name, dict(params or {}), dict(config or {}), seed)
    failures.register_secrets([scope.params, scope.config])
    state = world_state.WorldState(pipeline, core)
    options = _core.RunOptions()
    options.params = stable_json(scope.params, "params")
    options.config = stable_json(scope.config, "config")
    options.seed = seed
    options.resume = "new" if fresh or resume is None else resume
    options.skip_existing = skip_existing and not fresh
    options.drift_refuse = drift == "refuse"
    options.threads = threads
    options.max_seconds = max_seconds
    options.max_memory = max_memory
    options.only_keys = {key_to_json(key) for key in only_keys or ()}
    compiled = compile_pipeline(
        pipeline, scope, on_error=on_error, executor=executor, unchanged=state.unchanged, wrap=state.watched
    )
    options.modes = [getattr(_core.StageMode, modes[name]) for name in compiled.ordered()]
    lines = _core.LogLines()
    if LOG.isEnabledFor(logging.ERROR):
        options.log_to(lines)
    runner = _core.Runner(compiled, core, options)
    kept = {"config": config, "seed": seed, "executor": executor, "on_error": on_error, "threads": threads}
    run = Run(pipeline, runner, opened, scope, kept, lines)
    _connect(scope, state, run, core)
    if scope.nursery is not None:
        scope.nursery.open()  # before there are threads
    try:
        runner.start()
    except BaseException:
        run.release()
        raise
    return run


def _connect(scope: RunScope, state: world_state.WorldState, run: Run, core: _core.RunStore) -> None:
    """Let the stages' contexts reach their run."""
    # The stages belong to the runner, and they reach this scope: back references are weak, or no run would ever end.
    runner_of, run_of = weakref.ref(run._runner), weakref.ref(run)
    opened, name = run.store, run.pipeline.name
    scope.warn = lambda stage, key, text: _alive(runner_of).warn(stage, key, failures.sanitise(text))
    scope.results = lambda asking, stage: _results_so_far(core, _alive(run_of), asking, stage)
    scope.recall = lambda key: opened.recall(name, key)
    scope.remember = lambda key, value: opened.remember(core, name, key, value)
    scope.approved = lambda stage, key: opened.approved(name, stage, key)
    scope.location = opened.location
    scope.run_id = lambda: _alive(runner_of).id
    state.run_number = lambda: _alive(runner_of).number


def _alive(reference: weakref.ref[T]) -> T:
    """What a context asks of its run; an abandoned unit may ask after the run is gone."""
    found = reference()
    if found is None:
        raise CancelledError("the run is over: nothing of this unit is recorded any more")
    return found


def _settings_of(run: StoredRun, params: Any, config: Any, seed: int) -> tuple[Any, Any, int]:
    """What a run is resumed with: its own settings where none are given. ConfigurationError where they clash."""
    stored = run.settings
    if seed not in (0, stored["seed"]):
        raise ConfigurationError(f"run '{run.id}' has the seed {stored['seed']}: resume it without seed={seed}")
    for name, given in (("params", params), ("config", config)):
        if given is None and failures.HIDDEN in stored[name]:
            raise ConfigurationError(
                f"run '{run.id}' was given secrets, which are not stored: resume it with its {name}="
            )
    params = codecs.loads(stored["params"]) if params is None else params
    config = codecs.loads(stored["config"]) if config is None else config
    return params, config, stored["seed"]


def _results_so_far(core: _core.RunStore, run: Run, asking: str, stage: str) -> Any:
    if stage not in stages_before(run.pipeline, asking):
        raise WorkflowValidationError(
            f"stage '{asking}' asks for the results of '{stage}', but does not come after it: add after='{stage}'"
        )
    core.flush()
    return run.results(stage)


def _check_limits(**limits: float) -> None:
    for name, value in limits.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigurationError(f"{name}={value!r} must be a number, at least 0")
        if name in ("threads", "max_memory") and not float(value).is_integer():
            raise ConfigurationError(f"{name}={value!r} must be a whole number")


def _check_choices(*, drift: str, executor: str, on_error: str) -> None:
    for name, value, allowed in (
        ("drift", drift, ("rerun", "refuse")),
        ("executor", executor, ("threads", "processes", "ray")),
        ("on_error", on_error, ("collect", "stop")),
    ):
        if value not in allowed:
            raise ConfigurationError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}")
    if executor == "ray":
        raise ConfigurationError('executor="ray" is not available in this version: use "threads" or "processes"')
