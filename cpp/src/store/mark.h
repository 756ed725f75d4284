#pragma once

#include <cstdint>
#include <string>

namespace headrace::sqlite {

/// The high-water mark: the number of the last commit that was acknowledged, kept outside the database.
/// SQLite takes the rest of a write-ahead log behind a flipped bit for absent, without a word; a database
/// that is behind its mark has lost commits. Two slots written in turn: a kill between bytes spoils one at
/// most. Never synced: it guards against damage, the database itself against power loss.
class Mark {
 public:
  explicit Mark(const std::string& path, bool writable);
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark();

  /// Whether the file is there, and this user may not read it; then read() answers 0.
  bool closed() const noexcept { return closed_; }

  /// Last acknowledged commit; 0 where the file is new. CheckpointCorruptionError where both slots are
  /// damaged.
  std::int64_t read() const;
  void write(std::int64_t commit) const noexcept;

 private:
  std::string path_;
  int fd_ = -1;
  bool closed_ = false;
};

}  // namespace headrace::sqlite
