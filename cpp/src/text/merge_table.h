#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace headrace::text {

/// What pairs of tokens become, and how early: an open hash table that is only read once it is built.
class MergeTable {
 public:
  struct Merge {
    int32_t left = -1;
    int32_t right = -1;
    int32_t rank = 0;
    int32_t result = 0;
  };

  /// The first one of a pair that comes twice counts.
  explicit MergeTable(const std::vector<Merge>& merges) : slots_(std::bit_ceil(merges.size() * 2 + 16)) {
    for (const Merge& merge : merges) {
      size_t at = slot(merge.left, merge.right);
      while (slots_[at].left >= 0 && !is(slots_[at], merge.left, merge.right))
        at = (at + 1) & (slots_.size() - 1);
      if (slots_[at].left < 0) slots_[at] = merge;
    }
  }

  /// Null where the two don't merge.
  const Merge* find(int32_t left, int32_t right) const {
    for (size_t at = slot(left, right);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].left < 0) return nullptr;
      if (is(slots_[at], left, right)) return &slots_[at];
    }
  }

 private:
  static bool is(const Merge& merge, int32_t left, int32_t right) {
    return merge.left == left && merge.right == right;
  }

  size_t slot(int32_t left, int32_t right) const {
    const uint64_t key =
        (uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right)) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(key ^ key >> 32) & (slots_.size() - 1);
  }

  std::vector<Merge> slots_;
};

}  // namespace headrace::text
