#pragma once

#include "headrace/text/chunker.h"

namespace headrace::text {

/// Cuts at the end of a paragraph where the limit allows it, else at the end of a line, of a sentence, after
/// a word, between two grapheme clusters. Blanks at the edges of chunks are left out.
class RecursiveChunker final : public Chunker {
 public:
  /// Throws ConfigurationError. Owner of nothing but its options.
  explicit RecursiveChunker(ChunkOptions options);

  using Chunker::chunk;
  void chunk(TextView text, ChunkList& out) const override;

  const ChunkOptions& options() const noexcept { return options_; }

 private:
  ChunkOptions options_;
};

}  // namespace headrace::text
