#pragma once

#include <cstdint>
#include <vector>

#include "headrace/text/text_view.h"

namespace headrace::text {

/// Departures from the sentence boundaries of UAX #29 (kUnicodeVersion): none by default.
struct SentenceOptions {
  bool abbreviations =
      false;             ///< no boundary after a known Portuguese or English abbreviation, or an initial
  bool wrapped = false;  ///< a single line feed is a blank: for text wrapped at a fixed width
};

/// All sentence boundaries of the text, from 0 to its size; empty for an empty text. Blanks after a sentence
/// belong to it.
std::vector<int64_t> sentence_boundaries(TextView text, SentenceOptions options = {});

/// The same, appended to `out`.
void sentence_boundaries(TextView text, SentenceOptions options, std::vector<int64_t>& out);

}  // namespace headrace::text
