import random

import pytest

from headrace.errors import ConfigurationError
from headrace.types import (
    Empty,
    Failed,
    Failure,
    Guard,
    Item,
    Ok,
    PlanEntry,
    ProgressReport,
    Retry,
    StageReport,
    Status,
)


def test_status_is_its_lower_case_name():
    assert Status.SUCCEEDED == "succeeded"
    assert f"{Status.PARTIAL} {Status.FAILED!s}" == "partial failed"
    assert Status("cancelled") is Status.CANCELLED
    assert [s.finished for s in Status] == [False, False, True, True, True, True, True]


def test_retry_delays_grow_up_to_the_maximum():
    retry = Retry(attempts=6, delay=5.0, multiplier=2.0, max_delay=30.0)
    assert [retry.delay_before(n) for n in range(1, 7)] == [0.0, 5.0, 10.0, 20.0, 30.0, 30.0]
    assert Retry(attempts=10**6, delay=1.0, multiplier=10.0).delay_before(10**6) == 300.0


def test_retry_jitter_stays_within_its_share():
    retry = Retry(attempts=3, delay=10.0, jitter=0.5)
    delays = [retry.delay_before(2, random.Random(n)) for n in range(200)]
    assert 5.0 <= min(delays) < 6.0
    assert 14.0 < max(delays) <= 15.0
    assert retry.delay_before(2, random.Random(7)) == retry.delay_before(2, random.Random(7))


def test_retry_takes_one_class_or_several():
    assert Retry(on=OSError).on == (OSError,)
    assert Retry(on=[OSError, KeyError]).applies_to(FileNotFoundError())
    assert not Retry(on=(OSError,)).applies_to(ValueError())


@pytest.mark.parametrize(
    "arguments, part",
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"attempts": 2.0}, "attempts"),
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"multiplier": 0.5}, "multiplier"),
        ({"jitter": 2}, "at most 1"),
        ({"on": "OSError"}, "not an exception class"),
    ],
)
def test_retry_names_a_wrong_argument(arguments, part):
    with pytest.raises(ConfigurationError, match=part):
        Retry(**arguments)


@pytest.mark.parametrize(
    "guard, size, last, part",
    [
        (Guard(), 0, None, "empty"),
        (Guard(min=10), 9, None, "minimum of 10"),
        (Guard(max=10), 11, None, "maximum of 10"),
        (Guard(max_shrink=0.2), 79, 100, r"79 items against 100 .*-21.0%.*loss"),
        (Guard(max_grow=0.5), 151, 100, "growth"),
    ],
)
def test_guard_says_why_it_refuses(guard, size, last, part):
    import re

    assert re.search(part, guard.check(size, last))


@pytest.mark.parametrize(
    "guard, size, last",
    [
        (Guard(empty="pass"), 0, 100),
        (Guard(max_shrink=0.2), 80, 100),
        (Guard(max_shrink=0.2, max_grow=0.2), 5, None),
        (Guard(max_grow=0.2), 5, 0),
        (Guard(min=1, max=1), 1, 1),
    ],
)
def test_guard_lets_good_output_pass(guard, size, last):
    assert guard.check(size, last) is None


@pytest.mark.parametrize("arguments", [{"max_shrink": 1.5}, {"min": 3, "max": 2}, {"empty": "maybe"}, {"max_grow": -1}])
def test_guard_refuses_wrong_limits(arguments):
    with pytest.raises(ConfigurationError, match="Guard"):
        Guard(**arguments)


def test_item_takes_a_value_or_a_load():
    assert Item("a", 1) == Item(key="a", value=1)
    assert Item(("a", 0), load=dict, version="x").load is dict
    with pytest.raises(ConfigurationError, match="either value= or load="):
        Item("a", 1, load=dict)


@pytest.mark.parametrize("key", [None, 1.5, b"a", True, (), ("a", None)])
def test_item_refuses_a_key_that_is_no_key(key):
    with pytest.raises(ConfigurationError, match="key"):
        Item(key)


def test_reports_show_themselves_in_one_line():
    stage = StageReport("words", Status.PARTIAL, total=10, executed=6, skipped=3, failed=1, seconds=1.25)
    assert stage.done == 10
    assert repr(stage) == "<Stage words: partial, 10 units (6 executed, 3 skipped, 1 failed) in 1.25 s>"
    failure = Failure("words", "a.txt", "OSError", "gone", attempts=3, category="transient")
    assert repr(failure) == "<Failure words['a.txt']: OSError: gone (transient, 3 attempts)>"
    progress = ProgressReport("words", 5, 10, 2.0, 2.0, 2.5, errors=1, stage_progress={"words": 0.5})
    assert progress.fraction == 0.5
    assert "5/10 units (50%), 2.5/s, 2.0 s, about 2 s left" in repr(progress)
    assert repr(PlanEntry("words", None, "skip", "unchanged")) == "<Plan words: skip, unchanged>"


def test_a_lookup_has_three_answers_and_no_truth_value():
    match Ok([]):
        case Ok(value):
            assert value == []
    assert Failed("no route") == Failed("no route") != Empty()
    for answer in (Ok(1), Empty(), Failed("x")):
        with pytest.raises(TypeError, match=r"isinstance\(answer, hr.Ok\)"):
            bool(answer)
