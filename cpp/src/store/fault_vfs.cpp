#ifdef HEADRACE_FAULTS

#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "fault.h"
#include "headrace/base/error.h"

namespace headrace::sqlite::fault {

namespace {

enum class Kind { kNone, kKill, kTorn, kFull, kIoError };

/// What the environment asks for, read once by each process.
struct Plan {
  Kind kind = Kind::kNone;
  std::int64_t number = 0;

  static Plan read() {
    const char* text = std::getenv("HEADRACE_FAULT");
    const char* colon = text ? std::strchr(text, ':') : nullptr;
    if (!colon) return {};
    const std::string name(text, colon);
    const Kind kind = name == "kill"   ? Kind::kKill
                      : name == "torn" ? Kind::kTorn
                      : name == "full" ? Kind::kFull
                                       : Kind::kIoError;
    return {kind, std::atoll(colon + 1)};
  }
};

std::atomic<std::int64_t> points{0};

/// A forked child has a plan of its own.
Plan plan() {
  static std::mutex lock;
  static pid_t owner = 0;
  static Plan current;
  const std::lock_guard guard(lock);
  if (owner != ::getpid()) {
    owner = ::getpid();
    current = Plan::read();
    points = 0;
  }
  return current;
}

[[noreturn]] void die() {
  std::raise(SIGKILL);
  std::abort();
}

/// Counts a point; SQLITE_OK: go on.
int pass() {
  const std::int64_t at = ++points;
  switch (plan().kind) {
    case Kind::kKill:
    case Kind::kTorn:  // where there is nothing to write half of
      if (at == plan().number) die();
      return SQLITE_OK;
    case Kind::kFull:
      return at >= plan().number ? SQLITE_FULL : SQLITE_OK;
    case Kind::kIoError:
      return at == plan().number ? SQLITE_IOERR_WRITE : SQLITE_OK;
    default:
      return SQLITE_OK;
  }
}

/// A file of ours: SQLite's own lies behind it in the same memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real();
}

int close(sqlite3_file* f) {
  return real(f)->pMethods->xClose(real(f));
}
int read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return real(f)->pMethods->xRead(real(f), to, size, at);
}
int write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  if (plan().kind == Kind::kTorn && points + 1 == plan().number) {
    real(f)->pMethods->xWrite(real(f), from, size / 2, at);
    die();
  }
  const int code = pass();
  return code != SQLITE_OK ? code : real(f)->pMethods->xWrite(real(f), from, size, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  const int code = pass();
  return code == SQLITE_OK || code == SQLITE_FULL ? real(f)->pMethods->xTruncate(real(f), size) : code;
}
int sync(sqlite3_file* f, int flags) {
  const int code = pass();
  return code == SQLITE_OK || code == SQLITE_FULL ? real(f)->pMethods->xSync(real(f), flags) : code;
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return real(f)->pMethods->xFileSize(real(f), size);
}
int lock(sqlite3_file* f, int level) {
  return real(f)->pMethods->xLock(real(f), level);
}
int unlock(sqlite3_file* f, int level) {
  return real(f)->pMethods->xUnlock(real(f), level);
}
int reserved(sqlite3_file* f, int* answer) {
  return real(f)->pMethods->xCheckReservedLock(real(f), answer);
}
int control(sqlite3_file* f, int op, void* argument) {
  return real(f)->pMethods->xFileControl(real(f), op, argument);
}
int sector(sqlite3_file* f) {
  return real(f)->pMethods->xSectorSize(real(f));
}
int traits(sqlite3_file* f) {
  return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** to) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, to);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) {
  real(f)->pMethods->xShmBarrier(real(f));
}
int shm_unmap(sqlite3_file* f, int remove) {
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

const sqlite3_io_methods kMethods = {2,        close,       read,      write,   truncate, sync,   file_size,
                                     lock,     unlock,      reserved,  control, sector,   traits, shm_map,
                                     shm_lock, shm_barrier, shm_unmap, nullptr, nullptr};

sqlite3_vfs* system_vfs() {
  return sqlite3_vfs_find(nullptr);
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* ours = new (file) File();
  const int code = system_vfs()->xOpen(system_vfs(), name, ours->real(), flags, out);
  ours->base.pMethods = code == SQLITE_OK ? &kMethods : nullptr;
  return code;
}

int remove(sqlite3_vfs*, const char* name, int sync_folder) {
  const int code = pass();
  return code == SQLITE_OK || code == SQLITE_FULL ? system_vfs()->xDelete(system_vfs(), name, sync_folder)
                                                  : code;
}

const char* registered() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *system_vfs();
    made.szOsFile += static_cast<int>(sizeof(File));
    made.zName = "headrace-fault";
    made.pNext = nullptr;
    made.xOpen = open;
    made.xDelete = remove;
    return made;
  }();
  static const int code = sqlite3_vfs_register(&vfs, 0);
  return code == SQLITE_OK ? vfs.zName : nullptr;
}

}  // namespace

const char* vfs() {
  return plan().kind == Kind::kNone ? nullptr : registered();
}

void point() {
  if (plan().kind == Kind::kTorn && points + 1 == plan().number) die();
  const int code = pass();
  if (code == SQLITE_FULL)
    throw StorageError("the disk is full: nothing recorded is lost; make room and run again");
  if (code != SQLITE_OK) throw StorageError("the store can't be written: an injected fault");
}

void kill_point() {
  const bool last = ++points == plan().number && (plan().kind == Kind::kKill || plan().kind == Kind::kTorn);
  if (last) die();
}

int busy_ms() {
  const char* text = std::getenv("HEADRACE_BUSY_MS");
  return text ? std::atoi(text) : 30'000;
}

}  // namespace headrace::sqlite::fault

#endif
