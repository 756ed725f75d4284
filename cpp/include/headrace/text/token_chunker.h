#pragma once

#include "headrace/text/chunker.h"

namespace headrace::text {

/// As many tokens in a chunk as the limit allows: cut where a word of the tokenizer begins, whatever the text
/// means.
class TokenChunker final : public Chunker {
 public:
  /// Throws ConfigurationError, also where the options have no tokenizer.
  explicit TokenChunker(ChunkOptions options);

  using Chunker::chunk;
  void chunk(TextView text, ChunkList& out) const override;

 private:
  ChunkOptions options_;
};

}  // namespace headrace::text
