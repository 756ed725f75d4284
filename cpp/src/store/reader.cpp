#include "access.h"
#include "blobs.h"
#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

namespace {

class SqliteReader final : public Reader {
 public:
  SqliteReader(const std::string& path, const Env& env)
      : path_(path), db_(path, mode_for(path)), blobs_(path + "-blobs", env) {
    db_.execute("PRAGMA query_only=1");
  }

  std::optional<Checkpoint> find(std::int64_t table, ItemId item, std::uint64_t key_hash) override {
    Statement& find =
        cached("SELECT input, value, seal, run, micros FROM " + units_table(table) + " WHERE item=?1");
    if (!find.bind(1, item).step()) return std::nullopt;
    return checked(find, table, item, key_hash, 0);
  }

  std::optional<Checkpoint> find_history(std::int64_t table, ItemId item, std::uint64_t input,
                                         std::uint64_t key_hash) override {
    Statement& find = cached(
        "SELECT input, value, seal, run, micros, superseded FROM history WHERE stage=?1 AND item=?2 AND "
        "input=?3");
    if (!find.bind(1, table).bind(2, item).bind(3, input).step()) return std::nullopt;
    return checked(find, table, item, key_hash, superseded_seal(table, find.integer(5)));
  }

  void items(std::int64_t space, std::optional<ItemId> parent,
             const std::function<void(const ItemRow&)>& visit) override {
    const std::string columns =
        "SELECT id, parent, sequence, key, first_run, gone_run, seal FROM " + items_table(space);
    // All rows are checked, those that are gone too: a flipped bit may have made them so.
    Statement find = db_.prepare(columns + (parent ? " WHERE parent=?1 ORDER BY sequence" : " ORDER BY id"));
    if (parent) find.bind(1, *parent);
    while (find.step()) {
      const ItemRow row{space, find.integer(0), find.integer(1), find.integer(2), find.text(3)};
      if (item_seal(row, find.integer(4), find.integer(5)) != static_cast<std::uint64_t>(find.integer(6))) {
        damaged_item(row);
      }
      if (find.type(5) == SQLITE_NULL) visit(row);
    }
  }

  ItemId last_item(std::int64_t space) override {
    Statement last = db_.prepare("SELECT max(id) FROM " + items_table(space));
    last.step();
    return last.integer(0);
  }

  void results(std::int64_t table, std::int64_t run,
               const std::function<void(const std::string&, Value)>& visit) override {
    db_.execute("BEGIN");  // counts, sums and rows of one moment
    try {
      db_.steady([&] {
        visit_results(table, run, visit);
        return true;
      });
    } catch (...) {
      sqlite3_exec(db_.handle(), "COMMIT", nullptr, nullptr, nullptr);
      throw;
    }
    db_.execute("COMMIT");
  }

  bool has_intent(std::int64_t table, ItemId item) override {
    Statement& find = cached("SELECT 1 FROM effect WHERE stage=?1 AND item=?2");
    const bool found = find.bind(1, table).bind(2, item).step();
    find.reset();
    return found;
  }

  std::vector<StoredVector> vectors(const std::string& model,
                                    const std::vector<std::string>& digests) override {
    Statement& find = cached("SELECT value, seal, used_ms FROM vector WHERE model=?1 AND digest=?2");
    std::vector<StoredVector> found;
    for (const std::string& digest : digests) {
      found.emplace_back();
      if (!find.bind(1, model).bind(2, digest, false).step()) continue;
      const std::string_view value = find.bytes(0);
      if (vector_seal(model, digest, value) == static_cast<std::uint64_t>(find.integer(1)))
        found.back() = {std::string(value), find.integer(2)};
      find.reset();
    }
    return found;
  }

  Table query(const std::string& sql, const std::vector<Cell>& arguments) override {
    return db_.steady([&] { return db_.query(sql, arguments); });
  }

 private:
  Statement& cached(const std::string& sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    return statements_.emplace(sql, db_.prepare(sql)).first->second;
  }

  std::optional<Checkpoint> checked(Statement& row, std::int64_t table, ItemId item, std::uint64_t key_hash,
                                    std::uint64_t moved) {
    Checkpoint unit{item, static_cast<std::uint64_t>(row.integer(0)), read_value(row, 1, db_, blobs_),
                    row.integer(3), row.integer(4)};
    const auto seal = static_cast<std::uint64_t>(row.integer(2));
    row.reset();
    if ((unit.seal(place_hash(table, key_hash)) ^ moved) != seal) damaged(table, item);
    return unit;
  }

  /// Which row is of the run is decided here, not by SQL: a flipped bit could take a row out of sight.
  void visit_results(std::int64_t table, std::int64_t run,
                     const std::function<void(const std::string&, Value)>& visit) {
    Statement stage = db_.prepare("SELECT space, units FROM stage WHERE id=?1");
    if (!stage.bind(1, table).step())
      throw StorageError("the store " + path_ + " has no stage " + std::to_string(table));
    const std::int64_t space = stage.integer(0);
    const std::int64_t expected = stage.integer(1);
    stage.reset();
    Statement rows = db_.prepare(results_query(table, space, needs_history(run)));
    rows.bind(1, table);
    std::int64_t current = 0;
    while (rows.step()) {
      current += rows.type(6) == SQLITE_NULL;
      Value value = checked_result(rows, table, space);
      const bool recorded = rows.integer(4) <= run && (rows.type(6) == SQLITE_NULL || rows.integer(6) > run);
      const bool there = rows.integer(11) <= run && (rows.type(12) == SQLITE_NULL || rows.integer(12) > run);
      if (recorded && there) visit(rows.text(7), std::move(value));
    }
    if (current != expected) {
      throw CheckpointCorruptionError("the store " + path_ + " is damaged: " + units_table(table) +
                                      " holds " + std::to_string(current) + " of " +
                                      std::to_string(expected) + " records; restore it from a copy");
    }
  }

  /// Records that were replaced matter to older runs only.
  bool needs_history(std::int64_t run) {
    Statement later = db_.prepare("SELECT 1 FROM history WHERE superseded>?1 LIMIT 1");
    Statement any = db_.prepare("SELECT 1 FROM run WHERE number>?1 LIMIT 1");
    if (!any.bind(1, run).step()) return false;
    any.reset();
    if (Ledger::holds(db_, "history")) return later.bind(1, run).step();
    throw CheckpointCorruptionError("the store " + path_ +
                                    " is damaged: rows of the table history were altered, added or left out; "
                                    "restore it from a copy");
  }

  static std::string results_query(std::int64_t table, std::int64_t space, bool history) {
    const std::string fields = "SELECT item, input, value, seal, run, micros, ";
    std::string all = fields + "NULL AS superseded FROM " + units_table(table) + " WHERE ?1";
    // No index: the sum that was checked is one of the rows.
    if (history) all += " UNION ALL " + fields + "superseded FROM history WHERE +stage=?1";
    const std::string units = "(" + all + ") u";
    const std::string columns = "SELECT u.item, u.input, u.value, u.seal, u.run, u.micros, u.superseded, ";
    if (space == 0) return columns + "'', 0, 0, 0, 0, NULL, 0 FROM " + units;
    return columns + "i.key, i.id, i.parent, i.sequence, i.first_run, i.gone_run, i.seal FROM " + units +
           " LEFT JOIN " + items_table(space) + " i ON i.id=u.item ORDER BY i.parent, i.sequence, i.id";
  }

  /// The value of a row of results_query; both its record and its item are as they were recorded.
  Value checked_result(const Statement& row, std::int64_t table, std::int64_t space) const {
    Checkpoint unit{row.integer(0), static_cast<std::uint64_t>(row.integer(1)),
                    read_value(row, 2, db_, blobs_), row.integer(4), row.integer(5)};
    const std::string key = row.text(7);
    const std::uint64_t moved = row.type(6) == SQLITE_NULL ? 0 : superseded_seal(table, row.integer(6));
    const std::uint64_t seal = unit.seal(place_hash(table, hash64(key))) ^ moved;
    if (seal != static_cast<std::uint64_t>(row.integer(3))) damaged(table, unit.item);
    const ItemRow item{space, row.integer(8), row.integer(9), row.integer(10), key};
    if (space != 0 &&
        item_seal(item, row.integer(11), row.integer(12)) != static_cast<std::uint64_t>(row.integer(13))) {
      damaged_item(item);
    }
    return std::move(unit.value);
  }

  [[noreturn]] void damaged_item(const ItemRow& row) const {
    throw CheckpointCorruptionError("the store " + path_ + ": item " + readable(row.key) + " (" +
                                    items_table(row.space) + " " + std::to_string(row.id) +
                                    ") is not what was recorded; restore it from a copy");
  }

  [[noreturn]] void damaged(std::int64_t table, ItemId item) const {
    throw CheckpointCorruptionError("the store " + path_ + ": record " + std::to_string(item) + " of " +
                                    units_table(table) + " is not what was recorded; restore it from a copy");
  }

  std::string path_;
  mutable Connection db_;
  Blobs blobs_;
  std::unordered_map<std::string, Statement> statements_;
};

}  // namespace

std::unique_ptr<Reader> make_reader(const std::string& path, const Env& env) {
  return std::make_unique<SqliteReader>(path, env);
}

}  // namespace headrace::sqlite
