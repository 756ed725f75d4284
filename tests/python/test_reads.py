import functools

import pytest

from headrace._internal.fingerprint import Reads, reads

NOTHING = Reads(params=False, config=False, seed=False, results=False)
EVERYTHING = Reads(params=True, config=True, seed=True, results=True)
KEEP = []


def helper(context, other=None):
    return context.config


def indirect(x, context):
    return helper(context)


def endless(context):
    return endless(context) or context.rng


def plain(ctx, text):
    ctx.log.info(text)
    ctx.warn(ctx.key)
    return None if ctx is None else len(text)


def params(ctx):
    p = ctx.params
    return p["a"]


def renamed(c):
    d = c
    return d.rng.random()


def nested(ctx, rows):
    def inner():
        return ctx.results("a")

    return [inner() for _ in rows]


def comprehension(ctx, rows):
    return [ctx.params[r] for r in rows]


def through_helper(ctx):
    return helper(ctx, other=1) if KEEP else indirect(1, ctx)


def recursive(ctx):
    return endless(ctx)


async def asynchronous(ctx):
    return ctx.params


def generator(ctx):
    yield ctx.results("x")


class Stage:
    def __call__(self, ctx):
        return ctx.config

    def method(self, ctx):
        return self.inner(ctx)

    def inner(self, ctx):
        return ctx.params


@pytest.mark.parametrize(
    "function, found",
    [
        (plain, set()),
        (params, {"params"}),
        (renamed, {"seed"}),
        (nested, {"results"}),
        (comprehension, {"params"}),
        (recursive, {"seed"}),
        (asynchronous, {"params"}),
        (generator, {"results"}),
        (Stage(), {"config"}),
        (functools.partial(indirect, 1), {"config"}),
        (lambda ctx, x: x + ctx.params["k"], {"params"}),
        (lambda: 1, set()),
    ],
)
def test_what_a_function_may_read(function, found):
    assert {name for name in ("params", "config", "seed", "results") if getattr(reads(function), name)} == found


def test_helpers_with_positional_arguments_are_followed():
    assert reads(lambda ctx: indirect(1, ctx)) == Reads(params=False, config=True, seed=False, results=False)


def stored(ctx):
    KEEP.append(ctx)


def returned(ctx):
    return ctx


def packed(ctx):
    return [ctx, 1]


def unknown(ctx, f):
    return f(ctx)


def formatted(ctx):
    return f"{ctx}"


def by_name(ctx):
    return getattr(ctx, "par" + "ams")


def inside(ctx):
    return ctx.__dict__


def starred(*args):
    return args[0].params


def spread(ctx, rest):
    return helper(ctx, *rest)


def kept_in_another(ctx):
    KEEP[0].context = ctx


@functools.wraps(plain)
def wrapper(ctx, text):
    return plain(ctx, text)


@pytest.mark.parametrize(
    "function",
    [
        stored,
        returned,
        packed,
        unknown,
        formatted,
        by_name,
        inside,
        starred,
        spread,
        kept_in_another,
        wrapper,
        Stage().method,
    ],
)
def test_a_context_out_of_sight_may_be_read_for_everything(function):
    assert reads(function) == EVERYTHING


def test_keyword_arguments_are_followed_conservatively():
    assert reads(lambda ctx: helper(context=ctx)) == EVERYTHING
    assert reads(through_helper) == EVERYTHING


def test_what_is_not_a_function_may_read_everything():
    assert reads(len) == EVERYTHING
    assert reads(plain) == NOTHING
