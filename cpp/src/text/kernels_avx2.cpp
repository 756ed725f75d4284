// Compiled with -mavx2 -mbmi (see CMakeLists.txt): includes nothing that other files share inline code with.
#include "kernels_x86.h"

#ifdef HEADRACE_X86
#include <immintrin.h>

#include "kernels_impl.h"

namespace headrace::text {
namespace {

struct Avx2 {
  static constexpr bool kVector = true;
  static __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

  // One bit an element out of comparison results: 2 x 32 bytes, 4 x 16 words, 8 x 8 double words.
  static uint64_t pack(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(high))} << 32;
  }
  static __m256i narrow16(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xD8);
  }
  static __m256i narrow32(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
  }

  template <class Match>
  static uint64_t mask(const uint8_t* at, Match match) {
    return pack(match(load(at)), match(load(at + 32)));
  }
  template <class Match>
  static uint64_t mask(const uint16_t* at, Match match) {
    return pack(narrow16(match(load(at)), match(load(at + 16))),
                narrow16(match(load(at + 32)), match(load(at + 48))));
  }
  template <class Match>
  static uint64_t mask(const uint32_t* at, Match match) {
    const auto half = [&](const uint32_t* from) {
      return narrow16(narrow32(match(load(from)), match(load(from + 8))),
                      narrow32(match(load(from + 16)), match(load(from + 24))));
    };
    return pack(half(at), half(at + 32));
  }

  static __m256i splat(uint8_t value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  static __m256i splat(uint16_t value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
  static __m256i splat(uint32_t value) { return _mm256_set1_epi32(static_cast<int32_t>(value)); }
  static __m256i same(uint8_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi8(a, b); }
  static __m256i same(uint16_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi16(a, b); }
  static __m256i same(uint32_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi32(a, b); }
  // Signed: units from the upper half count as negative, which suits comparisons with small values.
  static __m256i above(uint8_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi8(a, b); }
  static __m256i above(uint16_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi16(a, b); }
  static __m256i above(uint32_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi32(a, b); }

  template <class Code>
  static uint64_t equal(const Code* at, Code value) {
    return mask(at, [&](__m256i units) { return same(value, units, splat(value)); });
  }

  template <class Code>
  static uint64_t blanks(const Code* at) {
    return mask(at, [](__m256i units) {
      const __m256i control =
          _mm256_and_si256(above(Code{}, units, splat(Code{8})), above(Code{}, splat(Code{14}), units));
      __m256i found = _mm256_or_si256(control, same(Code{}, units, splat(Code{' '})));
      if constexpr (sizeof(Code) > 1)
        found = _mm256_or_si256(found, same(Code{}, units, splat(Code{0x3000})));
      return found;
    });
  }

  // What may end a sentence in ASCII and Latin-1, out of bytes.
  static __m256i narrow_marks(__m256i bytes) {
    const auto is = [bytes](int value) {
      return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(static_cast<char>(value)));
    };
    return _mm256_or_si256(
        _mm256_or_si256(_mm256_or_si256(is('.'), is('\n')), _mm256_or_si256(is('!'), is('?'))),
        _mm256_or_si256(is('\r'), is(0x85)));
  }

  // A table of 16 bytes, looked up by the lower half of each byte.
  struct Table {
    alignas(16) uint8_t at[16];
    __m256i operator()(__m256i halves) const {
      const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(at));
      return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves);
    }
  };

  static __m256i lower_half(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(0x0F)); }
  static __m256i upper_half(__m256i bytes) { return lower_half(_mm256_srli_epi16(bytes, 4)); }

  // Blocks of which every unit may be a mark, by their upper byte.
  static __m256i wide_blocks(__m256i upper) {
    const auto in = [upper](int low, int high) {
      const __m256i shifted = _mm256_sub_epi8(upper, _mm256_set1_epi8(static_cast<char>(low)));
      return _mm256_cmpeq_epi8(_mm256_min_epu8(shifted, _mm256_set1_epi8(static_cast<char>(high - low))),
                               shifted);
    };
    return _mm256_or_si256(_mm256_or_si256(in(0x07, 0x1D), in(0x2C, 0x2F)), in(0xA4, 0xAB));
  }

  // The rest of may_end_sentence() for code units of 16 bits in two halves. A bit of the tables is a set of
  // units: U+0589; U+06D4; U+061D to 061F; U+2020 to 204F; U+3002; U+FE50 to FE57; U+FF01, FF61; U+FF0E,
  // FF0F, FF1E, FF1F.
  static __m256i wide_marks(__m256i upper, __m256i lower) {
    static constexpr Table kUpperRow{{0x07, 0, 0x08, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE0}};
    static constexpr Table kUpperColumn{{0x18, 0, 0, 0, 0, 0x01, 0x06, 0, 0, 0, 0, 0, 0, 0, 0x20, 0xC0}};
    static constexpr Table kLowerRow{
        {0xD0, 0x84, 0x08, 0x08, 0x08, 0x20, 0x40, 0, 0x01, 0, 0, 0, 0, 0x02, 0, 0}};
    static constexpr Table kLowerColumn{
        {0x28, 0x68, 0x38, 0x28, 0x2A, 0x28, 0x28, 0x28, 0x08, 0x09, 0x08, 0x08, 0x08, 0x0C, 0x8C, 0x8C}};
    const __m256i sets =
        _mm256_and_si256(_mm256_and_si256(kUpperRow(upper_half(upper)), kUpperColumn(lower_half(upper))),
                         _mm256_and_si256(kLowerRow(upper_half(lower)), kLowerColumn(lower_half(lower))));
    const __m256i none = _mm256_cmpeq_epi8(sets, _mm256_setzero_si256());
    return _mm256_or_si256(wide_blocks(upper), _mm256_xor_si256(none, _mm256_set1_epi8(-1)));
  }

  static uint64_t sentence_marks(const uint8_t* at) { return mask(at, narrow_marks); }

  static uint64_t sentence_marks(const uint16_t* at) {
    const __m256i units[4] = {load(at), load(at + 16), load(at + 32), load(at + 48)};
    return marks_of(units);
  }

  // Units over 0xFFFF become 0xFFFF, which is then taken for a mark: rare, and decided by the caller's table.
  static uint64_t sentence_marks(const uint32_t* at) {
    __m256i units[4];
    for (int i = 0; i < 4; ++i) {
      units[i] =
          _mm256_permute4x64_epi64(_mm256_packus_epi32(load(at + 16 * i), load(at + 16 * i + 8)), 0xD8);
    }
    uint64_t astral = 0;
    for (int i = 0; i < 4; i += 2) {
      const __m256i all = _mm256_set1_epi16(-1);
      const __m256i found =
          narrow16(_mm256_cmpeq_epi16(units[i], all), _mm256_cmpeq_epi16(units[i + 1], all));
      astral |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(found))} << 16 * i;
    }
    return marks_of(units) | astral;
  }

  // Packing to bytes turns units from 0x100 on into 0xFF or 0, which are no marks.
  static uint64_t marks_of(const __m256i* units) {
    __m256i first = narrow_marks(_mm256_packus_epi16(units[0], units[1]));
    __m256i second = narrow_marks(_mm256_packus_epi16(units[2], units[3]));
    const __m256i any =
        _mm256_or_si256(_mm256_or_si256(units[0], units[1]), _mm256_or_si256(units[2], units[3]));
    // No bit from 0x400 up in any unit: nothing beyond Latin, IPA, Greek.
    if (_mm256_testz_si256(any, _mm256_set1_epi16(static_cast<int16_t>(0xFC00))) == 0) {
      first = _mm256_or_si256(first, wide_marks_of(units[0], units[1]));
      second = _mm256_or_si256(second, wide_marks_of(units[2], units[3]));
    }
    return pack(_mm256_permute4x64_epi64(first, 0xD8), _mm256_permute4x64_epi64(second, 0xD8));
  }

  static __m256i wide_marks_of(__m256i first, __m256i second) {
    const __m256i byte = _mm256_set1_epi16(0xFF);
    return wide_marks(_mm256_packus_epi16(_mm256_srli_epi16(first, 8), _mm256_srli_epi16(second, 8)),
                      _mm256_packus_epi16(_mm256_and_si256(first, byte), _mm256_and_si256(second, byte)));
  }
};

}  // namespace

constinit const Kernels<uint8_t> kAvx2Latin1 = make_kernels<Avx2, uint8_t>();
constinit const Kernels<uint16_t> kAvx2Ucs2 = make_kernels<Avx2, uint16_t>();
constinit const Kernels<uint32_t> kAvx2Ucs4 = make_kernels<Avx2, uint32_t>();

}  // namespace headrace::text
#endif
