#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "blobs.h"
#include "headrace/store/run_store.h"
#include "ledger.h"
#include "mark.h"
#include "sqlite.h"

namespace headrace::sqlite {

/// The journal in one SQLite file: one writing connection, used by one thread at a time (the journal's thread
/// while a run is on), and any number of readers with connections of their own.
class SqliteStore final : public RunStore {
 public:
  SqliteStore(std::string path, bool create, const Env& env);
  ~SqliteStore() override;

  const std::string& location() const override { return path_; }
  Claim begin_run(const RunSpec& spec) override;
  void append(Batch batch) override;
  void flush() override;
  void end_run(const std::string& status, const std::string& message) override;
  std::unique_ptr<Reader> reader() override;
  std::int64_t execute(const std::string& sql, const std::vector<Cell>& arguments) override;
  void put_vectors(const std::string& model, const std::vector<VectorRow>& rows,
                   const std::vector<std::string>& used) override;
  bool active(std::int64_t run) override;
  void check(const std::string& pipeline) override;
  std::vector<std::string> verify() override;
  using RunStore::prune;
  std::int64_t prune(std::int64_t keep_last, std::int64_t started_before_ms) override;

 private:
  struct ActiveRun {
    std::int64_t number = 0;
    std::int64_t pipeline = 0;
    std::int64_t token = 0;  ///< fencing: a newer owner has a higher one
    std::string id;
    std::int64_t events = 0;
    std::string event_head;
    std::unique_ptr<Lease> lease;
  };

  // claim.cpp
  std::int64_t pipeline_id(const std::string& name);
  bool owner_died(std::int64_t pipeline);
  std::unique_ptr<Lease> take_lease(const RunSpec& spec, std::int64_t pipeline);
  void start_or_resume(const RunSpec& spec, Claim& claim);
  void register_stages(const RunSpec& spec, Claim& claim);
  std::int64_t register_space(std::int64_t pipeline, const std::string& name, const std::string& parent);
  std::int64_t register_stage(std::int64_t pipeline, const StageSpec& spec, const std::string& form,
                              std::int64_t space, StageTable* table);

  // prune.cpp
  void forget_items();
  void sweep_blobs();

  // journal.cpp
  void work();
  void commit(std::deque<Batch>& group);
  void write(const Batch& batch);
  void write_unit(const UnitRow& row);
  void write_item(const ItemRow& row);
  void write_gone(std::int64_t space, ItemId item);
  void write_event(const EventRow& row);
  void write_stage(const StageRow& row);
  void write_failure(const FailureRow& row);
  void check_fence();
  void finish_group();
  void acknowledge();
  void transaction(const std::function<void()>& body);
  Statement& cached(const std::string& sql);

  void check_mark();
  void check_ledger();
  /// CheckpointCorruptionError where there is a fault.
  void refuse(const std::vector<std::string>& faults) const;
  std::string lease_path() const { return path_ + "-lease"; }

  const std::string path_;
  const Env& env_;
  const Mode mode_;
  Connection db_;
  std::optional<Ledger> ledger_;
  Blobs blobs_;
  Mark mark_;
  std::mutex writing_;  ///< guards db_, statements_ and all that belongs to the open transaction
  std::unordered_map<std::string, Statement> statements_;
  std::unordered_map<std::int64_t, Statement*> unit_inserts_;
  std::unordered_map<std::int64_t, Statement*> item_inserts_;
  std::unordered_map<std::int64_t, std::int64_t> new_units_;  ///< table -> records added in this transaction
  std::unordered_map<std::int64_t, std::int64_t> new_items_;  ///< space -> items added in this transaction
  std::int64_t commit_number_ = 0;
  std::optional<ActiveRun> run_;

  std::mutex queue_lock_;  ///< guards what follows
  std::condition_variable queue_grew_;
  std::condition_variable queue_drained_;
  std::deque<Batch> queue_;
  std::exception_ptr error_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

/// Opens a file for reading.
std::unique_ptr<Reader> make_reader(const std::string& path, const Env& env);

/// Hash of one event over the hash before it.
std::string event_hash(const std::string& previous, const std::string& run, std::int64_t sequence,
                       std::int64_t at_ms, const EventRow& row);

/// What a record's seal folds in beside its own fields: the stage's table and the item's key.
inline std::uint64_t place_hash(std::int64_t table, std::uint64_t key_hash) noexcept {
  return mix(key_hash, static_cast<std::uint64_t>(table));
}
/// What is XORed into the seal of a record when it moves to the history.
inline std::uint64_t superseded_seal(std::int64_t table, std::int64_t run) noexcept {
  return mix(static_cast<std::uint64_t>(table), static_cast<std::uint64_t>(run));
}

/// Checksum of a cached embedding.
std::uint64_t vector_seal(std::string_view model, std::string_view digest, std::string_view value) noexcept;
/// One line for each that was altered.
void check_vectors(Connection& db, std::vector<std::string>& faults);
/// Takes out those that prune() doesn't leave; the runs that go are in the temporary table `old`.
void prune_vectors(Connection& db);

/// Checksum of an item's row.
std::uint64_t item_seal(const ItemRow& row, std::int64_t first_run, std::int64_t gone_run) noexcept;

}  // namespace headrace::sqlite
