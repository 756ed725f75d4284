#include "batch_failures.h"

#include <Eigen/Core>
#include <algorithm>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

bool is_finite(const float* values, int64_t count) {
  return Eigen::Map<const Eigen::VectorXf>(values, count).allFinite();
}

// Texts and rows don't belong to each other.
class WrongShape final : public EmbeddingError {
 public:
  using EmbeddingError::EmbeddingError;
};

}  // namespace

BatchFailure describe_failure(const std::string& where) {
  const std::exception_ptr error = std::current_exception();
  std::string what;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
    what = "unknown error";  // not one of ours: it has no message
  }
  return {error, where + ": " + what.substr(0, what.find('\n'))};
}

BatchFailure too_long(const BatchText& text, int64_t tokens, int64_t limit) {
  try {
    throw EmbeddingError("text " + std::to_string(text.id) + " has " + std::to_string(tokens) +
                         " tokens, the model takes " + std::to_string(limit) +
                         ": cut it into smaller chunks (it would be truncated)");
  } catch (const EmbeddingError& error) {
    return {std::current_exception(), error.what()};
  }
}

std::string name_batch(int64_t number, std::span<const BatchText> texts) {
  constexpr size_t kNamed = 5;
  std::string name = "batch " + std::to_string(number) + " (" + std::to_string(texts.size());
  name += texts.size() == 1 ? " text: " : " texts: ";
  for (size_t i = 0; i < std::min(kNamed, texts.size()); ++i) {
    if (i > 0) name += ", ";
    name += std::to_string(texts[i].id);
  }
  return name + (texts.size() > kNamed ? ", ...)" : ")");
}

void check_answer(const MatrixView& rows, std::span<const BatchText> texts, int64_t dim) {
  const auto wanted = static_cast<int64_t>(texts.size());
  if (rows.rows != wanted) {
    throw WrongShape("the model returned " + std::to_string(rows.rows) +
                     (rows.rows == 1 ? " row for " : " rows for ") + std::to_string(wanted) +
                     (wanted == 1 ? " text" : " texts"));
  }
  if (rows.cols == 0 || (dim > 0 && rows.cols != dim)) {
    throw WrongShape("the model returned rows of dimension " + std::to_string(rows.cols) +
                     (dim > 0 ? " instead of " + std::to_string(dim) : std::string()));
  }
  for (int64_t i = 0; i < wanted; ++i) {
    if (is_finite(rows.data + i * rows.cols, rows.cols)) continue;
    throw EmbeddingError("the model returned NaN or infinity for text " +
                         std::to_string(texts[static_cast<size_t>(i)].id));
  }
}

bool is_wrong_shape(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const WrongShape&) {
    return true;
  } catch (...) {
    return false;
  }
}

bool is_usable(std::span<const float> row, int64_t dim) {
  const auto size = static_cast<int64_t>(row.size());
  return size > 0 && (dim == 0 || size == dim) && is_finite(row.data(), size);
}

}  // namespace headrace::embed
