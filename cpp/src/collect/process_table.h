#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace headrace::collect {

/// The variable that marks the environment of a child, and so of its descendants.
inline constexpr const char* kMarkVariable = "HEADRACE_PROCESS";

/// One process of the system, as /proc shows it. What costs more to find out is read when it is first asked
/// for.
class Process {
 public:
  pid_t pid = -1;
  pid_t parent = -1;
  pid_t group = -1;
  pid_t session = -1;
  unsigned long long started = 0;  ///< clock ticks since boot

  /// Value of kMarkVariable; empty without one.
  const std::string& mark() const;
  /// Names ("pipe:[1234]") of the pipes that it can write to.
  const std::vector<std::string>& writable_pipes() const;
  /// Sends to this very process, and not to another that has got its number since.
  bool signal(int number) const;

 private:
  mutable std::optional<std::string> mark_;
  mutable std::optional<std::vector<std::string>> pipes_;
};

/// All processes of the system that have not ended (zombies are left out).
std::vector<Process> list_processes();

}  // namespace headrace::collect
