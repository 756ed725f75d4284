#include "spawn.h"

#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <string_view>

#include "headrace/base/error.h"

#ifdef __SANITIZE_THREAD__
// The sanitizer takes the other name for a fork, after which it forbids threads. It is the same function.
extern "C" int __clone(int (*)(void*), void*, int, void*, ...);
#define clone __clone
#endif

namespace headrace::collect {

namespace {

constexpr size_t kStackBytes = 64 * 1024;

struct ChildArguments {
  const SpawnRequest& request;
  pid_t parent;
  int error = 0;
};

// The handlers live in memory that the child shares with us: none of them may run there. Ignored signals are
// inherited by what is executed; those that a host (Python) ignores for its own sake are put back.
__attribute__((no_sanitize("address", "undefined", "thread"))) void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_DFL) continue;
    const bool keep =
        action.sa_handler == SIG_IGN && signal != SIGPIPE && signal != SIGXFSZ && signal != SIGCHLD;
    if (keep) continue;
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Runs in the child, on a stack of its own but in the parent's memory, while the parent's thread stands
// still: system calls only. The first failed step ends it.
__attribute__((no_sanitize("address", "undefined", "thread"))) bool prepare(const ChildArguments& arguments) {
  const SpawnRequest& request = arguments.request;
  if (setsid() < 0) return false;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  if (getppid() != arguments.parent) raise(SIGKILL);  // it died before the line above
  // Not dup2(): the thread sanitizer believes that these are the parent's descriptors.
  const int streams[] = {request.input, request.output, request.errors};
  for (int target = 0; target < 3; ++target) {
    if (syscall(SYS_dup3, streams[target], target, 0) < 0) return false;
  }
  if (request.cwd != nullptr && chdir(request.cwd) != 0) return false;
  syscall(SYS_close_range, 3U, ~0U,
          CLOSE_RANGE_CLOEXEC);  // before Linux 5.11 descriptors rely on their own flag
  reset_signals();
  return true;
}

__attribute__((no_sanitize("address", "undefined", "thread"))) int child_main(void* pointer) {
  auto& arguments = *static_cast<ChildArguments*>(pointer);
  if (prepare(arguments)) execve(arguments.request.path, arguments.request.argv, arguments.request.envp);
  arguments.error = errno;
  _exit(127);
}

}  // namespace

Spawner::Spawner()
    : stack_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1,
                    0)) {
  if (stack_ == MAP_FAILED) throw ResourceError("no memory to start processes");
}

Spawner::~Spawner() {
  ::munmap(stack_, kStackBytes);
}

Spawned Spawner::spawn(const SpawnRequest& request) {
  ChildArguments arguments{request, ::getpid()};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
  const pid_t pid = ::clone(child_main, static_cast<char*>(stack_) + kStackBytes, flags, &arguments, &pidfd);
  const int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  Spawned spawned;
  if (pid < 0) {
    spawned.error = clone_error;
    return spawned;
  }
  spawned.pidfd.reset(pidfd);
  if (arguments.error != 0) {
    ::waitpid(pid, nullptr, 0);
    spawned.error = arguments.error;
    return spawned;
  }
  spawned.pid = pid;
  return spawned;
}

std::string find_program(const std::string& name, const char* path) {
  if (name.find('/') != std::string::npos) return name;
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
    std::string candidate = (folder.empty() ? "." : std::string(folder)) + "/" + name;
    struct stat status;
    if (::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &status) == 0 &&
        S_ISREG(status.st_mode))
      return candidate;
  }
  return "";
}

}  // namespace headrace::collect
