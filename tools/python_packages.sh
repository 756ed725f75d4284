#!/usr/bin/env bash
# Makes .venv and installs the Python packages of a list: those that building and running need, or with
# `tools/requirements-dev.txt` those of the tests.
set -euo pipefail
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q -r "${1:-tools/requirements.txt}"
