"""Which parts of the context a stage function may look at."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace._internal.bytecode import Call, Ref
from headrace._internal.introspect import MISSING, arguments, resolve, unwrap, uses_of, vars_of

__all__ = ["Reads", "reads"]

PARTS = {"params": "params", "config": "config", "rng": "seed", "results": "results"}
VARIADIC = 0x04
EVERYTHING = frozenset(PARTS.values())


@dataclass(frozen=True)
class Reads:
    """Whether a function may read ``ctx.params``, ``ctx.config``, ``ctx.rng`` (the seed) and ``ctx.results``."""

    params: bool
    config: bool
    seed: bool
    results: bool


def reads(function: Callable[..., Any]) -> Reads:
    """Return what ``function`` may read of its context, its first argument.

    Helpers that are handed the context are followed. Where it goes out of sight, everything is True.
    """
    plain, bound = unwrap(function)
    found = EVERYTHING if plain is None else _through(plain, bound, set())
    return Reads(*(part in found for part in PARTS.values()))


def _through(function: types.FunctionType, position: int, active: set[tuple[int, int]]) -> frozenset[str]:
    """What ``function`` reads of the context that is its positional argument number ``position``."""
    key = (id(function), position)
    if key in active:
        return frozenset()
    code = function.__code__
    names = arguments(code)
    if position >= len(names):
        return EVERYTHING if code.co_flags & VARIADIC else frozenset()
    uses = uses_of(code)
    context = Ref("arg", names[position])
    if context in uses.escaped or "__wrapped__" in vars_of(function):
        return EVERYTHING
    found: frozenset[str] = frozenset()
    for ref in uses.loaded:
        if (ref.scope, ref.name) == ("arg", context.name) and ref.path:
            found |= EVERYTHING if ref.path[0].startswith("__") else {PARTS.get(ref.path[0], "")}
    for call in uses.calls:
        found |= _through_call(function, call, context, active | {key})
    return found & EVERYTHING


def _through_call(
    function: types.FunctionType, call: Call, context: Ref, active: set[tuple[int, int]]
) -> frozenset[str]:
    places = [n for n, value in enumerate(call.arguments) if context in value]
    if not places:
        return frozenset()
    if len(call.callee) != 1 or call.names:
        return EVERYTHING
    target, rest = resolve(function, next(iter(call.callee)))
    plain, bound = unwrap(target) if target is not MISSING and not rest else (None, 0)
    if plain is None:
        return EVERYTHING
    return frozenset().union(*(_through(plain, bound + place, active) for place in places))
