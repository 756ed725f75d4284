#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "headrace/embed/vectors.h"

namespace headrace::embed {

/// A text on its way through a batcher. The characters belong to the caller and stay until its row is
/// delivered.
struct BatchText {
  int64_t id = 0;  // the caller's name for it
  std::string_view text;
};

/// What a model answers: a view of its rows, and what keeps them alive.
struct ModelRows {
  MatrixView rows;
  std::shared_ptr<const void> owner;
};

/// What a batcher needs of a model. Called from as many threads at once as there are workers.
class BatchModel {
 public:
  virtual ~BatchModel() = default;

  /// One row for each text, in their order. Whatever it throws counts against these texts: the batch is
  /// halved.
  virtual ModelRows embed(std::span<const BatchText> texts) = 0;

  /// Writes the number of tokens the model will see for each text. The default: estimate_tokens().
  virtual void count_tokens(std::span<const BatchText> texts, int64_t* counts);

  /// Columns of the rows, 0 when only the model's first answer will tell.
  virtual int64_t dim() const { return 0; }
  /// The most tokens a text may have, 0 for no limit: longer ones fail without being sent. Only with exact
  /// counts.
  virtual int64_t max_text_tokens() const { return 0; }
  /// Whether an error is not the texts' fault (an interrupt, a wrong setting): then everything stops.
  /// The default: ConfigurationError and CancelledError.
  virtual bool is_fatal(const std::exception_ptr& error) const;
  /// Called now and then while a thread waits; throws to stop.
  virtual void check_interrupt() {}
  /// Called when one thread has thrown, until the others have ended: calls that wait (for a rate limit, say)
  /// had better return. Must not throw.
  virtual void stop() noexcept {}
};

/// A guess at a subword tokenizer's count, special tokens included, within about a fifth for prose. O(bytes).
int64_t estimate_tokens(std::string_view text) noexcept;

}  // namespace headrace::embed
