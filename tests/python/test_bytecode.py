import heapq

from headrace._internal.bytecode import Import, Ref, trace
from headrace._internal.introspect import uses_of

TABLE, OTHER, COUNTS, SETTINGS = {}, [], {}, None


def mutated(function):
    return {ref.name for ref in uses_of(function.__code__).mutated}


def test_names_that_are_changed():
    def item(k, v):
        TABLE[k] = v

    def deleted(k):
        del TABLE[k]

    def augmented(k):
        COUNTS[k] += 1

    def method(x):
        OTHER.append(x)

    def deep(k, x):
        TABLE[k]["a"].append(x)

    def attribute(x):
        SETTINGS.size = x

    def alias(x):
        rows = OTHER
        rows.append(x)

    def loop():
        for row in OTHER:
            row.clear()

    def chosen(x):
        (OTHER if x else TABLE).clear()

    def guarded(x, lock):
        with lock:
            try:
                OTHER.append(x)
            finally:
                x.close()

    def sliced(x):
        OTHER[1:2] = x

    def swapped(i, j):
        OTHER[i], OTHER[j] = OTHER[j], OTHER[i]

    def added(x):
        rows = OTHER
        rows += [x]

    assert [mutated(f) for f in (item, deleted, augmented, method, deep)] == [
        {"TABLE"},
        {"TABLE"},
        {"COUNTS"},
        {"OTHER"},
        {"TABLE"},
    ]
    assert mutated(attribute) == {"SETTINGS"}
    assert mutated(alias) == mutated(loop) == mutated(guarded) == mutated(sliced) == mutated(swapped) == {"OTHER"}
    assert mutated(added) == {"OTHER"}
    assert mutated(chosen) == {"OTHER", "TABLE"}


def test_names_that_are_only_read():
    def reads(k):
        found = [TABLE[k], len(OTHER), *OTHER]
        found.append(COUNTS.get(k))
        found[0] = SETTINGS
        return sorted(found, key=TABLE.get)

    assert mutated(reads) == set()


def test_nested_code_is_followed():
    def outer(ctx, rows):
        def inner():
            OTHER.append(ctx.params["x"])

        return [TABLE.setdefault(r, ctx.seed) for r in rows], inner

    uses = uses_of(outer.__code__)
    assert mutated(outer) == {"OTHER", "TABLE"}
    assert {Ref("arg", "ctx", ("params",)), Ref("arg", "ctx", ("seed",))} <= set(uses.loaded)
    assert Ref("arg", "ctx") not in uses.escaped


def test_rebinding_imports_and_calls():
    hidden = 0

    def function(x):
        global SETTINGS
        nonlocal hidden
        from json import dumps, loads

        SETTINGS = hidden = dumps(loads(x))
        heapq.heappush(OTHER, x)

    uses = uses_of(function.__code__)
    assert uses.rebound == {("global", "SETTINGS"), ("free", "hidden")}
    assert uses.imports == [Import("json", 0, ("dumps", "loads"))]
    push = next(call for call in uses.calls if Ref("global", "heapq", ("heappush",)) in call.callee)
    assert push.arguments == ({Ref("global", "OTHER")}, {Ref("arg", "x")})


def test_keyword_arguments_keep_their_names():
    def function(x):
        return sorted(OTHER, key=x, reverse=True)

    (call,) = uses_of(function.__code__).calls
    assert call.names == ("key", "reverse")
    assert call.arguments[:2] == ({Ref("global", "OTHER")}, {Ref("arg", "x")})


def test_the_whole_standard_library_can_be_traced():
    import argparse
    import asyncio.base_events
    import typing
    from types import CodeType

    def codes(code):
        yield code
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from codes(constant)

    count = 0
    for module in (argparse, asyncio.base_events, typing, heapq):
        with open(module.__file__) as file:
            for code in codes(compile(file.read(), "x", "exec")):
                trace(code)
                count += 1
    assert count > 500
