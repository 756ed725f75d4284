#include "mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/base/error.h"
#include "headrace/base/hash.h"

namespace headrace::sqlite {

namespace {

struct Slot {
  std::int64_t commit = 0;
  std::uint64_t check = 0;
  bool valid() const noexcept { return check == mix(static_cast<std::uint64_t>(commit), 0x6d61726bULL); }
};

}  // namespace

Mark::Mark(const std::string& path, bool writable) : path_(path) {
  fd_ = ::open(path.c_str(), (writable ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
  closed_ = fd_ < 0 && errno == EACCES && !writable;
  if (fd_ < 0 && !closed_ && (writable || errno != ENOENT)) {
    throw StorageError("can't open " + path + ": " + std::strerror(errno));
  }
}

Mark::~Mark() {
  if (fd_ >= 0) ::close(fd_);
}

std::int64_t Mark::read() const {
  Slot slots[2];
  const ssize_t size = fd_ < 0 ? 0 : ::pread(fd_, slots, sizeof slots, 0);
  if (size <= 0) return 0;
  std::int64_t last = -1;
  for (const Slot& slot : slots) {
    const bool unused = slot.commit == 0 && slot.check == 0;
    if (slot.valid() && !unused) last = std::max(last, slot.commit);
  }
  if (last < 0)
    throw CheckpointCorruptionError("the file " + path_ + " is damaged: restore the store from a copy");
  return last;
}

void Mark::write(std::int64_t commit) const noexcept {
  const Slot slot{commit, mix(static_cast<std::uint64_t>(commit), 0x6d61726bULL)};
  if (::pwrite(fd_, &slot, sizeof slot, (commit & 1) * static_cast<off_t>(sizeof slot)) < 0) return;
}

}  // namespace headrace::sqlite
