#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <string>

#include "headrace/embed/batch_stream.h"

namespace headrace::embed {

/// Texts that fail alone one after the other before the model itself is doubted.
constexpr int64_t kSuspicious = 8;

/// The failure for the exception being handled: "where: first line of its message".
BatchFailure describe_failure(const std::string& where);
BatchFailure too_long(const BatchText& text, int64_t tokens, int64_t limit);
/// "batch 3 (2 texts: 4, 9)"; ids beyond the first few are left out.
std::string name_batch(int64_t number, std::span<const BatchText> texts);

/// Throws EmbeddingError when the answer isn't one finite row of `dim` values (0: any number but 0) a text.
void check_answer(const MatrixView& rows, std::span<const BatchText> texts, int64_t dim);
/// Whether check_answer() found another number of rows, or of columns.
bool is_wrong_shape(const std::exception_ptr& error);
/// Whether a row from a cache may stand for the model's: finite, and `dim` values if that is known.
bool is_usable(std::span<const float> row, int64_t dim);

}  // namespace headrace::embed
