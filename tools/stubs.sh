#!/usr/bin/env bash
# Writes python/headrace/_core.pyi from the built extension; with --check only says whether it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
target=python/headrace/_core.pyi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
.venv/bin/python -m pybind11_stubgen headrace._core -o "$made" --exit-code >"$made/log" 2>&1 || { cat "$made/log" >&2; exit 1; }
.venv/bin/python - "$made/headrace/_core.pyi" <<'PYTHON'
# A parameter that is std::string in C++ takes bytes as well, which the generator does not know.
import re, sys
from pathlib import Path

def widen(line):
    parameters, arrow, result = line.rpartition(") ->")
    return re.sub(r"(?<=[:\[,|] )str\b|(?<=\[)str\b", "str | bytes", parameters) + arrow + result

path = Path(sys.argv[1])
lines = path.read_text().splitlines(keepends=True)
path.write_text("".join(widen(line) if line.lstrip().startswith("def ") else line for line in lines))
PYTHON
.venv/bin/ruff format -q --config pyproject.toml --no-force-exclude "$made/headrace/_core.pyi"
if [ "${1:-}" = --check ]; then
  diff -u "$target" "$made/headrace/_core.pyi" || { echo "$target is out of date: run make stubs" >&2; exit 1; }
else
  cp "$made/headrace/_core.pyi" "$target"
fi
