#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "headrace/text/text_view.h"

namespace headrace::text {

/// Calls work(begin, end) for ranges of indices that together cover all texts, on `threads` threads (0: as
/// many as processors; the caller's is one of them). Throws the first error once all threads have stopped,
/// and ConfigurationError for a negative number of threads.
void for_each_group(const std::vector<TextView>& texts, int threads,
                    const std::function<void(size_t, size_t)>& work);

}  // namespace headrace::text
