#pragma once

#include "headrace/text/chunker.h"
#include "headrace/text/sentence.h"

namespace headrace::text {

/// As many whole sentences in a chunk as the limit allows; a sentence longer than that is cut as
/// RecursiveChunker cuts. An overlap is made of whole sentences too, so that it may be none.
class SentenceChunker final : public Chunker {
 public:
  /// Throws ConfigurationError.
  SentenceChunker(ChunkOptions options, SentenceOptions sentences);

  using Chunker::chunk;
  void chunk(TextView text, ChunkList& out) const override;

 private:
  ChunkOptions options_;
  SentenceOptions sentences_;
};

}  // namespace headrace::text
