#pragma once

#include <cstdint>
#include <string_view>

namespace headrace::text {

/// The longest abbreviation, in characters.
inline constexpr int64_t kLongestAbbreviation = 8;

/// Whether a full stop after this word abbreviates it rather than ends a sentence: titles, references, units
/// and the like, after which a name or a number follows. `word` is in lower case without accents.
bool is_abbreviation(std::string_view word);

}  // namespace headrace::text
