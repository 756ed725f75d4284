#pragma once

#include <cstdint>
#include <vector>

#include "headrace/base/hash.h"
#include "headrace/store/checkpoint.h"

namespace headrace {

/// Which keys of a space are known, and which of them this run has seen: 24 bytes a key, whatever its length.
/// Open addressing over 128-bit hashes; one thread at a time.
class ItemIndex {
 public:
  /// Adds a key that the store knows.
  void load(const std::string& key, ItemId id) { *slot(hash128(key), true) = id; }

  enum class Seen { kNew, kKnown, kTwice };
  /// Marks a key as seen and tells its id; a new key gets the next one.
  Seen see(const std::string& key, ItemId& id) {
    ItemId* found = slot(hash128(key), true);
    if (*found == 0) {
      id = next_++;
      *found = -id;
      return Seen::kNew;
    }
    id = *found < 0 ? -*found : *found;
    if (*found < 0) return Seen::kTwice;
    *found = -id;
    return Seen::kKnown;
  }

  /// Ids that the store knows and this run has not seen.
  template <typename Visit>
  void unseen(Visit visit) const {
    for (const Entry& entry : entries_) {
      if (entry.id > 0) visit(entry.id);
    }
  }

  void set_next(ItemId next) noexcept { next_ = next; }
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(used_); }

 private:
  struct Entry {
    Hash128 hash;
    ItemId id = 0;  ///< 0: free; negative: seen
  };

  ItemId* slot(const Hash128& hash, bool add) {
    if ((used_ + 1) * 3 > entries_.size() * 2) grow();
    std::size_t at = hash.low & (entries_.size() - 1);
    while (entries_[at].id != 0 && !(entries_[at].hash == hash)) at = (at + 1) & (entries_.size() - 1);
    if (entries_[at].id == 0 && add) {
      entries_[at].hash = hash;
      ++used_;
    }
    return &entries_[at].id;
  }

  void grow() {
    std::vector<Entry> old(entries_.empty() ? 1024 : entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.id == 0) continue;
      std::size_t at = entry.hash.low & (entries_.size() - 1);
      while (entries_[at].id != 0) at = (at + 1) & (entries_.size() - 1);
      entries_[at] = entry;
    }
  }

  std::vector<Entry> entries_;
  std::size_t used_ = 0;
  ItemId next_ = 1;
};

}  // namespace headrace
