#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/text/chunk_list.h"
#include "headrace/text/text_view.h"
#include "headrace/text/tokenizer.h"

namespace headrace::text {

/// What `size` and `overlap` count: code points, bytes of UTF-8, or tokens of a model.
enum class Unit { kChars, kBytes, kTokens };

struct ChunkOptions {
  int64_t size = 1000;  ///< the limit: no chunk is longer
  int64_t overlap = 0;  ///< at most so much of a chunk is repeated at the start of the next
  Unit unit = Unit::kChars;
  int64_t min_size = -1;  ///< a chunk this long ends at the best break after it; -1: a quarter of size
  std::shared_ptr<const Tokenizer> tokenizer =
      nullptr;              ///< of kTokens: counts, with the special tokens that it adds
  std::string prefix = {};  ///< of kTokens: UTF-8 that will stand before each chunk, and counts too
  /// Of the places of one kind between min_size and size, cut at the one that the text around it chooses, not
  /// at the last: a document that changes in one place keeps its other chunks. They are smaller, so there are
  /// more.
  bool stable = false;
};

/// Throws ConfigurationError that names the wrong setting, or returns the options with the defaults filled
/// in.
ChunkOptions checked(ChunkOptions options);

/// Cuts texts into chunks. For all chunkers and all texts:
/// no chunk is over the limit; starts and ends strictly increase; every character that is not a blank is in a
/// chunk; overlaps are at most what was asked; edges are grapheme cluster boundaries (kUnicodeVersion),
/// except inside a cluster that alone exceeds the limit: there the limit wins, and ChunkList::splits names
/// the chunks. Immutable after construction: one chunker may be used by many threads at once.
class Chunker {
 public:
  virtual ~Chunker() = default;

  /// Appends the chunks of `text`.
  virtual void chunk(TextView text, ChunkList& out) const = 0;

  /// The same for UTF-8; spans count code points. Throws ConfigurationError where the bytes are not UTF-8.
  ChunkList chunk(std::string_view utf8) const;
};

/// The chunks of one text of a batch: spans [first, first + count) of a list that it shares with others.
struct DocumentChunks {
  std::shared_ptr<const ChunkList> list;
  int64_t first = 0;
  int64_t count = 0;
};

/// Chunks all texts on `threads` threads (0: as many as processors; the caller's is one of them). The result
/// does not depend on that number. The first error of any text is thrown once all threads have stopped.
std::vector<DocumentChunks> chunk_many(const Chunker& chunker, const std::vector<TextView>& texts,
                                       int threads = 0);

}  // namespace headrace::text
