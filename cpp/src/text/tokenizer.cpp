#include "headrace/text/tokenizer.h"

#include "parallel.h"

namespace headrace::text {

std::vector<int64_t> count_tokens(const Tokenizer& tokenizer, const std::vector<TextView>& texts,
                                  int threads) {
  std::vector<int64_t> counts(texts.size());
  for_each_group(texts, threads, [&](size_t begin, size_t end) {
    TokenList list;
    for (size_t i = begin; i < end; ++i) {
      list.clear();
      tokenizer.encode(texts[i], list);
      counts[i] = list.size() + tokenizer.special_tokens();
    }
  });
  return counts;
}

}  // namespace headrace::text
