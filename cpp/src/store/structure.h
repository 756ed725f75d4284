#pragma once

#include <string>
#include <vector>

#include "sqlite.h"

namespace headrace::sqlite {

/// Whether the pages of a table and of its indices fit together: a damaged page can hide rows from a look-up
/// that a scan would find. Adds one line a fault.
void check_structure(Connection& db, const std::string& table, std::vector<std::string>& faults);

/// The same for all items and records of one pipeline, and whether they are as many as were recorded.
void check_pipeline(Connection& db, std::int64_t pipeline, std::vector<std::string>& faults);

/// Whether the file is as long as it says. Call it within a read transaction.
void check_length(Connection& db, const std::string& path, std::vector<std::string>& faults);

}  // namespace headrace::sqlite
