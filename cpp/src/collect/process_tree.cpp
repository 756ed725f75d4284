#include "process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "fd.h"

namespace headrace::collect {

namespace {

constexpr int kRounds = 3;

struct Process {
  pid_t pid;
  pid_t parent;
  pid_t group;
  pid_t session;
  unsigned long long started;  // clock ticks since boot
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::string path_of(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

std::string read_file(const std::string& path) {
  std::string content;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 8192> part;
  for (ssize_t count; fd && (count = ::read(fd.get(), part.data(), part.size())) > 0;) content.append(part.data(), count);
  return content;
}

bool read_process(pid_t pid, Process& process) {
  const std::string stat = read_file(path_of(pid, "stat"));
  const size_t name_end = stat.rfind(')');  // the name itself may hold anything
  if (name_end == std::string::npos) return false;
  process.pid = pid;
  char state;
  constexpr const char* kFields = " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu";
  return std::sscanf(stat.c_str() + name_end + 1, kFields, &state, &process.parent, &process.group,
                     &process.session, &process.started) == 5 &&
         state != 'Z';
}

std::vector<Process> all_processes() {
  std::vector<Process> processes;
  const Directory directory(::opendir("/proc"));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    pid_t pid = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    Process process;
    if (error == std::errc() && end == name.data() + name.size() && read_process(pid, process)) processes.push_back(process);
  }
  return processes;
}

bool has_mark(pid_t pid, const std::string& mark) {
  if (mark.empty()) return false;
  const std::string environment = '\0' + read_file(path_of(pid, "environ"));
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

// Whether a descriptor of the folder is the writing end of one of the pipes: the reading ends are ours.
bool is_output(int folder, const char* name, const std::vector<std::string>& outputs) {
  struct stat status;
  std::array<char, 64> target;
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || (status.st_mode & S_IWUSR) == 0) return false;
  const ssize_t length = ::readlinkat(folder, name, target.data(), target.size());
  const std::string_view pipe(target.data(), std::max<ssize_t>(length, 0));
  return std::find(outputs.begin(), outputs.end(), pipe) != outputs.end();
}

bool holds_output(pid_t pid, const std::vector<std::string>& outputs) {
  const std::string folder = path_of(pid, "fd");
  const Directory directory(outputs.empty() ? nullptr : ::opendir(folder.c_str()));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    if (is_output(::dirfd(directory.get()), entry->d_name, outputs)) return true;
  }
  return false;
}

// Children of our own besides the root are never taken for its descendants by a pipe: one that was forked while the
// root was being started may hold a copy.
bool born_of(const TreeRoot& root, const Process& process) {
  return process.session == root.pid || has_mark(process.pid, root.mark) ||
         (process.parent != ::getpid() && holds_output(process.pid, root.outputs));
}

// The processes that belong to the tree without being the root itself; never ourselves or what was there before it.
std::vector<Process> members(const TreeRoot& root) {
  const std::vector<Process> processes = all_processes();
  const auto root_process = std::find_if(processes.begin(), processes.end(), [&](const Process& p) { return p.pid == root.pid; });
  const unsigned long long since = root_process != processes.end() ? root_process->started : 0;
  std::unordered_set<pid_t> inside = {root.pid};
  std::vector<Process> found;
  for (const Process& process : processes) {
    const bool candidate = process.pid != root.pid && process.pid != ::getpid() && process.started >= since;
    if (candidate && born_of(root, process) && inside.insert(process.pid).second) found.push_back(process);
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const Process& process : processes) {
      if (inside.count(process.parent) != 0 && inside.insert(process.pid).second) {
        found.push_back(process);
        grown = true;
      }
    }
  }
  return found;
}

// Sends only to the very process that was looked at: its number may be another's by now.
bool signal_process(const Process& process, int signal) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  Process now;
  if (!pidfd || !read_process(process.pid, now) || now.started != process.started) return false;
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace

void signal_tree(const TreeRoot& root, int signal) {
  std::vector<Process> known = members(root);  // before the signal: the dead have no children to be found by
  ::kill(-root.pid, signal);                   // reaches what the group forks at this moment, too
  if (signal == SIGTERM) ::kill(-root.pid, SIGCONT);  // a stopped process ends only when it runs
  std::unordered_set<pid_t> signalled;
  for (int round = 0; round < kRounds; ++round) {
    bool any = false;
    for (const Process& process : known) {
      if (process.group != root.pid && signalled.insert(process.pid).second) any = signal_process(process, signal) || any;
    }
    if (!any) return;
    known = members(root);  // what those outside the group may have started meanwhile
  }
}

bool has_descendants(const TreeRoot& root) { return !members(root).empty(); }

}  // namespace headrace::collect
