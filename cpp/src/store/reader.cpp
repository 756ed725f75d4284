#include "blobs.h"
#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

namespace {

class SqliteReader final : public Reader {
 public:
  SqliteReader(const std::string& path, const Env& env)
      : path_(path), db_(path, Mode::kWrite), blobs_(path + "-blobs", env) {
    db_.execute("PRAGMA query_only=1");
  }

  std::optional<Checkpoint> find(std::int64_t table, ItemId item, std::uint64_t key_hash) override {
    Statement& find =
        cached("SELECT input, value, seal, run, micros FROM " + units_table(table) + " WHERE item=?1");
    if (!find.bind(1, item).step()) return std::nullopt;
    return checked(find, table, item, key_hash);
  }

  std::optional<Checkpoint> find_history(std::int64_t table, ItemId item, std::uint64_t input,
                                         std::uint64_t key_hash) override {
    Statement& find =
        cached("SELECT input, value, seal, run, micros FROM history WHERE stage=?1 AND item=?2 AND input=?3");
    if (!find.bind(1, table).bind(2, item).bind(3, input).step()) return std::nullopt;
    return checked(find, table, item, key_hash);
  }

  void items(std::int64_t space, std::optional<ItemId> parent,
             const std::function<void(const ItemRow&)>& visit) override {
    const std::string columns =
        "SELECT id, parent, sequence, key, first_run, seal FROM " + items_table(space);
    Statement find = db_.prepare(parent ? columns + " WHERE parent=?1 AND gone_run IS NULL ORDER BY sequence"
                                        : columns + " WHERE gone_run IS NULL ORDER BY id");
    if (parent) find.bind(1, *parent);
    while (find.step()) {
      const ItemRow row{space, find.integer(0), find.integer(1), find.integer(2), find.text(3)};
      if (item_seal(row, find.integer(4), 0) != static_cast<std::uint64_t>(find.integer(5))) {
        throw CheckpointCorruptionError("the store " + path_ + ": item " + row.key + " (" +
                                        items_table(space) + " " + std::to_string(row.id) +
                                        ") is not what was recorded; restore it from a copy");
      }
      visit(row);
    }
  }

  ItemId last_item(std::int64_t space) override {
    Statement last = db_.prepare("SELECT max(id) FROM " + items_table(space));
    last.step();
    return last.integer(0);
  }

  void results(std::int64_t table, std::int64_t run,
               const std::function<void(const std::string&, Value)>& visit) override {
    Statement stage = db_.prepare("SELECT space FROM stage WHERE id=?1");
    if (!stage.bind(1, table).step())
      throw StorageError("the store " + path_ + " has no stage " + std::to_string(table));
    const std::int64_t space = stage.integer(0);
    stage.reset();
    const std::string current =
        "SELECT item, input, value, seal, run, micros FROM " + units_table(table) + " WHERE run<=?1";
    const std::string older =
        "SELECT item, input, value, seal, run, micros FROM history WHERE stage=?2 AND run<=?1 AND "
        "superseded>?1";
    const std::string all = "(" + current + " UNION ALL " + older + ") u";
    const std::string alive = " WHERE i.first_run<=?1 AND (i.gone_run IS NULL OR i.gone_run>?1)";
    const std::string columns = "SELECT u.item, u.input, u.value, u.seal, u.run, u.micros, ";
    Statement rows =
        db_.prepare(space == 0 ? columns + "'' FROM " + all
                               : columns + "i.key FROM " + all + " JOIN " + items_table(space) +
                                     " i ON i.id=u.item" + alive + " ORDER BY i.parent, i.sequence, i.id");
    rows.bind(1, run).bind(2, table);
    while (rows.step()) {
      Checkpoint unit{rows.integer(0), static_cast<std::uint64_t>(rows.integer(1)),
                      read_value(rows, 2, db_, blobs_), rows.integer(4), rows.integer(5)};
      const std::string key = rows.text(6);
      if (unit.seal(hash64(key)) != static_cast<std::uint64_t>(rows.integer(3))) damaged(table, unit.item);
      visit(key, std::move(unit.value));
    }
  }

  bool has_intent(std::int64_t table, ItemId item) override {
    Statement& find = cached("SELECT 1 FROM effect WHERE stage=?1 AND item=?2");
    const bool found = find.bind(1, table).bind(2, item).step();
    find.reset();
    return found;
  }

  Table query(const std::string& sql, const std::vector<Cell>& arguments) override {
    return db_.query(sql, arguments);
  }

 private:
  Statement& cached(const std::string& sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    return statements_.emplace(sql, db_.prepare(sql)).first->second;
  }

  std::optional<Checkpoint> checked(Statement& row, std::int64_t table, ItemId item, std::uint64_t key_hash) {
    Checkpoint unit{item, static_cast<std::uint64_t>(row.integer(0)), read_value(row, 1, db_, blobs_),
                    row.integer(3), row.integer(4)};
    const auto seal = static_cast<std::uint64_t>(row.integer(2));
    row.reset();
    if (unit.seal(key_hash) != seal) damaged(table, item);
    return unit;
  }

  [[noreturn]] void damaged(std::int64_t table, ItemId item) const {
    throw CheckpointCorruptionError("the store " + path_ + ": record " + std::to_string(item) + " of " +
                                    units_table(table) + " is not what was recorded; restore it from a copy");
  }

  std::string path_;
  Connection db_;
  Blobs blobs_;
  std::unordered_map<std::string, Statement> statements_;
};

}  // namespace

std::unique_ptr<Reader> make_reader(const std::string& path, const Env& env) {
  return std::make_unique<SqliteReader>(path, env);
}

}  // namespace headrace::sqlite
