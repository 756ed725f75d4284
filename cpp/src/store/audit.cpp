// Verification of everything that is recorded.
#include "access.h"
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

/// Everything in the database and its blobs.
bool walk(Connection& db, const Blobs& blobs, Faults& faults) {
  check_structure(db, faults);
  for (const auto& row : db.query("SELECT id, items FROM space", {}).rows) {
    check_items(db, number(row[0]), number(row[1]), faults);
  }
  for (const auto& row : db.query("SELECT id, space, units FROM stage", {}).rows) {
    check_units(db, blobs, number(row[0]), number(row[1]), number(row[2]), faults);
  }
  for (const auto& row : db.query("SELECT number, id, events, event_head FROM run", {}).rows) {
    check_events(db, row, faults);
  }
  for (std::string& fault : Ledger::check(db, true)) faults.push_back(std::move(fault));
  check_vectors(db, faults);
  const Table pruned = db.query("SELECT 1 FROM meta WHERE name='pruned' AND value>0", {});
  check_run_chain(db, !pruned.rows.empty(), faults);
  return true;
}

}  // namespace

std::vector<std::string> SqliteStore::verify() {
  Faults faults;
  try {
    Connection db(path_, mode_for(path_));
    db.execute("PRAGMA query_only=1");
    db.execute("BEGIN");
    db.steady([&] { return walk(db, blobs_, faults); });
  } catch (const Disturbed&) {
    throw;  // what was found may be a mixture
  } catch (const Error& error) {
    faults.emplace_back(error.what());
  }
  if (mark_.closed())
    faults.push_back(path_ +
                     "-mark can't be read by this user: nobody knows whether the last commits are there");
  for (std::string& fault : faults) fault = readable(std::move(fault));
  return faults;
}

}  // namespace headrace::sqlite
