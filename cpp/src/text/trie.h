#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace headrace::text {

/// A set of strings over 16-bit symbols (0 is none), each with a value >= 0, as a double array: a step is two
/// loads.
class Trie {
 public:
  using Symbols = std::vector<uint16_t>;
  static constexpr int32_t kNone = -1;

  /// `words` with their values, each string once.
  explicit Trie(std::vector<std::pair<Symbols, int32_t>> words);

  static constexpr int32_t root() { return 0; }
  /// The node behind `symbol`, kNone where no string goes on so.
  int32_t next(int32_t node, uint16_t symbol) const {
    const int64_t at = int64_t{nodes_[static_cast<size_t>(node)].base} + symbol;
    return nodes_[static_cast<size_t>(at)].parent == node ? static_cast<int32_t>(at) : kNone;
  }
  /// The value of the string that ends at the node, kNone where none does.
  int32_t value(int32_t node) const { return nodes_[static_cast<size_t>(node)].value; }

 private:
  struct Node {
    int32_t base = 0;
    int32_t parent = kNone;
    int32_t value = kNone;
  };
  struct Range {
    int64_t begin;
    int64_t end;
    int64_t depth;
    int32_t node;
  };

  void place(const std::vector<std::pair<Symbols, int32_t>>& words, const Range& range,
             std::vector<Range>& todo);
  int32_t free_base(const Symbols& symbols);

  std::vector<Node> nodes_;
  static constexpr size_t kCursors = 8;
  size_t cursors_[kCursors] = {1, 1, 1, 1, 1, 1, 1, 1};  // where free_base() goes on, by number of children
};

}  // namespace headrace::text
