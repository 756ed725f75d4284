#include "trie.h"

#include <algorithm>

namespace headrace::text {

namespace {
constexpr size_t kSymbols = 1 << 16;
}

Trie::Trie(std::vector<std::pair<Symbols, int32_t>> words) : nodes_(kSymbols + 1) {
  std::sort(words.begin(), words.end());
  nodes_[0].parent = 0;
  std::vector<Range> todo{{0, static_cast<int64_t>(words.size()), 0, root()}};
  for (size_t i = 0; i < todo.size(); ++i) place(words, Range(todo[i]), todo);  // breadth first
  // Any symbol may be asked for at any node.
  nodes_.resize(nodes_.size() + kSymbols);
  nodes_[0].parent = kNone;
}

// Gives the children of one node their places, and leaves their own children to do.
void Trie::place(const std::vector<std::pair<Symbols, int32_t>>& words, const Range& range,
                 std::vector<Range>& todo) {
  int64_t at = range.begin;
  if (at < range.end && static_cast<int64_t>(words[static_cast<size_t>(at)].first.size()) == range.depth) {
    nodes_[static_cast<size_t>(range.node)].value = words[static_cast<size_t>(at++)].second;
  }
  Symbols symbols;
  std::vector<Range> children;
  while (at < range.end) {
    const uint16_t symbol = words[static_cast<size_t>(at)].first[static_cast<size_t>(range.depth)];
    const int64_t begin = at;
    while (at < range.end && words[static_cast<size_t>(at)].first[static_cast<size_t>(range.depth)] == symbol)
      ++at;
    symbols.push_back(symbol);
    children.push_back({begin, at, range.depth + 1, 0});
  }
  if (symbols.empty()) return;
  const int32_t base = free_base(symbols);
  nodes_[static_cast<size_t>(range.node)].base = base;
  for (size_t i = 0; i < symbols.size(); ++i) {
    children[i].node = base + symbols[i];
    nodes_[static_cast<size_t>(children[i].node)].parent = range.node;
    todo.push_back(children[i]);
  }
}

// A place where all symbols fall on free nodes. The search for so many children goes on where the last one
// ended, so that building stays linear; places left behind are used by nodes with fewer.
int32_t Trie::free_base(const Symbols& symbols) {
  size_t& cursor = cursors_[std::min(symbols.size(), kCursors) - 1];
  for (size_t place = std::max<size_t>(cursor, symbols.front());; ++place) {
    const size_t base = place - symbols.front();
    if (base + symbols.back() >= nodes_.size()) nodes_.resize(base + symbols.back() + nodes_.size() / 2);
    const auto free = [&](uint16_t symbol) { return nodes_[base + symbol].parent == kNone; };
    if (!std::all_of(symbols.begin(), symbols.end(), free)) continue;
    cursor = place;
    return static_cast<int32_t>(base);
  }
}

}  // namespace headrace::text
