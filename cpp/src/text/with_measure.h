#pragma once

#include "cutter.h"
#include "headrace/text/chunker.h"
#include "kernels.h"
#include "measure.h"
#include "scanner.h"
#include "token_measure.h"

namespace headrace::text {

/// The share of the limit from which on a chunk ends at the best break.
inline double fill(const ChunkOptions& options) {
  return static_cast<double>(options.min_size) / static_cast<double>(options.size);
}

/// How chunkers cut that fill a chunk to `share` of the limit at least; stable ones need room for a choice.
inline Cutting cutting(const ChunkOptions& options, double share) {
  return {options.stable ? fill(options) : share, options.overlap > 0, options.stable};
}

/// Calls use(scanner, measure) for the text's code unit and the options' unit.
template <class Use>
void with_measure(TextView text, const ChunkOptions& options, Use&& use) {
  text.visit([&]<class Code>(const Code* data) {
    const Scanner<Code> scanner(data, text.size(), kernels<Code>(best_simd()));
    switch (options.unit) {
      case Unit::kChars:
        return use(scanner, CharMeasure(text.size(), options.size, options.overlap));
      case Unit::kBytes:
        return use(scanner,
                   ByteMeasure<Code>(data, text.size(), options.size, options.overlap, scanner.kernels()));
      case Unit::kTokens:
        return use(scanner, TokenMeasure(text, options));
    }
  });
}

}  // namespace headrace::text
