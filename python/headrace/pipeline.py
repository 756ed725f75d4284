"""Pipelines: stages by decorators, validation, runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from headrace._internal.compile import compile_pipeline, modes_of
from headrace.errors import ConfigurationError, WorkflowValidationError
from headrace.stage import Form, Policy, Stage, stage_name, stage_names
from headrace.types import Key

if TYPE_CHECKING:
    import os

    from headrace.graph import Graph
    from headrace.plan import Plan
    from headrace.run import Run
    from headrace.store import Store

    StoreLike = str | os.PathLike[str] | Store

__all__ = ["Pipeline"]


def _hint(given: Any) -> str:
    """What makes a stage of something that is none."""
    if hasattr(given, "chunk_many"):
        return ": chunkers become stages by hr.text.ChunkStage(hr.text.RecursiveChunker, size=...)"
    return ": embedders become stages by hr.embed.EmbedStage(embedder)" if hasattr(given, "embed") else ""


class Pipeline:
    """A named DAG of stages. Its decorators add stages; ``run`` executes what is not recorded yet.

    ``version`` is part of every unit's identity: a new one runs everything again. ``over=`` left out (``@pipe.map``,
    ``pipe.map(hr.collect.SshStage(...))``) is the stage declared just before.
    """

    def __init__(self, name: str, version: str = "1") -> None:
        if not isinstance(name, str) or not name.strip():
            raise WorkflowValidationError("a pipeline needs a name: hr.Pipeline('my-pipeline')")
        self.name = name
        self.version = str(version)
        self.stages: dict[str, Stage] = {}

    # Decorators. Each takes the settings of hr.stage.Policy (version=, retry=, timeout=, trigger=, on_error=,
    # workers=, isolation=, guard=, effect=, reconcile=, codec=) and name= (default: the function's).

    def step(self, function: Any = None, /, *, after: Any = None, **policy: Any) -> Any:
        """``fn(ctx)``, once per run; its return value is its checkpoint."""
        return self._decorate("step", function, policy, after=after)

    def source(self, function: Any = None, /, *, after: Any = None, **policy: Any) -> Any:
        """``fn(ctx)`` yields ``hr.Item``s (or (key, value) pairs), streamed."""
        return self._decorate("source", function, policy, after=after)

    def map(self, function: Any = None, /, *, over: Any = None, after: Any = None, **policy: Any) -> Any:
        """``fn(ctx, value)``, once per item of ``over``; each result is durable by itself."""
        return self._decorate("map", function, policy, over=over, after=after)

    def flat_map(self, function: Any = None, /, *, over: Any = None, after: Any = None, **policy: Any) -> Any:
        """``fn(ctx, value)`` returns a mapping or a list of children, with keys like ("a.txt", "0")."""
        return self._decorate("flat_map", function, policy, over=over, after=after)

    def batch(
        self, function: Any = None, /, *, over: Any = None, size: int = 64, after: Any = None, **policy: Any
    ) -> Any:
        """``fn(ctx, values)``: a list of up to ``size`` values in, a list of results out, same order."""
        return self._decorate("batch", function, policy, over=over, size=size, after=after)

    def group(
        self,
        function: Any = None,
        /,
        *,
        over: Any = None,
        by: Any = None,
        removed: Callable[..., Any] | None = None,
        after: Any = None,
        **policy: Any,
    ) -> Any:
        """``fn(ctx, parts)``, once per item of ``by`` when all its children are done; parts: list of (key, value).

        ``removed(ctx, key)`` is called durably for parents that the source no longer has.
        """
        return self._decorate("group", function, policy, over=over, by=by, removed=removed, after=after)

    def _decorate(self, form: Form, function: Any, policy: dict[str, Any], **place: Any) -> Any:
        if function is None:
            return lambda fn: self._add(form, fn, dict(policy), **place)
        return self._add(form, function, policy, **place)

    def _add(self, form: Form, function: Any, policy: dict[str, Any], **place: Any) -> Stage:
        if isinstance(function, Stage):
            function = function.function
        name = policy.pop("name", None) or getattr(function, "__name__", "")
        if not callable(function) and not hasattr(function, "native"):
            raise WorkflowValidationError(f"{form} '{name}': {function!r} can't be called{_hint(function)}")
        if policy.get("retry", ...) is None:
            policy.pop("retry")
        try:
            settings = Policy(**policy)
        except TypeError:
            known = set(Policy.__dataclass_fields__)
            wrong = ", ".join(sorted(set(policy) - known))
            raise ConfigurationError(
                f"{form} '{name}' does not take {wrong}; it takes {', '.join(sorted(known))}"
            ) from None
        stage = Stage(
            name,
            form,
            function,
            settings,
            over=self._over(form, name, place.get("over")),
            by=stage_name(place["by"]) if place.get("by") is not None else "",
            after=stage_names(place.get("after")),
            size=place.get("size", 64),
            removed=place.get("removed"),
        )
        self._refuse_collision(stage)
        self.stages[name] = stage
        return stage

    def _over(self, form: Form, name: str, given: Any) -> str:
        """The stage whose items this one takes: the one given, or the one declared just before.

        A stage that is declared again keeps its place, hence the stage before it, too.
        """
        if given is not None or form in ("step", "source"):
            return "" if given is None else stage_name(given)
        before = list(self.stages)
        before = before[: before.index(name)] if name in self.stages else before
        return before[-1] if before else ""

    def _refuse_collision(self, stage: Stage) -> None:
        """A cell that runs again replaces its stage; two different functions of one name are a mistake."""
        known = self.stages.get(stage.name)
        if known is None:
            return
        there = getattr(known.function, "__code__", None)
        here = getattr(stage.function, "__code__", None)
        if there is None or here is None or known.form != stage.form:
            same = known.form == stage.form
        else:
            cells = "<ipython-input", "/ipykernel_", "<stdin>", "<string>"
            same = there.co_filename == here.co_filename or any(mark in here.co_filename for mark in cells)
            same = same and (there.co_firstlineno == here.co_firstlineno or any(m in here.co_filename for m in cells))
        if not same:
            raise WorkflowValidationError(
                f"pipeline '{self.name}' has a stage '{stage.name}' already: give one of the two another name="
            )

    def validate(self) -> None:
        """Raise WorkflowValidationError: no stages, unknown names, a cycle, a form where it can't be."""
        compile_pipeline(self).validate()

    def graph(self) -> Graph:
        """The DAG; it draws itself in a notebook."""
        from headrace.graph import Graph

        return Graph(self.name, tuple((s.name, s.form, s.dependencies) for s in self.stages.values()))

    def run(
        self,
        params: Mapping[str, Any] | None = None,
        store: StoreLike = "headrace.db",
        *,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        progress: bool | Literal["auto"] = False,
        drift: Literal["rerun", "refuse"] = "rerun",
        resume: str | None = "last",
        fresh: bool = False,
        only: Any = None,
        start_from: Any = None,
        until: Any = None,
        skip_existing: bool = True,
        executor: Literal["threads", "processes", "ray"] = "threads",
        on_error: Literal["collect", "stop"] = "collect",
        threads: int = 0,
        max_seconds: float = 0,
        max_memory: int = 0,
        only_keys: set[Key] | None = None,
    ) -> Run:
        """Execute what is not recorded yet, and return the run when it has ended.

        ``store``: a path, ``"postgresql://..."`` or an open store. ``progress``: ``"auto"`` shows a bar where somebody
        looks. ``drift="refuse"``: ConfigurationError naming what changed since the last run, instead of running it.
        ``resume``: "last" goes on with an unfinished run of the same parameters; an id with that run; None never.
        ``fresh``: runs everything again, in a new run. ``only``, ``start_from``, ``until``: a stage; stages before the
        selected ones answer from their records. ``skip_existing=False``: the selected stages execute every unit.
        ``max_seconds``, ``max_memory`` (bytes): stop cleanly there; run again to go on. ``threads``: workers for stages
        without ``workers=``; 0: one a core. ``only_keys``: just these items of the sources.

        Raises RunActiveError, StorageError, CheckpointCorruptionError, WorkflowValidationError, ConfigurationError;
        StageError with ``on_error="stop"``; KeyboardInterrupt after Ctrl-C, with all that had finished recorded.
        A unit's own failure does not raise: see ``run.status`` and ``run.failures``.
        """
        from headrace.run import start

        run = start(
            self, params, store, config=config, seed=seed, drift=drift, resume=resume, fresh=fresh,
            modes=modes_of(self, only, start_from, until), skip_existing=skip_existing, executor=executor,
            on_error=on_error, threads=threads, max_seconds=max_seconds, max_memory=max_memory, only_keys=only_keys,
        )  # fmt: skip
        return run.join(progress)

    async def arun(self, *args: Any, **kwargs: Any) -> Run:
        """``run`` for a running event loop (a notebook cell): cancelling the task stops the run cleanly."""
        import asyncio

        from headrace.run import start

        progress = kwargs.pop("progress", False)
        modes = modes_of(self, kwargs.pop("only", None), kwargs.pop("start_from", None), kwargs.pop("until", None))
        run = await asyncio.to_thread(start, self, *args, modes=modes, **kwargs)
        return await run.ajoin(progress)

    def plan(self, params: Mapping[str, Any] | None = None, store: StoreLike = "headrace.db", **options: Any) -> Plan:
        """What a run would execute and skip, and why; nothing is executed or written."""
        from headrace.plan import make_plan

        return make_plan(self, params, store, **options)

    def __repr__(self) -> str:
        return f"<Pipeline '{self.name}' version {self.version}: {', '.join(self.stages) or 'no stages'}>"

    def _repr_html_(self) -> str:
        return self.graph()._repr_html_()
