// Verification of everything that is recorded, and retention.
#include <unistd.h>

#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

namespace {

std::int64_t number(const Cell& cell) {
  const auto* value = std::get_if<std::int64_t>(&cell);
  return value ? *value : 0;
}

std::string word(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* blob = std::get_if<Bytes>(&cell)) return blob->data;
  return {};
}

using Faults = std::vector<std::string>;

void check_structure(Connection& db, Faults& faults) {
  for (const auto& row : db.query("PRAGMA integrity_check", {}).rows) {
    if (word(row[0]) != "ok") faults.push_back("structure: " + word(row[0]));
  }
}

void check_items(Connection& db, std::int64_t space, std::int64_t expected, Faults& faults) {
  Statement rows =
      db.prepare("SELECT id, parent, sequence, key, first_run, gone_run, seal FROM " + items_table(space));
  std::int64_t count = 0;
  for (; rows.step(); ++count) {
    const ItemRow row{space, rows.integer(0), rows.integer(1), rows.integer(2), rows.text(3)};
    if (item_seal(row, rows.integer(4), rows.integer(5)) != static_cast<std::uint64_t>(rows.integer(6))) {
      faults.push_back("item " + row.key + " (" + items_table(space) + " " + std::to_string(row.id) +
                       ") was altered");
    }
  }
  if (count != expected) {
    faults.push_back(items_table(space) + " holds " + std::to_string(count) + " items, " +
                     std::to_string(expected) + " were recorded");
  }
}

void check_units(Connection& db, const Blobs& blobs, std::int64_t table, std::int64_t space,
                 std::int64_t expected, Faults& faults) {
  const std::string keys = space ? "LEFT JOIN " + items_table(space) + " i ON i.id=u.item" : "";
  Statement rows =
      db.prepare("SELECT u.item, u.input, u.value, u.seal, u.run, u.micros, " +
                 std::string(space ? "i.key" : "''") + " FROM " + units_table(table) + " u " + keys);
  std::int64_t count = 0;
  for (; rows.step(); ++count) {
    try {
      const Checkpoint unit{rows.integer(0), static_cast<std::uint64_t>(rows.integer(1)),
                            read_value(rows, 2, db, blobs), rows.integer(4), rows.integer(5)};
      if (unit.seal(place_hash(table, hash64(rows.text(6)))) == static_cast<std::uint64_t>(rows.integer(3)))
        continue;
      faults.push_back("record " + std::to_string(unit.item) + " of " + units_table(table) + " was altered");
    } catch (const CheckpointCorruptionError& error) {
      faults.emplace_back(error.what());
    }
  }
  if (count != expected) {
    faults.push_back(units_table(table) + " holds " + std::to_string(count) + " records, " +
                     std::to_string(expected) + " were acknowledged");
  }
}

void check_events(Connection& db, const std::vector<Cell>& run, Faults& faults) {
  const std::string id = word(run[1]);
  std::string head;
  std::int64_t count = 0;
  Statement rows = db.prepare(
      "SELECT sequence, at_ms, kind, stage, detail, hash FROM event WHERE run=?1 ORDER BY sequence");
  rows.bind(1, number(run[0]));
  while (rows.step()) {
    ++count;
    head = event_hash(head, id, rows.integer(0), rows.integer(1), {rows.text(2), rows.text(3), rows.text(4)});
    if (rows.integer(0) != count || head != rows.bytes(5)) {
      faults.push_back("event " + std::to_string(count) + " of run " + id + " was altered or left out");
      return;
    }
  }
  if (count != number(run[2]) || head != word(run[3])) {
    faults.push_back("run " + id + " has " + std::to_string(count) + " of its " +
                     std::to_string(number(run[2])) + " events");
  }
}

/// The first event of each run names a hash of the run before it: the last one of then. An older run that was
/// resumed later has gone on since.
void check_run_chain(Connection& db, bool pruned, Faults& faults) {
  const Table runs = db.query(
      "SELECT r.id, r.pipeline, r.number, e.detail FROM run r LEFT JOIN event e ON e.run=r.number AND "
      "e.sequence=1 "
      "ORDER BY r.pipeline, r.number",
      {});
  Statement named =
      db.prepare("SELECT 1 FROM event WHERE run=?1 AND json_extract(?2, '$.after')=lower(hex(hash)) LIMIT 1");
  std::int64_t pipeline = 0;
  std::int64_t before = 0;
  for (const auto& row : runs.rows) {
    const bool first = number(row[1]) != pipeline;
    const std::string detail = word(row[3]);
    const bool follows = first ? detail == R"({"after":""})" : named.bind(1, before).bind(2, detail).step();
    named.reset();
    if (!follows && !(first && pruned))
      faults.push_back("a run before " + word(row[0]) + " was altered or left out");
    pipeline = number(row[1]);
    before = number(row[2]);
  }
}

}  // namespace

std::vector<std::string> SqliteStore::verify() {
  Faults faults;
  try {
    Connection db(path_, Mode::kWrite);
    db.execute("PRAGMA query_only=1");
    db.execute("BEGIN");
    check_structure(db, faults);
    for (const auto& row : db.query("SELECT id, items FROM space", {}).rows) {
      check_items(db, number(row[0]), number(row[1]), faults);
    }
    for (const auto& row : db.query("SELECT id, space, units FROM stage", {}).rows) {
      check_units(db, blobs_, number(row[0]), number(row[1]), number(row[2]), faults);
    }
    for (const auto& row : db.query("SELECT number, id, events, event_head FROM run", {}).rows) {
      check_events(db, row, faults);
    }
    for (std::string& fault : Ledger::check(db, true)) faults.push_back(std::move(fault));
    const Table pruned = db.query("SELECT 1 FROM meta WHERE name='pruned' AND value>0", {});
    check_run_chain(db, !pruned.rows.empty(), faults);
  } catch (const Error& error) {
    faults.emplace_back(error.what());
  }
  return faults;
}

std::int64_t SqliteStore::prune(std::int64_t keep_last) {
  if (keep_last < 1)
    throw ConfigurationError("prune keeps at least one run of each pipeline: keep_last must be >= 1");
  const std::lock_guard writing(writing_);
  std::int64_t removed = 0;
  std::vector<std::string> orphans;
  transaction([&] {
    db_.execute("CREATE TEMP TABLE IF NOT EXISTS old(number INTEGER PRIMARY KEY, pipeline INTEGER)");
    db_.execute("DELETE FROM old");
    Statement choose = db_.prepare(
        "INSERT INTO old SELECT number, pipeline FROM (SELECT number, pipeline, status, row_number() OVER "
        "(PARTITION BY pipeline ORDER BY number DESC) AS age FROM run) WHERE age > ?1 AND status <> "
        "'running'");
    choose.bind(1, keep_last).run();
    removed = db_.changes();
    for (const char* table : {"run_stage", "failure", "event", "sample"}) {
      db_.execute(std::string("DELETE FROM ") + table + " WHERE run IN (SELECT number FROM old)");
    }
    db_.execute(
        "DELETE FROM history WHERE superseded <= (SELECT min(r.number) FROM run r JOIN stage s ON "
        "s.pipeline=r.pipeline WHERE s.id=history.stage AND r.number NOT IN (SELECT number FROM old))");
    for (const auto& row : db_.query("SELECT s.id, s.pipeline, s.parent FROM space s", {}).rows) {
      const std::string items = items_table(number(row[0]));
      const std::string gone =
          "SELECT id FROM " + items +
          " WHERE gone_run <= (SELECT min(number) FROM run WHERE pipeline=" + std::to_string(number(row[1])) +
          " AND number NOT IN (SELECT number FROM old))";
      for (const auto& stage : db_.query("SELECT id FROM stage WHERE space=?1", {row[0]}).rows) {
        db_.execute("DELETE FROM " + units_table(number(stage[0])) + " WHERE item IN (" + gone + ")");
        new_units_[number(stage[0])] -= db_.changes();
      }
      db_.execute("DELETE FROM " + items + " WHERE id IN (" + gone + ")");
      new_items_[number(row[0])] -= db_.changes();
    }
    db_.execute("DELETE FROM run WHERE number IN (SELECT number FROM old)");
    if (removed > 0) db_.execute("UPDATE meta SET value=value+1 WHERE name='pruned'");
    // A blob that no row names any more.
    std::string used = "SELECT value FROM history WHERE typeof(value)='integer'";
    for (const auto& row : db_.query("SELECT id FROM stage", {}).rows) {
      used += " UNION SELECT value FROM " + units_table(number(row[0])) + " WHERE typeof(value)='integer'";
    }
    for (const auto& row : db_.query("SELECT digest FROM blob WHERE id NOT IN (" + used + ")", {}).rows) {
      orphans.push_back(word(row[0]));
    }
    db_.execute("DELETE FROM blob WHERE id NOT IN (" + used + ")");
  });
  for (const std::string& digest : orphans) ::unlink(blobs_.path(digest).c_str());
  db_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  return removed;
}

}  // namespace headrace::sqlite
