// What SQLite itself does not look at when it reads: whether pages fit together.
#include "structure.h"

#include <sys/stat.h>

#include "schema.h"

namespace headrace::sqlite {

namespace {

std::int64_t number(Connection& db, const std::string& query) {
  Statement statement = db.prepare(query);
  statement.step();
  return statement.integer(0);
}

void check_count(Connection& db, const std::string& table, std::int64_t expected, const std::string& what,
                 std::vector<std::string>& faults) {
  const std::int64_t count = number(db, "SELECT count(*) FROM " + table);
  if (count == expected) return;
  faults.push_back(table + " holds " + std::to_string(count) + " " + what + ", " + std::to_string(expected) +
                   " were recorded");
}

}  // namespace

void check_structure(Connection& db, const std::string& table, std::vector<std::string>& faults) {
  Statement check = db.prepare("PRAGMA integrity_check(" + table + ")");
  while (check.step()) {
    if (check.text(0) != "ok") faults.push_back("structure of the table " + table + ": " + check.text(0));
  }
}

void check_pipeline(Connection& db, std::int64_t pipeline, std::vector<std::string>& faults) {
  for (const auto& row : db.query("SELECT id, items FROM space WHERE pipeline=?1", {pipeline}).rows) {
    const std::string table = items_table(std::get<std::int64_t>(row[0]));
    check_structure(db, table, faults);
    check_count(db, table, std::get<std::int64_t>(row[1]), "items", faults);
  }
  for (const auto& row : db.query("SELECT id, units FROM stage WHERE pipeline=?1", {pipeline}).rows) {
    const std::string table = units_table(std::get<std::int64_t>(row[0]));
    check_structure(db, table, faults);
    check_count(db, table, std::get<std::int64_t>(row[1]), "records", faults);
  }
}

void check_length(Connection& db, const std::string& path, std::vector<std::string>& faults) {
  const std::int64_t said = number(db, "PRAGMA page_count") * number(db, "PRAGMA page_size");
  struct stat log{};
  // With a log beside it, the file may be behind.
  if (::stat((path + "-wal").c_str(), &log) == 0 && log.st_size > 0) return;
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0 || file.st_size == said) return;
  faults.push_back("the file has " + std::to_string(file.st_size) + " bytes, and says that it has " +
                   std::to_string(said));
}

}  // namespace headrace::sqlite
