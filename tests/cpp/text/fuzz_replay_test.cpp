#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "text_entries.h"

// The fuzzers' entries without a fuzzer: over the inputs that are kept, and over random changes of them.
namespace headrace::text {

namespace {

using Bytes = std::vector<uint8_t>;
using Entry = void (*)(const uint8_t*, size_t);

std::vector<Bytes> seeds(const std::string& name) {
  std::vector<Bytes> found;
  for (const auto& file :
       std::filesystem::directory_iterator(HEADRACE_SOURCE_DIR "/tests/fuzz/seeds/" + name)) {
    std::ifstream stream(file.path(), std::ios::binary);
    found.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return found;
}

void change(Bytes& bytes, std::mt19937& random) {
  for (uint32_t left = random() % 6; left > 0 && !bytes.empty(); --left) {
    const auto at = bytes.begin() + random() % static_cast<uint32_t>(bytes.size());
    if (random() % 3 == 0)
      bytes.erase(at);
    else if (random() % 2 == 0)
      bytes.insert(at, static_cast<uint8_t>(random()));
    else
      *at = static_cast<uint8_t>(random());
  }
}

void replay(const std::string& name, Entry entry, int rounds) {
  const std::vector<Bytes> kept = seeds(name);
  ASSERT_GE(kept.size(), 3u);
  for (const Bytes& bytes : kept) entry(bytes.data(), bytes.size());
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = kept[random() % kept.size()];
    change(bytes, random);
    entry(bytes.data(), bytes.size());
  }
}

}  // namespace

TEST(FuzzReplay, Chunkers) {
  replay("chunkers", fuzz_chunkers, 3000);
}
TEST(FuzzReplay, Tokenizers) {
  replay("tokenizers", fuzz_tokenizers, 3000);
}
TEST(FuzzReplay, TokenizerJson) {
  replay("tokenizer_json", fuzz_tokenizer_json, 300);
}

}  // namespace headrace::text
