"""What ``make bench`` runs: every ``bench_<topic>.py`` beside this file, and one Markdown table of all figures.

``make bench TOPIC=engine QUICK=1`` runs one topic on small data. The peers that a topic names in ``PEERS`` are
installed into ``build/bench-venv``, which sees the project's own packages too.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "build" / "bench-venv"


def topics(chosen: str | None) -> list[str]:
    """Names of the topics on disk."""
    found = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    if chosen and chosen not in found:
        sys.exit(f"no topic '{chosen}': there are {', '.join(found)}")
    return [chosen] if chosen else found


def prepare(names: list[str]) -> None:
    """Make the environment with the peers, and go on in it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        site = next((VENV / "lib").glob("python*/site-packages"))
        (site / "project.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n{ROOT / 'python'}\n")
    peers = sorted({peer for name in names for peer in getattr(importlib.import_module(f"bench_{name}"), "PEERS", ())})
    if peers:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *peers], check=True)
    os.execv(python, [str(python), __file__, "--inside", *sys.argv[1:]])


def main() -> None:
    """Run the chosen topics and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topic", nargs="?", default=os.environ.get("TOPIC"))
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    names = topics(options.topic)
    if not options.inside:
        prepare(names)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| topic | what | ours | unit | goal | peer | peer's | ratio |\n|---|---|---|---|---|---|---|---|")
    for name in names:
        for row in importlib.import_module(f"bench_{name}").run(options.quick):
            peer = "" if row.peer_value is None else f"{row.peer_value:.4g}"
            ratio = f"{row.ours / row.peer_value:.2f}" if row.peer_value else ""
            cells = (row.topic, row.what, f"{row.ours:.4g}", row.unit, row.goal, row.peer, peer, ratio)
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
