#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/base/error.h"
#include "headrace/store/checkpoint.h"

namespace headrace {

class RunStore;

/// One key of a space on its way through the stages. Shared by all units it is in; what is not atomic is set
/// before the item is seen by a second thread.
struct Item {
  ItemId id = 0;
  std::int64_t space = 0;
  std::int64_t sequence = 0;
  std::string key;  ///< JSON; of a child: the array of its parents' keys and its own
  std::uint64_t key_hash = 0;
  std::shared_ptr<Item> parent;
  std::shared_ptr<void> payload;      ///< a source's loader, where it gave one
  std::atomic<bool> recorded{false};  ///< its row is in the journal, or on the way to it
};

/// A child's value, or an item out of a source.
struct Emitted {
  std::string key;                       ///< JSON of the local key
  Value value;                           ///< empty where a payload loads it
  std::optional<std::uint64_t> version;  ///< fingerprint of the version; without: of the value
  std::shared_ptr<void> payload;
};

struct Part {
  std::shared_ptr<Item> item;
  Value value;
  std::uint64_t fingerprint = 0;
};

/// One item before one stage.
struct Unit {
  std::shared_ptr<Item> item;
  Value value;                               ///< empty: load it from the item's payload
  std::uint64_t fingerprint = 0;             ///< of the value, or of the source's version
  std::shared_ptr<std::vector<Part>> parts;  ///< group: the children, in order
  Value previous;                            ///< guarded stages: the result that would be replaced
  std::int64_t origin = 0;  ///< table that holds the value, when it was left there to save memory
  int attempt = 1;
  bool replaces = false;   ///< an older record exists
  bool reconcile = false;  ///< an intent without an outcome was found
};

struct Fault {
  std::string error_type;
  std::string message;
  std::string traceback;
  Category category = Category::kPermanent;
  bool retryable = false;
  bool interrupted = false;  ///< it stopped because the run does: nothing is recorded of it
  bool fatal = false;        ///< not the item's fault (damage, a full disk): the run must stop
};

/// Thrown by a stage outside of a unit: by a source's own code, by a value that can't be split into items.
class FaultError : public PipelineError {
 public:
  explicit FaultError(Fault fault) : PipelineError(fault.message), fault_(std::move(fault)) {}
  const Fault& fault() const noexcept { return fault_; }

 private:
  Fault fault_;
};

/// What became of a unit.
struct UnitResult {
  std::optional<Fault> fault;  ///< empty: it is done
  Value value;
  std::vector<Emitted> children;  ///< flat_map
  std::int64_t micros = 0;
  bool again = false;  ///< decided when it was recorded: it waits for its next attempt
};

/// What every stage may see of its run. Thread-safe.
struct RunInfo {
  std::string id;
  std::int64_t number = 0;
  std::string pipeline;
  std::string params = "{}";
  std::string config = "{}";
  std::int64_t seed = 0;
  CancelToken cancel;
  std::shared_ptr<RunStore> store;  ///< for what a stage keeps from run to run: the embedding cache
};

/// Units that one worker runs in one go. Belongs to that worker while the stage runs.
struct Slice {
  int stage = 0;
  std::vector<Unit> units;
  std::vector<UnitResult> results;
  bool removal = false;                      ///< the units' items are gone: the stage's removed() is meant
  bool armed = false;                        ///< effects: the intents are durable
  std::atomic<std::int64_t> deadline_ns{0};  ///< of the unit in work; 0: none
  std::atomic<bool> abandoned{false};        ///< it took too long: whatever it still answers is discarded
};

}  // namespace headrace
