#include "headrace/text/token_chunker.h"

#include "cutter.h"
#include "headrace/base/error.h"
#include "token_breaks.h"
#include "with_measure.h"

namespace headrace::text {

TokenChunker::TokenChunker(ChunkOptions options) : options_(checked(options)) {
  if (!options_.tokenizer) throw ConfigurationError("TokenChunker needs a tokenizer: give tokenizer=");
}

void TokenChunker::chunk(TextView text, ChunkList& out) const {
  with_measure(text, options_,
               [&]<class Code, class Measure>(const Scanner<Code>& scanner, const Measure& measure) {
                 const auto cut = [&](const TokenList& tokens) {
                   const TokenBreaks<Code> breaks(scanner, tokens, options_.stable);
                   Cutter<Code>(scanner, measure, breaks, cutting(options_, 0.0)).run(0, scanner.size(), out);
                 };
                 if constexpr (std::is_same_v<Measure, TokenMeasure>) {
                   cut(measure.tokens());
                 } else {
                   TokenList tokens;
                   options_.tokenizer->encode(text, tokens);
                   cut(tokens);
                 }
               });
}

}  // namespace headrace::text
