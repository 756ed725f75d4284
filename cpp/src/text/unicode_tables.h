#pragma once

#include <cstdint>

// Two-stage tables: the block number of every 128 code points, and the blocks. See tools/unicode_tables.py.
namespace headrace::text {

inline constexpr int kBlockBits = 7;

extern const uint8_t kGraphemeIndex[];
extern const uint8_t kGraphemeData[];
extern const uint8_t kSentenceIndex[];
extern const uint8_t kSentenceData[];

}  // namespace headrace::text
