"""Many documents through the whole pipeline: killed three times, memory watched, then one in a hundred changed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import headrace as hr
from headrace.connectors.qdrant import open_store

WORDS = (
    "sluice turbine gate river pump sensor alarm level report council valve crew shift ladder fish permit rainfall "
    "comporta vazão barragem medição turno relatório manutenção segurança energia nível"
).split()
PAGES = {".html": 25, ".csv": 100, ".txt": 10}  # one in so many is of this kind; the others are Markdown


def write_documents(folder: Path, count: int) -> None:
    """The same documents for the same count."""
    random_ = random.Random(count)
    for number in range(count):
        ending = next((ending for ending, every in PAGES.items() if number % every == 1), ".md")
        place = folder / f"{number % 50:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"document-{number:06}{ending}").write_text(_content(random_, number, ending), encoding="utf-8")


def _content(random_: random.Random, number: int, ending: str) -> str:
    def prose(sentences: int) -> str:
        return " ".join(" ".join(random_.choices(WORDS, k=9)).capitalize() + "." for _ in range(sentences))

    if ending == ".csv":
        return "day,place,level\n" + "".join(f"{day},{random_.choice(WORDS)},{day * number}\n" for day in range(12))
    parts = [(f"Part {part} of {number}", prose(random_.randint(2, 9))) for part in range(random_.randint(1, 4))]
    if ending == ".html":
        body = "".join(f"<h2>{title}</h2><p>{text}</p>" for title, text in parts)
        return f"<!DOCTYPE html><title>{number}</title><h1>Document {number}</h1>{body}"
    return f"# Document {number}\n\n" + "\n\n".join(f"## {title}\n\n{text}" for title, text in parts) + "\n"


@dataclass
class Watched:
    """A run in a process of its own: its memory (MB) over the documents published.

    Not counted: the converters, and the mapped files of the vector store, which the kernel drops when it needs room.
    """

    process: subprocess.Popen[str]
    store: Path
    memory: list[tuple[int, float]] = field(default_factory=list)

    def look(self) -> int:
        """Takes a sample; the documents that are published."""
        done = published(self.store)
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
            self.memory.append((done, own / 1000))
        except (OSError, StopIteration):
            pass  # it has just ended
        return done

    def follow(self, until: int | None = None) -> None:
        """To its end, or until so many documents are published: then it is killed."""
        while self.process.poll() is None:
            if self.look() >= (until or sys.maxsize):
                os.killpg(self.process.pid, signal.SIGKILL)
                break
            time.sleep(0.2)
        _, told = self.process.communicate()
        expected = (0, -signal.SIGKILL) if until else (0,)
        assert self.process.returncode in expected, told


def published(store: Path) -> int:
    try:
        rows = hr.open_store(store).sql("SELECT units FROM stage WHERE name='publish'")
    except hr.HeadraceError:
        return 0  # no store yet
    return int(rows[0]["units"]) if rows else 0


def start(home: Path) -> Watched:
    stores = ["--store", str(home / "headrace.db"), "--vectors", str(home / "vectors")]
    command = [sys.executable, "-m", "headrace", "documents", "run", str(home / "shelf"), "--quiet", *stores]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return Watched(process, home / "headrace.db")


def stored(home: Path) -> dict[str, tuple[str, int]]:
    """Path -> (generation, chunks); every chunk must be of its document's generation."""
    with open_store(str(home / "vectors"), "documents") as store:
        told = {payload["path"]: (payload["generation"], payload["chunks"]) for payload in store.documents()}
        counted: dict[str, int] = {}
        for chunk in store.chunks():
            assert chunk["generation"] == told[chunk["path"]][0], chunk["path"]
            counted[chunk["path"]] = counted.get(chunk["path"], 0) + 1
    assert counted == {path: chunks for path, (_, chunks) in told.items()}
    return told


def last_run(home: Path) -> dict[str, Any]:
    (last, *_) = hr.open_store(home / "headrace.db").runs()
    return {stage.name: stage for stage in last.stages}


def check(home: Path, count: int, kills: int = 3) -> dict[str, float]:
    """Runs it all; AssertionError where something isn't as promised. Figures: seconds, MB, documents a second."""
    write_documents(home / "shelf", count)
    began, working = time.monotonic(), 0.0
    for kill in range(1, kills + 1):
        start(home).follow(until=count * kill // (kills + 1))
    before = published(home / "headrace.db")
    assert before >= count * kills // (kills + 1)
    watched = start(home)
    watched.follow()
    working = time.monotonic() - began
    assert last_run(home)["publish"].skipped >= before
    first = stored(home)
    assert len(first) == count

    changed = sorted(random.Random(7).sample(sorted(first), max(1, count // 100)))
    for path in changed:
        with (home / "shelf" / path).open("a", encoding="utf-8") as file:
            file.write("<p>changed</p>\n" if path.endswith(".html") else "1,changed,2\n")
    began = time.monotonic()
    start(home).follow()
    again = time.monotonic() - began
    stages = last_run(home)
    assert {name: stages[name].executed for name in ("convert", "publish")} == dict.fromkeys(
        ("convert", "publish"), len(changed)
    )
    second = stored(home)
    assert sorted(path for path in second if second[path] != first[path]) == changed
    return {"seconds": working, "changed_seconds": again, **_memory(watched, count)}


def _memory(watched: Watched, count: int) -> dict[str, float]:
    """Of the run that came to its end: its highest memory, and when half of what it had left was done."""
    half = (watched.memory[0][0] + count) // 2
    early = [mb for done, mb in watched.memory if done <= half] or [watched.memory[0][1]]
    return {"memory_mb": max(mb for _, mb in watched.memory), "memory_half_way_mb": max(early)}


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    count = parser.parse_args().documents
    with tempfile.TemporaryDirectory(prefix="headrace-scale-") as home:
        figures = check(Path(home), count)
    print(figures)
    assert figures["memory_mb"] < 300, figures
    assert figures["memory_mb"] < 1.3 * figures["memory_half_way_mb"] + 30, figures
    print(f"{count:,} documents, killed three times: {figures['seconds']:.0f} s ({count / figures['seconds']:.0f}/s)")
    print(f"memory: {figures['memory_half_way_mb']:.0f} MB half-way, {figures['memory_mb']:.0f} MB at most")
    print(f"1 % changed: only those touched, {figures['changed_seconds']:.1f} s")


if __name__ == "__main__":
    main()
