#!/usr/bin/env python3
"""What ``make demo`` runs: the sample documents, as a git repository, into a vector store, and three searches.

Everything lands in ``demo/``. A second call does only what has changed: edit, add or delete a file in ``demo/shelf``
and call it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples" / "documents"
HOME = ROOT / "demo"
SHELF = HOME / "shelf"
QUESTIONS = (
    "Com quantos dias de antecedência peço férias?",
    "O que fazer quando o reservatório passa de 414 metros?",
    "What power factor does the grid agreement allow?",
)
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def git(*arguments: str) -> str:
    """What git prints, in the shelf."""
    who = ("-c", "user.name=demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(SHELF), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout


def fill_shelf() -> None:
    """The first call copies the samples; later ones commit what was changed in the shelf since."""
    if not (SHELF / ".git").exists():
        shutil.rmtree(SHELF, ignore_errors=True)
        shutil.copytree(SAMPLES, SHELF)
        git("init", "-q", "-b", "main")
    git("add", "-A")
    if git("status", "--porcelain"):
        git("commit", "-q", "-m", "Documents as they are now")


def main() -> int:
    """Runs the demo."""
    from headrace.pipelines import documents
    from headrace.pipelines.documents.command import report
    from headrace.pipelines.documents.search import snippet

    fill_shelf()
    vectors = str(HOME / "vectors")
    done = documents.run(
        str(SHELF), branch="main", folder="30-Aprovados", store=str(HOME / "headrace.db"), vectors=vectors
    )
    print(f"\n{BOLD}Stored{PLAIN}\n{textwrap.indent(report(done.summary), '  ')}")
    for question in QUESTIONS:
        best, *_ = documents.search(question, vectors=vectors)
        print(f"\n{BOLD}{question}{PLAIN}\n  {best.title} {DIM}({best.path}){PLAIN}")
        print(textwrap.fill(snippet(best.text, question, 200), 100, initial_indent="  ", subsequent_indent="  "))
    ask = "headrace documents search --vectors demo/vectors '...'"
    print(f"\n{DIM}Change a file in demo/shelf and run it again, or ask: .venv/bin/{ask}{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
