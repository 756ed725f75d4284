#include "guarantees.h"

#include <algorithm>
#include <vector>

#include "headrace/text/grapheme.h"
#include "unicode.h"
#include "utf8.h"

namespace headrace::text {

namespace {

class Check {
 public:
  Check(TextView text, const ChunkList& list, const ChunkOptions& options)
      : text_(text), list_(list), options_(options), edges_(grapheme_boundaries(text)) {}

  std::string run() const {
    int64_t covered = 0;
    for (size_t i = 0; i < list_.spans.size(); ++i) {
      const std::string fault = fault_of(i, covered);
      if (!fault.empty()) return "chunk " + std::to_string(i) + ": " + fault;
      covered = list_.spans[i].end;
    }
    return only_blanks(covered, text_.size()) ? "" : "the end of the text is lost";
  }

 private:
  std::string fault_of(size_t i, int64_t covered) const {
    const Span span = list_.spans[i];
    if (span.start < 0 || span.start >= span.end || span.end > text_.size()) return "no part of the text";
    if (size(span) + taken(i) > options_.size) return "over the limit";
    if (!only_blanks(covered, span.start)) return "text before it is lost";
    if (i > 0) {
      const Span before = list_.spans[i - 1];
      if (span.start <= before.start || span.end <= before.end) return "no progress";
      if (span.start < covered && size({span.start, covered}) > options_.overlap) return "overlap too long";
    }
    const bool split = !whole(span.start) || !whole(span.end);
    if (split != std::binary_search(list_.splits.begin(), list_.splits.end(), static_cast<int64_t>(i)))
      return "splits is wrong";
    return excused(span.start, i) && excused(span.end, i) ? "" : "cluster cut";
  }

  bool only_blanks(int64_t start, int64_t end) const {
    for (int64_t at = start; at < end; ++at) {
      if (!is_blank(text_[at])) return false;
    }
    return true;
  }

  bool whole(int64_t at) const { return std::binary_search(edges_.begin(), edges_.end(), at); }

  // No edge inside a cluster, but where the cluster alone exceeds the limit.
  bool excused(int64_t at, size_t chunk) const {
    if (whole(at)) return true;
    const auto next = std::upper_bound(edges_.begin(), edges_.end(), at);
    return size({*(next - 1), *next}) + taken(chunk) > options_.size;
  }

  // What a chunk has besides its text: the header of its table, special tokens.
  int64_t taken(size_t chunk) const {
    const int64_t special = options_.unit == Unit::kTokens ? options_.tokenizer->special_tokens() : 0;
    return special + (list_.notes.empty() ? 0 : size(list_.notes[chunk].context));
  }

  int64_t size(Span span) const {
    if (options_.unit == Unit::kTokens) {
      TokenList tokens;
      options_.tokenizer->encode(text_.part(span.start, span.end), tokens);
      return tokens.size();
    }
    if (options_.unit == Unit::kChars) return span.end - span.start;
    int64_t bytes = 0;
    for (int64_t i = span.start; i < span.end; ++i) bytes += utf8_size(text_[i]);
    return bytes;
  }

  TextView text_;
  const ChunkList& list_;
  const ChunkOptions& options_;
  std::vector<int64_t> edges_;
};

}  // namespace

std::string broken_guarantee(TextView text, const ChunkList& list, const ChunkOptions& options) {
  return Check(text, list, options).run();
}

}  // namespace headrace::text
