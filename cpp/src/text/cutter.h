#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "breaks.h"
#include "headrace/base/error.h"
#include "headrace/text/chunk_list.h"
#include "lowest_hash.h"
#include "measure.h"
#include "scanner.h"

namespace headrace::text {

struct Cutting {
  double fill;  ///< a chunk at least so much (0 to 1) of the limit long ends at the best break that follows
  bool overlapping;  ///< the next chunk may repeat what ends one
  bool stable;       ///< cuts between clusters follow from the text around them
};

/// Cuts a text, or a part of one, from left to right. Every start is a cluster boundary (or follows a hard
/// cut), which bounds all looking back, so that each cut costs O(limit) and nothing is kept over the text.
template <class Code>
class Cutter {
 public:
  Cutter(const Scanner<Code>& text, const Measure& measure, const Breaks& breaks, const Cutting& cutting)
      : text_(text), measure_(measure), breaks_(breaks), cutting_(cutting) {}

  /// The limit is smaller by so much: that of the first chunk of each run, and that of the others.
  void reserve(int64_t first, int64_t others) {
    first_reserved_ = first;
    others_reserved_ = others;
  }

  /// Appends the chunks of text[begin, end), two cluster boundaries.
  void run(int64_t begin, int64_t end, ChunkList& out) {
    stop_ = text_.trim_end(begin, end);
    inside_ = false;
    reserved_ = first_reserved_;
    begin_at(text_.skip_blanks(begin));
    while (start_ < stop_) {
      Cut cut = cut_from(start_);
      if (start_ < fresh_ && cut.level >= Level::kCluster) cut = without_overlap(cut);
      emit(cut, out);
      reserved_ = others_reserved_;
      advance(cut);
    }
  }

 private:
  void begin_at(int64_t position) { start_ = fresh_ = floor_ = position; }

  Cut cut_from(int64_t start) const {
    int64_t high = measure_.window_end(start, reserved_);
    for (;;) {
      const Cut cut = cut_within(start, high);
      const int64_t excess = cut.end > start ? measure_.excess(start, cut.end, reserved_) : 0;
      if (excess == 0) return cut;
      // Rare: what was cut apart counts for more than it did together.
      high = std::min(measure_.window_end(start, reserved_ + excess), cut.end - 1);
      if (high <= start) fail(start);
    }
  }

  Cut cut_within(int64_t start, int64_t high) const {
    if (high >= stop_) return {stop_, stop_, Level::kEnd};
    const int64_t bottom = fresh_ + 1;  // each chunk holds something new
    if (bottom > high) return {start, high, Level::kHard};
    const auto least = static_cast<int64_t>(static_cast<double>(high - start) * cutting_.fill);
    const int64_t low = std::max(bottom, start + least);
    Cut cut = breaks_.best({start, floor_, low, high});
    if (cut.level == Level::kHard && low > bottom) cut = breaks_.best({start, floor_, bottom, low - 1});
    if (cut.level == Level::kHard && cutting_.stable) cut = chosen_cluster(low, high);
    return cut.level == Level::kHard ? last_cluster(bottom, high) : cut;
  }

  [[noreturn]] void fail(int64_t position) const {
    throw ConfigurationError("size is too small: the character at position " + std::to_string(position) +
                             " alone has more tokens than a chunk may have");
  }

  Cut last_cluster(int64_t low, int64_t high) const {
    for (int64_t i = high; i >= low; --i) {
      if (text_.boundary(i, floor_))
        return {text_.trim_end(start_, i), text_.skip_blanks(i), Level::kCluster};
    }
    return {high, high, Level::kHard};
  }

  Cut chosen_cluster(int64_t low, int64_t high) const {
    LowestHash<Code> clusters(text_);
    for (int64_t i = low; i <= high; ++i) {
      if (text_.boundary(i, floor_)) clusters.offer(i);
    }
    const int64_t at = clusters.position();
    if (at < 0) return {high, high, Level::kHard};
    return {text_.trim_end(start_, at), text_.skip_blanks(at), Level::kCluster};
  }

  // An overlap that leaves no room for a good cut is given up.
  Cut without_overlap(const Cut& with) {
    const int64_t start = start_;
    const int64_t floor = floor_;
    begin_at(fresh_);
    const Cut cut = cut_from(start_);
    if (cut.level < with.level || with.level == Level::kHard) return cut;
    start_ = start;
    floor_ = floor;
    return with;
  }

  void emit(const Cut& cut, ChunkList& out) const {
    if (inside_ || cut.level == Level::kHard) out.splits.push_back(static_cast<int64_t>(out.spans.size()));
    out.spans.push_back({start_, cut.end});
  }

  void advance(const Cut& cut) {
    if (cut.level == Level::kHard) return advance_inside(cut.next);
    inside_ = false;
    int64_t again = cut.end;
    if (cutting_.overlapping && cut.next < stop_) again = overlap_start(cut.end);
    begin_at(again < cut.end ? again : cut.next);
    fresh_ = cut.next;
  }

  // Where the next chunk begins to repeat what ends at `end`; `end` where it doesn't.
  int64_t overlap_start(int64_t end) const {
    for (int64_t reserved = 0;;) {
      const int64_t low = std::max(measure_.overlap_begin(end, reserved), start_ + 1);
      if (low >= end) return end;
      const int64_t start = breaks_.overlap_start(floor_, low, end);
      const int64_t excess = start < end ? measure_.overlap_excess(start, end) : 0;
      if (excess == 0) return start;
      reserved += excess;
    }
  }

  // The cluster's own beginning stays the floor until the cluster is over.
  void advance_inside(int64_t position) {
    const int64_t next = text_.skip_blanks(position);
    inside_ = next == position;
    if (!inside_) floor_ = next;
    start_ = fresh_ = next;
  }

  const Scanner<Code>& text_;
  const Measure& measure_;
  const Breaks& breaks_;
  Cutting cutting_;
  int64_t first_reserved_ = 0;
  int64_t others_reserved_ = 0;
  int64_t reserved_ = 0;  // of the next chunk
  int64_t stop_ = 0;      // the end without trailing blanks
  int64_t start_ = 0;     // of the next chunk
  int64_t fresh_ = 0;     // first position of it that no chunk has yet
  int64_t floor_ = 0;     // a cluster boundary at or before start_
  bool inside_ = false;   // start_ follows a hard cut
};

}  // namespace headrace::text
