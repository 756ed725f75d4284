#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "fd.h"

namespace headrace::collect {

/// What a child process starts with. All pointers are borrowed for the call.
struct SpawnRequest {
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* cwd = nullptr;  ///< nullptr: the parent's
  int input = -1;             ///< becomes descriptor 0; the others 1 and 2; all must be above 2
  int output = -1;
  int errors = -1;
};

struct Spawned {
  pid_t pid = -1;  ///< -1: `error` says why not
  UniqueFd pidfd;
  int error = 0;  ///< errno of the failed step
};

/// Starts child processes as posix_spawn does (memory shared until exec, no copy), and beyond what it can:
/// the child is killed when this thread dies, and comes with a descriptor. Needs Linux 5.4. One thread at a
/// time.
class Spawner {
 public:
  Spawner();
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;
  Spawned spawn(const SpawnRequest& request);

 private:
  void* stack_;
};

/// The file that `name` stands for: itself if it has a slash, else the first executable of that name in
/// `path` (as in PATH). Empty: there is none.
std::string find_program(const std::string& name, const char* path);

}  // namespace headrace::collect
