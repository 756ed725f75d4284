#!/usr/bin/env bash
# Configures build/dev once, then compiles what has changed: all of it, or the targets given. The first call also
# installs the package into .venv in editable form, which gives the command `headrace`.
set -euo pipefail
python=$PWD/.venv/bin/python
if [ ! -f build/dev/build.ninja ] || [ CMakeLists.txt -nt build/dev/build.ninja ]; then
  cmake -S . -B build/dev -G Ninja -DCMAKE_BUILD_TYPE=Release -DHEADRACE_TESTS=ON -DPython_EXECUTABLE="$python" >build/configure.log ||
    { tail -20 build/configure.log >&2; exit 1; }
fi
cmake --build build/dev ${1:+--target "$@"}
if [ ! -f build/.installed ] || [ pyproject.toml -nt build/.installed ]; then
  "$python" -m pip install -q --no-deps --no-build-isolation -e . --config-settings=wheel.cmake=false --config-settings=editable.mode=inplace
  touch build/.installed
fi
