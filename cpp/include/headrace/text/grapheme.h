#pragma once

#include <cstdint>
#include <vector>

#include "headrace/text/text_view.h"

namespace headrace::text {

/// The version of the Unicode Character Database that every rule of this module follows. On top of it
/// clusters keep conjuncts together (rule GB9c of Unicode 15.1).
inline constexpr const char* kUnicodeVersion = "15.0.0";

/// Whether `position` (0 to size) lies between two extended grapheme clusters of UAX #29. `floor` is a
/// position at or before it that is known to be one: nothing before it is read.
template <class Code>
bool is_grapheme_boundary(const Code* text, int64_t size, int64_t position, int64_t floor = 0);

/// All boundaries of the text, from 0 to its size; empty for an empty text.
std::vector<int64_t> grapheme_boundaries(TextView text);

}  // namespace headrace::text
