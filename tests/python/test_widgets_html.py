import types
from html.parser import HTMLParser

import pytest

from headrace.types import Failure, PlanEntry, ProgressReport, StageReport, Status
from headrace.widgets import html

VOID = {"br", "hr", "img"}


class Checker(HTMLParser):
    """Fails on tags that are not closed in order; collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def words(markup):
    checker = Checker()
    checker.feed(markup)
    assert checker.open == []
    return checker.text


def test_stage_table_shows_the_numbers():
    stage = StageReport("words", Status.PARTIAL, 12000, 6, 3, 1, 61.2, p50=0.0021, retries=4)
    text = words(html.stages_table([stage], caption="run 1"))
    assert text[0] == "run 1"
    assert {"words", "partial", "12,000", "1 min 01 s", "2.1 ms"} <= set(text)


def test_what_users_wrote_is_escaped():
    failure = Failure("<b>", ("a&b", 0), "ValueError", "<script>alert(1)</script>")
    markup = html.failures_table([failure])
    assert "<script>" not in markup
    assert {"<b>", "a&b / 0", "<script>alert(1)</script>"} <= set(words(markup))
    assert "<script>" not in html.plan_table([PlanEntry("s", "<script>", "skip", "<script>")])


def test_a_long_table_ends_with_a_count():
    entries = [PlanEntry("s", n, "execute", "new") for n in range(1000)]
    text = words(html.plan_table(entries))
    assert "199" in text
    assert "200" not in text
    assert text[-1] == "and 800 more"


def test_progress_has_a_bar_for_each_stage():
    report = ProgressReport("b", 5, 10, 2.0, 3.0, 2.5, errors=2, warnings=1, stage_progress={"a": 1.0, "b": 0.25})
    text = " ".join(words(html.progress_view(report)))
    assert "5 of 10 units (50%), 2.5 a second, 2.0 s, about 3.0 s left, 2 errors, 1 warning" in text
    assert html.progress_view(report).count("width:25.0%") == 1


def test_reports_draw_themselves():
    for report in (
        StageReport("a", Status.FAILED),
        Failure("a", None, "E", "m"),
        PlanEntry("a", None, "skip", "why"),
        ProgressReport(None, 0, 0, 0.0),
    ):
        assert words(report._repr_html_())


@pytest.mark.parametrize(
    "seconds, text",
    [
        (None, ""),
        (0, "0 us"),
        (0.0009996, "1 ms"),
        (0.85e-3, "850 us"),
        (0.012, "12 ms"),
        (0.9999, "1.0 s"),
        (59.97, "1 min 00 s"),
        (125.2, "2 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations_read_like_speech(seconds, text):
    assert html.seconds_text(seconds) == text


def test_a_source_that_still_lists_says_how_many_so_far():
    def shown(status):
        stages = (StageReport("files", status, 2688, 2688, form="source"),)
        return words(html.progress_view(ProgressReport(None, 0, 0, 1.0, stage_progress={"files": 1.0}, stages=stages)))

    assert shown(Status.RUNNING)[-3:] == ["files", "2,688 so far", "running"]
    assert shown(Status.SUCCEEDED)[-4:] == ["files", "100%", "2,688 / 2,688", "succeeded"]


def test_long_words_and_short_times():
    letter = Failure("words", "a", "ValueError", "x" * 500)
    assert "overflow-wrap:anywhere" in html.failures_table([letter])
    report = StageReport("words", Status.SUCCEEDED, 5, 5, seconds=1e-6, form="map", p50=0.0, p95=2e-6)
    assert words(html.stages_table([report]))[-3:] == ["1 us", "< 1 us", "2 us"]


def test_one_dead_letter_is_one():
    letters = [Failure("words", key, "ValueError", "broken") for key in ("a", "b")]
    run = types.SimpleNamespace(id="r1", pipeline="p", status=Status.PARTIAL, stages=[], failures=letters[:1])
    assert ">1 dead letter<" in html.run_view(run)
    run.failures = letters
    assert ">2 dead letters<" in html.run_view(run)


@pytest.mark.parametrize(
    ("status", "errors", "word"),
    [(Status.SUCCEEDED, 0, "finished"), (Status.CANCELLED, 0, "stopped"), (Status.FAILED, 1, "failed")],
)
def test_how_it_ended_is_said(status, errors, word):
    report = ProgressReport(None, 5, 10, 2.0, errors=errors, stages=(StageReport("one", status, 10, 5),))
    assert word in words(html.progress_view(report))


def test_rates_are_readable():
    assert [html.rate_text(rate) for rate in (0.254, 2.5, 99.4, 6190.4)] == ["0.254", "2.5", "99.4", "6,190"]
