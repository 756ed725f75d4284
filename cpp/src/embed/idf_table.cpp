#include "idf_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "headrace/base/error.h"
#include "sealed_state.h"

namespace headrace::embed {

void IdfTable::add_document(const TextFeatures& features) {
  counts_.resize(static_cast<size_t>(kBuckets));
  count(features.words());
  count(features.characters());
  ++documents_;
}

void IdfTable::count(const std::vector<Feature>& features) {
  for (const Feature& feature : features) {
    uint32_t& counter = counts_[feature.hash % static_cast<uint64_t>(kBuckets)];
    if (counter < std::numeric_limits<uint32_t>::max()) ++counter;
  }
}

void IdfTable::merge(const IdfTable& other) {
  if (other.counts_.empty()) return;
  counts_.resize(static_cast<size_t>(kBuckets));
  for (size_t i = 0; i < counts_.size(); ++i) {
    const uint64_t sum = uint64_t{counts_[i]} + other.counts_[i];
    counts_[i] = static_cast<uint32_t>(std::min<uint64_t>(sum, std::numeric_limits<uint32_t>::max()));
  }
  documents_ += other.documents_;
}

// Two features of one text may share a counter, hence the minimum: no weight falls below 1.
void IdfTable::finish() {
  weights_.resize(counts_.size());
  const auto all = static_cast<double>(documents_);
  for (size_t i = 0; i < counts_.size(); ++i) {
    const double with = std::min(static_cast<double>(counts_[i]), all);
    weights_[i] = static_cast<float>(std::log((all + 1) / (with + 1)) + 1);
  }
}

std::string IdfTable::encode() const {
  std::string bytes;
  size_t last = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    append_varint(bytes, i - last);
    append_varint(bytes, counts_[i]);
    last = i;
  }
  return bytes;
}

IdfTable IdfTable::decode(std::string_view bytes, int64_t documents) {
  IdfTable table;
  if (documents == 0) return table;
  table.documents_ = documents;
  table.counts_.resize(static_cast<size_t>(kBuckets));
  uint64_t bucket = 0;
  for (size_t position = 0; position < bytes.size();) {
    const uint64_t step = read_varint(bytes, position);
    const uint64_t count = read_varint(bytes, position);
    if (step >= static_cast<uint64_t>(kBuckets) - bucket || count > std::numeric_limits<uint32_t>::max()) {
      throw CheckpointCorruptionError("this state holds impossible values: fit again");
    }
    bucket += step;
    table.counts_[bucket] = static_cast<uint32_t>(count);
  }
  table.finish();
  return table;
}

}  // namespace headrace::embed
