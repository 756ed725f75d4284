#!/usr/bin/env bash
# ruff, mypy --strict, clang-format on everything; clang-tidy on the C++ that differs from main, or with --all on all.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
say() { printf '%s\n' "$1"; }
check() { say "$1"; shift; "$@" || failed=1; }

cpp() { git ls-files --cached --others --exclude-standard -- "$@"; }
changed() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || echo HEAD)
  { git diff --name-only --diff-filter=d "$base" -- "$@"; git ls-files --others --exclude-standard -- "$@"; } | sort -u
}

check "ruff check" .venv/bin/ruff check -q python tests tools
check "ruff format" .venv/bin/ruff format --check -q python tests tools
check "mypy --strict" .venv/bin/mypy
check "clang-format" .venv/bin/clang-format --dry-run --Werror $(cpp 'cpp/*.h' 'cpp/*.cpp' 'bindings/*.h' 'bindings/*.cpp' 'tests/cpp/*.h' 'tests/cpp/*.cpp')

list=changed
[ "${1:-}" = --all ] && list=cpp
sources=$($list 'cpp/src/*.cpp' 'cpp/examples/*.cpp' | tr '\n' ' ')
if [ -n "${sources// /}" ]; then
  say "clang-tidy: $(wc -w <<<"$sources") files"
  # -quiet still reports how many warnings of system headers it kept to itself.
  printf '%s\n' $sources | xargs -P "$(nproc)" -n 1 .venv/bin/clang-tidy -p build/dev --quiet 2>/dev/null || failed=1
fi
[ $failed -eq 0 ] && say "all clean"
exit $failed
