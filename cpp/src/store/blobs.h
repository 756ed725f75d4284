#pragma once

#include <string>

#include "headrace/base/env.h"
#include "headrace/base/value.h"
#include "sqlite.h"

namespace headrace::sqlite {

/// Values above this many bytes live in files named by their SHA-256; a row then holds the blob's number.
inline constexpr std::size_t kInlineLimit = 64 * 1024;

/// Content-addressed files beside the database. A file is synced before the row that names it is committed.
class Blobs {
 public:
  Blobs(std::string folder, const Env& env) : folder_(std::move(folder)), env_(env) {}

  /// Stores a value and returns the number of its row in the table `blob`.
  std::int64_t put(Connection& db, const Value& value) const;
  /// CheckpointCorruptionError where the file is missing or isn't what was stored.
  Value get(Connection& db, std::int64_t id) const;
  std::string path(std::string_view digest) const;
  /// The digest that a file of this path should have; empty where it is no file of ours.
  std::string digest(const std::string& path) const;
  const std::string& folder() const noexcept { return folder_; }

 private:
  std::string folder_;
  const Env& env_;
};

/// Binds a value to a parameter: inline, or by the number of its blob.
void bind_value(Statement& statement, int index, const Value& value, Connection& db, const Blobs& blobs);
/// Reads a value from a column; the bytes are copied.
Value read_value(const Statement& statement, int column, Connection& db, const Blobs& blobs);

}  // namespace headrace::sqlite
