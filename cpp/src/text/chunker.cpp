#include "headrace/text/chunker.h"

#include <string>

#include "headrace/base/error.h"
#include "parallel.h"
#include "token_measure.h"
#include "utf8.h"

namespace headrace::text {

namespace {

constexpr int64_t kWidestCharacter = 4;  // bytes of UTF-8

// Without a tokenizer there are no tokens; with one they are what its user surely means.
void check_tokenizer(const ChunkOptions& options) {
  if (options.unit == Unit::kTokens && !options.tokenizer) {
    throw ConfigurationError("unit 'tokens' needs a tokenizer: give tokenizer=");
  }
  if (options.unit != Unit::kTokens && !options.prefix.empty()) {
    throw ConfigurationError("a prefix counts tokens: give unit 'tokens' and a tokenizer, or no prefix");
  }
  if (options.unit != Unit::kTokens) return;
  const int64_t taken = taken_tokens(options);
  if (options.size <= taken) {
    throw ConfigurationError("size must be more than " + std::to_string(taken) + " tokens, not " +
                             std::to_string(options.size) +
                             ": so many are taken by special tokens and the prefix");
  }
  if (options.overlap >= options.size - taken) {
    throw ConfigurationError("overlap must be smaller than the " + std::to_string(options.size - taken) +
                             " tokens that size leaves for text, not " + std::to_string(options.overlap));
  }
}

}  // namespace

ChunkOptions checked(ChunkOptions options) {
  const auto fail = [](const std::string& message) { throw ConfigurationError(message); };
  if (options.size < 1) fail("size must be at least 1, not " + std::to_string(options.size));
  if (options.unit == Unit::kBytes && options.size < kWidestCharacter) {
    fail("size must be at least 4 bytes, not " + std::to_string(options.size) +
         ": one character can take so many");
  }
  if (options.overlap < 0) fail("overlap must be at least 0, not " + std::to_string(options.overlap));
  if (options.overlap >= options.size) {
    fail("overlap must be smaller than size, not " + std::to_string(options.overlap) + " of " +
         std::to_string(options.size) + ": otherwise a chunk would hold nothing new");
  }
  check_tokenizer(options);
  if (options.min_size == -1) options.min_size = options.size / 4;
  if (options.min_size < 0 || options.min_size > options.size) {
    fail("min_size must be between 0 and size, not " + std::to_string(options.min_size));
  }
  return options;
}

ChunkList Chunker::chunk(std::string_view utf8) const {
  const DecodedText text(utf8);
  ChunkList out;
  chunk(text.view(), out);
  return out;
}

std::vector<DocumentChunks> chunk_many(const Chunker& chunker, const std::vector<TextView>& texts,
                                       int threads) {
  std::vector<DocumentChunks> results(texts.size());
  for_each_group(texts, threads, [&](size_t begin, size_t end) {
    auto list = std::make_shared<ChunkList>();
    for (size_t i = begin; i < end; ++i) {
      const auto first = static_cast<int64_t>(list->spans.size());
      chunker.chunk(texts[i], *list);
      results[i] = {list, first, static_cast<int64_t>(list->spans.size()) - first};
    }
  });
  return results;
}

}  // namespace headrace::text
