#include "headrace/text/sentence_chunker.h"

#include "cutter.h"
#include "sentence_breaks.h"
#include "with_measure.h"

namespace headrace::text {

SentenceChunker::SentenceChunker(ChunkOptions options, SentenceOptions sentences)
    : options_(checked(options)), sentences_(sentences) {}

void SentenceChunker::chunk(TextView text, ChunkList& out) const {
  std::vector<int64_t> edges;
  sentence_boundaries(text, sentences_, edges);
  with_measure(text, options_, [&]<class Code>(const Scanner<Code>& scanner, const Measure& measure) {
    const SentenceBreaks<Code> breaks(scanner, edges, options_.stable);
    Cutter<Code>(scanner, measure, breaks, cutting(options_, 0.0)).run(0, scanner.size(), out);
  });
}

}  // namespace headrace::text
