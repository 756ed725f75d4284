#pragma once

#include <cstdint>
#include <vector>

namespace headrace::text {

/// Half-open range of code points of the source text.
struct Span {
  int64_t start = 0;
  int64_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// The chunks of one text or of several, one after the other.
struct ChunkList {
  std::vector<Span> spans;
  /// Indices of the chunks that begin or end inside a grapheme cluster because it alone exceeds the limit,
  /// ascending.
  std::vector<int64_t> splits;
};

}  // namespace headrace::text
