#pragma once

#include <memory>
#include <string>

#include "headrace/flow/stage.h"
#include "headrace/text/chunker.h"

namespace headrace {

/// Cuts the text of every item into chunks: a flat_map stage. A child is a mapping of `text`, `start` and
/// `end` (code points of the item's text) and, of Markdown, `heading_path`; its key is the chunk's number.
class ChunkStage final : public Stage {
 public:
  /// `field`: of values that are mappings or objects, where their text is.
  ChunkStage(std::string name, std::string identity, std::shared_ptr<const text::Chunker> chunker,
             std::string field = "text");

  std::string identity() const override { return identity_; }
  void run(const RunInfo& run, Slice& slice) override;

 private:
  std::vector<Emitted> chunks(const std::string& text) const;

  const std::string identity_;
  const std::shared_ptr<const text::Chunker> chunker_;
  const std::string field_;
};

}  // namespace headrace
