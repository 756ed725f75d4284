"""From a pipeline of Python stages to the one that the C++ runner executes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace import _core
from headrace._internal import codecs, effects, failures, given_codecs
from headrace._internal.fingerprint import code_fingerprint
from headrace._internal.glue import RunScope, StageGlue
from headrace._internal.native import is_native
from headrace._internal.reads import reads
from headrace._internal.records import type_name
from headrace.errors import ConfigurationError, TimeoutError, WorkflowValidationError
from headrace.stage import Stage, stage_name

if TYPE_CHECKING:
    from headrace.pipeline import Pipeline

__all__ = ["compile_pipeline", "identity_of", "modes_of", "stable_json", "stages_before"]


def stable_json(value: Any, what: str) -> str:
    """Parameters or configuration as JSON: sorted, secrets masked; ConfigurationError where they can't be stored."""
    try:
        text = codecs.dumps(failures.redact(dict(value or {})))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{what} can't be stored: {error}") from None
    if isinstance(text, bytes):
        raise ConfigurationError(f"{what} can't be stored as JSON")
    return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def identity_of(pipeline: Pipeline, stage: Stage, scope: RunScope) -> str:
    """JSON of all that the identity of the stage's units is made of, beside their input."""
    if is_native(stage.function):
        parts = {"code": stage.function.identity()}
        touched = None
    else:
        parts = {"code": code_fingerprint(stage.function)}
        touched = reads(stage.function)
    parts["version"] = f"{pipeline.version}/{stage.policy.version}"
    if touched is not None:
        if touched.params:
            parts["params"] = _digest(stable_json(scope.params, "params"))
        if touched.config:
            parts["config"] = _digest(stable_json(scope.config, "config"))
        if touched.seed:
            parts["seed"] = str(scope.seed)
    codec = given_codecs.codec_of(stage.policy.codec, stage.name)
    if codec is not None:
        parts["codec"] = codec.name
    return json.dumps(parts, sort_keys=True)


def compile_pipeline(
    pipeline: Pipeline,
    scope: RunScope | None = None,
    *,
    on_error: str = "collect",
    executor: str = "threads",
    unchanged: Callable[[Stage], Callable[[int], bool]] | None = None,
    wrap: Callable[[Stage, Callable[..., Any]], Callable[..., Any]] | None = None,
) -> _core.Pipeline:
    """The C++ pipeline; without ``scope`` good for validation only."""
    compiled = _core.Pipeline(pipeline.name, pipeline.version)
    native = [stage.function for stage in pipeline.stages.values() if is_native(stage.function)]
    known: dict[str, Any] = codecs.known_types(
        *(stage.function for stage in pipeline.stages.values() if not is_native(stage.function))
    )
    known.update({type_name(cls): cls for function in native for cls in function.types})
    given = (given_codecs.codec_of(stage.policy.codec, stage.name) for stage in pipeline.stages.values())
    known.update({given_codecs.known_as(codec): codec for codec in given if codec is not None})
    if scope is not None:
        scope.known = known
    for stage in pipeline.stages.values():
        identity = identity_of(pipeline, stage, scope) if scope else "{}"
        if is_native(stage.function):
            core = _native_stage(stage, identity)
        else:
            run_scope = scope or RunScope(pipeline.name, {}, {}, 0)
            core = _python_stage(stage, identity, run_scope, known, executor, unchanged, wrap)
        _place(core, stage, on_error, executor)
        compiled.add(core)
    return compiled


def _native_stage(stage: Stage, identity: str) -> _core.Stage:
    native: Any = stage.function
    native.check(stage)
    core: _core.Stage = native.native(stage.name, identity)
    return core


def _python_stage(
    stage: Stage,
    identity: str,
    scope: RunScope,
    known: dict[str, Any],
    executor: str,
    unchanged: Callable[[Stage], Callable[[int], bool]] | None,
    wrap: Callable[[Stage, Callable[..., Any]], Callable[..., Any]] | None,
) -> _core.Stage:
    codec = given_codecs.codec_of(stage.policy.codec, stage.name)
    glue = StageGlue(stage.name, scope, stage.policy.retry, known, stage.removed, codec)
    glue.blind = stage.policy.effect and stage.policy.reconcile is None
    if unchanged is not None:
        glue.unchanged = unchanged(stage)
    function = stage.function
    isolation = stage.policy.isolation or ("process" if executor == "processes" else "thread")
    whole_slices = stage.is_async and stage.form in ("step", "map", "flat_map", "group")
    if stage.is_async and not whole_slices:
        raise WorkflowValidationError(f"{stage.form} '{stage.name}' can't be an async def: steps, maps and groups can")
    if isolation == "process" and not whole_slices and stage.form != "source":
        from headrace._internal.process import Nursery, in_process

        scope.nursery = scope.nursery or Nursery(scope)
        function = in_process(stage, glue, scope.nursery)
    function = effects.guarded(stage, effects.reconciled(stage, function), scope)
    if whole_slices:
        glue.lingers = stage.policy.effect
        from headrace._internal.aio import in_slices

        function = in_slices(function, stage.form, stage.policy.timeout)
    if wrap is not None:
        function = wrap(stage, function)
    core = _core.PythonStage(stage.name, getattr(_core.Form, stage.form), function, glue, identity)
    core.whole_slices = whole_slices
    core_policy = core.policy
    core_policy.serial = isolation == "thread" and not whole_slices
    return core


def _place(core: _core.Stage, stage: Stage, on_error: str, executor: str) -> None:
    if not stage.over and stage.form not in ("step", "source"):
        raise WorkflowValidationError(
            f"{stage.form} '{stage.name}' has no stage before it whose items it could take: "
            "declare a step or a source before it, or give over="
        )
    core.over, core.by, core.after = stage.over, stage.by, list(stage.after)
    policy, given = core.policy, stage.policy
    policy.timeout = 0.0 if given.timeout is None or stage.is_async else float(given.timeout)
    if is_native(stage.function):
        if policy.timeout and core.keeps_timeout(policy.timeout):
            policy.timeout = 0.0  # it ends its units itself
    elif (given.isolation or ("process" if executor == "processes" else "thread")) == "process":
        policy.timeout = 0.0  # the process itself is killed at its deadline
    policy.trigger = getattr(_core.Trigger, given.trigger)
    policy.on_error = getattr(_core.OnError, given.on_error or on_error)
    policy.workers = given.workers or policy.workers
    if stage.form == "batch":
        policy.size = stage.size
    policy.effect, policy.reconciles = given.effect, given.reconcile is not None
    policy.removes = stage.removed is not None
    policy.guarded = given.guard is not None
    retry = policy.retry
    retry.attempts, retry.delay, retry.multiplier = given.retry.attempts, given.retry.delay, given.retry.multiplier
    retry.jitter, retry.max_delay = given.retry.jitter, given.retry.max_delay
    # A thread that was given up may still do what it was to do: an effect is not begun beside it.
    retry.timeouts = issubclass(TimeoutError, given.retry.on) and not given.effect


def modes_of(pipeline: Pipeline, only: Any, start_from: Any, until: Any) -> dict[str, str]:
    """Stage name -> "run", "replay" (answers from its records) or "off"."""
    modes = dict.fromkeys(pipeline.stages, "run")
    if only is not None:
        chosen = _chosen(pipeline, only, "only")
        before = stages_before(pipeline, chosen)
        return {name: "run" if name == chosen else "replay" if name in before else "off" for name in modes}
    if start_from is not None:
        modes.update(dict.fromkeys(stages_before(pipeline, _chosen(pipeline, start_from, "start_from")), "replay"))
    if until is not None:
        chosen = _chosen(pipeline, until, "until")
        kept = {chosen, *stages_before(pipeline, chosen)}
        modes.update(dict.fromkeys(set(modes) - kept, "off"))
    return modes


def _chosen(pipeline: Pipeline, stage: Any, option: str) -> str:
    name = stage_name(stage)
    if name not in pipeline.stages:
        known = ", ".join(pipeline.stages)
        raise ConfigurationError(f"{option}='{name}': pipeline '{pipeline.name}' has no such stage; it has {known}")
    return name


def stages_before(pipeline: Pipeline, name: str) -> set[str]:
    found: set[str] = set()
    ahead = list(pipeline.stages[name].dependencies)
    while ahead:
        at = ahead.pop()
        if at not in found and at in pipeline.stages:
            found.add(at)
            ahead.extend(pipeline.stages[at].dependencies)
    return found
