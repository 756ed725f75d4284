#include "token_measure.h"

#include <algorithm>
#include <vector>

#include "unicode.h"
#include "utf8.h"

namespace headrace::text {

namespace {

constexpr int64_t kMaxBlanks = 64;  // between two words; where there are more it is counted again

int64_t tokens_of(const Tokenizer& tokenizer, TextView text) {
  TokenList list;
  tokenizer.encode(text, list);
  return list.size();
}

// The prefix and a part of the text, as one text.
std::vector<uint32_t> joined(TextView prefix, TextView text) {
  std::vector<uint32_t> codes;
  codes.reserve(static_cast<size_t>(prefix.size() + text.size()));
  for (int64_t i = 0; i < prefix.size(); ++i) codes.push_back(prefix[i]);
  for (int64_t i = 0; i < text.size(); ++i) codes.push_back(text[i]);
  return codes;
}

}  // namespace

int64_t taken_tokens(const ChunkOptions& options) {
  if (options.prefix.empty()) return options.tokenizer->special_tokens();
  const DecodedText prefix(options.prefix);
  return options.tokenizer->special_tokens() + tokens_of(*options.tokenizer, prefix.view());
}

TokenMeasure::TokenMeasure(TextView text, const ChunkOptions& options)
    : text_(text),
      tokenizer_(*options.tokenizer),
      size_(options.size - taken_tokens(options)),
      overlap_(options.overlap),
      joins_prefix_(!options.prefix.empty() && !(tokenizer_.has_words() && options.prefix.back() == ' ')),
      prefix_(options.prefix) {
  tokenizer_.encode(text, tokens_);
}

int64_t TokenMeasure::first_behind(int64_t position) const {
  const TokenSpan* begin = tokens_.spans.data();
  return std::partition_point(begin, begin + tokens_.size(),
                              [&](TokenSpan span) { return span.end <= position; }) -
         begin;
}

int64_t TokenMeasure::first_from(int64_t position) const {
  const TokenSpan* begin = tokens_.spans.data();
  return std::partition_point(begin, begin + tokens_.size(),
                              [&](TokenSpan span) { return span.start < position; }) -
         begin;
}

int64_t TokenMeasure::window_end(int64_t start, int64_t reserved) const {
  const int64_t first = first_behind(start);
  const int64_t room = std::max<int64_t>(size_ - reserved, 1);
  if (room >= tokens_.size() - first) return text_.size();
  return std::max<int64_t>(tokens_.spans[first + room].start, start + 1);
}

int64_t TokenMeasure::overlap_begin(int64_t end, int64_t reserved) const {
  if (overlap_ <= reserved) return end;
  const int64_t first = first_from(end) - (overlap_ - reserved);
  return first <= 0 ? 0 : tokens_.spans[first].start;
}

bool TokenMeasure::between_words(int64_t position) const {
  if (!tokenizer_.has_words()) return false;
  const int64_t next = first_behind(position);
  const int64_t start = next == tokens_.size() ? text_.size() : tokens_.spans[next].start;
  if (start < position || start - position > kMaxBlanks) return false;
  // A mark in the gap may have been sorted to before it: its token is elsewhere.
  for (int64_t i = position; i < start; ++i) {
    if (!is_blank(text_[i])) return false;
  }
  return next == tokens_.size() || tokens_.begins[next] == 1;
}

int64_t TokenMeasure::count(int64_t start, int64_t end) const {
  if (between_words(start) && between_words(end)) return first_behind(end) - first_behind(start);
  return tokens_of(tokenizer_, text_.part(start, end));
}

int64_t TokenMeasure::count_again(int64_t start, int64_t end) const {
  if (!joins_prefix_) return tokens_of(tokenizer_, text_.part(start, end));
  const DecodedText prefix(prefix_);
  const std::vector<uint32_t> codes = joined(prefix.view(), text_.part(start, end));
  return tokens_of(tokenizer_, TextView(codes.data(), static_cast<int64_t>(codes.size()))) -
         tokens_of(tokenizer_, prefix.view());
}

int64_t TokenMeasure::excess(int64_t start, int64_t end, int64_t reserved) const {
  if (!joins_prefix_ && between_words(start) && between_words(end)) {
    return std::max<int64_t>(first_behind(end) - first_behind(start) + reserved - size_, 0);
  }
  return std::max<int64_t>(count_again(start, end) + reserved - size_, 0);
}

int64_t TokenMeasure::overlap_excess(int64_t start, int64_t end) const {
  return std::max<int64_t>(count(start, end) - overlap_, 0);
}

}  // namespace headrace::text
