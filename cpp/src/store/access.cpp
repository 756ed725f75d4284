// Stores of other people, and stores on a disk that can't be written.
#include "access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>

#include "headrace/base/error.h"

namespace headrace::sqlite {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

std::int64_t size_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : -1;
}

/// Whether the file says in its header that it has a write-ahead log. Read through SQLite: whoever opens and
/// closes the file himself lets go of the locks that other connections of this process hold on it.
bool has_log(const std::string& path) {
  sqlite3* db = nullptr;
  char header[20] = {};
  const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
  if (sqlite3_open_v2(uri(path, "immutable=1").c_str(), &db, flags, nullptr) == SQLITE_OK) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file && file->pMethods) file->pMethods->xRead(file, header, sizeof header, 0);
  }
  sqlite3_close_v2(db);
  return header[18] == 2;
}

constexpr std::chrono::milliseconds kSettled{50};
constexpr int kSettleTries = 10;
constexpr const char* kWritten[] = {"", "-wal", "-mark"};

/// A second change in the same tick of the file system's clock leaves the time of a file as it is.
bool changed_just_now(const std::string& path) {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  for (const char* ending : kWritten) {
    struct stat info{};
    if (::stat((path + ending).c_str(), &info) != 0) continue;
    const auto age = std::chrono::seconds(now.tv_sec - info.st_mtim.tv_sec) +
                     std::chrono::nanoseconds(now.tv_nsec - info.st_mtim.tv_nsec);
    if (age >= std::chrono::seconds(0) && age < kSettled) return true;
  }
  return false;
}

/// Whether some process holds SQLite's lock on the log's index, so that it is in order. Asked of the kernel's
/// list: to open and close the file would let go of the locks that other connections of this process hold.
bool log_is_locked(const std::string& path) {
  struct stat info{};
  if (::stat((path + "-shm").c_str(), &info) != 0) return false;
  const std::string lock = ":" + std::to_string(info.st_ino) + " 128 128";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find(lock) != std::string::npos && line.find(" POSIX ") != std::string::npos) return true;
  }
  return false;
}

/// With a log there, nothing is whole without it and its index.
void check_log(const std::string& path) {
  for (const std::string& file : {path + "-wal", path + "-shm"}) {
    if (may(file, R_OK)) continue;
    const bool closed = errno == EACCES;
    throw StorageError("the store " + path + " is in use or was left by a crash, and " + file +
                       (closed ? " can't be read by this user: chmod a+r " + file
                               : " is missing: its owner must open the store once"));
  }
}

}  // namespace

bool may(const std::string& path, int how) noexcept {
  return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) == 0;
}

bool denied(const std::string& path) noexcept {
  return !may(path, R_OK) && errno == EACCES;
}

Mode mode_for(const std::string& path) {
  if (denied(path)) {
    throw StorageError("the store " + path +
                       " can't be read by this user: its owner can allow it (chmod a+r " + path +
                       "*, and chmod -R a+rX " + path + "-blobs)");
  }
  const std::int64_t log = size_of(path + "-wal");
  if (may(path, W_OK) && (log >= 0 || may(folder_of(path), W_OK | X_OK))) return Mode::kWrite;
  if (!has_log(path)) return Mode::kRead;
  if (log > 0) check_log(path);
  return log > 0 ? Mode::kRead : Mode::kFrozen;
}

Stamp::Stamp(std::string path, Mode mode)
    : path_(std::move(path)), live_(mode == Mode::kRead && log_is_locked(path_)) {
  for (int i = 0; i < kSettleTries && !live_ && changed_just_now(path_); ++i)
    std::this_thread::sleep_for(kSettled);
  seen_ = look();
  young_ = changed_just_now(path_) || (mode == Mode::kFrozen && size_of(path_ + "-wal") > 0);
}

bool Stamp::disturbed() const noexcept {
  return young_ || look() != seen_;
}

std::string Stamp::look() const noexcept {
  std::string seen;
  for (const char* ending : kWritten) {
    struct stat info{};
    if (::stat((path_ + ending).c_str(), &info) != 0) continue;
    seen += std::string(ending) + ":" + std::to_string(info.st_ino) + "/" + std::to_string(info.st_size) +
            "/" + std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + " ";
  }
  return seen;
}

}  // namespace headrace::sqlite
