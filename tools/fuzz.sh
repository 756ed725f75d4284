#!/usr/bin/env bash
# Builds the libFuzzer programs with clang and runs each for so many seconds (40). What they find worth keeping goes to
# build/fuzz/corpus; what breaks them, to build/fuzz/crash-*: put it into tests/fuzz/seeds once it is mended.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-40}
cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target fuzz_chunkers fuzz_tokenizers fuzz_tokenizer_json
for name in chunkers tokenizers tokenizer_json; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "fuzzing $name for $seconds s"
  build/fuzz/tests/fuzz/fuzz_$name -max_total_time="$seconds" -max_len=2000 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix=build/fuzz/ "build/fuzz/corpus/$name" "tests/fuzz/seeds/$name" 2>&1 |
    grep -vE '^#|NEW_FUNC|^INFO' | tee "build/fuzz/$name.log"
done
