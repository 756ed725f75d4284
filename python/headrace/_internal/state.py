"""Which of the objects that a function closes over are its memory rather than its code.

``calls.append(x)`` says that ``calls`` is there to be changed: what it holds at the moment is no part of what the
function does. A table that is only read is part of it.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headrace._internal.bytecode import Call, Ref, Uses
from headrace._internal.introspect import (
    MISSING,
    arguments,
    is_installed_file,
    is_installed_module,
    own_fingerprint,
    reachable,
    resolve,
    unwrap,
    uses_of,
)

__all__ = ["State", "find_state"]

MUTATING_FUNCTIONS = frozenset(
    (
        "heappush heappop heapify heapreplace heappushpop insort insort_left insort_right shuffle setattr delattr "
        "setitem delitem next readinto"
    ).split()
)
"""Functions that change their first argument."""


@dataclass
class State:
    """What counts as memory: ids of objects, names that are rebound, attributes that methods assign."""

    objects: set[int] = field(default_factory=set)
    names: set[tuple[int, str]] = field(default_factory=set)  # (id of the globals, name)
    cells: set[int] = field(default_factory=set)
    attributes: set[tuple[int, str]] = field(default_factory=set)  # (id of the class or module, name)
    kept: list[Any] = field(default_factory=list)  # alive, so that no id is used twice


def find_state(roots: Iterable[Any]) -> State:
    """Return what the functions that ``roots`` reach change."""
    state = State()
    functions: list[types.FunctionType] = []
    for value in reachable(*roots, enter=lambda value: own_fingerprint(value) is None):
        state.kept.append(value)
        if isinstance(value, types.FunctionType) and not is_installed_file(value.__code__.co_filename):
            functions.append(value)
        elif isinstance(value, type) and not is_installed_module(value.__module__):
            _assigned_by_methods(value, state)
    for function in functions:
        _mark(function, uses_of(function.__code__), state)
    _follow_arguments(functions, state)
    return state


def _mark(function: types.FunctionType, uses: Uses, state: State) -> None:
    for ref in uses.mutated:
        _mark_object(function, ref, state)
    for ref in uses.stored:
        owner, rest = resolve(function, Ref(ref.scope, ref.name, ref.path[:-1]))
        if isinstance(owner, (type, types.ModuleType)) and not rest:
            state.attributes.add((id(owner), ref.path[-1]))
    for scope, name in uses.rebound:
        if scope == "global":
            state.names.add((id(function.__globals__), name))
        elif name in function.__code__.co_freevars:
            state.cells.add(id((function.__closure__ or ())[function.__code__.co_freevars.index(name)]))


def _mark_object(function: types.FunctionType, ref: Ref, state: State) -> None:
    value, _ = resolve(function, ref)
    if value is not MISSING and not isinstance(value, (type, types.ModuleType, types.FunctionType)):
        state.objects.add(id(value))
        state.kept.append(value)


def _assigned_by_methods(cls: type, state: State) -> None:
    for member in vars(cls).values():
        function, _ = unwrap(member.fget if isinstance(member, property) else member)
        if function is None or function.__name__ in ("__init__", "__post_init__", "__new__", "__setattr__"):
            continue
        own = arguments(function.__code__)[:1]
        uses = uses_of(function.__code__)
        for ref in uses.mutated | uses.stored:
            if ref.path and ref.scope == "arg" and (ref.name,) == own:
                state.attributes.add((id(cls), ref.path[0]))


def _follow_arguments(functions: list[types.FunctionType], state: State) -> None:
    """Mark what is handed to a function that changes its argument, through any number of calls."""
    changed = {id(f): {r.name for r in uses_of(f.__code__).mutated if r.scope == "arg"} for f in functions}
    calls = [(f, call) for f in functions for call in uses_of(f.__code__).calls]
    growing = True
    while growing:
        growing = False
        for function, call in calls:
            for ref in _changed_arguments(function, call, changed):
                if ref.scope != "arg":
                    _mark_object(function, ref, state)
                elif ref.name not in changed[id(function)]:
                    changed[id(function)].add(ref.name)
                    growing = True
    for function in functions:
        for name, default in _defaults(function).items():
            if name in changed[id(function)]:
                state.objects.add(id(default))


def _defaults(function: types.FunctionType) -> dict[str, Any]:
    defaults = function.__defaults__ or ()
    names = arguments(function.__code__)
    return {**dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)), **(function.__kwdefaults__ or {})}


def _changed_arguments(function: types.FunctionType, call: Call, changed: dict[int, set[str]]) -> Iterable[Ref]:
    for callee in call.callee:
        name = callee.path[-1] if callee.path else callee.name
        if name in MUTATING_FUNCTIONS and call.arguments:
            yield from call.arguments[0]
        target, rest = resolve(function, callee)
        plain, bound = unwrap(target) if target is not MISSING and not rest else (None, 0)
        if plain is None or not changed.get(id(plain)):
            continue
        positions = arguments(plain.__code__)[bound:]
        positional = len(call.arguments) - len(call.names)
        names = (*positions[:positional], *(() if positional > len(positions) else call.names))
        for name, value in zip(names, call.arguments, strict=False):
            if name in changed[id(plain)]:
                yield from value
