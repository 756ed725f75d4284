#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sqlite.h"

namespace headrace::sqlite {

/// For each table that isn't sealed row by row: the sum of the hashes of its rows, in the table `meta`. Kept
/// up by temporary triggers on the writing connection, so that no statement can forget it; an altered,
/// missing or added row makes the sums differ. Belongs to one writing connection, and is used by its thread.
class Ledger {
 public:
  /// Installs the triggers on the store's writing connection. `this` must not move.
  explicit Ledger(Connection& db);
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Writes what the transaction changed; call it last. The schema is summed anew where it has changed.
  void write();
  /// Forgets what a transaction that was rolled back had changed.
  void drop() noexcept { changed_.fill(0); }

  /// Compares sums with rows, and pages with each other: the tables that everything hangs on, or all of
  /// them. One line a fault.
  static std::vector<std::string> check(Connection& db, bool all);
  /// Whether one table is as its sum says.
  static bool holds(Connection& db, const std::string& table);
  /// The rows that a new store starts with.
  static void create(Connection& db);

  static constexpr std::size_t kSums = 13;

 private:
  static void add_row(sqlite3_context* context, int count, sqlite3_value** values);

  Connection& db_;
  std::array<std::uint64_t, kSums> changed_{};
  std::int64_t schema_version_ = -1;
};

}  // namespace headrace::sqlite
