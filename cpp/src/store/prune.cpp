// Retention: what only old runs need is forgotten, and the files of values that no row names any more.
#include <filesystem>

#include "fault.h"
#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

namespace {

constexpr int kSweepWaitMs = 1'000;

std::int64_t choose_old_runs(Connection& db, std::int64_t keep_last, std::int64_t started_before_ms) {
  db.execute("CREATE TEMP TABLE IF NOT EXISTS old(number INTEGER PRIMARY KEY, pipeline INTEGER)");
  db.execute("DELETE FROM old");
  Statement choose = db.prepare(
      "INSERT INTO old SELECT number, pipeline FROM (SELECT number, pipeline, status, row_number() OVER "
      "(PARTITION BY pipeline ORDER BY number DESC) AS age FROM run) AS aged WHERE age > ?1 AND "
      "status <> 'running' AND age > (SELECT count(*) FROM run WHERE pipeline=aged.pipeline AND started_ms "
      ">= ?2)");
  choose.bind(1, keep_last).bind(2, started_before_ms).run();
  return db.changes();
}

void forget_runs(Connection& db) {
  for (const char* table : {"run_stage", "failure", "event", "sample"}) {
    db.execute(std::string("DELETE FROM ") + table + " WHERE run IN (SELECT number FROM old)");
  }
  db.execute(
      "DELETE FROM history WHERE superseded <= (SELECT min(r.number) FROM run r JOIN stage s ON "
      "s.pipeline=r.pipeline WHERE s.id=history.stage AND r.number NOT IN (SELECT number FROM old))");
}

void forget_blobs(Connection& db) {
  std::string used = "SELECT value FROM history WHERE typeof(value)='integer'";
  for (const auto& row : db.query("SELECT id FROM stage", {}).rows) {
    used += " UNION SELECT value FROM " + units_table(std::get<std::int64_t>(row[0])) +
            " WHERE typeof(value)='integer'";
  }
  db.execute("DELETE FROM blob WHERE id NOT IN (" + used + ")");
}

/// Whether nobody reads an older state of the store any more.
bool all_readers_are_up_to_date(Connection& db) {
  sqlite3_busy_timeout(db.handle(), kSweepWaitMs);
  Statement checkpoint = db.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const bool quiet = checkpoint.step() && checkpoint.integer(0) == 0;
  sqlite3_busy_timeout(db.handle(), fault::busy_ms());
  return quiet;
}

}  // namespace

void SqliteStore::forget_items() {
  for (const auto& row : db_.query("SELECT id, pipeline FROM space", {}).rows) {
    const auto space = std::get<std::int64_t>(row[0]);
    const std::string items = items_table(space);
    const std::string gone =
        "SELECT id FROM " + items + " WHERE gone_run <= (SELECT min(number) FROM run WHERE pipeline=" +
        std::to_string(std::get<std::int64_t>(row[1])) + " AND number NOT IN (SELECT number FROM old))";
    for (const auto& stage : db_.query("SELECT id FROM stage WHERE space=?1", {row[0]}).rows) {
      const auto table = std::get<std::int64_t>(stage[0]);
      db_.execute("DELETE FROM " + units_table(table) + " WHERE item IN (" + gone + ")");
      new_units_[table] -= db_.changes();
    }
    db_.execute("DELETE FROM " + items + " WHERE id IN (" + gone + ")");
    new_items_[space] -= db_.changes();
  }
}

void SqliteStore::sweep_blobs() {
  // Somebody who reads an older state still wants the files it names: then they go with the next prune.
  if (!all_readers_are_up_to_date(db_) || !std::filesystem::is_directory(blobs_.folder())) return;
  db_.execute("BEGIN IMMEDIATE");  // a run of another process might be writing such a file again
  std::error_code error;
  Statement find = db_.prepare("SELECT 1 FROM blob WHERE digest=?1");
  for (auto at = std::filesystem::recursive_directory_iterator(blobs_.folder(), error);
       !error && at != std::filesystem::end(at); at.increment(error)) {
    const std::string digest = blobs_.digest(at->path().string());
    if (digest.empty()) continue;
    const bool named = find.bind(1, digest, false).step();
    find.reset();
    std::error_code ignored;  // it goes with the next prune
    if (!named) std::filesystem::remove(at->path(), ignored);
  }
  db_.execute("COMMIT");
}

std::int64_t SqliteStore::prune(std::int64_t keep_last, std::int64_t started_before_ms) {
  if (keep_last < 1)
    throw ConfigurationError("prune keeps at least one run of each pipeline: keep_last must be >= 1");
  const std::lock_guard writing(writing_);
  std::int64_t removed = 0;
  transaction([&] {
    removed = choose_old_runs(db_, keep_last, started_before_ms);
    forget_runs(db_);
    forget_items();
    prune_vectors(db_);
    db_.execute("DELETE FROM run WHERE number IN (SELECT number FROM old)");
    if (removed > 0) db_.execute("UPDATE meta SET value=value+1 WHERE name='pruned'");
    forget_blobs(db_);
  });
  sweep_blobs();
  return removed;
}

}  // namespace headrace::sqlite
