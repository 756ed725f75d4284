import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import threading
import typing
import uuid
import zoneinfo

import attrs
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._internal.codecs import MAX_DEPTH, Record, dumps, known_types, loads
from headrace.errors import CheckpointCorruptionError, ConfigurationError
from headrace.types import Empty, Failed, Ok, Status


class Colour(enum.Enum):
    RED = 1
    BLUE = (1, 2)


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0
    tags: tuple = ()
    total: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self):
        object.__setattr__(self, "total", self.x + self.y)


@dataclasses.dataclass(slots=True)
class Slotted:
    items: list


class Pair(typing.NamedTuple):
    a: int
    b: object = None


@attrs.define
class Pin:
    number: int


class Model(pydantic.BaseModel):
    name: str
    size: int = 3
    inner: Point | None = None
    _secret: int = pydantic.PrivateAttr(default=7)


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str


class Login(pydantic.BaseModel):
    user: str
    password: pydantic.SecretStr


CLASSES = (Colour, Mode, Level, Point, Slotted, Pair, Pin, Model, Open)
KNOWN = {f"{cls.__module__}:{cls.__qualname__}": cls for cls in CLASSES}
UTC = datetime.timezone.utc

VALUES = [
    None,
    True,
    0,
    -1,
    2**63,
    -(2**64),
    10**5000,
    0.1,
    -0.0,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    "",
    'quo"te\\ \n\x00\x7f',
    "ação ☃ 😀",
    "\ud800 lone",
    ["\udfff", "ç"],
    [],
    {},
    {"a": [1, {"b": None}]},
    {"$tuple": [1]},
    {"$$tuple": [1]},
    {"$": {"$x": (1,)}},
    {"$tuple": 1, "b": 2},
    {"a": "$tuple", "b": '{"$set":[1]}'},
    ["$set", '{"$'],
    (),
    (1, (2, [3, (4,)])),
    set(),
    {1, "a", (2, 3), None},
    frozenset({frozenset(), 1.5}),
    {1: "a", "1": "b", (1, 2): "c", None: "d"} | {2.5: "f"},
    b"",
    b"\x00\xff",
    bytearray(b"abc"),
    [b"abc", bytearray(b"x")],
    1j,
    complex(-0.0, math.inf),
    decimal.Decimal("1.10"),
    decimal.Decimal("-Infinity"),
    decimal.Decimal("1E+400"),
    fractions.Fraction(1, 3),
    fractions.Fraction(10**2000, 7),
    range(1, 10**30, 3),
    uuid.UUID(int=5),
    datetime.date(1, 2, 3),
    datetime.datetime(2026, 11, 20, 1, 2, 3, 4),
    datetime.datetime(2026, 11, 20, tzinfo=UTC),
    datetime.datetime(2026, 10, 25, 1, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Lisbon")),
    datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, seconds=1))),
    datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone(datetime.timedelta(0), "GMT")),
    datetime.time(1, 2, 3, 4),
    datetime.time(1, tzinfo=UTC),
    datetime.timedelta(days=-1, microseconds=3),
    pathlib.Path("a/b"),
    pathlib.PurePosixPath("/x"),
    pathlib.PureWindowsPath("c:\\x"),
    collections.OrderedDict([("b", 1), ("a", (2,))]),
    collections.Counter({"a": 2, ("b",): -1}),
    collections.defaultdict(list, {"a": [1]}),
    collections.defaultdict(None, {1: 2}),
    collections.deque([1, (2,)], maxlen=5),
    Colour.RED,
    Colour.BLUE,
    Mode.READ,
    Mode.READ | Mode.WRITE,
    Level.LOW,
    Status.PARTIAL,
    Point(1, 2.5, ("a",)),
    Slotted([Point(3), {Colour.RED: 1}]),
    Pair(1, Pair(2)),
    Pin(7),
    Ok([1]),
    Empty(),
    Failed("no"),
    Model(name="x", inner=Point(1)),
    Open(name="x", extra_field=[1, (2,)]),
    Open.model_validate({"name": "x", "$tuple": {"$set": 1}}),
    np.float64(1.5),
    np.float32(0.1),
    np.float16(0.1),
    np.float64("nan"),
    np.longdouble("0.1"),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1 + 2j),
    np.str_("açã"),
    np.bytes_(b"ab"),
    np.datetime64("2026-11-20T01:02:03.123456789"),
    np.timedelta64(5, "ms"),
    np.arange(6, dtype="<f4").reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array(5),
    np.zeros((0, 3)),
    np.array(["a", "ção"]),
    np.array([], dtype="U3"),
    np.array(["2026-01-01"], dtype="M8[D]"),
    np.arange(3, dtype=">i4"),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([1, "a", None, (1, 2)], dtype=object),
    np.array(["x", "long string of text"], dtype=np.dtypes.StringDType()),
    {"vectors": np.ones((2, 2)), "n": np.int64(3), "names": np.array(["a", None], dtype=object)},
]


def repr_type(value):
    return type(value).__name__


def same(one, other):
    """Equality that looks at types, at NaN and at the sign of zero, all through."""
    assert type(one) is type(other), (one, other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if one.dtype.kind == "O":
            same(one.tolist(), other.tolist())
        else:
            assert one.tobytes() == other.tobytes() or one.dtype.kind == "T"
            np.testing.assert_array_equal(one, other)
    elif isinstance(one, np.generic):
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, (float, complex, decimal.Decimal)):
        assert repr(one) == repr(other)
    elif isinstance(one, dict):
        assert len(one) == len(other)
        for (k, v), (m, w) in zip(one.items(), other.items(), strict=True):
            same(k, m)
            same(v, w)
    elif isinstance(one, (list, tuple, collections.deque)):
        assert len(one) == len(other)
        for item, twin in zip(one, other, strict=True):
            same(item, twin)
    elif isinstance(one, datetime.datetime):
        assert (one, one.fold, str(one.tzinfo)) == (other, other.fold, str(other.tzinfo))
    elif isinstance(one, pydantic.BaseModel):
        assert one == other
        assert one.__getstate__() == other.__getstate__()
    else:
        assert one == other


@pytest.mark.parametrize("value", VALUES, ids=repr_type)
def test_a_value_comes_back_as_it_was(value):
    data = dumps(value)
    same(loads(data, {**KNOWN, **known_types()}), value)
    assert dumps(value) == data
    if isinstance(data, str):
        json.loads(data, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
        assert sqlite3.connect(":memory:").execute("select json_valid(?)", [data]).fetchone() == (1,)
    nested = {"k": [value], "$": value}
    same(loads(dumps(nested), {**KNOWN, **known_types()}), nested)


@pytest.mark.parametrize("value", VALUES, ids=repr_type)
def test_unknown_classes_become_records_that_encode_to_the_same(value):
    for shape in (value, [value]):
        data = dumps(shape)
        assert dumps(loads(data)) == data


@pytest.mark.parametrize(
    "value", [v for v in VALUES if type(v) in (int, str, list, dict, bool, type(None))], ids=repr_type
)
def test_plain_values_are_plain_json(value):
    data = dumps(value)
    if "$" not in data and len(data) < 1000:
        same(json.loads(data), value)


def test_results_can_be_asked_with_sql():
    data = dumps({"total": 3, "when": datetime.date(2026, 1, 2), "who": Point(1)})
    row = sqlite3.connect(":memory:").execute(
        "select json_extract(?1, '$.total'), json_extract(?1, '$.when.\"$date\"'),"
        " json_extract(?1, '$.who.\"$data\"[1].x')",
        [data],
    )
    assert row.fetchone() == (3, "2026-01-02", 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
any_values = st.recursive(
    json_values | st.binary() | st.decimals() | st.uuids() | st.datetimes() | st.timedeltas() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("$ab", max_size=3), inner, max_size=2)
        | st.dictionaries(st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(any_values)
def test_any_value_comes_back(value):
    same(loads(dumps(value)), value)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 20))
def test_a_damaged_blob_is_refused_or_read_but_never_crashes(junk, cut):
    for data in (junk, b"HRB\x01" + junk, dumps(np.arange(4))[:-cut] + junk):
        with contextlib.suppress(CheckpointCorruptionError):
            loads(data)


@pytest.mark.parametrize(
    "text", ["", "{", "[1", "nul", '{"a":1}x', '{"$tuple":3}', '{"$new":1}', '{"$data":[]}', "[" * 9999]
)
def test_damaged_text_is_refused(text):
    with pytest.raises(CheckpointCorruptionError):
        loads(text)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04....", b"HRB\x02\x05bytes\x01", b"HRB\x01\x05bytes\x02", b"HRB\x01\x03zip\x01"]
)
def test_blobs_of_others_are_refused(data):
    with pytest.raises(CheckpointCorruptionError, match="blob"):
        loads(data)


def test_bulk_is_binary():
    for value in (b"x" * 100, np.zeros(100), bytearray(5)):
        data = dumps(value)
        assert isinstance(data, bytes)
        assert data.startswith(b"HRB\x01")
        assert len(data) < np.asarray(value).nbytes + 40
    assert loads(dumps(np.arange(3))).flags.writeable


def test_tables_travel_as_arrow():
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    assert loads(dumps(table)).equals(table)
    batch = table.to_batches()[0]
    assert loads(dumps(batch)).equals(batch)
    assert type(loads(dumps(batch))) is pa.RecordBatch
    frame = pd.DataFrame({"a": [1.5, None], "t": pd.to_datetime(["2026-01-01", None])}, index=["r", "s"])
    pd.testing.assert_frame_equal(loads(dumps(frame)), frame)
    for name in ("n", None):
        series = pd.Series([1, 2], name=name, index=[5, 6])
        pd.testing.assert_series_equal(loads(dumps(series)), series)
    nested = loads(dumps({"df": frame, "n": 1}))
    pd.testing.assert_frame_equal(nested["df"], frame)
    assert dumps(table) == dumps(table)


def test_sets_encode_the_same_in_every_process():
    program = (
        "from headrace._internal.codecs import dumps\n"
        "print(dumps([{'a', 'b', 'c', 1, (2, 'x')}, frozenset('xyz'), {'k': {'p', 'q', 'r'}}]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(answers) == 1


class Text(str):
    __slots__ = ()


def cycle():
    a: list = []
    a.append(a)
    return a


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value, message",
    [
        ({"a": [0, 1, 2, socket.socket]}, r"result\['a'\]\[3\] is a type"),
        (
            {"a": [threading.Lock()]},
            r"result\['a'\]\[0\] is a _thread.lock, which no codec can store: return plain",
        ),
        ((x for x in "ab"), "is a generator, .*: return a list"),
        (Text("a"), "is a test_codecs.Text, .*: make it a plain str"),
        ({"a": Slotted([print])}, r"result\['a'\]\.items\[0\] is a builtin_function_or_method"),
        ({(1, object): 1}, r"result key \(1, <class 'object'>\)\[1\] is a type"),
        ([array.array("i")], r"result\[0\] is an array.array"),
        (cycle(), "contains itself"),
        (deep(MAX_DEPTH + 2), f"more than {MAX_DEPTH} containers"),
        (np.ma.masked_array([1], [True]), "MaskedArray.*np.asarray"),
        (np.array([object()], dtype=object), r"result\[0\] is an object"),
        (collections.defaultdict(lambda: 1), "defaultdict over"),
        (pd.Timestamp("2026-01-01"), "make it a plain datetime"),
        (ValueError("x"), "is a ValueError"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_what_no_codec_can_store_is_named_with_its_place(value, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        dumps(value)
    assert "\n" not in str(caught.value)


def test_the_deepest_value_that_is_allowed_comes_back():
    for value in (deep(MAX_DEPTH), (deep(MAX_DEPTH - 1),)):
        assert loads(dumps(value)) == value


def test_secrets_are_not_stored():
    login = Login(user="ann", password="hunter2")
    for value in (login, {"p": login.password}, [pydantic.SecretBytes(b"x")]):
        with pytest.raises(ConfigurationError, match="is a secret") as caught:
            dumps(value)
        assert "hunter2" not in str(caught.value)


def test_a_record_looks_like_its_object():
    record = loads(dumps(Point(1, 2.5)))
    assert type(record) is Record
    assert (record.x, record["y"], record.type_name) == (1, 2.5, f"{__name__}:Point")
    assert repr(record) == f"Record<{__name__}:Point>(x=1, y=2.5, tags=(), total=3.5)"
    assert record == {"x": 1, "y": 2.5, "tags": (), "total": 3.5}
    with pytest.raises(AttributeError, match="no field 'z'"):
        record.z  # noqa: B018


def test_records_can_be_keys_and_elements():
    value = {Pair(1): {Point(2)}, Colour.RED: frozenset({Point(3), Point(4)})}
    record = loads(dumps(value))
    assert sorted(r.type_name.partition(":")[2] for r in record) == ["Colour", "Pair"]
    assert dumps(record) == dumps(value)


def test_a_class_that_has_changed_gives_a_record():
    @dataclasses.dataclass
    class Point:
        x: int

    name = f"{__name__}:Point"
    data = dumps(KNOWN[name](1))
    assert type(loads(data, {name: Point})) is Record
    assert type(loads(data, {name: Model})) is Record
    assert type(loads(data, {name: int})) is Record


def test_decoding_runs_no_code_of_the_class():
    made = []

    @dataclasses.dataclass
    class Noisy:
        x: int

        def __post_init__(self):
            made.append(self.x)

    seen = {}
    data = dumps(Noisy(1), seen)
    assert loads(data, seen).x == 1
    assert made == [1]


def test_classes_met_while_encoding_are_noted():
    seen = {}
    dumps([{"a": Point(1)}, Pair(1, Colour.RED), Model(name="x", inner=Point(2))], seen)
    assert set(seen.values()) == {Point, Pair, Colour, Model}


@dataclasses.dataclass
class Inner:
    level: "Level"


@dataclasses.dataclass
class Outer:
    inners: "list[Inner]"
    model: "Model | None"


def annotated(ctx, x: "Outer | None") -> dict[str, Pair]:
    raise NotImplementedError


def uses(ctx):
    return [Point(1), dataclasses.field, ctx.key]


def imports(ctx):
    from test_codecs import Slotted as Mine

    return Mine([])


def test_known_types_come_from_annotations_globals_and_closures():
    local = Pin

    def closes(ctx):
        return local(1)

    names = {cls.__name__ for cls in known_types(annotated).values()}
    assert {"Outer", "Inner", "Level", "Model", "Point", "Pair", "Ok", "Status"} <= names
    assert Point in known_types(uses).values()
    assert Pin in known_types(closes).values()
    assert Slotted.__qualname__ in {cls.__name__ for cls in known_types(imports).values()}
    assert Point not in known_types().values()
