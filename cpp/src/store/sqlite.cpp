#include "sqlite.h"

#include "access.h"
#include "fault.h"
#include "headrace/base/error.h"
#include "headrace/base/hash.h"

namespace headrace::sqlite {

namespace {

/// Length of the UTF-8 sequence that `text` starts with; 0: it isn't one.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

/// Whether a connection that only reads was refused because the log's index is just not there.
bool passing(int code) {
  return code == SQLITE_READONLY_RECOVERY || code == SQLITE_READONLY_CANTLOCK ||
         code == SQLITE_READONLY_CANTINIT || code == SQLITE_READONLY_ROLLBACK ||
         (code & 0xff) == SQLITE_CANTOPEN;
}

}  // namespace

std::string readable(std::string text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(std::string_view(text).substr(at));
    if (length == 0) text[at] = '?';
    at += length == 0 ? 1 : length;
  }
  return text;
}

void fail(sqlite3* db, const std::string& doing) {
  const int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
  const char* file = db ? sqlite3_db_filename(db, "main") : nullptr;
  const std::string where = file && *file ? std::string(" (") + file + ")" : "";
  const bool only_reads = db && sqlite3_db_readonly(db, "main") == 1;
  if (only_reads && passing(code))
    throw Disturbed("the store is just being opened or closed by its owner" + where + ": try again");
  const std::string detail = readable(db ? sqlite3_errmsg(db) : "out of memory");
  switch (code & 0xff) {
    case SQLITE_FULL:
      throw StorageError("the disk is full" + where + ": nothing recorded is lost; make room and run again");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw StorageError("the store stays locked by another process" + where + ": end it and run again");
    case SQLITE_READONLY:
      throw StorageError("the store can't be written" + where + ": the file or its folder is read-only" +
                         (only_reads ? " for this user" : ""));
    case SQLITE_CANTOPEN:
      throw StorageError("the store can't be opened" + where + ": " + detail);
    case SQLITE_NOTADB:
      throw StorageError("not a headrace store" + where +
                         ": the file is something else, or damaged at its start");
    case SQLITE_CORRUPT:
      throw CheckpointCorruptionError("the store is damaged" + where + ": " + detail +
                                      "; restore it from a copy");
    case SQLITE_IOERR:
      throw StorageError("the store can't be read or written" + where + ": " + detail);
    case SQLITE_TOOBIG:
      throw StorageError("a value is too large for the store" + where + ": " + detail);
    default:
      throw StorageError(doing + ": " + detail + where);
  }
}

Statement::Statement(sqlite3* db, const std::string& sql) : db_(db) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(db, sql.c_str(), static_cast<int>(sql.size()) + 1,
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(db, "can't prepare '" + sql + "'");
}

Statement& Statement::bind(int index, std::int64_t value) {
  if (sqlite3_bind_int64(handle_.get(), index, value) != SQLITE_OK) fail(db_, "can't bind");
  return *this;
}

Statement& Statement::bind(int index, double value) {
  if (sqlite3_bind_double(handle_.get(), index, value) != SQLITE_OK) fail(db_, "can't bind");
  return *this;
}

Statement& Statement::bind(int index, std::nullptr_t) {
  if (sqlite3_bind_null(handle_.get(), index) != SQLITE_OK) fail(db_, "can't bind");
  return *this;
}

Statement& Statement::bind(int index, std::string_view bytes, bool text) {
  const char* data = bytes.data() ? bytes.data() : "";
  const int code =
      text ? sqlite3_bind_text64(handle_.get(), index, data, bytes.size(), SQLITE_STATIC, SQLITE_UTF8)
           : sqlite3_bind_blob64(handle_.get(), index, data, bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) fail(db_, "can't bind");
  return *this;
}

Statement& Statement::bind_cell(int index, const Cell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return bind(index, *number);
  if (const auto* real = std::get_if<double>(&cell)) return bind(index, *real);
  if (const auto* text = std::get_if<std::string>(&cell)) return bind(index, std::string_view(*text));
  if (const auto* blob = std::get_if<Bytes>(&cell)) return bind(index, std::string_view(blob->data), false);
  return bind(index, nullptr);
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    sqlite3_reset(handle_.get());
    fail(db_, "can't run a statement");
  }
  sqlite3_reset(handle_.get());
  return false;
}

std::string_view Statement::bytes(int column) const noexcept {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  return {data ? data : "", static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::string Statement::text(int column) const {
  return std::string(bytes(column));
}

Cell Statement::cell(int column) const {
  switch (type(column)) {
    case SQLITE_INTEGER:
      return integer(column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(handle_.get(), column);
    case SQLITE_TEXT:
      return text(column);
    case SQLITE_BLOB:
      return Bytes{text(column)};
    default:
      return std::monostate{};
  }
}

std::string uri(const std::string& path, const char* options) {
  std::string text = path[0] == '/' ? "file://" : "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      text.append("%").append(to_hex(std::string_view(&c, 1)));
    } else {
      text += c;
    }
  }
  return text + "?" + options;
}

Connection::Connection(const std::string& path, Mode mode)
    : stamp_(mode == Mode::kWrite ? nullptr : std::make_unique<Stamp>(path, mode)) {
  const int flags = SQLITE_OPEN_NOMUTEX |
                    (mode == Mode::kWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  const std::string name = mode == Mode::kWrite  ? path
                           : mode == Mode::kRead ? uri(path, "readonly_shm=1")
                                                 : uri(path, "immutable=1");
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, fault::vfs());
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(handle, "can't open " + path);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, fault::busy_ms());
}

Connection::~Connection() = default;

bool Connection::moved() const noexcept {
  return stamp_ && stamp_->moved();
}

bool Connection::disturbed() const noexcept {
  return stamp_ && stamp_->disturbed();
}

void Connection::fail_moved() const {
  throw Disturbed("the store " + std::string(sqlite3_db_filename(handle_.get(), "main")) +
                  " was written to while it was read: try again");
}

void Connection::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail(handle_.get(), "can't run '" + sql.substr(0, 60) + "'");
  }
}

Table Connection::query(const std::string& sql, const std::vector<Cell>& arguments) {
  Statement statement = prepare(sql);
  for (std::size_t i = 0; i < arguments.size(); ++i)
    statement.bind_cell(static_cast<int>(i) + 1, arguments[i]);
  Table table;
  for (int i = 0; i < statement.columns(); ++i) table.columns.emplace_back(statement.name(i));
  while (statement.step()) {
    auto& row = table.rows.emplace_back();
    for (int i = 0; i < statement.columns(); ++i) row.push_back(statement.cell(i));
  }
  return table;
}

}  // namespace headrace::sqlite
