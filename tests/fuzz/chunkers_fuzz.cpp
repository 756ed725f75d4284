#include "text_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  headrace::text::fuzz_chunkers(data, size);
  return 0;
}
