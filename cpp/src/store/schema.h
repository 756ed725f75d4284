#pragma once

#include <string>

#include "sqlite.h"

namespace headrace::sqlite {

inline constexpr int kSchemaVersion = 1;
inline constexpr int kApplicationId = 0x68726163;  // "hrac"

/// StorageError where the file is not one of ours, or of a version that we don't know.
void check_schema(Connection& db, const std::string& path);
/// Makes the tables in a new file, or checks an old one; sets how this connection writes.
void prepare_schema(Connection& db, const std::string& path, bool network, bool create);

/// Tables of one stage's records and of one space's items; documented in docs/run_store.md.
std::string units_table(std::int64_t id);
std::string items_table(std::int64_t id);
void create_units_table(Connection& db, std::int64_t id);
void create_items_table(Connection& db, std::int64_t id, bool children);
/// Rebuilds the view `results` (pipeline, stage, key, value, run, micros) over all units tables.
void rebuild_results_view(Connection& db);

}  // namespace headrace::sqlite
