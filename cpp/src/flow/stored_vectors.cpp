#include "headrace/flow/stored_vectors.h"

#include <utility>

#include "headrace/base/env.h"
#include "headrace/base/error.h"

namespace headrace {

namespace {

constexpr std::size_t kGathered = 256;  // rows
constexpr auto kHeldBack = std::chrono::milliseconds(250);

int nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  throw ConfigurationError("the key of a vector must be hexadecimal digits in lower case");
}

/// The bytes that a cache_key() shows as hexadecimal digits.
std::string digest_of(const std::string& key) {
  std::string digest;
  for (std::size_t i = 0; i + 1 < key.size(); i += 2)
    digest.push_back(static_cast<char>(nibble(key[i]) << 4 | nibble(key[i + 1])));
  return digest;
}

struct Found {
  std::vector<std::vector<float>> rows;
};

}  // namespace

StoredVectors::StoredVectors(std::shared_ptr<RunStore> store, std::string model_id)
    : store_(std::move(store)), model_id_(std::move(model_id)) {}

embed::CachedRows StoredVectors::get(std::span<const std::string> keys) {
  std::vector<std::string> digests;
  for (const std::string& key : keys) digests.push_back(digest_of(key));
  std::vector<StoredVector> stored;
  {
    const std::lock_guard lock(reading_);
    if (!reader_) reader_ = store_->reader();
    stored = reader_->vectors(model_id_, digests);
  }
  const std::int64_t long_ago = Env::system().now_ms() - kVectorUseMs;
  auto found = std::make_shared<Found>();
  found->rows.resize(keys.size());
  embed::CachedRows answer;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::vector<float>& row = found->rows[i];
    row.resize(stored[i].value.size() / sizeof(float));
    stored[i].value.copy(reinterpret_cast<char*>(row.data()), row.size() * sizeof(float));
    answer.rows.emplace_back(row.data(), row.size());
    if (row.empty() || stored[i].used_ms >= long_ago) continue;
    const std::lock_guard lock(mutex_);
    used_.push_back(std::move(digests[i]));
  }
  answer.owner = std::move(found);
  return answer;
}

void StoredVectors::put(std::span<const std::string> keys, const embed::MatrixView& rows) {
  std::unique_lock lock(mutex_);
  if (fresh_.empty()) oldest_ = Clock::now();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const float* row = rows.data + static_cast<std::int64_t>(i) * rows.cols;
    const auto size = static_cast<std::size_t>(rows.cols) * sizeof(float);
    fresh_.push_back({digest_of(keys[i]), std::string(reinterpret_cast<const char*>(row), size)});
  }
  if (fresh_.size() >= kGathered || Clock::now() - oldest_ >= kHeldBack) write(lock);
}

void StoredVectors::flush() {
  std::unique_lock lock(mutex_);
  if (!fresh_.empty() || !used_.empty()) write(lock);
}

void StoredVectors::write(std::unique_lock<std::mutex>& lock) {
  const auto rows = std::exchange(fresh_, {});
  const auto used = std::exchange(used_, {});
  lock.unlock();
  store_->put_vectors(model_id_, rows, used);
}

}  // namespace headrace
