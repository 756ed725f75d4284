#pragma once

#include <cstdint>
#include <vector>

#include "headrace/text/chunk_list.h"
#include "scanner.h"

namespace headrace::text {

/// Where something begins that should stay whole, and how much so: lower ranks are better places to cut.
struct MarkdownMark {
  static constexpr int kBlock = 0;
  static constexpr int kItem = 1;
  static constexpr int kInnerItem = 2;
  int64_t at;
  int rank;
};

/// A table or a fenced code block: whole lines [start, end).
struct MarkdownBlock {
  int64_t start;
  int64_t end;
  int64_t body;  ///< of a table: where its rows begin; of code: behind the opening fence
  Span info;     ///< of code: its info string
  bool is_table;
  int64_t trimmed;  ///< the end without blanks
};

/// From a heading to the next one. Adjoining headings that go deeper, with nothing between them, are one
/// section.
struct MarkdownSection {
  int64_t start;
  int64_t end;
  int64_t heading;  ///< index into headings, -1 before the first
};

/// The structure of one text, all lists ascending.
struct MarkdownOutline {
  int64_t front_matter_end = 0;
  std::vector<MarkdownMark> marks;
  std::vector<MarkdownBlock> blocks;
  std::vector<MarkdownSection> sections;
  std::vector<Heading> headings;
};

/// One pass over the lines: headings, lists, tables, code fences, quotes and front matter of CommonMark and
/// GFM.
template <class Code>
MarkdownOutline scan_markdown(const Scanner<Code>& text);

}  // namespace headrace::text
