#include "headrace/text/recursive_chunker.h"

#include "cutter.h"
#include "recursive_breaks.h"
#include "with_measure.h"

namespace headrace::text {

RecursiveChunker::RecursiveChunker(ChunkOptions options) : options_(checked(options)) {}

void RecursiveChunker::chunk(TextView text, ChunkList& out) const {
  with_measure(text, options_, [&]<class Code>(const Scanner<Code>& scanner, const Measure& measure) {
    const RecursiveBreaks<Code> breaks(scanner, options_.stable);
    Cutter<Code>(scanner, measure, breaks, cutting(options_, fill(options_))).run(0, scanner.size(), out);
  });
}

}  // namespace headrace::text
