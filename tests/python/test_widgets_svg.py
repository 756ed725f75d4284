import re
import xml.etree.ElementTree as ET

import pytest

from headrace.types import Failure, StageReport, Status
from headrace.widgets import svg

SVG = "{http://www.w3.org/2000/svg}"
STAGES = [
    ("documents", "step", ()),
    ("words", "map", ("documents",)),
    ("pages", "flat_map", ("documents",)),
    ("vectors", "batch", ("pages",)),
    ("publish", "group", ("vectors", "words")),
]


def parsed(text):
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    return root


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def boxes(root):
    """Name -> (x, y, width, height), out of the titles."""
    return {r.find(f"{SVG}title").text.split(" ")[0]: [float(r.get(k)) for k in ("x", "y", "width", "height")]
            for r in root.iter(f"{SVG}rect")}  # fmt: skip


def test_the_graph_shows_every_stage_and_dependency():
    root = parsed(svg.dag(STAGES))
    assert set(texts(root)) >= {"documents", "words", "pages", "vectors", "publish", "flat_map"}
    assert len([p for p in root.iter(f"{SVG}path") if p.get("class") == "edge"]) == 5


def test_stages_lie_right_of_what_they_depend_on_and_never_on_each_other():
    places = boxes(parsed(svg.dag(STAGES)))
    for name, _, after in STAGES:
        for before in after:
            assert places[name][0] > places[before][0] + places[before][2]
    found = list(places.values())
    for n, (x, y, w, h) in enumerate(found):
        for a, b, c, d in found[n + 1 :]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


def test_edges_go_around_the_stages_between():
    root = parsed(svg.dag(STAGES))
    x, y, w, h = boxes(root)["vectors"]
    for edge in root.iter(f"{SVG}path"):
        if edge.get("class") == "edge":
            numbers = list(map(float, re.findall(r"-?[\d.]+", edge.get("d"))))
            for a, b in zip(numbers[::2], numbers[1::2], strict=True):
                assert not (x < a < x + w and y < b < y + h)


def test_the_picture_holds_everything_in_it():
    root = parsed(svg.dag(STAGES))
    width, height = float(root.get("width")), float(root.get("height"))
    for x, y, w, h in boxes(root).values():
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_reports_colour_the_graph():
    report = StageReport("words", Status.FAILED, total=10, executed=4, failed=1)
    assert "5/10 failed" in texts(parsed(svg.dag(STAGES, {"words": report})))


@pytest.mark.parametrize(
    "stages", [[], [("a", "step", ())], [("a", "step", ("b",)), ("b", "map", ("a",))], [("a", "map", ("gone",))]]
)
def test_odd_graphs_are_drawn_too(stages):
    parsed(svg.dag(stages))


def test_names_are_escaped_and_shortened():
    root = parsed(svg.dag([("<&>" + "x" * 99, "step", ())]))
    (name, _) = texts(root)
    assert name.startswith("<&>xx")
    assert len(name) == 28


def test_a_timeline_has_a_bar_for_each_stage_that_started():
    stages = [
        StageReport("a", Status.SUCCEEDED, started_at=100.0, finished_at=104.0),
        StageReport("b", Status.RUNNING, started_at=102.0),
        StageReport("c", Status.PENDING),
    ]
    root = parsed(svg.timeline(stages))
    widths = [float(rect.get("width")) for rect in root.iter(f"{SVG}rect")]
    assert widths == [svg.CHART, svg.CHART / 2]
    assert {"a", "b", "0", "1.0 s", "4.0 s"} <= set(texts(root))
    assert "c" not in texts(root)
    assert "no stage has started" in svg.timeline([])


def test_throughput_is_the_slope():
    root = parsed(svg.throughput([(0.0, 0), (1.0, 100), (2.0, 150), (2.0, 150)]))
    (line,) = root.iter(f"{SVG}polyline")
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.get("points").split())
    assert x1 < x2
    assert (y1, y2) == (10.0, 10 + 140 / 2)
    assert "no throughput yet" in svg.throughput([(0.0, 1)])
    parsed(svg.throughput([(0.0, 0), (1.0, 0)]))


def test_errors_are_counted_by_category():
    failures = [Failure("s", n, "OSError", "x", category="transient") for n in range(3)] + [
        Failure("s", 9, "KeyError", "x")
    ]
    shown = texts(parsed(svg.errors(failures)))
    assert shown == ["transient: OSError", "3", "permanent: KeyError", "1"]
    assert "no errors" in svg.errors([])


def test_nothing_is_black_or_white():
    pictures = [
        svg.dag(STAGES),
        svg.timeline([StageReport("a", Status.FAILED, started_at=1.0, finished_at=2.0)]),
        svg.throughput([(0.0, 0), (1.0, 5)]),
        svg.errors([Failure("s", None, "E", "m")]),
    ]
    for picture in pictures:
        for element in parsed(picture).iter():
            assert element.get("fill", "none") not in ("black", "white", "#000", "#fff")
            if element.tag == f"{SVG}text":
                assert element.get("fill") == "currentColor"
