#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "headrace/base/env.h"
#include "headrace/store/records.h"

namespace headrace {

/// One cell of a query: NULL, an integer, a number, text, or a blob.
struct Bytes {
  std::string data;
};
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, Bytes>;
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
};

struct Claim;

/// What a run declares about one stage.
struct StageSpec {
  std::string name;
  std::string form;
  std::string space;         ///< stage that makes the keys of its units; empty: a step's single unit
  std::string parent_space;  ///< flat_map: the space it expands
  std::string fingerprint;   ///< JSON of what its identity is made of
  bool makes_items = false;  ///< source, flat_map, or a step that others map over
  bool runs = true;          ///< false: this run leaves it as it is, its fingerprint too
};

struct RunSpec {
  std::string pipeline;
  std::string version;
  std::string params = "{}";  ///< JSON, secrets already masked
  std::string config = "{}";
  std::string graph = "{}";
  std::int64_t seed = 0;
  std::string resume = "last";  ///< "last", "new", or the id of a run
  std::vector<StageSpec> stages;
  std::function<void(const Claim&)> check;  ///< may refuse the run by throwing: then nothing has happened
};

/// Where a stage's records are.
struct StageTable {
  std::int64_t units = 0;     ///< table of its records
  std::int64_t parents = 0;   ///< flat_map: table of its finished parents
  std::int64_t space = 0;     ///< space of its units' items
  std::int64_t makes = 0;     ///< space of the items that it makes; 0: none
  std::int64_t recorded = 0;  ///< records at the start of the run
  std::string fingerprint;    ///< as of the last run; empty: never ran
};

struct Claim {
  std::int64_t number = 0;
  std::string id;
  bool resumed = false;            ///< continues an unfinished run
  std::string previous_status;     ///< of the run before; empty: the first run
  std::vector<StageTable> stages;  ///< in the order of the spec
};

/// Reads on a connection of its own: one thread at a time. Sees all that was durable when a call began.
class Reader {
 public:
  virtual ~Reader() = default;

  /// The record of a unit, checked against its seal; empty where there is none. CheckpointCorruptionError.
  virtual std::optional<Checkpoint> find(std::int64_t table, ItemId item, std::uint64_t key_hash) = 0;
  /// An older record of the unit with just this identity.
  virtual std::optional<Checkpoint> find_history(std::int64_t table, ItemId item, std::uint64_t input,
                                                 std::uint64_t key_hash) = 0;
  /// Items of a space that the source still has, in order; with a parent: its children only.
  virtual void items(std::int64_t space, std::optional<ItemId> parent,
                     const std::function<void(const ItemRow&)>& visit) = 0;
  /// Highest id ever given in a space; 0: none.
  virtual ItemId last_item(std::int64_t space) = 0;
  /// Results of a stage's table as one run left them, in the order of the items, each checked against its
  /// seal. The key of a step's result is empty.
  virtual void results(std::int64_t table, std::int64_t run,
                       const std::function<void(const std::string& key, Value value)>& visit) = 0;
  virtual bool has_intent(std::int64_t table, ItemId item) = 0;
  /// Cached embeddings of a model, one for each digest.
  virtual std::vector<StoredVector> vectors(const std::string& model,
                                            const std::vector<std::string>& digests) = 0;
  virtual Table query(const std::string& sql, const std::vector<Cell>& arguments = {}) = 0;
};

/// The journal of runs. One object a process and store; thread-safe. What `append` was given becomes durable
/// in the order it was appended, or the batch is told that it didn't. Errors: StorageError (can't read or
/// write), CheckpointCorruptionError, RunActiveError (begin_run).
class RunStore {
 public:
  virtual ~RunStore() = default;

  virtual const std::string& location() const = 0;
  /// Starts or continues a run atomically; takes over from a dead owner. RunActiveError where a live one has
  /// it.
  virtual Claim begin_run(const RunSpec& spec) = 0;
  virtual void append(Batch batch) = 0;
  /// Waits until all that was appended is durable; throws what stopped the journal.
  virtual void flush() = 0;
  /// Records the end of the run and gives up its ownership.
  virtual void end_run(const std::string& status, const std::string& message) = 0;
  virtual std::unique_ptr<Reader> reader() = 0;
  /// Runs one writing statement durably (approvals, caches). Returns the rows changed.
  virtual std::int64_t execute(const std::string& sql, const std::vector<Cell>& arguments = {}) = 0;
  /// Keeps embeddings of a model durably, replacing older ones, and records that others were used.
  virtual void put_vectors(const std::string& model, const std::vector<VectorRow>& rows,
                           const std::vector<std::string>& used) = 0;
  /// Whether a live process works on the run; a row that says "running" may be of one that died.
  virtual bool active(std::int64_t run) = 0;
  /// Checks that everything recorded of a pipeline can be found; begin_run does it too.
  /// CheckpointCorruptionError.
  virtual void check(const std::string& pipeline) = 0;
  /// Walks everything; one line a fault, empty: nothing was altered or left out. StorageError: it was written
  /// to meanwhile, and this user may only read it.
  virtual std::vector<std::string> verify() = 0;
  /// Forgets what only old runs need: those beyond the newest `keep_last` of each pipeline that were started
  /// before that time (ms since 1970); and cached vectors that no run has used since an hour before the
  /// oldest that stays. Returns how many runs went.
  virtual std::int64_t prune(std::int64_t keep_last, std::int64_t started_before_ms) = 0;
  std::int64_t prune(std::int64_t keep_last) { return prune(keep_last, INT64_MAX); }
};

/// Opens "file.db" (SQLite). `create` false: StorageError where it isn't there.
std::shared_ptr<RunStore> open_store(const std::string& location, bool create = true,
                                     const Env& env = Env::system());

}  // namespace headrace
