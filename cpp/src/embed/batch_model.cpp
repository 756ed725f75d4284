#include "headrace/embed/batch_model.h"

#include <algorithm>

#include "headrace/base/error.h"

namespace headrace::embed {

void BatchModel::count_tokens(std::span<const BatchText> texts, int64_t* counts) {
  std::transform(texts.begin(), texts.end(), counts,
                 [](const BatchText& text) { return estimate_tokens(text.text); });
}

bool BatchModel::is_fatal(const std::exception_ptr& error) const {
  try {
    std::rethrow_exception(error);
  } catch (const ConfigurationError&) {
    return true;
  } catch (const CancelledError&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace headrace::embed
