#include "process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>

#include "fd.h"

namespace headrace::collect {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::string path_of(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

std::string read_file(const std::string& path) {
  std::string content;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> part;
  for (ssize_t count; fd && (count = ::read(fd.get(), part.data(), part.size())) > 0;) {
    content.append(part.data(), static_cast<size_t>(count));
  }
  return content;
}

bool read_process(pid_t pid, Process& process) {
  const std::string stat = read_file(path_of(pid, "stat"));
  const size_t name_end = stat.rfind(')');  // the name itself may hold anything
  if (name_end == std::string::npos) return false;
  process.pid = pid;
  char state = 'Z';
  constexpr const char* kFields =
      " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu";
  const int found = std::sscanf(stat.c_str() + name_end + 1, kFields, &state, &process.parent, &process.group,
                                &process.session, &process.started);
  return found == 5 && state != 'Z' && state != 'X';
}

bool is_writable(int folder, const char* name) {
  struct stat status;
  return ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (status.st_mode & S_IWUSR) != 0;
}

}  // namespace

const std::string& Process::mark() const {
  if (!mark_) {
    std::string prefix(1, '\0');
    prefix.append(kMarkVariable).append("=");
    std::string environment(1, '\0');
    environment.append(read_file(path_of(pid, "environ")));
    const size_t found = environment.find(prefix);
    mark_ = found == std::string::npos ? "" : std::string(environment.c_str() + found + prefix.size());
  }
  return *mark_;
}

const std::vector<std::string>& Process::writable_pipes() const {
  if (pipes_) return *pipes_;
  pipes_.emplace();
  const Directory directory(::opendir(path_of(pid, "fd").c_str()));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const int folder = ::dirfd(directory.get());
    std::array<char, 64> target;
    const ssize_t length = ::readlinkat(folder, entry->d_name, target.data(), target.size());
    const std::string_view name(target.data(), static_cast<size_t>(std::max<ssize_t>(length, 0)));
    if (name.starts_with("pipe:") && is_writable(folder, entry->d_name)) pipes_->emplace_back(name);
  }
  return *pipes_;
}

bool Process::signal(int number) const {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Process now;
  if (!pidfd || !read_process(pid, now) || now.started != started) return false;
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0;
}

std::vector<Process> list_processes() {
  std::vector<Process> processes;
  const Directory directory(::opendir("/proc"));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    pid_t pid = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    const bool is_number = error == std::errc() && end == name.data() + name.size();
    Process process;
    if (is_number && read_process(pid, process)) processes.push_back(std::move(process));
  }
  return processes;
}

}  // namespace headrace::collect
