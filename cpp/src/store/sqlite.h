#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/store/run_store.h"

namespace headrace::sqlite {

/// A prepared statement. Not thread-safe, like the connection it belongs to.
class Statement {
 public:
  Statement(sqlite3* db, const std::string& sql);
  Statement(Statement&&) = default;

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, int value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, double value);
  Statement& bind(int index, std::nullptr_t);
  /// Text or blob; the bytes must live until the next step ends.
  Statement& bind(int index, std::string_view bytes, bool text = true);
  Statement& bind_cell(int index, const Cell& cell);

  /// True: a row is there. False: done, and reset.
  bool step();
  void run() {
    while (step()) {
    }
  }
  void reset() noexcept { sqlite3_reset(handle_.get()); }

  std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(handle_.get(), column); }
  std::string text(int column) const;
  std::string_view bytes(int column) const noexcept;
  int type(int column) const noexcept { return sqlite3_column_type(handle_.get(), column); }
  Cell cell(int column) const;
  int columns() const noexcept { return sqlite3_column_count(handle_.get()); }
  const char* name(int column) const noexcept { return sqlite3_column_name(handle_.get(), column); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
  };
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

enum class Mode {
  kWrite,
  kRead,   ///< only to read, beside somebody who may write
  kFrozen  ///< only to read, while nobody writes: without the log and the locks that can't be made
};

class Stamp;

/// The owner came between somebody who may only read and what he read: nothing is known to be wrong.
class Disturbed : public StorageError {
 public:
  using StorageError::StorageError;
};

/// One connection, for one thread at a time: sharing one between a writer and readers corrupts the file.
class Connection {
 public:
  Connection(const std::string& path, Mode mode);
  ~Connection();
  /// Answers what `read` does. Disturbed where somebody who may only read was disturbed: it may be a
  /// mixture. Where SQLite's locks were to be had, only what looks like damage may be due to that.
  template <typename Read>
  auto steady(const Read& read) const {
    try {
      auto result = read();
      if (!moved()) return result;
    } catch (const CheckpointCorruptionError&) {
      if (!disturbed()) throw;
    } catch (const Error&) {
      if (!moved()) throw;
    }
    fail_moved();
  }
  void execute(const std::string& sql);
  Statement prepare(const std::string& sql) { return {handle_.get(), sql}; }
  Table query(const std::string& sql, const std::vector<Cell>& arguments);
  std::int64_t changes() const noexcept { return sqlite3_changes64(handle_.get()); }
  sqlite3* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  bool moved() const noexcept;
  bool disturbed() const noexcept;
  [[noreturn]] void fail_moved() const;

  std::unique_ptr<Stamp> stamp_;  ///< only to read: as the files were
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A path as SQLite's URIs have it, with options such as "immutable=1".
std::string uri(const std::string& path, const char* options);

/// The text with a question mark for each byte that isn't UTF-8: damage may be quoted in messages.
std::string readable(std::string text);

/// Throws the error of the tree that a SQLite result code stands for.
[[noreturn]] void fail(sqlite3* db, const std::string& doing);

}  // namespace headrace::sqlite
