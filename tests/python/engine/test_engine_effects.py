"""Stages that change the world, outputs that must not collapse, parents that are gone."""

from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts

PUBLISH = """
    import os, signal, sys
    import headrace as hr

    # When to be killed is asked of the disk: a stage that closed over it would be another stage.
    mode, log = sys.argv[1:]
    pipe = hr.Pipeline("publish")

    def write(line):
        with open(log, "a") as file:
            file.write(line + "\\n")

    def happened(ctx, value):
        write(f"asked {ctx.key}")
        done = f"acted {ctx.key}" in open(log).read().splitlines()
        return {"published": value, "by": "before"} if done else None

    @pipe.step
    def items(ctx):
        return {"a": 1, "b": 2, "c": 3}

    @pipe.map(over=items, effect=True, workers=1, version=1, reconcile=None if mode.startswith("blind") else happened)
    def publish(ctx, value):
        if os.path.exists("kill-before") and ctx.key == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        write(f"acted {ctx.key}")
        if os.path.exists("kill-after") and ctx.key == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"published": value, "by": "now"}

    run = pipe.run(store="runs.db")
    print(sorted((key, value["by"]) for key, value in run.results(publish).items()))
    print([(f.key, f.error_type) for f in run.failures])
"""


def killed_run(folder: Path, mode: str, when: str) -> None:
    (folder / f"kill-{when}").touch()
    process = scripts.start(folder, PUBLISH, mode, "log.txt")
    process.communicate(timeout=60)
    assert process.returncode == -9
    (folder / f"kill-{when}").unlink()


@pytest.mark.parametrize(("when", "by"), [("after", "before"), ("before", "now")])
def test_an_effect_cut_off_is_reconciled_and_never_silently_repeated(tmp_path: Path, when: str, by: str) -> None:
    (tmp_path / "log.txt").touch()
    killed_run(tmp_path, "ask", when)
    out = scripts.run(tmp_path, PUBLISH, "ask", "log.txt")
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert "asked b" in log
    assert sorted(line for line in log if line.startswith("acted")) == ["acted a", "acted b", "acted c"]
    assert f"('b', '{by}'), ('c', 'now')]" in out.splitlines()[0]
    again = scripts.run(tmp_path, PUBLISH, "ask", "log.txt")
    assert again == out
    assert (tmp_path / "log.txt").read_text().splitlines() == log


def test_without_reconcile_it_stays_a_dead_letter_until_settled(tmp_path: Path) -> None:
    (tmp_path / "log.txt").touch()
    killed_run(tmp_path, "blind", "after")
    out = scripts.run(tmp_path, PUBLISH, "blind", "log.txt")
    assert "('b', 'StateInconsistencyError')" in out
    assert "acted b" in (tmp_path / "log.txt").read_text()
    assert (tmp_path / "log.txt").read_text().count("acted b") == 1
    assert hr.open_store(tmp_path / "runs.db").settle("publish", "publish", "b")
    scripts.run(tmp_path, PUBLISH, "blind", "log.txt")
    assert (tmp_path / "log.txt").read_text().count("acted b") == 2  # somebody has looked, and wants it done


def test_an_effect_is_not_repeated_by_a_run_with_nothing_new(tmp_path: Path) -> None:
    acted: list[str] = []
    pipe = hr.Pipeline("once")

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        return {"a": 1, "b": ctx.params["b"]}

    @pipe.map(over=items, effect=True)
    def send(ctx: Any, n: int) -> int:
        acted.append(ctx.key)
        return n

    store = tmp_path / "runs.db"
    pipe.run({"b": 1}, store)
    pipe.run({"b": 1}, store)
    assert sorted(acted) == ["a", "b"]
    pipe.run({"b": 2}, store)
    assert sorted(acted) == ["a", "b", "b"]
    assert hr.open_store(store).sql("SELECT * FROM effect") == []


def test_an_effect_that_failed_may_be_tried_again(tmp_path: Path) -> None:
    broken = [True]
    pipe = hr.Pipeline("may-fail")

    @pipe.step(effect=True)
    def send(ctx: Any) -> str:
        if broken:
            raise ConnectionError("refused")
        return "sent"

    assert pipe.run(store=tmp_path / "runs.db").failures[0].error_type == "ConnectionError"
    broken.clear()
    assert pipe.run(store=tmp_path / "runs.db").results(send) == "sent"


def guarded(guard: hr.Guard) -> hr.Pipeline:
    pipe = hr.Pipeline("guarded")

    @pipe.step(guard=guard)
    def prefixes(ctx: Any) -> list[int]:
        return list(range(ctx.params["n"]))

    @pipe.step(after=prefixes)
    def apply(ctx: Any) -> int:
        return len(ctx.results(prefixes))

    return pipe


def test_a_guard_refuses_a_collapse_until_somebody_approves(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    pipe = guarded(hr.Guard(max_shrink=0.2, max_grow=1.0, empty="fail"))
    assert pipe.run({"n": 100}, store).results("apply") == 100
    assert pipe.run({"n": 90}, store).results("apply") == 90
    run = pipe.run({"n": 50}, store)
    assert run.status is hr.Status.FAILED
    (failure,) = run.failures
    assert failure.error_type == "GuardError"
    assert "50 items against 90" in failure.message
    assert run.results("apply") is None  # nothing was passed on
    assert pipe.run({"n": 50}, store).status is hr.Status.FAILED
    run.approve("prefixes", note="the customer has left")
    passed = pipe.run({"n": 50}, store)
    assert passed.results("apply") == 50
    audited = hr.open_store(store).sql("SELECT stage, size, note FROM approval")
    assert audited == [{"stage": "prefixes", "size": 50, "note": "the customer has left"}]
    assert pipe.run({"n": 20}, store).status is hr.Status.FAILED  # the approval was for that size
    assert pipe.run({"n": 101}, store).status is hr.Status.FAILED
    assert pipe.run({"n": 0}, store).status is hr.Status.FAILED


def test_only_a_refused_output_can_be_approved(tmp_path: Path) -> None:
    pipe = guarded(hr.Guard(min=5))
    run = pipe.run({"n": 10}, tmp_path / "runs.db")
    with pytest.raises(hr.ConfigurationError, match="no guard has refused"):
        run.approve("prefixes")


def test_guards_of_sources_and_of_items(tmp_path: Path) -> None:
    pipe = hr.Pipeline("sources")

    @pipe.source(guard=hr.Guard(max_shrink=0.5))
    def routers(ctx: Any) -> Any:
        for number in range(ctx.params["n"]):
            yield f"r{number}", ctx.params["routes"]

    @pipe.map(over=routers, guard=hr.Guard(max_shrink=0.5))
    def routes(ctx: Any, count: int) -> list[int]:
        return list(range(count))

    store = tmp_path / "runs.db"
    assert pipe.run({"n": 10, "routes": 10}, store).status is hr.Status.SUCCEEDED
    few = pipe.run({"n": 4, "routes": 10}, store)
    assert [(f.stage, f.error_type) for f in few.failures] == [("routers", "GuardError")]
    short = pipe.run({"n": 10, "routes": 4}, store)
    assert {f.error_type for f in short.failures} == {"GuardError"}
    assert len(short.failures) == 10
    assert pipe.run({"n": 10, "routes": 9}, store).status is hr.Status.SUCCEEDED


def test_empty_is_not_success_and_failed_is_not_empty(tmp_path: Path) -> None:
    pipe = hr.Pipeline("lookups")

    @pipe.step
    def asked(ctx: Any) -> dict[str, str]:
        return {"ok": "ok", "empty": "empty", "failed": "failed"}

    @pipe.map(over=asked)
    def look_up(ctx: Any, kind: str) -> Any:
        return {"ok": hr.Ok([1]), "empty": hr.Empty(), "failed": hr.Failed("the server did not answer")}[kind]

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(look_up) == {"ok": [1], "empty": []}
    assert [(f.key, f.message) for f in run.failures] == [("failed", "the server did not answer")]


def test_removed_is_called_once_durably_for_parents_that_are_gone(tmp_path: Path) -> None:
    gone: list[Any] = []
    pipe = hr.Pipeline("removed")

    @pipe.source
    def documents(ctx: Any) -> Any:
        for name in ctx.params["names"]:
            yield hr.Item(name, name * 3)

    @pipe.flat_map(over=documents)
    def chunks(ctx: Any, text: str) -> list[str]:
        return list(text)

    @pipe.group(over=chunks, by=documents, removed=lambda ctx, key: gone.append((key, ctx.key)))
    def publish(ctx: Any, parts: list[Any]) -> int:
        return len(parts)

    store = tmp_path / "runs.db"
    pipe.run({"names": ["a", "b", "c"]}, store)
    run = pipe.run({"names": ["b"]}, store)
    assert sorted(gone) == [("a", "a"), ("c", "c")]
    assert run.results(publish) == {"b": 3}
    assert set(run.results(chunks)) == {("b", "0"), ("b", "1"), ("b", "2")}
    pipe.run({"names": ["b"]}, store)
    assert len(gone) == 2
    back = pipe.run({"names": ["a", "b"]}, store)
    assert back.results(publish) == {"a": 3, "b": 3}
    assert hr.open_store(store).verify() == []


def test_removed_of_a_killed_run_is_not_lost(tmp_path: Path) -> None:
    source = """
        import os, signal, sys
        import headrace as hr

        pipe = hr.Pipeline("removed")

        def drop(ctx, key):
            with open("gone.txt", "a") as file:
                file.write(key + "\\n")
            if sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)

        @pipe.source
        def documents(ctx):
            for name in ctx.params["names"]:
                yield name, name

        @pipe.map(over=documents)
        def work(ctx, name):
            return name

        @pipe.group(over=work, by=documents, removed=drop)
        def publish(ctx, parts):
            return len(parts)

        run = pipe.run({"names": sys.argv[2:]}, "runs.db")
        print(sorted(run.results(publish)))
    """
    scripts.run(tmp_path, source, "go", "a", "b", "c")
    process = scripts.start(tmp_path, source, "kill", "a")
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert scripts.run(tmp_path, source, "go", "a") == "['a']\n"
    gone = (tmp_path / "gone.txt").read_text().split()
    assert set(gone) == {"b", "c"}
    assert len(gone) <= 3
