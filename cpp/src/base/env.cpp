#include "headrace/base/env.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "headrace/base/error.h"

namespace headrace {

namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw StorageError(what + " " + path + ": " + std::strerror(errno));
}

/// The locks that this process holds. A forked child closes its copies: the lock must die with its holder,
/// not with the last of the children that some stage left behind.
class HeldLeases {
 public:
  static HeldLeases& all() {
    static auto* held = new HeldLeases();  // never destroyed: leases may outlive main
    return *held;
  }
  void add(int fd) {
    const std::lock_guard lock(lock_);
    fds_.insert(fd);
  }
  void close(int fd) {
    const std::lock_guard lock(lock_);
    if (fds_.erase(fd) > 0) ::close(fd);
  }

 private:
  HeldLeases() {
    ::pthread_atfork([] { all().lock_.lock(); }, [] { all().lock_.unlock(); }, [] { all().close_all(); });
  }
  void close_all() {
    for (const int fd : fds_) ::close(fd);
    fds_.clear();
    lock_.unlock();
  }

  std::mutex lock_;
  std::set<int> fds_;
};

class FileLease final : public Lease {
 public:
  explicit FileLease(int fd) : fd_(fd) { HeldLeases::all().add(fd); }
  FileLease(const FileLease&) = delete;
  FileLease& operator=(const FileLease&) = delete;
  ~FileLease() override { HeldLeases::all().close(fd_); }

 private:
  int fd_;
};

struct flock byte_lock(std::int64_t slot) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = slot;
  lock.l_len = 1;
  return lock;
}

std::string slurp(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string boot_id() {
  std::string id = slurp("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

/// Field 22 of /proc/PID/stat: start time in clock ticks since boot; -1 where there is no such process.
std::int64_t start_ticks(std::int64_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const auto close = stat.rfind(')');  // the command name before it may hold anything
  if (close == std::string::npos) return -1;
  std::istringstream fields(stat.substr(close + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return std::stoll(field);
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("can't write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

#ifdef HEADRACE_FAULTS
namespace {

/// Test builds only: with HEADRACE_CLOCK_BACK_MS the clock goes back so much at each look.
std::int64_t clock_fault() {
  static std::atomic<std::int64_t> behind{0};
  const char* text = std::getenv("HEADRACE_CLOCK_BACK_MS");
  return text ? behind += std::atoll(text) : 0;
}

}  // namespace
#else
static std::int64_t clock_fault() {
  return 0;
}
#endif

std::int64_t Env::now_ms() const {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count() - clock_fault();
}

Owner Env::self() const {
  const std::int64_t pid = ::getpid();
  return {boot_id(), pid, start_ticks(pid)};
}

bool Env::alive(const Owner& owner) const {
  return owner.boot_id == boot_id() && owner.start_ticks == start_ticks(owner.pid);
}

std::unique_ptr<Lease> Env::try_lease(const std::string& path, std::int64_t slot) const {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail("can't open the lease file", path);
  struct flock lock = byte_lock(slot);
  // An open-file-description lock: two runs in one process exclude each other too.
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return std::make_unique<FileLease>(fd);
  const int error = errno;
  ::close(fd);
  if (error == EAGAIN || error == EACCES) return nullptr;
  errno = error;
  fail("can't lock", path);
}

bool Env::lease_held(const std::string& path, std::int64_t slot) const {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct flock lock = byte_lock(slot);
  const bool held = ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

std::string Env::network_file_system(const std::string& path) const {
  struct statfs info{};
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::statfs(folder.c_str(), &info) != 0) return {};
  switch (static_cast<unsigned long>(info.f_type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case 0xFE534D42UL:  // SMB2
    case 0xFF534D42UL:  // CIFS
      return "SMB";
    case 0x65735546UL:
      return "FUSE";
    default:
      return {};
  }
}

void Env::write_file(const std::string& path, std::string_view bytes) const {
  const std::string temporary = path + ".part" + std::to_string(::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) fail("can't create", temporary);
  try {
    write_all(fd, bytes, temporary);
    if (::fsync(fd) != 0) fail("can't sync", temporary);
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(fd);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("can't rename to", path);
  sync_folder(path);
}

std::string Env::read_file(const std::string& path) const {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("can't read", path);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  return bytes.str();
}

const Env& Env::system() {
  static const Env env;
  return env;
}

}  // namespace headrace
