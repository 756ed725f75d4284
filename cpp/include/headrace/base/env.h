#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace headrace {

/// Who a process is: survives the reuse of its pid and a reboot.
struct Owner {
  std::string boot_id;
  std::int64_t pid = 0;
  std::int64_t start_ticks = 0;
  bool operator==(const Owner&) const = default;
};

/// A kernel lock that dies with its holder; released by the destructor.
class Lease {
 public:
  virtual ~Lease() = default;
};

/// Every touch of the operating system by the store that isn't SQLite's own: tests replace it to make it
/// fail. Thread-safe. Paths are UTF-8.
class Env {
 public:
  virtual ~Env() = default;

  /// Wall clock, milliseconds since 1970. May go backwards: nothing but what people read depends on it.
  virtual std::int64_t now_ms() const;
  virtual Owner self() const;
  virtual bool alive(const Owner& owner) const;

  /// Locks byte `slot` of `path` (made 0600 where missing); null where another holder has it.
  virtual std::unique_ptr<Lease> try_lease(const std::string& path, std::int64_t slot) const;

  /// Whether somebody holds that lock; asks without taking it.
  virtual bool lease_held(const std::string& path, std::int64_t slot) const;

  /// Name of a network file system on which locks and shared memory can't be trusted; empty for a local one.
  virtual std::string network_file_system(const std::string& path) const;

  /// Writes `bytes` to a new file 0600, synced, then renamed to `path`; StorageError where that fails.
  virtual void write_file(const std::string& path, std::string_view bytes) const;
  virtual std::string read_file(const std::string& path) const;

  static const Env& system();
};

}  // namespace headrace
