#include "ledger.h"

#include "headrace/base/error.h"
#include "headrace/base/hash.h"
#include "structure.h"

namespace headrace::sqlite {

namespace {

struct Sum {
  const char* table;
  const char* columns;
  bool at_open;  ///< else it grows with the work done: checked when it is used
};

constexpr std::array<Sum, Ledger::kSums> kTables = {{
    {"pipeline", "id,name,token", true},
    {"space", "id,pipeline,name,parent,items", true},
    {"stage", "id,pipeline,name,form,space,fingerprint,units", true},
    {"run",
     "number,id,pipeline,status,version,params,config,graph,seed,started_ms,finished_ms,message,boot_id,pid,"
     "start_ticks,events,event_head",
     true},
    {"run_stage",
     "run,position,name,form,status,total,executed,skipped,failed,retries,seconds,first_ms,last_ms,latency",
     true},
    {"failure", "run,stage,key,category,error_type,message,traceback,attempts,at_ms", true},
    {"event", "run,sequence,at_ms,kind,stage,detail,hash", true},
    {"effect", "stage,item,input,run,at_ms", true},
    {"sample", "run,at_ms,rss_bytes,cpu_ms", true},
    {"blob", "id,digest,size,text", true},
    {"approval", "pipeline,stage,key,size,at_ms,note", true},
    {"state", "owner,name,value", true},
    {"history", "stage,item,superseded,input,value,seal,run,micros", false},
}};

constexpr const char* kSchemaSum = "ledger:schema";

void append(std::string& bytes, int type, const void* data, std::size_t size) {
  // The type and the length before the bytes: no two different rows give the same.
  bytes.push_back(static_cast<char>(type));
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes.append(static_cast<const char*>(data), size);
}

void append_value(std::string& bytes, sqlite3_value* value) {
  const int type = sqlite3_value_type(value);
  if (type == SQLITE_INTEGER) {
    const sqlite3_int64 number = sqlite3_value_int64(value);
    append(bytes, type, &number, sizeof number);
  } else if (type == SQLITE_FLOAT) {
    const double number = sqlite3_value_double(value);
    append(bytes, type, &number, sizeof number);
  } else if (type == SQLITE_NULL) {
    append(bytes, type, "", 0);
  } else {
    const void* data = type == SQLITE_TEXT ? sqlite3_value_text(value) : sqlite3_value_blob(value);
    append(bytes, type, data ? data : "", static_cast<std::size_t>(sqlite3_value_bytes(value)));
  }
}

void append_column(std::string& bytes, const Statement& row, int column) {
  const int type = row.type(column);
  if (type == SQLITE_INTEGER) {
    const std::int64_t number = row.integer(column);
    append(bytes, type, &number, sizeof number);
  } else if (type == SQLITE_FLOAT) {
    const double number = std::get<double>(row.cell(column));
    append(bytes, type, &number, sizeof number);
  } else {
    const std::string_view data = type == SQLITE_NULL ? std::string_view("") : row.bytes(column);
    append(bytes, type, data.data(), data.size());
  }
}

std::uint64_t sum_of(Connection& db, const std::string& query) {
  Statement rows = db.prepare(query);
  std::uint64_t sum = 0;
  std::string bytes;
  while (rows.step()) {
    bytes.clear();
    for (int i = 0; i < rows.columns(); ++i) append_column(bytes, rows, i);
    sum += hash64(bytes);
  }
  return sum;
}

/// Where tables are, and what they are: a table that is taken for another one would answer with its rows.
std::uint64_t schema_sum(Connection& db) {
  return sum_of(db, "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema");
}

std::int64_t schema_version(Connection& db) {
  Statement version = db.prepare("PRAGMA schema_version");
  version.step();
  return version.integer(0);
}

std::string prefixed(const std::string& columns, const std::string& prefix) {
  std::string list = prefix;
  for (const char c : columns) c == ',' ? list += "," + prefix : list += c;
  return list;
}

void add_wrapping(sqlite3_context* context, int, sqlite3_value** values) {
  const auto sum = static_cast<std::uint64_t>(sqlite3_value_int64(values[0])) +
                   static_cast<std::uint64_t>(sqlite3_value_int64(values[1]));
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(sum));
}

bool differs(Connection& db, const std::string& name, std::uint64_t sum) {
  Statement stored = db.prepare("SELECT value FROM meta WHERE name=?1");
  return !stored.bind(1, name).step() || static_cast<std::uint64_t>(stored.integer(0)) != sum;
}

}  // namespace

/// headrace_ledger(sign, number of the sum, columns...)
void Ledger::add_row(sqlite3_context* context, int count, sqlite3_value** values) {
  auto* ledger = static_cast<Ledger*>(sqlite3_user_data(context));
  std::string bytes;
  for (int i = 2; i < count; ++i) append_value(bytes, values[i]);
  const std::uint64_t hash = hash64(bytes);
  auto& changed = ledger->changed_.at(static_cast<std::size_t>(sqlite3_value_int64(values[1])));
  changed += sqlite3_value_int64(values[0]) > 0 ? hash : 0 - hash;
  sqlite3_result_null(context);
}

Ledger::Ledger(Connection& db) : db_(db) {
  sqlite3_create_function_v2(db.handle(), "headrace_ledger", -1, SQLITE_UTF8, this, add_row, nullptr, nullptr,
                             nullptr);
  sqlite3_create_function_v2(db.handle(), "headrace_add", 2, SQLITE_UTF8, nullptr, add_wrapping, nullptr,
                             nullptr, nullptr);
  db.execute("PRAGMA recursive_triggers=1");  // else INSERT OR REPLACE takes rows out unseen
  for (std::size_t i = 0; i < kSums; ++i) {
    const std::string table = kTables[i].table;
    const std::string number = std::to_string(i);
    const std::string out =
        "SELECT headrace_ledger(-1," + number + "," + prefixed(kTables[i].columns, "old.") + "); ";
    const std::string in =
        "SELECT headrace_ledger(1," + number + "," + prefixed(kTables[i].columns, "new.") + "); ";
    const std::string name = "CREATE TEMP TRIGGER ledger_" + std::string(kTables[i].table);
    db.execute(name + "_insert AFTER INSERT ON main." + table + " BEGIN " + in + "END");
    db.execute(name + "_delete AFTER DELETE ON main." + table + " BEGIN " + out + "END");
    db.execute(name + "_update AFTER UPDATE ON main." + table + " BEGIN " + out + in + "END");
  }
  schema_version_ = schema_version(db);
}

void Ledger::write() {
  for (std::size_t i = 0; i < kSums; ++i) {
    if (changed_[i] == 0) continue;
    Statement add = db_.prepare("UPDATE meta SET value=headrace_add(value, ?2) WHERE name=?1");
    add.bind(1, "ledger:" + std::string(kTables[i].table)).bind(2, changed_[i]).run();
  }
  drop();
  const std::int64_t version = schema_version(db_);
  if (version == schema_version_) return;
  db_.prepare("UPDATE meta SET value=?2 WHERE name=?1").bind(1, kSchemaSum).bind(2, schema_sum(db_)).run();
  schema_version_ = version;
}

void Ledger::create(Connection& db) {
  for (const Sum& sum : kTables)
    db.execute("INSERT INTO meta VALUES('ledger:" + std::string(sum.table) + "', 0)");
  Statement insert = db.prepare("INSERT INTO meta VALUES(?1, ?2)");
  insert.bind(1, kSchemaSum).bind(2, schema_sum(db)).run();
}

bool Ledger::holds(Connection& db, const std::string& table) {
  for (const Sum& sum : kTables) {
    if (sum.table != table) continue;
    return !differs(db, "ledger:" + table,
                    sum_of(db, "SELECT " + std::string(sum.columns) + " FROM " + table));
  }
  return false;
}

std::vector<std::string> Ledger::check(Connection& db, bool all) {
  // A list of tables that was altered says nothing about where rows are.
  if (differs(db, kSchemaSum, schema_sum(db))) return {"the list of tables was altered"};
  std::vector<std::string> faults;
  check_structure(db, "sqlite_schema", faults);
  check_structure(db, "meta", faults);
  Statement counts = db.prepare("SELECT count(*) FROM meta WHERE name IN ('commits', 'pruned')");
  counts.step();
  if (counts.integer(0) != 2) faults.emplace_back("rows of the table meta were altered or left out");
  for (const Sum& sum : kTables) {
    if (!all && !sum.at_open) continue;
    check_structure(db, sum.table, faults);
    if (!holds(db, sum.table)) {
      faults.push_back("rows of the table " + std::string(sum.table) + " were altered, added or left out");
    }
  }
  return faults;
}

}  // namespace headrace::sqlite
