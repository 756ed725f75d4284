#!/usr/bin/env bash
# Makes .venv and installs the Python packages that the project builds, tests and runs with.
set -euo pipefail
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q -r tools/requirements-dev.txt
