#pragma once

#include <algorithm>
#include <cstdint>

#include "scanner.h"

namespace headrace::text {

/// Of several places the one whose surroundings have the lowest hash. The choice follows from what stands
/// around the places, not from where they are: two windows that both hold the winner choose it both.
template <class Code>
class LowestHash {
 public:
  explicit LowestHash(const Scanner<Code>& text) : text_(text) {}

  /// Whether it is now the one. Of equal ones the last in the text is.
  bool offer(int64_t position) {
    const uint64_t hash = hash_around(position);
    if (position_ >= 0 && (hash > lowest_ || (hash == lowest_ && position < position_))) return false;
    lowest_ = hash;
    position_ = position;
    return true;
  }

  int64_t position() const { return position_; }  ///< -1: none was offered
  void forget() { position_ = -1; }

 private:
  static constexpr int64_t kBefore = 20;
  static constexpr int64_t kBehind = 12;

  uint64_t hash_around(int64_t position) const {
    const int64_t end = std::min(position + kBehind, text_.size());
    uint64_t mixed = 0;
    for (int64_t i = std::max<int64_t>(position - kBefore, 0); i < end; ++i)
      mixed = (mixed ^ uint64_t{text_[i]}) * 0x9E3779B97F4A7C15u;
    return (mixed ^ mixed >> 29) * 0xD6E8FEB86659FD93u;
  }

  const Scanner<Code>& text_;
  uint64_t lowest_ = 0;
  int64_t position_ = -1;
};

}  // namespace headrace::text
