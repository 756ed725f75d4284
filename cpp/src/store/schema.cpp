#include "schema.h"

#include "headrace/base/error.h"
#include "ledger.h"

namespace headrace::sqlite {

namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE pipeline(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token INTEGER NOT NULL DEFAULT 0);
CREATE TABLE space(id INTEGER PRIMARY KEY, pipeline INTEGER NOT NULL, name TEXT NOT NULL, parent TEXT NOT NULL,
  items INTEGER NOT NULL DEFAULT 0, UNIQUE(pipeline, name));
CREATE TABLE stage(id INTEGER PRIMARY KEY, pipeline INTEGER NOT NULL, name TEXT NOT NULL, form TEXT NOT NULL,
  space INTEGER NOT NULL, fingerprint TEXT NOT NULL DEFAULT '', units INTEGER NOT NULL DEFAULT 0,
  UNIQUE(pipeline, name));
CREATE TABLE run(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pipeline INTEGER NOT NULL, status TEXT NOT NULL,
  version TEXT NOT NULL, params TEXT NOT NULL, config TEXT NOT NULL, graph TEXT NOT NULL, seed INTEGER NOT NULL,
  started_ms INTEGER NOT NULL, finished_ms INTEGER, message TEXT NOT NULL DEFAULT '', boot_id TEXT NOT NULL,
  pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL, events INTEGER NOT NULL DEFAULT 0, event_head BLOB);
CREATE INDEX run_pipeline ON run(pipeline, number);
CREATE TABLE run_stage(run INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, form TEXT NOT NULL,
  status TEXT NOT NULL, total INTEGER NOT NULL, executed INTEGER NOT NULL, skipped INTEGER NOT NULL,
  failed INTEGER NOT NULL, retries INTEGER NOT NULL, seconds REAL NOT NULL, first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL, latency TEXT NOT NULL, PRIMARY KEY(run, position)) WITHOUT ROWID;
CREATE TABLE failure(run INTEGER NOT NULL, stage TEXT NOT NULL, key TEXT NOT NULL, category TEXT NOT NULL,
  error_type TEXT NOT NULL, message TEXT NOT NULL, traceback TEXT NOT NULL, attempts INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(run, stage, key)) WITHOUT ROWID;
CREATE TABLE event(run INTEGER NOT NULL, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
  stage TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(run, sequence)) WITHOUT ROWID;
CREATE TABLE effect(stage INTEGER NOT NULL, item INTEGER NOT NULL, input INTEGER NOT NULL, run INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(stage, item)) WITHOUT ROWID;
CREATE TABLE sample(run INTEGER NOT NULL, at_ms INTEGER NOT NULL, rss_bytes INTEGER NOT NULL,
  cpu_ms INTEGER NOT NULL, PRIMARY KEY(run, at_ms)) WITHOUT ROWID;
CREATE TABLE history(stage INTEGER NOT NULL, item INTEGER NOT NULL, superseded INTEGER NOT NULL,
  input INTEGER NOT NULL, value, seal INTEGER NOT NULL, run INTEGER NOT NULL, micros INTEGER NOT NULL);
CREATE INDEX history_unit ON history(stage, item);
CREATE TABLE blob(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
  text INTEGER NOT NULL);
CREATE TABLE approval(pipeline TEXT NOT NULL, stage TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY(pipeline, stage, key)) WITHOUT ROWID;
CREATE TABLE state(owner TEXT NOT NULL, name TEXT NOT NULL, value, PRIMARY KEY(owner, name)) WITHOUT ROWID;
CREATE TABLE vector(id INTEGER PRIMARY KEY, model TEXT NOT NULL, digest BLOB NOT NULL, value BLOB NOT NULL,
  seal INTEGER NOT NULL, used_ms INTEGER NOT NULL, UNIQUE(model, digest));
INSERT INTO meta VALUES('commits', 0), ('pruned', 0);
)sql";

std::int64_t pragma(Connection& db, const std::string& name) {
  Statement statement = db.prepare("PRAGMA " + name);
  statement.step();
  return statement.integer(0);
}

bool is_blank(Connection& db) {
  return pragma(db, "user_version") == 0 && pragma(db, "schema_version") == 0;
}

void check_ours(Connection& db, const std::string& path) {
  if (pragma(db, "application_id") != kApplicationId) {
    throw StorageError("not a headrace store (" + path +
                       "): it is some other SQLite file; give another path");
  }
  const std::int64_t version = pragma(db, "user_version");
  if (version < 1) {
    throw CheckpointCorruptionError("the store " + path + " is damaged: it says it is of format " +
                                    std::to_string(version) + "; restore it from a copy");
  }
  if (version > kSchemaVersion) {
    throw StorageError("the store " + path + " has format " + std::to_string(version) +
                       ", this headrace knows up to " + std::to_string(kSchemaVersion) +
                       ": upgrade headrace");
  }
}

void create_all(Connection& db) {
  db.execute("BEGIN IMMEDIATE");
  // Another process may have made the tables between our look and our lock.
  if (pragma(db, "user_version") == 0) {
    db.execute(kTables);
    db.execute("PRAGMA application_id=" + std::to_string(kApplicationId));
    db.execute("PRAGMA user_version=" + std::to_string(kSchemaVersion));
    rebuild_results_view(db);
    Ledger::create(db);
  }
  db.execute("COMMIT");
}

}  // namespace

void check_schema(Connection& db, const std::string& path) {
  if (is_blank(db)) throw StorageError("not a headrace store (" + path + "): the file is empty");
  check_ours(db, path);
}

void prepare_schema(Connection& db, const std::string& path, bool network, bool create) {
  const bool blank = is_blank(db);
  if (!blank || !create) check_schema(db, path);
  if (blank) db.execute("PRAGMA page_size=16384; PRAGMA auto_vacuum=FULL");
  // Shared memory doesn't work over a network: there the rollback journal is slower, but whole.
  db.execute(network ? "PRAGMA journal_mode=DELETE" : "PRAGMA journal_mode=WAL");
  db.execute(network ? "PRAGMA synchronous=EXTRA" : "PRAGMA synchronous=FULL");
  db.execute("PRAGMA journal_size_limit=67108864");
  if (blank) create_all(db);
}

std::string units_table(std::int64_t id) {
  return "units_" + std::to_string(id);
}
std::string items_table(std::int64_t id) {
  return "items_" + std::to_string(id);
}

void create_units_table(Connection& db, std::int64_t id) {
  db.execute("CREATE TABLE IF NOT EXISTS " + units_table(id) +
             "(item INTEGER PRIMARY KEY, input INTEGER NOT NULL, value, seal INTEGER NOT NULL, "
             "run INTEGER NOT NULL, micros INTEGER NOT NULL)");
}

void create_items_table(Connection& db, std::int64_t id, bool children) {
  const std::string name = items_table(id);
  db.execute("CREATE TABLE IF NOT EXISTS " + name +
             "(id INTEGER PRIMARY KEY, parent INTEGER, sequence INTEGER, key TEXT NOT NULL, "
             "first_run INTEGER NOT NULL, gone_run INTEGER, seal INTEGER NOT NULL)");
  if (children)
    db.execute("CREATE INDEX IF NOT EXISTS " + name + "_parent ON " + name + "(parent, sequence)");
}

void rebuild_results_view(Connection& db) {
  std::string view = "CREATE VIEW results AS ";
  const Table stages = db.query(
      "SELECT s.id, p.name, s.name, s.space FROM stage s JOIN pipeline p ON p.id=s.pipeline "
      "WHERE s.form NOT LIKE '%:parents' ORDER BY s.id",
      {});
  for (const auto& row : stages.rows) {
    const auto id = std::get<std::int64_t>(row[0]);
    const auto space = std::get<std::int64_t>(row[3]);
    const std::string keys = space ? " LEFT JOIN " + items_table(space) + " i ON i.id=u.item" : "";
    view += "SELECT p.name AS pipeline, s.name AS stage, " + std::string(space ? "i.key" : "NULL") +
            " AS key, u.value AS value, u.run AS run, u.micros AS micros FROM " + units_table(id) + " u" +
            keys + " JOIN stage s ON s.id=" + std::to_string(id) + " JOIN pipeline p ON p.id=s.pipeline" +
            (space ? " WHERE i.gone_run IS NULL" : "") + " UNION ALL ";
  }
  view += "SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE 0";
  db.execute("DROP VIEW IF EXISTS results");
  db.execute(view);
}

}  // namespace headrace::sqlite
