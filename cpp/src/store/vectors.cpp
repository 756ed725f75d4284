// Cached embeddings: one sealed row a text and model.
#include "headrace/base/error.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

std::uint64_t vector_seal(std::string_view model, std::string_view digest, std::string_view value) noexcept {
  return mix(mix(hash64(model), hash64(digest)), hash64(value));
}

void SqliteStore::put_vectors(const std::string& model, const std::vector<VectorRow>& rows,
                              const std::vector<std::string>& used) {
  const std::lock_guard writing(writing_);
  transaction([&] {
    const std::int64_t now = env_.now_ms();
    Statement& insert = cached(
        "INSERT INTO vector(model, digest, value, seal, used_ms) VALUES(?1, ?2, ?3, ?4, ?5) ON "
        "CONFLICT(model, "
        "digest) DO UPDATE SET value=excluded.value, seal=excluded.seal, used_ms=excluded.used_ms");
    for (const VectorRow& row : rows) {
      insert.bind(1, model).bind(2, row.digest, false).bind(3, row.value, false);
      insert.bind(4, vector_seal(model, row.digest, row.value)).bind(5, now).run();
    }
    Statement& touch = cached("UPDATE vector SET used_ms=?3 WHERE model=?1 AND digest=?2");
    for (const std::string& digest : used) touch.bind(1, model).bind(2, digest, false).bind(3, now).run();
  });
}

void check_vectors(Connection& db, std::vector<std::string>& faults) {
  Statement rows = db.prepare("SELECT id, model, digest, value, seal FROM vector");
  while (rows.step()) {
    const std::uint64_t seal = vector_seal(rows.text(1), rows.bytes(2), rows.bytes(3));
    if (seal == static_cast<std::uint64_t>(rows.integer(4))) continue;
    faults.push_back("vector " + std::to_string(rows.integer(0)) + " of model " + rows.text(1) +
                     " was altered");
  }
}

void prune_vectors(Connection& db) {
  Statement unused = db.prepare(
      "DELETE FROM vector WHERE used_ms < (SELECT min(started_ms) FROM run WHERE number NOT IN (SELECT "
      "number "
      "FROM old)) - ?1");
  unused.bind(1, kVectorUseMs).run();
  Statement oldest = db.prepare(
      "DELETE FROM vector WHERE id IN (SELECT id FROM (SELECT id, sum(length(value)) OVER (ORDER BY used_ms "
      "DESC, "
      "id DESC) AS bytes FROM vector) WHERE bytes > ?1)");
  oldest.bind(1, kVectorBytes).run();
}

}  // namespace headrace::sqlite
