#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/store/checkpoint.h"

namespace headrace {

/// An item of a space: the set of keys that one source, step or flat_map produces.
struct ItemRow {
  std::int64_t space = 0;
  ItemId id = 0;
  ItemId parent = 0;          ///< item of the parent space; 0: none
  std::int64_t sequence = 0;  ///< position among its siblings
  std::string key;            ///< JSON: "a.txt", 7, or ["a.txt","0"] for a child
};

struct UnitRow {
  std::int64_t table = 0;
  Checkpoint checkpoint;
  std::uint64_t key_hash = 0;
  bool replaces = false;  ///< an older record of the unit exists: it moves to the history
};

struct FailureRow {
  std::string stage;
  std::string key;  ///< JSON; empty for a step
  std::string category;
  std::string error_type;
  std::string message;
  std::string traceback;  ///< kept in the store only
  std::int64_t attempts = 1;
};

struct EventRow {
  std::string kind;
  std::string stage;
  std::string detail = "{}";  ///< JSON
};

/// An effect's intent, written before it acts; `done` takes it back, together with the outcome.
struct EffectRow {
  std::int64_t table = 0;
  ItemId item = 0;
  std::uint64_t input = 0;
  bool done = false;
};

/// Counters of one stage in one run, as they stand.
struct StageRow {
  std::int64_t position = 0;
  std::string name;
  std::string form;
  std::string status;
  std::int64_t total = 0, executed = 0, skipped = 0, failed = 0, retries = 0;
  double seconds = 0;  ///< busy time of its units, summed over workers
  std::int64_t first_ms = 0, last_ms = 0;
  std::string latency = "{}";  ///< JSON: mean, p50, p95, p99 in microseconds
};

struct SampleRow {
  std::int64_t rss_bytes = 0;
  std::int64_t cpu_ms = 0;
};

/// A cached embedding. `digest`: SHA-256 of its model and text, 32 raw bytes; `value`: its row, float32.
struct VectorRow {
  std::string digest;
  std::string value;
};

/// A cached embedding that was asked for; no value: there is none, or it is damaged.
struct StoredVector {
  std::string value;
  std::int64_t used_ms = 0;  ///< about when it was last used
};

/// The last use of a vector is recorded again when so much time has passed.
inline constexpr std::int64_t kVectorUseMs = 3'600'000;
/// Cached vectors that `prune` leaves: the newest, up to so many bytes.
inline constexpr std::int64_t kVectorBytes = std::int64_t{4} << 30;

/// What becomes durable together. `durable` is called once, from the journal's thread: with null when it is
/// on disk, else with the error that stopped the journal.
struct Batch {
  std::vector<ItemRow> items;
  std::vector<UnitRow> units;
  std::vector<FailureRow> failures;
  std::vector<EventRow> events;
  std::vector<EffectRow> effects;
  std::vector<StageRow> stages;
  std::vector<SampleRow> samples;
  std::vector<ItemRow> moved;                              ///< known items whose position changed
  std::vector<std::pair<std::int64_t, ItemId>> gone;       ///< (space, item): the source no longer has it
  std::vector<std::pair<std::int64_t, ItemId>> forgotten;  ///< (table, item): its record no longer holds
  std::function<void(std::exception_ptr)> durable;
};

}  // namespace headrace
