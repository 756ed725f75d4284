import asyncio
import collections
import dataclasses
import enum
import functools
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import types
import typing

import numpy as np
import pytest

from headrace._internal.fingerprint import code_fingerprint
from headrace._internal.state import find_state

HEADER = """
import collections, contextlib, dataclasses, decimal, enum, functools, heapq, json, math, pathlib, re, threading, typing
import numpy as np
"""


def build(source, name="f", filename="cell"):
    """Define ``name`` the way a notebook cell does: in a ``__main__`` of its own."""
    namespace = {"__name__": "__main__"}
    exec(compile(HEADER + textwrap.dedent(source), filename, "exec"), namespace)
    return namespace[name]


def fingerprint(source, name="f", **kwargs):
    return code_fingerprint(build(source, name, **kwargs))


BASE = """
LIMIT = 3
def helper(x):
    return x * LIMIT
def f(ctx, text):
    total = 0
    for word in text.split():
        total += helper(len(word))
    return {"total": total, "kind": "x"}
"""

SAME = {
    "comment": BASE.replace("    total = 0", "    # a comment\n\n    total = 0  # another"),
    "docstring": BASE.replace("    total = 0", '    """What it does."""\n    total = 0'),
    "moved": "\n\n\nunrelated = 17\n" + BASE,
    "renamed local": BASE.replace("total +=", "t +=").replace("total = 0", "t = 0").replace(": total", ": t"),
    "renamed loop variable": BASE.replace("word", "token"),
    "another global": BASE + "\nOTHER = 5\ndef other(): return OTHER\n",
    "annotations": BASE.replace("def f(ctx, text):", "def f(ctx: object, text: str) -> dict:"),
    "wrapped line": BASE.replace(
        '{"total": total, "kind": "x"}', '{\n        "total": total,\n        "kind": "x",\n    }'
    ),
    "pass": BASE.replace("    total = 0", "    pass\n    total = 0"),
}

DIFFERENT = {
    "constant": BASE.replace('"x"', '"y"'),
    "operator": BASE.replace("total +=", "total -="),
    "helper body": BASE.replace("x * LIMIT", "x + LIMIT"),
    "constant of a helper": BASE.replace("LIMIT = 3", "LIMIT = 4"),
    "type of a constant": BASE.replace("LIMIT = 3", "LIMIT = 3.0"),
    "method called": BASE.replace("split()", "splitlines()"),
    "helper called": BASE.replace("helper(len(word))", "helper(hash(word))"),
    "default": BASE.replace("ctx, text", "ctx, text='a'"),
    "keyword only": BASE.replace("ctx, text", "ctx, *, text"),
    "async": BASE.replace("def f", "async def f"),
    "generator": BASE.replace("    return {", "    yield {"),
    "try": BASE.replace(
        '    return {"', '    try:\n        len(text)\n    except OSError:\n        pass\n    return {"'
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_no_behaviour_does_not_count(name):
    assert fingerprint(SAME[name]) == fingerprint(BASE)


@pytest.mark.parametrize("name", DIFFERENT)
def test_behaviour_counts(name):
    assert fingerprint(DIFFERENT[name]) != fingerprint(BASE)


def test_the_file_name_does_not_count():
    assert fingerprint(BASE, filename="/tmp/ipykernel_7/123.py") == fingerprint(BASE, filename="<stdin>")


# Each pair differs in one thing that the function depends on.
PAIRS = {
    "exception range": (
        "def f(a, b):\n try:\n  a()\n except OSError:\n  pass\n b()",
        "def f(a, b):\n try:\n  a()\n  b()\n except OSError:\n  pass",
    ),
    "keyword name": ("def f(g): return g(a=1)", "def f(g): return g(b=1)"),
    "nested order": ("def f(a, b): return lambda: a - b", "def f(a, b): return lambda: b - a"),
    "nested body": ("def f(ctx): return [x + 1 for x in ctx]", "def f(ctx): return [x + 2 for x in ctx]"),
    "set constant": ("def f(x): return x in {'a', 'b'}", "def f(x): return x in {'a', 'c'}"),
    "zero sign": ("def f(): return 0.0", "def f(): return -0.0"),
    "bool": ("A = True\ndef f(): return A", "A = 1\ndef f(): return A"),
    "read dict": ("T = {'a': 1}\ndef f(): return T['a']", "T = {'a': 2}\ndef f(): return T['a']"),
    "read nested list": ("T = [[1, {2}]]\ndef f(): return T[0]", "T = [[1, {3}]]\ndef f(): return T[0]"),
    "array": ("T = np.arange(3)\ndef f(): return T[0]", "T = np.arange(4)\ndef f(): return T[0]"),
    "array dtype": ("T = np.zeros(2)\ndef f(): return T", "T = np.zeros(2, 'f4')\ndef f(): return T"),
    "numpy scalar": ("T = np.float32(1)\ndef f(): return T", "T = np.float32(2)\ndef f(): return T"),
    "decimal": ("T = decimal.Decimal('1')\ndef f(): return T", "T = decimal.Decimal('2')\ndef f(): return T"),
    "path": ("T = pathlib.Path('a')\ndef f(): return T", "T = pathlib.Path('b')\ndef f(): return T"),
    "pattern": ("T = re.compile('a')\ndef f(): return T", "T = re.compile('a', re.I)\ndef f(): return T"),
    "partial": (
        "def g(k, x): return x\nf = functools.partial(g, 1)",
        "def g(k, x): return x\nf = functools.partial(g, 2)",
    ),
    "lambda": ("f = lambda ctx, x: x + 1", "f = lambda ctx, x: x + 2"),
    "default dict of a partial": (
        "def g(ctx, *, k): return k\nf = functools.partial(g, k={'a': 1})",
        "def g(ctx, *, k): return k\nf = functools.partial(g, k={'a': 2})",
    ),
    "method": (
        "class C:\n def m(self, x): return x\nc = C()\nf = c.m",
        "class C:\n def m(self, x): return -x\nc = C()\nf = c.m",
    ),
    "method it calls": (
        "class C:\n def m(self): return self.n()\n def n(self): return 1\nc = C()\nf = c.m",
        "class C:\n def m(self): return self.n()\n def n(self): return 2\nc = C()\nf = c.m",
    ),
    "callable instance": (
        "class C:\n def __call__(self, x): return x\nf = C()",
        "class C:\n def __call__(self, x): return 1\nf = C()",
    ),
    "base class": (
        "class B:\n def m(self): return 1\nclass C(B): pass\ndef f(): return C().m()",
        "class B:\n def m(self): return 2\nclass C(B): pass\ndef f(): return C().m()",
    ),
    "class constant": ("class C:\n N = 1\ndef f(): return C.N", "class C:\n N = 2\ndef f(): return C.N"),
    "property": (
        "class C:\n @property\n def p(self): return 1\ndef f(c=C()): return c.p",
        "class C:\n @property\n def p(self): return 2\ndef f(c=C()): return c.p",
    ),
    "static method": (
        "class C:\n @staticmethod\n def p(): return 1\ndef f(): return C.p()",
        "class C:\n @staticmethod\n def p(): return 2\ndef f(): return C.p()",
    ),
    "frozen dataclass": (
        "@dataclasses.dataclass(frozen=True)\nclass C:\n n: int\nc = C(1)\ndef f(): return c.n",
        "@dataclasses.dataclass(frozen=True)\nclass C:\n n: int\nc = C(2)\ndef f(): return c.n",
    ),
    "dataclass default": (
        "@dataclasses.dataclass\nclass C:\n n: int = 1\ndef f(): return C().n",
        "@dataclasses.dataclass\nclass C:\n n: int = 2\ndef f(): return C().n",
    ),
    "enum": (
        "class E(enum.Enum):\n A = 1\ndef f(): return E.A.value",
        "class E(enum.Enum):\n A = 2\ndef f(): return E.A.value",
    ),
    "named tuple": (
        "P = typing.NamedTuple('P', [('a', int)])\nT = P(1)\ndef f(): return T.a",
        "P = typing.NamedTuple('P', [('a', int)])\nT = P(2)\ndef f(): return T.a",
    ),
    "wrapped": (
        "def d(g):\n @functools.wraps(g)\n def w(*a): return g(*a)\n return w\n@d\ndef f(x): return x",
        "def d(g):\n @functools.wraps(g)\n def w(*a): return g(*a)\n return w\n@d\ndef f(x): return -x",
    ),
    "decorator": (
        "def d(g):\n @functools.wraps(g)\n def w(*a): return g(*a)\n return w\n@d\ndef f(x): return x",
        "def d(g):\n @functools.wraps(g)\n def w(*a): return -g(*a)\n return w\n@d\ndef f(x): return x",
    ),
    "cached": (
        "@functools.lru_cache\ndef g(x): return x\ndef f(x): return g(x)",
        "@functools.lru_cache\ndef g(x): return -x\ndef f(x): return g(x)",
    ),
    "library decorator": (
        "@contextlib.contextmanager\ndef g(): yield 1\ndef f(x):\n with g() as y: return y",
        "@contextlib.contextmanager\ndef g(): yield 2\ndef f(x):\n with g() as y: return y",
    ),
    "table of functions": (
        "T = {'a': lambda x: 1}\ndef f(x): return T['a'](x)",
        "T = {'a': lambda x: 2}\ndef f(x): return T['a'](x)",
    ),
    "mutual recursion": (
        "def f(n): return g(n - 1)\ndef g(n): return f(n - 1) if n else 0",
        "def f(n): return g(n - 1)\ndef g(n): return f(n - 2) if n else 0",
    ),
    "library function": ("T = math.sin\ndef f(x): return T(x)", "T = math.cos\ndef f(x): return T(x)"),
    "local class": (
        "def f(x):\n class C:\n  def m(self): return 1\n return C().m()",
        "def f(x):\n class C:\n  def m(self): return 2\n return C().m()",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_function_depends_on_counts(name):
    one, other = PAIRS[name]
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


# Each runs f, which changes what it remembers; the fingerprint stays.
STATEFUL = {
    "append": "calls = []\ndef f(x): calls.append(x)",
    "add": "seen = set()\ndef f(x): seen.add(x)",
    "count": "counts = collections.Counter()\ndef f(x): counts[x] += 1",
    "store": "d = {}\ndef f(x): d[x] = x",
    "nested": "d = collections.defaultdict(list)\ndef f(x): d['a'].append(x)",
    "slice": "calls = []\ndef f(x): calls[len(calls):] = [x]",
    "lock": "lock = threading.Lock()\ncalls = []\ndef f(x):\n with lock: calls.append(x)",
    "alias": "calls = []\ndef f(x):\n c = calls\n c.append(x)",
    "default": "def f(x, calls=[]): calls.append(x)",
    "helper": "calls = []\ndef note(x): calls.append(x)\ndef f(x): note(x); return len(calls)",
    "argument": "calls = []\ndef note(where, x): where.append(x)\ndef f(x): note(calls, x)",
    "argument of argument": (
        "calls = []\ndef add(to, x): to.append(x)\ndef note(x, where): add(where, x)\ndef f(x): note(x, where=calls)"
    ),
    "heap": "heap = []\ndef f(x): heapq.heappush(heap, x)",
    "global": "n = 0\ndef f(x):\n global n\n n += 1",
    "nonlocal": "def make():\n n = 0\n def f(x):\n  nonlocal n\n  n += 1\n return f\nf = make()",
    "closure": "def make():\n calls = []\n def f(x): calls.append(x)\n return f\nf = make()",
    "inner function": "calls = []\ndef f(x): return [calls.append(y) for y in [x]]",
    "instance": "class C:\n def __init__(self): self.n = 0\n def hit(self): self.n += 1\nc = C()\ndef f(x): c.hit()",
    "dataclass": "@dataclasses.dataclass\nclass C:\n n: int = 0\nc = C()\ndef f(x): c.n += 1",
    "dataclass method": (
        "@dataclasses.dataclass\nclass C:\n n: int = 0\n def hit(self): self.n += 1\nc = C()\ndef f(x): c.hit()"
    ),
    "class attribute": "class C:\n n = 0\ndef f(x): C.n += 1",
    "class method": "class C:\n seen = []\n @classmethod\n def hit(cls, x): cls.seen.append(x)\ndef f(x): C.hit(x)",
    "cache": "@functools.lru_cache\ndef g(x): return x\ndef f(x): return g(x)",
    "iterator": "numbers = iter(range(9))\ndef f(x): return next(numbers)",
    "array": "total = np.zeros(3)\ndef f(x): total[0] += 1",
    "bound method": "calls = []\nput = calls.append\ndef f(x): put(x)",
}


@pytest.mark.parametrize("name", STATEFUL)
def test_memory_does_not_count(name):
    function = build(STATEFUL[name])
    before = code_fingerprint(function)
    function(1)
    function(2)
    assert code_fingerprint(function) == before


def test_what_a_peer_changes_is_memory():
    source = "calls = []\ndef f(x): return len(calls)\ndef g(x): calls.append(x)"
    namespace = {"__name__": "__main__"}
    exec(source, namespace)
    f, g = namespace["f"], namespace["g"]
    alone, together = code_fingerprint(f), code_fingerprint(f, peers=[g])
    g(1)
    assert code_fingerprint(f) != alone
    assert code_fingerprint(f, peers=[g]) == together


def test_a_table_that_is_read_counts_beside_one_that_is_changed():
    f = build("calls, table = [], {'a': 1}\ndef f(x):\n calls.append(x)\n return table['a']")
    before = code_fingerprint(f)
    f.__globals__["table"]["a"] = 2
    assert code_fingerprint(f) != before


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Settings:
    size: int
    names: tuple = ()


PROGRAM = HEADER + textwrap.dedent(
    """
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2
    @dataclasses.dataclass
    class Point:
        x: int = 1
        tags: frozenset = frozenset({"a", "b", "c"})
        def norm(self): return math.hypot(self.x, 2)
    WORDS = {"x", "y", "z", "w", ("a", 1), 1.5}
    TABLE = {w: i for i, w in enumerate(sorted(map(str, WORDS)))}
    ORDER = {w: {w} for w in {"k", "l", "m", "n"}}
    def loop(n): return loop(n - 1) if n and n not in {"q", "r", "s"} else Point().norm()
    def f(ctx, x):
        log = {"u", "v"} | WORDS
        return loop(x), TABLE, Colour.RED, ORDER, json.dumps(x), np.pi, log, re.compile("a"), [y for y in x]
    from headrace._internal.fingerprint import code_fingerprint
    print(code_fingerprint(f))
    """
)


def test_every_process_finds_the_same():
    found = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop().strip()) == 32


def test_user_modules_are_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    helper, inner = tmp_path / "my_helper_module.py", tmp_path / "my_inner_module.py"
    inner.write_text("def twice(x): return 2 * x\n")
    helper.write_text("from my_inner_module import twice\n\ndef clean(x): return twice(x)\n\ndef unused(x): return x\n")
    outside = "import my_helper_module\ndef f(x): return my_helper_module.clean(x)"
    inside = "def f(x):\n from my_helper_module import clean\n return clean(x)"

    def both():
        for name in ("my_helper_module", "my_inner_module"):
            sys.modules.pop(name, None)
        return fingerprint(inside), fingerprint(outside)

    before = both()
    assert fingerprint(inside) == before[0]  # now that the module is loaded
    helper.write_text("# a comment\n" + helper.read_text())
    assert both() == before
    helper.write_text(helper.read_text().replace("def unused(x): return x", "def unused(x): return 1"))
    assert both()[1] == before[1]  # only what is used counts
    inner.write_text("def twice(x): return 3 * x + 0\n")
    after = both()
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_installed_code_counts_by_name_and_version(monkeypatch):
    source = "def f(x): return np.linalg.norm(x), json.dumps(x)\nfrom tqdm import tqdm\ndef g(x): return tqdm(x)"
    before = fingerprint(source, "g")
    import tqdm

    from headrace._internal.introspect import package_version

    monkeypatch.setattr(tqdm, "__version__", "999")
    package_version.cache_clear()
    assert fingerprint(source, "g") != before
    package_version.cache_clear()


def test_strange_callables_have_fingerprints():
    async def coroutine(ctx):
        await asyncio.sleep(0)

    def generator(ctx):
        yield from itertools.count()

    class Odd:
        __slots__ = ("x",)

        def __getattr__(self, name):
            raise RuntimeError(name)

        def __call__(self, ctx):
            return self.x

    for function in (coroutine, generator, len, str.upper, functools.partial(print, sep=""), Odd(), "a".join, int):
        assert len(code_fingerprint(function)) == 32
    assert len({code_fingerprint(f) for f in (coroutine, generator, len, str.upper, Odd(), int)}) == 6


def test_values_of_many_kinds_count_by_content():
    def make(value):
        return lambda: value

    values = [
        1,
        1.0,
        True,
        "1",
        b"1",
        (1,),
        [1],
        {1},
        frozenset({1}),
        {1: 1},
        {"1": 1},
        None,
        ...,
        1j,
        range(3),
        bytearray(b"1"),
        collections.OrderedDict(a=1),
        collections.deque([1]),
        types.SimpleNamespace(a=1),
        types.SimpleNamespace(a=2),
        Settings(1),
        Settings(2),
        Settings(1, ("a",)),
        Colour.RED,
        np.int64(1),
        np.array(["a", None], dtype=object),
        np.array(["b", None], dtype=object),
        typing.Optional[int],  # noqa: UP045 - the old spelling is the point
        list[int],
        list[str],
        int | None,
        float("nan"),
    ]
    found = [code_fingerprint(make(value)) for value in values]
    assert len(set(found)) == len(values)
    assert found == [code_fingerprint(make(value)) for value in values]


def test_things_without_content_count_by_type():
    def make(value):
        return lambda: value

    with open(os.devnull) as one, open(__file__) as other:
        assert code_fingerprint(make(one)) == code_fingerprint(make(other))
    assert code_fingerprint(make(threading.Lock())) == code_fingerprint(make(threading.Lock()))
    assert code_fingerprint(make(np.random.default_rng(1))) == code_fingerprint(make(np.random.default_rng(2)))


def test_cycles_end():
    a: list = [1]
    a.append(a)

    class Node:
        pass

    Node.partner = Node
    Node.walk = lambda self: Node.partner

    def f():
        return a, Node, f

    assert code_fingerprint(f) == code_fingerprint(f)


def test_a_token_stands_for_an_object():
    class Handle:
        def __init__(self, name):
            self.__headrace_fingerprint__ = name

    def make(value):
        return lambda: value

    assert code_fingerprint(make(Handle("a"))) == code_fingerprint(make(Handle("a")))
    assert code_fingerprint(make(Handle("a"))) != code_fingerprint(make(Handle("b")))


def test_nobody_looks_inside_an_object_with_a_token():
    inside = [object() for _ in range(3)]
    handle = types.SimpleNamespace(__headrace_fingerprint__="a", devices=inside)
    kept = find_state([lambda: handle]).kept
    assert handle in kept
    assert not any(entry is value for entry in kept for value in (inside, *inside))
