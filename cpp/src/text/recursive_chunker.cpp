#include "headrace/text/recursive_chunker.h"

#include "cutter.h"
#include "headrace/base/error.h"
#include "recursive_breaks.h"
#include "with_measure.h"

namespace headrace::text {

RecursiveChunker::RecursiveChunker(ChunkOptions options) : options_(checked(options)) {
  if (options_.unit == Unit::kTokens) throw ConfigurationError("unit tokens needs a tokenizer");
}

void RecursiveChunker::chunk(TextView text, ChunkList& out) const {
  with_measure(text, options_, [&]<class Code>(const Scanner<Code>& scanner, const Measure& measure) {
    const RecursiveBreaks<Code> breaks(scanner);
    Cutter<Code>(scanner, measure, breaks, fill(options_), options_.overlap > 0).run(0, scanner.size(), out);
  });
}

}  // namespace headrace::text
