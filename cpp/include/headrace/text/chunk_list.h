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

/// A heading of a Markdown text. `parent` is the index in ChunkList::headings of the one it stands under, -1:
/// none.
struct Heading {
  Span title;
  int level = 1;
  int64_t parent = -1;
};

/// What MarkdownChunker says about a chunk.
struct ChunkNote {
  int64_t heading = -1;       ///< index in ChunkList::headings of the section it belongs to; -1: none
  Span context;               ///< header of the table whose rows it goes on with; empty: none
  Span code;                  ///< info string of the code fence it begins in
  bool in_code = false;       ///< it begins inside a code fence
  bool front_matter = false;  ///< it is the front matter, or a part of it
};

/// The chunks of one text or of several, one after the other.
struct ChunkList {
  std::vector<Span> spans;
  /// Indices of the chunks that begin or end inside a grapheme cluster because it alone exceeds the limit,
  /// ascending.
  std::vector<int64_t> splits;
  std::vector<ChunkNote> notes;  ///< one a chunk, or none at all
  std::vector<Heading> headings;
};

}  // namespace headrace::text
