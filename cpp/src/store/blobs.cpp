#include "blobs.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "fault.h"
#include "headrace/base/error.h"

namespace headrace::sqlite {

std::string Blobs::path(std::string_view digest) const {
  const std::string name = to_hex(digest);
  return folder_ + "/" + name.substr(0, 2) + "/" + name.substr(2);
}

std::string Blobs::digest(const std::string& path) const {
  const std::string name = path.substr(folder_.size() + 1);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < name.size(); i += 2) {
    if (i == 2 && name[i] == '/') ++i;
    bytes.push_back(static_cast<char>(std::strtol(name.substr(i, 2).c_str(), nullptr, 16)));
  }
  return name.size() == 65 && path == this->path(bytes) ? bytes : "";
}

std::int64_t Blobs::put(Connection& db, const Value& value) const {
  const std::string digest = sha256(value.bytes());
  Statement find = db.prepare("SELECT id FROM blob WHERE digest=?1");
  if (find.bind(1, digest, false).step()) return find.integer(0);
  const std::string file = path(digest);
  ::mkdir(folder_.c_str(), 0700);
  ::mkdir(file.substr(0, file.rfind('/')).c_str(), 0700);
  fault::point();
  env_.write_file(file, value.bytes());
  Statement insert = db.prepare("INSERT INTO blob(digest, size, text) VALUES(?1, ?2, ?3) RETURNING id");
  insert.bind(1, digest, false)
      .bind(2, static_cast<std::int64_t>(value.bytes().size()))
      .bind(3, int{value.text()});
  insert.step();
  const std::int64_t id = insert.integer(0);
  insert.run();
  return id;
}

Value Blobs::get(Connection& db, std::int64_t id) const {
  Statement find = db.prepare("SELECT digest, text FROM blob WHERE id=?1");
  if (!find.bind(1, id).step()) {
    throw CheckpointCorruptionError("blob " + std::to_string(id) + " is missing from the store");
  }
  const std::string digest = find.text(0);
  const bool text = find.integer(1) != 0;
  const std::string file = path(digest);
  if (denied(file))
    throw StorageError("the blob file " + file + " can't be read by this user: chmod -R a+rX " + folder_);
  if (!may(file, R_OK)) throw CheckpointCorruptionError("the blob file " + file + " is missing");
  std::string bytes = env_.read_file(file);
  if (sha256(bytes) != digest) throw CheckpointCorruptionError("the blob file " + file + " is damaged");
  return text ? Value::json(std::move(bytes)) : Value::blob(std::move(bytes));
}

void bind_value(Statement& statement, int index, const Value& value, Connection& db, const Blobs& blobs) {
  if (value.empty()) {
    statement.bind(index, nullptr);
  } else if (value.bytes().size() > kInlineLimit) {
    statement.bind(index, blobs.put(db, value));
  } else {
    statement.bind(index, value.bytes(), value.text());
  }
}

Value read_value(const Statement& statement, int column, Connection& db, const Blobs& blobs) {
  switch (statement.type(column)) {
    case SQLITE_TEXT:
      return Value::json(statement.text(column));
    case SQLITE_BLOB:
      return Value::blob(statement.text(column));
    case SQLITE_INTEGER:
      return blobs.get(db, statement.integer(column));
    default:
      return {};
  }
}

}  // namespace headrace::sqlite
