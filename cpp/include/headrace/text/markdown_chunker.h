#pragma once

#include "headrace/text/chunker.h"

namespace headrace::text {

/// Cuts Markdown (CommonMark with the tables of GFM, and front matter). A heading begins a new chunk; inside
/// a section the cut is before a block, else a list item, else where RecursiveChunker would cut. Code blocks
/// and tables that fit stay whole. A table that doesn't is cut between rows, and the chunks that go on with
/// it name its header (ChunkNote::context), whose size is counted against their limit. Fills ChunkList::notes
/// and headings.
class MarkdownChunker final : public Chunker {
 public:
  /// Throws ConfigurationError. Sections smaller than `min_section` code points share a chunk with what
  /// follows.
  explicit MarkdownChunker(ChunkOptions options, int64_t min_section = 0);

  using Chunker::chunk;
  void chunk(TextView text, ChunkList& out) const override;

 private:
  ChunkOptions options_;
  int64_t min_section_;
};

}  // namespace headrace::text
