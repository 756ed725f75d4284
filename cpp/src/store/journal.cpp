// The journal's thread: group commit of all that is queued, then the acknowledgement of each batch.
#include "fault.h"
#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"

namespace headrace::sqlite {

std::string event_hash(const std::string& previous, const std::string& run, std::int64_t sequence,
                       std::int64_t at_ms, const EventRow& row) {
  // Lengths before the parts: no two different events give the same bytes.
  std::string bytes = previous;
  for (const std::string& part :
       {run, std::to_string(sequence), std::to_string(at_ms), row.kind, row.stage, row.detail}) {
    bytes += std::to_string(part.size()) + ":" + part;
  }
  return sha256(bytes);
}

std::uint64_t item_seal(const ItemRow& row, std::int64_t first_run, std::int64_t gone_run) noexcept {
  const auto place = mix(static_cast<std::uint64_t>(row.id), mix(static_cast<std::uint64_t>(row.parent),
                                                                 static_cast<std::uint64_t>(row.sequence)));
  const auto runs = mix(static_cast<std::uint64_t>(first_run), static_cast<std::uint64_t>(gone_run));
  return mix(mix(hash64(row.key), static_cast<std::uint64_t>(row.space)), mix(place, runs));
}

void SqliteStore::append(Batch batch) {
  {
    // After an error too: the journal's thread is the one that tells, so that no caller is called back under
    // its locks.
    const std::lock_guard lock(queue_lock_);
    queue_.push_back(std::move(batch));
  }
  queue_grew_.notify_one();
}

void SqliteStore::flush() {
  std::unique_lock lock(queue_lock_);
  // After an error too: what is queued keeps its engine alive, which must not end in the journal's thread.
  queue_drained_.wait(lock, [&] { return queue_.empty() && !busy_; });
  if (error_) std::rethrow_exception(error_);
}

void SqliteStore::work() {
  std::unique_lock lock(queue_lock_);
  while (true) {
    queue_grew_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::deque<Batch> group;
    group.swap(queue_);
    busy_ = true;
    lock.unlock();
    commit(group);
    group.clear();  // with all that the batches kept alive, before anybody is told that all is done
    lock.lock();
    busy_ = false;
    if (queue_.empty()) queue_drained_.notify_all();
  }
}

void SqliteStore::commit(std::deque<Batch>& group) {
  std::exception_ptr error;
  try {
    const std::lock_guard writing(writing_);
    if (error_) std::rethrow_exception(error_);
    // A warning may come after the run has ended: it belongs to no run any more.
    if (run_) {
      transaction([&] {
        for (const Batch& batch : group) write(batch);
      });
    }
  } catch (...) {
    error = std::current_exception();
    const std::lock_guard lock(queue_lock_);
    error_ = error;
  }
  for (Batch& batch : group) {
    if (batch.durable) batch.durable(error);
  }
}

void SqliteStore::transaction(const std::function<void()>& body) {
  if (mode_ != Mode::kWrite)
    throw StorageError("the store can't be written (" + path_ + "): the file or its folder is read-only");
  db_.execute("BEGIN IMMEDIATE");
  try {
    check_fence();
    body();
    finish_group();
    db_.execute("COMMIT");
  } catch (...) {
    // Some errors (a full disk among them) have rolled back already.
    if (sqlite3_get_autocommit(db_.handle()) == 0)
      sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    new_units_.clear();
    new_items_.clear();
    ledger_->drop();
    throw;
  }
  acknowledge();
}

/// Before anything is written: what a newer owner has written already would not go together with it.
void SqliteStore::check_fence() {
  if (!run_ || run_->token == 0) return;
  Statement& fence = cached("SELECT 1 FROM pipeline WHERE id=?1 AND token=?2");
  const bool mine = fence.bind(1, run_->pipeline).bind(2, run_->token).step();
  fence.reset();
  if (mine) return;
  throw StateInconsistencyError("run " + run_->id +
                                " has been taken over by another process: this write is refused");
}

void SqliteStore::finish_group() {
  for (const auto& [table, count] : new_units_) {
    cached("UPDATE stage SET units=units+?2 WHERE id=?1").bind(1, table).bind(2, count).run();
  }
  for (const auto& [space, count] : new_items_) {
    cached("UPDATE space SET items=items+?2 WHERE id=?1").bind(1, space).bind(2, count).run();
  }
  new_units_.clear();
  new_items_.clear();
  if (run_ && run_->token != 0) {
    cached("UPDATE run SET events=?2, event_head=?3 WHERE number=?1")
        .bind(1, run_->number)
        .bind(2, run_->events)
        .bind(3, run_->event_head, false)
        .run();
  }
  ledger_->write();
  Statement& next = cached("UPDATE meta SET value=value+1 WHERE name='commits' RETURNING value");
  next.step();
  commit_number_ = next.integer(0);
  next.run();
}

void SqliteStore::acknowledge() {
  fault::kill_point();
  mark_.write(commit_number_);
}

void SqliteStore::write(const Batch& batch) {
  for (const ItemRow& row : batch.items) write_item(row);
  for (const ItemRow& row : batch.moved) {
    write_gone(row.space, -row.id);  // takes the old row out; a negative id: not gone, replaced
    write_item(row);
  }
  for (const UnitRow& row : batch.units) write_unit(row);
  for (const EffectRow& row : batch.effects) {
    if (row.done) {
      cached("DELETE FROM effect WHERE stage=?1 AND item=?2").bind(1, row.table).bind(2, row.item).run();
    } else {
      cached("INSERT OR REPLACE INTO effect VALUES(?1, ?2, ?3, ?4, ?5)")
          .bind(1, row.table)
          .bind(2, row.item)
          .bind(3, row.input)
          .bind(4, run_->number)
          .bind(5, env_.now_ms())
          .run();
    }
  }
  for (const auto& [table, item] : batch.forgotten) {
    Statement& forget = cached("DELETE FROM " + units_table(table) + " WHERE item=?1");
    forget.bind(1, item).run();
    new_units_[table] -= db_.changes();
  }
  for (const auto& [space, item] : batch.gone) write_gone(space, item);
  for (const FailureRow& row : batch.failures) write_failure(row);
  for (const EventRow& row : batch.events) write_event(row);
  for (const StageRow& row : batch.stages) write_stage(row);
  for (const SampleRow& row : batch.samples) {
    cached("INSERT OR REPLACE INTO sample VALUES(?1, ?2, ?3, ?4)")
        .bind(1, run_->number)
        .bind(2, env_.now_ms())
        .bind(3, row.rss_bytes)
        .bind(4, row.cpu_ms)
        .run();
  }
}

void SqliteStore::write_unit(const UnitRow& row) {
  const Checkpoint& unit = row.checkpoint;
  if (row.replaces) {
    // The seal of an older record also says until when it held: (a|b)-(a&b) is a XOR b.
    Statement& keep = cached(
        "INSERT INTO history SELECT ?1, item, ?3, input, value, (seal|?4)-(seal&?4), run, micros FROM " +
        units_table(row.table) + " WHERE item=?2");
    keep.bind(1, row.table)
        .bind(2, unit.item)
        .bind(3, run_->number)
        .bind(4, superseded_seal(row.table, run_->number))
        .run();
    cached("DELETE FROM " + units_table(row.table) + " WHERE item=?1").bind(1, unit.item).run();
    new_units_[row.table] -= db_.changes();
  }
  Statement*& insert = unit_inserts_[row.table];
  if (!insert) insert = &cached("INSERT INTO " + units_table(row.table) + " VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
  Checkpoint stored = unit;
  stored.run = run_->number;
  insert->bind(1, unit.item).bind(2, unit.input);
  bind_value(*insert, 3, unit.value, db_, blobs_);
  insert->bind(4, stored.seal(place_hash(row.table, row.key_hash)))
      .bind(5, stored.run)
      .bind(6, unit.micros)
      .step();
  ++new_units_[row.table];
}

void SqliteStore::write_item(const ItemRow& row) {
  Statement*& insert = item_inserts_[row.space];
  if (!insert)
    insert = &cached("INSERT INTO " + items_table(row.space) + " VALUES(?1, ?2, ?3, ?4, ?5, NULL, ?6)");
  insert->bind(1, row.id);
  row.parent ? insert->bind(2, row.parent) : insert->bind(2, nullptr);
  row.parent ? insert->bind(3, row.sequence) : insert->bind(3, nullptr);
  insert->bind(4, row.key).bind(5, run_->number).bind(6, item_seal(row, run_->number, 0)).step();
  ++new_items_[row.space];
}

void SqliteStore::write_gone(std::int64_t space, ItemId item) {
  const bool replaced = item < 0;
  const std::string table = items_table(space);
  if (replaced) {
    cached("DELETE FROM " + table + " WHERE id=?1").bind(1, -item).run();
    new_items_[space] -= db_.changes();
    return;
  }
  Statement& find =
      cached("SELECT parent, sequence, key, first_run FROM " + table + " WHERE id=?1 AND gone_run IS NULL");
  if (!find.bind(1, item).step()) return;
  const ItemRow row{space, item, find.integer(0), find.integer(1), find.text(2)};
  const std::int64_t first = find.integer(3);
  find.reset();
  cached("UPDATE " + table + " SET gone_run=?2, seal=?3 WHERE id=?1")
      .bind(1, item)
      .bind(2, run_->number)
      .bind(3, item_seal(row, first, run_->number))
      .run();
}

void SqliteStore::write_event(const EventRow& row) {
  const std::int64_t now = env_.now_ms();
  const std::int64_t sequence = run_->events + 1;
  const std::string hash = event_hash(run_->event_head, run_->id, sequence, now, row);
  Statement& insert = cached("INSERT INTO event VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  insert.bind(1, run_->number).bind(2, sequence).bind(3, now).bind(4, row.kind).bind(5, row.stage);
  insert.bind(6, row.detail).bind(7, hash, false).run();
  run_->events = sequence;
  run_->event_head = hash;
}

void SqliteStore::write_stage(const StageRow& row) {
  Statement& insert = cached(
      "INSERT OR REPLACE INTO run_stage VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
  insert.bind(1, run_->number).bind(2, row.position).bind(3, row.name).bind(4, row.form).bind(5, row.status);
  insert.bind(6, row.total)
      .bind(7, row.executed)
      .bind(8, row.skipped)
      .bind(9, row.failed)
      .bind(10, row.retries);
  insert.bind(11, row.seconds).bind(12, row.first_ms).bind(13, row.last_ms).bind(14, row.latency).run();
}

void SqliteStore::write_failure(const FailureRow& row) {
  Statement& insert = cached("INSERT OR REPLACE INTO failure VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
  insert.bind(1, run_->number)
      .bind(2, row.stage)
      .bind(3, row.key)
      .bind(4, row.category)
      .bind(5, row.error_type);
  insert.bind(6, row.message).bind(7, row.traceback).bind(8, row.attempts).bind(9, env_.now_ms()).run();
}

Statement& SqliteStore::cached(const std::string& sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  return statements_.emplace(sql, db_.prepare(sql)).first->second;
}

}  // namespace headrace::sqlite
