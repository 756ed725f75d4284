#include "headrace/text/recursive_chunker.h"

#include "cutter.h"
#include "headrace/base/error.h"
#include "kernels.h"
#include "measure.h"

namespace headrace::text {

namespace {

template <class Unit, class Measure>
void cut(const Unit* text, int64_t size, const Measure& measure, const ChunkOptions& options,
         const Kernels<Unit>& kernels, ChunkList& out) {
  const double fill = static_cast<double>(options.min_size) / static_cast<double>(options.size);
  Cutter<Unit, Measure>(text, size, measure, kernels).run(fill, options.overlap > 0, out);
}

}  // namespace

RecursiveChunker::RecursiveChunker(ChunkOptions options) : options_(checked(options)) {
  if (options_.unit == Unit::kTokens) throw ConfigurationError("unit tokens needs a tokenizer");
}

void RecursiveChunker::chunk(TextView text, ChunkList& out) const {
  text.visit([&]<class CodeUnit>(const CodeUnit* data) {
    const Kernels<CodeUnit>& set = kernels<CodeUnit>(best_simd());
    if (options_.unit == Unit::kBytes) {
      const ByteMeasure<CodeUnit> measure(data, text.size(), options_.size, options_.overlap, set);
      cut(data, text.size(), measure, options_, set, out);
    } else {
      const CharMeasure measure(text.size(), options_.size, options_.overlap);
      cut(data, text.size(), measure, options_, set, out);
    }
  });
}

}  // namespace headrace::text
