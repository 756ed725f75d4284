#include "sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "access.h"
#include "headrace/base/error.h"
#include "schema.h"
#include "structure.h"

namespace headrace {

namespace sqlite {

namespace {

/// Makes the file 0600 before SQLite does it with the umask's rights; -wal and -shm take theirs from it.
std::string prepare_file(const std::string& path, bool create) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      throw StorageError("the store " + path + " is a folder: give the path of a file");
    return path;
  }
  if (errno == EACCES)
    throw StorageError("the store " + path + " can't be reached by this user: its folder is closed to it");
  if (!create) throw StorageError("there is no store at " + path);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw StorageError("the store " + path + " can't be made: " + std::strerror(errno));
  ::close(fd);
  return path;
}

}  // namespace

SqliteStore::SqliteStore(std::string path, bool create, const Env& env)
    : path_(prepare_file(path, create)),
      env_(env),
      mode_(mode_for(path_)),
      db_(path_, mode_),
      blobs_(path_ + "-blobs", env),
      mark_(path_ + "-mark", mode_ == Mode::kWrite) {
  if (mode_ == Mode::kWrite)
    prepare_schema(db_, path_, !env.network_file_system(path_).empty(), create || mark_.read() > 0);
  db_.steady([&] {
    if (mode_ != Mode::kWrite) check_schema(db_, path_);
    check_mark();
    check_ledger();
    return true;
  });
  if (mode_ == Mode::kWrite) ledger_.emplace(db_);
}

SqliteStore::~SqliteStore() {
  {
    const std::lock_guard lock(queue_lock_);
    stop_ = true;
  }
  queue_grew_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SqliteStore::check_mark() {
  const std::int64_t acknowledged = mark_.read();
  const Table meta = db_.query("SELECT value FROM meta WHERE name='commits'", {});
  if (meta.rows.empty() || !std::holds_alternative<std::int64_t>(meta.rows[0][0])) {
    throw CheckpointCorruptionError("the store " + path_ +
                                    " is damaged: it has lost its count of commits; restore it from a copy");
  }
  commit_number_ = std::get<std::int64_t>(meta.rows[0][0]);
  if (commit_number_ < acknowledged) {
    throw CheckpointCorruptionError(
        "the store " + path_ + " has lost " + std::to_string(acknowledged - commit_number_) +
        " acknowledged commits (its write-ahead log is damaged): restore it from a copy");
  }
}

void SqliteStore::check_ledger() {
  db_.execute("BEGIN");
  auto faults = Ledger::check(db_, false);
  check_length(db_, path_, faults);
  db_.execute("COMMIT");
  refuse(faults);
}

void SqliteStore::refuse(const std::vector<std::string>& faults) const {
  if (faults.empty()) return;
  throw CheckpointCorruptionError("the store " + path_ + " is damaged: " + readable(faults[0]) +
                                  "; restore it from a copy");
}

void SqliteStore::check(const std::string& pipeline) {
  Connection db(path_, mode_for(path_));
  db.execute("PRAGMA query_only=1; BEGIN");
  refuse(db.steady([&] {
    std::vector<std::string> faults;
    for (const auto& row : db.query("SELECT id FROM pipeline WHERE name=?1", {pipeline}).rows) {
      check_pipeline(db, std::get<std::int64_t>(row[0]), faults);
    }
    return faults;
  }));
}

std::int64_t SqliteStore::execute(const std::string& sql, const std::vector<Cell>& arguments) {
  const std::lock_guard writing(writing_);
  std::int64_t changed = 0;
  transaction([&] {
    Statement statement = db_.prepare(sql);
    for (std::size_t i = 0; i < arguments.size(); ++i)
      statement.bind_cell(static_cast<int>(i) + 1, arguments[i]);
    statement.run();
    changed = db_.changes();
  });
  return changed;
}

bool SqliteStore::active(std::int64_t run) {
  const Table found = make_reader(path_, env_)
                          ->query(
                              "SELECT pipeline, boot_id, pid, start_ticks FROM run WHERE number=?1 AND "
                              "status='running'",
                              {run});
  if (found.rows.empty()) return false;
  const auto& row = found.rows[0];
  if (!denied(lease_path())) return env_.lease_held(lease_path(), std::get<std::int64_t>(row[0]));
  return env_.alive(
      {std::get<std::string>(row[1]), std::get<std::int64_t>(row[2]), std::get<std::int64_t>(row[3])});
}

std::unique_ptr<Reader> SqliteStore::reader() {
  return make_reader(path_, env_);
}

}  // namespace sqlite

std::shared_ptr<RunStore> open_store(const std::string& location, bool create, const Env& env) {
  if (location.rfind("postgresql://", 0) == 0) {
    throw ConfigurationError(
        "a PostgreSQL run store is not available in this version: give the path of a file");
  }
  return std::make_shared<sqlite::SqliteStore>(location, create, env);
}

}  // namespace headrace
